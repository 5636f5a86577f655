import type { Capture, Connection, Endpoint, IcmpError } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { Flow, SackHole, ZeroWindow } from '../model/packet-facts.ts';
import { durationText, shortDuration } from './duration-text.ts';
import { type ConversationState, pcapWording, type PcapWording, type Side } from './pcap-wording.ts';

/** One conversation of a capture with what is wrong with it. */
export interface Diagnosed {
  readonly connection: Connection;
  readonly state: ConversationState;
  /** One line. It may quote names from the capture: make it visible before it is shown. */
  readonly text: string;
}

/** What is wrong with a connection, worst first. The order of this list is the order of the table. */
export const conversationStates = [
  'unanswered',
  'challengeAck',
  'refused',
  'icmpError',
  'noFinalAck',
  'stuck',
  'windowShut',
  'reset',
  'retransmissions',
  'slowHandshake',
  'oneWay',
  'midStream',
  'fine',
] as const satisfies readonly ConversationState[];

const rank: Readonly<Record<ConversationState, number>> = Object.fromEntries(
  conversationStates.map((state, index) => [state, index]),
) as Record<ConversationState, number>;

/** A share of repeated segments above this is worth a line (the same threshold as for random loss: 1 %). */
const manyRetransmissions = 0.01;
/** A SYN is repeated after 1 s (RFC 6298 2.1): a handshake that takes longer lost one. */
const slowHandshakeMs = 900;
/** tcp_tw_recycle compares the TSvals of one address within this time (TCP_PAWS_MSL, include/net/tcp.h). */
const pawsMs = 60_000;
/** A window that is shut for longer than this has stopped the sender, not paced it. */
const longShutMs = 1000;

const sides = ['client', 'server'] as const;
const other = (side: Side): Side => (side === 'client' ? 'server' : 'client');

/** Nothing is wrong: how it ended says it all. */
export function isCalm(state: ConversationState): boolean {
  return state === 'fine' || state === 'midStream';
}

