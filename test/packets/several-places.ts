import type { ParseProblem } from '../../src/model/facts.ts';
import type { JoinedCaptures } from '../../src/model/packet-facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import type { CapturePlace } from '../../src/packets/join-captures.ts';
import { PacketLog } from '../../src/packets/packet-log.ts';
import { capture, type TcpOptions } from './build-capture.ts';
import { SeededRandom } from './seeded-random.ts';

export type Side = 'client' | 'server';

/** A place on the way, from the client on. */
export interface PlaceOptions {
  readonly name: string;
  /** Its clock minus the true time. */
  readonly offsetMs?: number;
  readonly driftPpm?: number;
  readonly client?: string;
  readonly server?: string;
  /** Added to every sequence number of this side, here and further on: a firewall that randomises. */
  readonly moved?: { readonly client: number; readonly server: number };
  /** Hops to the place before. */
  readonly hops?: number;
  readonly droppedByKernel?: number;
}

/** One packet as it leaves, and how far it comes. */
export interface Sent {
  readonly from: Side;
  /** True time at the first place of its way. */
  readonly atMs: number;
  readonly flags: string;
  readonly seq: number;
  readonly ack?: number;
  readonly payload?: number;
  readonly tsval?: number;
  readonly tsecr?: number;
  readonly ipId?: number;
  readonly ttl?: number;
  readonly mss?: number;
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
  /** Index of the place, in the order of its way, that it does not come to; default: it arrives. */
  readonly diesBefore?: number;
  /** Index of the place, in the order of its way, that sees it first; default 0. */
  readonly madeBefore?: number;
  /** Milliseconds from place to place. */
  readonly delaysMs?: readonly number[];
  /** How the sender's own capture sees it, where that is not how it is on the wire (GSO): one of several that are one. */
  readonly inOne?: { readonly first: boolean; readonly payload: number };
}

const startMs = Date.UTC(2026, 0, 1);

/** What a place sees, in order of time. */
export type Recording = readonly { readonly atMs: number; readonly tcp: TcpOptions }[];

/** Captures of the same packets at several places. */
export function atPlaces(places: readonly PlaceOptions[], sent: readonly Sent[]): CapturePlace[] {
  return recordedAt(places, sent).map((recording, index) =>
    fileOf(places[index]?.name ?? '', [recording], places[index]?.droppedByKernel),
  );
}

/** One file with all that was recorded. */
export function fileOf(
  name: string,
  recordings: readonly (Recording | undefined)[],
  droppedByKernel?: number,
): CapturePlace {
  const built = capture({ startMs });
  const packets = recordings.flatMap((recording) => recording ?? []).sort((a, b) => a.atMs - b.atMs);
  for (const { tcp } of packets) built.tcp(tcp);
  return placeOf(name, built.bytes(), droppedByKernel);
}

/** Per place, what it sees of the packets. */
export function recordedAt(places: readonly PlaceOptions[], sent: readonly Sent[]): readonly Recording[] {
  const seen = places.map((): { readonly atMs: number; readonly tcp: TcpOptions }[] => []);
  for (const packet of sent) {
    const way =
      packet.from === 'client' ? places.map((_, index) => index) : places.map((_, index) => places.length - 1 - index);
    let atMs = packet.atMs;
    let ttl = packet.ttl ?? 64;
    let moved = 0;
    let movedAck = 0;
    for (const [step, index] of way.entries()) {
      if (step === packet.diesBefore) break;
      if (step > 0) atMs += packet.delaysMs?.[step - 1] ?? 1;
      const place = places[index];
      if (place === undefined) continue;
      if (step > 0) ttl -= (packet.from === 'client' ? place.hops : places[index + 1]?.hops) ?? 1;
      const numbers = places.slice(0, index + 1).reduce(
        (sum, each) => ({
          client: sum.client + (each.moved?.client ?? 0),
          server: sum.server + (each.moved?.server ?? 0),
        }),
        { client: 0, server: 0 },
      );
      moved = numbers[packet.from];
      movedAck = numbers[packet.from === 'client' ? 'server' : 'client'];
      if (step < (packet.madeBefore ?? 0)) continue;
      if (step === 0 && packet.inOne?.first === false) continue;
      const client = place.client ?? '10.0.0.1:40000';
      const server = place.server ?? '10.0.0.2:80';
      const { flags, payload, tsval, tsecr, ipId, mss, windowScale, sackPermitted } = packet;
      const local = startMs + atMs + (place.offsetMs ?? 0) + (atMs * (place.driftPpm ?? 0)) / 1e6;
      seen[index]?.push({
        atMs: local,
        tcp: {
          ...(packet.from === 'client' ? { from: client, to: server } : { from: server, to: client }),
          atMs: local,
          flags,
          ttl,
          seq: (packet.seq + moved) >>> 0,
          ack: packet.ack === undefined ? 0 : (packet.ack + movedAck) >>> 0,
          payload: step === 0 && packet.inOne !== undefined ? packet.inOne.payload : (payload ?? 0),
          ipId: ipId ?? 0,
          ...(tsval === undefined ? {} : { tsval, tsecr: tsecr ?? 0 }),
          ...(mss === undefined ? {} : { mss }),
          ...(windowScale === undefined ? {} : { windowScale }),
          ...(sackPermitted === undefined ? {} : { sackPermitted }),
        },
      });
    }
  }
  return seen;
}

