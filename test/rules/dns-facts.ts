import type { Capture } from '../../src/model/facts.ts';
import type { DnsExchange, NeighbourClaim } from '../../src/model/packet-facts.ts';
import { capture } from './facts.ts';

/** Builders for DNS and neighbour facts: what a test does not care about has an ordinary value. */

export const pod = '10.244.1.7';
export const clusterDns = '10.96.0.10';

type Answer = NonNullable<DnsExchange['answer']>;

let frames = 0;
/**
 * One question at `atMs`, answered after `tookMs` (null: never) with `addresses`, or with `rcode`. Every question has
 * its own id and port unless told otherwise.
 */
export function asked(
  name: string,
  values: Partial<Omit<DnsExchange, 'answer' | 'client' | 'server'>> & {
    readonly client?: string;
    readonly port?: number;
    readonly server?: string;
    readonly tookMs?: number | null;
    readonly addresses?: readonly string[];
    readonly rcode?: string;
    readonly answer?: Partial<Answer>;
  } = {},
): DnsExchange {
  const { client = pod, port, server = clusterDns, tookMs = 1, addresses, rcode = 'NOERROR', answer, ...rest } = values;
  frames += 2;
  const atMs = rest.atMs ?? 1000;
  const given = addresses ?? (rcode === 'NOERROR' ? ['192.0.2.1'] : []);
  return {
    client: { address: client, port: port ?? 30_000 + frames },
    server: { address: server, port: 53 },
    transport: 'udp',
    id: frames,
    name,
    type: 'A',
    frame: frames - 1,
    queries: 1,
    answer:
      tookMs === null
        ? null
        : {
            atMs: atMs + tookMs,
            frame: frames,
            rcode,
            truncated: false,
            answers: given.length,
            addresses: given,
            bytes: 60,
            fragmented: false,
            ...answer,
          },
    ...rest,
    atMs,
  };
}

/** A capture with these questions in order of time, which goes on for a minute unless told otherwise. */
export function dnsCapture(dns: readonly DnsExchange[], values: Partial<Capture> = {}): Capture {
  const sorted = [...dns].sort((a, b) => a.atMs - b.atMs);
  return capture([], {
    packets: dns.length * 2,
    firstAtMs: 0,
    lastAtMs: (sorted.at(-1)?.atMs ?? 0) + 60_000,
    dns: sorted,
    udp: sorted.map(({ client, server, answer, queries, atMs }) => ({
      client,
      server,
      packets: { client: queries, server: answer === null ? 0 : 1 },
      bytes: { client: 40, server: answer === null ? 0 : 60 },
      firstAtMs: atMs,
      lastAtMs: atMs,
    })),
    ...values,
  });
}

export function claim(address: string, mac: string, values: Partial<NeighbourClaim> = {}): NeighbourClaim {
  const firstAtMs = values.firstAtMs ?? 1000;
  return { address, mac, firstAtMs, lastAtMs: firstAtMs, frame: 1, claims: 1, asked: 0, ...values };
}
