import type { Capture, Connection } from '../model/facts.ts';
import { sameAddress } from './ip-address.ts';

/** One connect as another capture saw it. */
export interface Sighting {
  readonly connection: Connection;
  /** `addresses`: the same four-tuple. `nat`: other addresses, the same packet by what NAT leaves alone. */
  readonly by: 'addresses' | 'nat';
}

/** How far two captures of one packet may lie apart once the clocks are set against each other, milliseconds. */
const sameMomentMs = 1500;
const lookalikeMs = 500;

const shares = <Item>(a: readonly Item[], b: readonly Item[]): boolean => a.some((item) => b.includes(item));

function sameTuple(a: Connection, b: Connection): boolean {
  return (
    a.client.port === b.client.port &&
    a.server.port === b.server.port &&
    sameAddress(a.client.address, b.client.address) &&
    sameAddress(a.server.address, b.server.address)
  );
}

/** Milliseconds between the first SYNs, with the clock of `there` set to that of `here`. */
function apartMs(here: Connection, there: Connection, thereAheadMs: number): number {
  return Math.abs((there.syns[0]?.atMs ?? there.firstAtMs) - thereAheadMs - (here.syns[0]?.atMs ?? here.firstAtMs));
}

function isSamePacket(here: Connection, there: Connection): boolean {
  const a = here.syns;
  const b = there.syns;
  if (
    !shares(
      a.map((s) => s.sequence),
      b.map((s) => s.sequence),
    )
  ) {
    return false;
  }
  const stampsA = a.flatMap((s) => s.tsval ?? []);
  const stampsB = b.flatMap((s) => s.tsval ?? []);
  if (shares(stampsA, stampsB)) return true;
  // no timestamps, or rewritten on the way: then the IP id has to agree, which NAT leaves alone
  const ids = (syns: Connection['syns']): number[] => syns.map((s) => s.ipId).filter((id) => id !== 0);
  return (
    shares(ids(a), ids(b)) || (stampsA.length === 0 && stampsB.length === 0 && here.server.port === there.server.port)
  );
}

/**
 * Where a connect shows up in another capture: by four-tuple, or across NAT by initial sequence number with TSval or
 * IP id. `thereAheadMs` is the other node's clock minus this node's. Several, where the other node translates it.
 */
export function findIn(capture: Capture, here: Connection, thereAheadMs: number): readonly Sighting[] {
  const found: Sighting[] = [];
  for (const there of capture.connections) {
    if (there.syns.length === 0) continue;
    const tuple = sameTuple(here, there);
    // a firewall may give the connection a new sequence number; the four-tuple and the moment are still its own
    if (isSamePacket(here, there) || (tuple && apartMs(here, there, thereAheadMs) <= sameMomentMs)) {
      found.push({ connection: there, by: tuple ? 'addresses' : 'nat' });
    }
  }
  return found;
}

/**
 * Whether something in the other capture could be this connect with addresses and numbers rewritten: another source,
 * the same SYN options, the same moment, as many SYNs. Then "it never arrived" is not certain.
 */
export function hasLookalike(capture: Capture, here: Connection, thereAheadMs: number): boolean {
  return capture.connections.some(
    (there) =>
      there.syns.length > 0 &&
      !sameAddress(there.client.address, here.client.address) &&
      Math.abs(there.syns.length - here.syns.length) <= 1 &&
      apartMs(here, there, thereAheadMs) <= lookalikeMs &&
      JSON.stringify(there.options.client) === JSON.stringify(here.options.client),
  );
}