/** What `netcheck pcap` makes of a file, ready to be joined. */
export function placeOf(name: string, bytes: Uint8Array, droppedByKernel?: number): CapturePlace {
  const log = new PacketLog({ maxPackets: 100_000 });
  const analyser = createCaptureAnalyser({ evidence: name, log });
  analyser.push(bytes);
  const capture = analyser.finish(
    droppedByKernel === undefined
      ? undefined
      : new TextEncoder().encode(
          `listening on eth0\n10 packets captured\n10 packets received by filter\n${droppedByKernel} packets dropped by kernel\n`,
        ),
  );
  return { name, capture, connections: capture.connections, packetsOf: (number) => log.packetsOf(number) };
}

/** Packets of the first connection in short: `client SYN 0+0 a1 b- died`. */
export function story({ connections, places, problems }: JoinedCaptures, index = 0): readonly string[] {
  const said: readonly ParseProblem[] = problems;
  return [
    ...(connections[index]?.packets.map(({ from, flags, seq, length, seen, fate }) => {
      const sights = seen.map((sight, place) => `${places[place]}${sight?.frame ?? '-'}`).join(' ');
      return `${from} ${flags} ${seq}+${length} ${sights} ${fate}`;
    }) ?? []),
    ...said.map(({ message }) => message),
  ];
}

export interface RandomTalkOptions {
  readonly seed: number;
  readonly places: number;
  /** Packets lost between two places, 0 to 1. */
  readonly loss: number;
  readonly segments: number;
  /** The sender's capture sees up to this many segments as one. */
  readonly gso: number;
  readonly ipIds: boolean;
  readonly timestamps: boolean;
  readonly gapMs: number;
}

/** A client that sends and a server that acknowledges, both again and again until it arrives. */
export function randomSent(options: RandomTalkOptions): readonly Sent[] {
  const source = new SeededRandom(options.seed);
  const random = (): number => source.fraction();
  const sent: Sent[] = [];
  const hops = options.places - 1;
  const ids = { client: Math.floor(random() * 60_000), server: Math.floor(random() * 60_000) };
  const isn = { client: Math.floor(random() * 2 ** 32), server: Math.floor(random() * 2 ** 32) };
  const stamps = { client: Math.floor(random() * 2 ** 31), server: Math.floor(random() * 2 ** 31) };
  const way = () => {
    const delaysMs = Array.from({ length: hops }, () => 0.2 - Math.log(1 - random()) * 0.3);
    const lost = delaysMs.findIndex(() => random() < options.loss);
    return { delaysMs, ...(lost < 0 ? {} : { diesBefore: lost + 1 }) };
  };
  const send = (packet: Omit<Sent, 'delaysMs' | 'ipId' | 'tsval' | 'tsecr'>): number | null => {
    const own = way();
    ids[packet.from] = (ids[packet.from] % 65_535) + 1;
    sent.push({
      ...packet,
      ...own,
      ...(options.ipIds ? { ipId: ids[packet.from] } : {}),
      ...(options.timestamps
        ? { tsval: stamps[packet.from] + Math.floor(packet.atMs), tsecr: packet.flags === 'S' ? 0 : 7 }
        : {}),
    });
    return own.diesBefore === undefined ? packet.atMs + own.delaysMs.reduce((a, b) => a + b, 0) : null;
  };
  /** Sends until it arrives; the time it does. */
  const insist = (packet: Parameters<typeof send>[0]): number => {
    let rtoMs = 220;
    for (let atMs = packet.atMs; ; atMs += rtoMs, rtoMs = Math.min(2000, rtoMs * 2)) {
      const arrived = send({ ...packet, atMs });
      if (arrived !== null) return arrived;
    }
  };
  const options0 = { mss: 1460, windowScale: 7, sackPermitted: true };
  const first = { client: (isn.client + 1) >>> 0, server: (isn.server + 1) >>> 0 };
  const synAt = insist({ from: 'client', atMs: 0, flags: 'S', seq: isn.client, ...options0 });
  let now = insist({ from: 'server', atMs: synAt + 0.1, flags: 'SA', seq: isn.server, ack: first.client, ...options0 });
  send({ from: 'client', atMs: now + 0.05, flags: 'A', seq: first.client, ack: first.server });
  for (const side of ['client', 'server'] as const) {
    const peer: Side = side === 'client' ? 'server' : 'client';
    let next = first[side];
    const peerNext = first[peer];
    const arrivals: { readonly atMs: number; readonly from: number; readonly to: number }[] = [];
    for (let segment = 0; segment < options.segments; ) {
      now += options.gapMs * (0.5 + random());
      const many = Math.min(options.segments - segment, 1 + Math.floor(random() * options.gso));
      const size = many > 1 ? 1448 : 1 + Math.floor(random() * 1448);
      for (let part = 0; part < many; part++) {
        const packet = { from: side, flags: part === many - 1 ? 'PA' : 'A', seq: next, ack: peerNext, payload: size };
        const inOne = many > 1 ? { inOne: { first: part === 0, payload: size * many } } : {};
        const arrived = send({ ...packet, ...inOne, atMs: now });
        // Another one of the same bytes comes alone.
        const atMs = arrived ?? insist({ ...packet, atMs: now + 220 + part });
        arrivals.push({ atMs, from: next, to: (next + size) >>> 0 });
        next = (next + size) >>> 0;
      }
      segment += many;
    }
    arrivals.sort((a, b) => a.atMs - b.atMs);
    const came = new Map(arrivals.map(({ from, to }) => [from, to]));
    const here = new Set<number>();
    let acked = first[side];
    for (const { atMs, from } of arrivals) {
      here.add(from);
      while (here.has(acked)) acked = came.get(acked) ?? acked;
      send({ from: peer, atMs: atMs + 0.03, flags: 'A', seq: peerNext, ack: acked });
      now = Math.max(now, atMs);
    }
    first[side] = next;
    now += 5;
  }
  insist({ from: 'client', atMs: now + 1, flags: 'FA', seq: first.client, ack: first.server });
  return sent;
}