/** `192.0.2.1:80`, `[2001:db8::1]:80` */
export function endpointText({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A length of time in a sentence: exact below 100 s, minutes above. */
export function timeText(ms: number, language: Language): string {
  return Math.abs(ms) < 99_950 ? shortDuration(Math.abs(ms)) : durationText(Math.abs(ms), language);
}

/** The conversations of a capture, worst first, each with its state and one line of diagnosis. */
export function diagnoseConversations(capture: Capture, language: Language): readonly Diagnosed[] {
  const diagnose = diagnoserOf(capture, language);
  return capture.connections
    .map((connection) => ({ connection, ...diagnose(connection) }))
    .sort((a, b) => rank[a.state] - rank[b.state] || a.connection.firstAtMs - b.connection.firstAtMs);
}

interface Verdict {
  readonly state: ConversationState;
  readonly text: string;
}

/** Says of each connection of a capture what is wrong with it; looks at the others for what they tell about it. */
function diagnoserOf(capture: Capture, language: Language): (connection: Connection) => Verdict {
  const say = pcapWording[language];
  const icmp = icmpByFlow(capture.icmpErrors);
  const older = olderTsvals(capture.connections);
  const time = (ms: number): string => timeText(ms, language);

  return (connection) => {
    const { client, server, syns, synAcks, resets, handshake } = connection;
    const first = syns[0];
    const last = syns.at(-1);
    const repeated =
      syns.length > 1 && first !== undefined && last !== undefined
        ? say.syns(syns.length, time(last.atMs - first.atMs), gaps(syns))
        : say.theSyn;
    const errors =
      icmp.get(flowKey(client.address, client.port, server.address, server.port)) ??
      icmp.get(flowKey(server.address, server.port, client.address, client.port)) ??
      [];
    const error = errors[0];
    const context = contextNotes(connection, capture, say, time);
    const join = (...notes: readonly string[]): string => [...notes, ...context].join(say.semicolon);
    switch (handshake) {
      case 'unanswered': {
        const stale = older.get(connection);
        const why = stale === undefined ? [] : [say.staleTsval(stale.tsval, stale.than, time(stale.beforeMs))];
        return { state: 'unanswered', text: join(say.noAnswer(repeated), ...why) };
      }
      case 'challengeAck':
        return { state: 'challengeAck', text: join(say.bareAck(repeated)) };
      case 'refused': {
        const reset = resets.find((one) => one.from === 'server');
        const after = reset === undefined || last === undefined ? null : time(Math.max(0, reset.atMs - last.atMs));
        return { state: 'refused', text: join(say.refusal(after, reset?.ttl ?? null)) };
      }
      case 'icmpError':
        return {
          state: 'icmpError',
          text: join(error === undefined ? say.icmpAnswers(repeated) : say.icmp(error.name, error.mtu, error.from)),
        };
      case 'noFinalAck':
        return {
          state: 'noFinalAck',
          text: join(
            say.noFinalAck(
              synAcks.length,
              resets.some((one) => one.from === 'client'),
            ),
          ),
        };
      case 'complete':
      case 'midStream':
      default: {
        const { state, notes } = established(connection, error, say, time);
        return { state, text: join(...notes) };
      }
    }
  };
}

/** What is said of any connection: ports that were used before, the tunnel around it, where its packets were seen. */
function contextNotes(
  connection: Connection,
  capture: Capture,
  say: PcapWording,
  time: (ms: number) => string,
): readonly string[] {
  const notes: string[] = [];
  const { portReuse, tunnel, places, handshake, resets } = connection;
  if (portReuse !== null) notes.push(say.reused(portReuse.number, time(portReuse.sinceMs)));
  if (tunnel !== null) {
    const { outer } = tunnel;
    notes.push(say.inside(tunnel.kind, tunnel.id, outer === null ? null : `${outer.source} → ${outer.destination}`));
  }
  const failed = handshake === 'unanswered' || handshake === 'noFinalAck' || resets.length > 0;
  if (!failed || places.length === 0) return notes;
  // Where the sightings of one side stop while the other side's go on, packets end inside of this node.
  const device = (place: (typeof places)[number]): string => {
    const name =
      place.interfaceIndex === null
        ? say.interface(null)
        : (capture.interfaceNames[place.interfaceIndex] ?? say.interface(place.interfaceIndex));
    return place.tunnel === null ? name : `${name}/${place.tunnel}`;
  };
  for (const side of sides) {
    const seen = places.filter((place) => place[side] > 0);
    const [most] = [...seen].sort((a, b) => b[side] - a[side]);
    if (most === undefined || (seen.length === places.length && seen.every((place) => place[side] === most[side])))
      continue;
    notes.push(
      say.sightings(
        side,
        [
          ...seen.slice(0, 4).map((place) => say.sighting(place.direction, device(place), place[side])),
          ...places
            .filter((place) => place[side] === 0)
            .slice(0, 2)
            .map((place) => say.neverSeen(place.direction, device(place))),
        ].join(say.list),
      ),
    );
  }
  return notes;
}

function established(
  connection: Connection,
  error: IcmpError | undefined,
  say: PcapWording,
  time: (ms: number) => string,
): { readonly state: ConversationState; readonly notes: readonly string[] } {
  const { syns, synAcks, resets, handshake, fins, packets, bytes, idleGaps, flow } = connection;
  const aside: string[] = error === undefined ? [] : [say.icmp(error.name, error.mtu, error.from)];
  const firstSyn = syns[0];
  const firstSynAck = synAcks[0];
  const connectMs = firstSyn === undefined || firstSynAck === undefined ? 0 : firstSynAck.atMs - firstSyn.atMs;
  const isSlow = connectMs > slowHandshakeMs;
  if (isSlow) aside.push(say.connectedAfter(time(connectMs), syns.length));
  const repeats = repeatNotes(connection, say);
  for (const side of sides) {
    const stalls = flow[side].delayedAckStalls;
    if (stalls !== null && stalls.count > 0) aside.push(say.delayedAck(stalls.count, time(stalls.longestMs)));
  }

  const reset = resets[0];
  const isReset = reset !== undefined && !(fins.client && fins.server);
  const stuck = stuckNotes(flow, say);
  const resetText = reset === undefined || !isReset ? [] : resetNotes(connection, reset, say, time);
  if (stuck.length > 0) return { state: 'stuck', notes: [...stuck, ...resetText, ...aside] };
  const shut = shutNotes(connection, say, time);
  if (shut.length > 0) return { state: 'windowShut', notes: [...shut, ...resetText, ...repeats, ...aside] };
  if (isReset) return { state: 'reset', notes: [...resetText, ...aside, ...repeats] };
  // nobody answers a bare ACK (a window that opens again)
  const dead = idleGaps.find(({ answer, with: last }) => answer === 'none' && last !== 'ack');
  if (dead !== undefined && connection.end.how === 'open')
    return { state: 'stuck', notes: [say.idleUnanswered(time(dead.idleMs)), ...repeats, ...aside] };
  if (repeats.length > 0) return { state: 'retransmissions', notes: [...repeats, ...aside] };
  if (isSlow) return { state: 'slowHandshake', notes: aside };
  if (packets.client === 0 || packets.server === 0 || (syns.length > 0 && synAcks.length === 0)) {
    const only = packets.server === 0 ? 'client' : packets.client === 0 ? 'server' : null;
    return { state: 'oneWay', notes: [...aside, only === null ? say.oneWaySynAck : say.oneWay(only)] };
  }
  const end = fins.client && fins.server ? 'closed' : fins.client || fins.server ? 'halfClosed' : 'open';
  const notes = [...aside, say.end[end]];
  if (bytes.client + bytes.server === 0) notes.push(say.noData);
  const rtt = connection.initialRttMs ?? connection.serverRttMs;
  if (rtt !== null) notes.push(say.rtt(time(rtt)));
  const idle = idleGaps[0];
  if (idle !== undefined) notes.push(say.idleLong(time(idle.idleMs)));
  if (error !== undefined) return { state: 'icmpError', notes };
  return { state: handshake === 'midStream' ? 'midStream' : 'fine', notes };
}

/** A hole that was sent again at least twice and never filled: these bytes do not get through. */
function stuckNotes(flow: Connection['flow'], say: PcapWording): readonly string[] {
  for (const side of sides) {
    const open = flow[side].holes.filter((hole) => hole.filledMs === null && hole.retransmits >= 2);
    const [worst] = [...open].sort((a, b) => b.retransmits - a.retransmits);
    if (worst === undefined) continue;
    return [
      `${say.stuck(side, worst.length, worst.start, worst.retransmits)}${say.list}${say.laterArrived}`,
      holePlace(worst, say),
      ...sizeNote(flow[side], say),
    ];
  }
  return [];
}

function holePlace(hole: SackHole, say: PcapWording): string {
  return hole.originalSeen ? say.lostAfter : say.lostBefore;
}

/** Only the large segments are lost and smaller ones are not: an MTU, not chance. */
function sizeNote(flow: Flow, say: PcapWording): readonly string[] {
  const classes = [...flow.bySize].sort((a, b) => a.upTo - b.upTo);
  const first = classes.findIndex(({ retransmitted }) => retransmitted > 0);
  const below = classes.slice(0, Math.max(0, first));
  const smaller = below.reduce((sum, { sent }) => sum + sent, 0);
  const limit = below.at(-1)?.upTo;
  return first <= 0 || smaller === 0 || limit === undefined ? [] : [say.onlyLarge(limit, smaller)];
}

function shutNotes(connection: Connection, say: PcapWording, time: (ms: number) => string): readonly string[] {
  for (const side of sides) {
    const length = ({ fromMs, untilMs }: ZeroWindow): number => (untilMs ?? connection.lastAtMs) - fromMs;
    const stops = connection.flow[side].zeroWindows.filter(
      (one) => (one.senderWaits || one.probes > 0) && (one.untilMs === null || length(one) >= longShutMs),
    );
    const [longest] = [...stops].sort((a, b) => length(b) - length(a));
    if (longest === undefined) continue;
    const never = stops.find(({ untilMs }) => untilMs === null);
    if (never !== undefined) return [say.windowNeverOpened(side, time(length(never)), never.probes)];
    if (stops.length === 1) return [say.windowShut(side, time(length(longest)), longest.probes)];
    return [say.windowShutTimes(side, stops.length, time(stops.reduce((sum, one) => sum + length(one), 0)))];
  }
  return [];
}

function resetNotes(
  connection: Connection,
  reset: Connection['resets'][number],
  say: PcapWording,
  time: (ms: number) => string,
): readonly string[] {
  const own = connection.flow[reset.from].ttl;
  const foreign = own !== null && (reset.ttl < own.min || reset.ttl > own.max);
  const others = own === null ? null : own.min === own.max ? `${own.min}` : `${own.min}-${own.max}`;
  const idle = connection.idleGaps.find(({ answer, endedBy }) => answer === 'rst' && endedBy === other(reset.from));
  return [
    `${say.reset(reset.from, time(reset.atMs - connection.firstAtMs))}${say.list}${
      own === null || foreign ? say.resetTtl(reset.ttl, foreign ? others : null) : say.resetTtlSame(reset.ttl)
    }`,
    ...(idle === undefined ? [] : [say.resetAfterIdle(time(idle.idleMs))]),
    ...(reset.sequence === 'outside' ? [say.resetOutside] : []),
    ...(reset.unacknowledged > 0 ? [say.resetUnread(reset.unacknowledged)] : []),
  ];
}

function repeatNotes({ retransmitted, packets, flow }: Connection, say: PcapWording): readonly string[] {
  return sides
    .filter((side) => retransmitted[side] > 0 && retransmitted[side] / Math.max(1, packets[side]) > manyRetransmissions)
    .map((side) =>
      [
        say.repeats(retransmitted[side], packets[side], side, percent(retransmitted[side], packets[side])),
        ...sizeNote(flow[side], say),
      ].join(say.list),
    );
}

/** Unanswered connections whose first TSval lies below one that the same address showed within a minute before. */
function olderTsvals(
  connections: readonly Connection[],
): ReadonlyMap<Connection, { readonly tsval: number; readonly than: number; readonly beforeMs: number }> {
  const found = new Map<Connection, { tsval: number; than: number; beforeMs: number }>();
  const highest = new Map<string, { tsval: number; atMs: number }>();
  for (const connection of connections) {
    const syn = connection.syns[0];
    if (syn === undefined || syn.tsval === null) continue;
    const known = highest.get(connection.client.address);
    const recent = known !== undefined && syn.atMs - known.atMs <= pawsMs;
    const lower = recent && ((known.tsval - syn.tsval) | 0) > 1;
    if (lower && connection.handshake === 'unanswered') {
      found.set(connection, { tsval: syn.tsval, than: known.tsval, beforeMs: syn.atMs - known.atMs });
    }
    if (!lower && connection.handshake !== 'unanswered') {
      highest.set(connection.client.address, { tsval: syn.tsval, atMs: connection.lastAtMs });
    }
  }
  return found;
}

function icmpByFlow(errors: readonly IcmpError[]): ReadonlyMap<string, readonly IcmpError[]> {
  const found = new Map<string, IcmpError[]>();
  for (const error of errors) {
    const { source, sourcePort, destination, destinationPort } = error.about;
    if (sourcePort === null || destinationPort === null) continue;
    const key = flowKey(source, sourcePort, destination, destinationPort);
    const list = found.get(key);
    if (list === undefined) found.set(key, [error]);
    else list.push(error);
  }
  return found;
}

/** ICMP errors about this connection, in order of time. */
export function icmpErrorsOf(
  { client, server }: Pick<Connection, 'client' | 'server'>,
  errors: readonly IcmpError[],
): readonly IcmpError[] {
  const keys = [
    flowKey(client.address, client.port, server.address, server.port),
    flowKey(server.address, server.port, client.address, client.port),
  ];
  return errors.filter(({ about: { source, sourcePort, destination, destinationPort } }) =>
    keys.includes(flowKey(source, sourcePort, destination, destinationPort)),
  );
}

/** ICMP errors that no connection of the capture explains, equal ones counted; at most 20 lines. */
export function otherIcmpErrors(capture: Capture, language: Language): readonly string[] {
  const say = pcapWording[language];
  const known = new Set<string>();
  for (const { client, server } of capture.connections) {
    known.add(flowKey(client.address, client.port, server.address, server.port));
    known.add(flowKey(server.address, server.port, client.address, client.port));
  }
  const lines = new Map<string, number>();
  for (const error of capture.icmpErrors) {
    const { protocol, source, sourcePort, destination, destinationPort } = error.about;
    if (protocol === 6 && known.has(flowKey(source, sourcePort, destination, destinationPort))) continue;
    const name = protocol === 6 ? 'TCP' : protocol === 17 ? 'UDP' : say.protocolNumber(protocol);
    const to = destinationPort === null ? destination : endpointText({ address: destination, port: destinationPort });
    const line = say.about(say.icmp(error.name, error.mtu, error.from), name, source, to);
    lines.set(line, (lines.get(line) ?? 0) + 1);
  }
  return [...lines].slice(0, 20).map(([line, times]) => (times === 1 ? line : `${times} × ${line}`));
}

function gaps(syns: Connection['syns']): string {
  const list = syns.slice(1).map((syn, index) => {
    const before = syns[index];
    return before === undefined ? '' : ((syn.atMs - before.atMs) / 1000).toFixed(1);
  });
  return (list.length > 6 ? [...list.slice(0, 5), '…'] : list).join(', ');
}

function flowKey(
  source: string,
  sourcePort: number | null,
  destination: string,
  destinationPort: number | null,
): string {
  return `${source} ${sourcePort ?? ''} ${destination} ${destinationPort ?? ''}`;
}

function percent(part: number, whole: number): string {
  const share = (part / Math.max(1, whole)) * 100;
  return `${share < 10 ? share.toFixed(1) : share.toFixed(0)} %`;
}