/** What died, as the talk has it: `client 1449-2897 0>1`, sorted; parts of one packet that lie next to each other are one. */
export function diedInTruth(sent: readonly Sent[], places: number): readonly string[] {
  const isn = {
    client: sent.find(({ from, flags }) => from === 'client' && flags.startsWith('S'))?.seq ?? 0,
    server: sent.find(({ from, flags }) => from === 'server' && flags.startsWith('S'))?.seq ?? 0,
  };
  return merged(
    sent.flatMap(({ from, seq, flags, payload = 0, diesBefore, atMs }) => {
      if (diesBefore === undefined) return [];
      const at = (step: number): number => (from === 'client' ? step : places - 1 - step);
      const start = (seq - isn[from]) >>> 0;
      const way = `${from} ${at(diesBefore - 1)}>${at(diesBefore)}`;
      const pure = payload > 0 || /[SF]/.test(flags) ? '' : ' ack';
      return [{ way: `${way}${pure}`, packet: `${from} ${atMs}`, start, end: start + payload }];
    }),
  );
}

/** The same of what was joined. */
export function diedAsJoined({ connections }: JoinedCaptures): readonly string[] {
  return merged(
    connections.flatMap(({ packets }) =>
      packets.flatMap(({ from, seq, length, flags, seen, fate }) => {
        if (fate !== 'died') return [];
        const sights = seen.flatMap((sight, place) => (sight === null ? [] : [place]));
        const after = (from === 'client' ? sights.at(-1) : sights[0]) ?? 0;
        const frame = seen[from === 'client' ? 0 : seen.length - 1]?.frame ?? 0;
        const pure = length > 0 || /SYN|FIN/.test(flags) ? '' : ' ack';
        const way = `${from} ${after}>${from === 'client' ? after + 1 : after - 1}${pure}`;
        return [{ way, packet: `${from} ${frame}`, start: seq, end: seq + length }];
      }),
    ),
  );
}

function merged(
  parts: readonly { readonly way: string; readonly packet: string; readonly start: number; readonly end: number }[],
): readonly string[] {
  const sorted = [...parts].sort((a, b) => a.start - b.start);
  const found: { way: string; packet: string; start: number; end: number }[] = [];
  for (const part of sorted) {
    const before = found.find(
      ({ way, packet, end }) => way === part.way && packet === part.packet && end === part.start,
    );
    if (before === undefined || part.start === part.end) found.push({ ...part });
    else before.end = part.end;
  }
  return found.map(({ way, start, end }) => `${way} ${start}-${end}`).sort();
}
