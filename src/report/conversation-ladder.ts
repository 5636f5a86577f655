import type { Connection, IcmpError } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { ConversationPacket, JoinedCaptures, JoinedConnection, JoinedPacket } from '../model/packet-facts.ts';
import type { Ladder, LadderMark, LadderStep } from '../model/report.ts';
import { endpointText, icmpErrorsOf, timeText } from './conversation-diagnosis.ts';
import { pcapWording, type PcapWording, type Side } from './pcap-wording.ts';
import { sizeText } from './size-text.ts';

export interface ConversationLadderOptions {
  readonly language: Language;
  /** Where it was captured, as a person calls it. */
  readonly capturedOn: string;
  readonly evidence: string;
  /** When the capture ended: what was not answered until then is not called unanswered just before it. */
  readonly captureEndMs: number | null;
  readonly icmpErrors?: readonly IcmpError[];
  /** One sentence over the ladder. */
  readonly title?: string;
  /** Whether long runs of packets that nothing happened to become one step. Default true. */
  readonly fold?: boolean;
}

/** A packet needs its answer within this long before the capture ends, or nothing is said about it. */
const answerWithinMs = 300;
/** Runs of ordinary packets become one step from this length on. */
const foldFrom = 4;
/** A silence that stays visible, whatever else is folded, and how many of them. */
const silenceMs = 1000;
const maxSilences = 8;
/** Segments that are followed until their ACK, per side; of more than this in flight nothing is said. */
const maxOutstanding = 512;

const marksOf: Readonly<Record<string, LadderMark>> = {
  retransmission: 'retransmission',
  fast_retransmission: 'fastRetransmission',
  spurious_retransmission: 'spuriousRetransmission',
  out_of_order: 'outOfOrder',
  lost_segment: 'gap',
  ack_lost_segment: 'gap',
  duplicate_ack: 'duplicateAck',
  zero_window: 'zeroWindow',
  zero_window_probe: 'zeroWindowProbe',
  zero_window_probe_ack: 'zeroWindow',
  window_full: 'windowFull',
  keep_alive: 'keepAlive',
  keep_alive_ack: 'keepAlive',
  reused_ports: 'portReuse',
};
const repeatMarks: readonly LadderMark[] = ['retransmission', 'fastRetransmission', 'spuriousRetransmission'];
/** Marks that alone do not keep a packet out of a fold: they follow from something that is shown. */
const weakMarks: readonly LadderMark[] = ['duplicateAck', 'hole', 'outOfOrder', 'windowFull'];

type Lane = NonNullable<LadderStep['diedAfter']>;

/** A packet of one capture or of several. */
interface Packet {
  readonly frame: number;
  readonly atMs: number;
  readonly from: Side;
  readonly flags: readonly string[];
  readonly seq: number;
  readonly ack: number | null;
  /** 0 where it is not known. */
  readonly length: number;
  readonly analysis: readonly string[];
  readonly sack: readonly (readonly [number, number])[];
  readonly window: number | null;
  readonly ttl: number | null;
  readonly tsval: number | null;
  readonly tsecr: number | null;
  readonly mss: number | null;
  /** Of joined captures: what is known of its way. */
  readonly way: Pick<LadderStep, 'diedAfter' | 'firstSeenAt' | 'unsure'>;
}

/** What is known of a packet after the whole conversation was looked at. */
interface Told {
  readonly packet: Packet;
  /** Sequence number behind it. */
  readonly end: number;
  fate: LadderStep['fate'];
  readonly marks: LadderMark[];
  notes: string[];
  /** Told of by an earlier step already: may be folded. */
  weak: boolean;
  originalFrame: number | null;
  attempt: number | null;
}

/** The ladder of one conversation of one capture. `packets` in order of time. */
export function conversationLadder(
  connection: Connection,
  packets: readonly ConversationPacket[],
  options: ConversationLadderOptions,
): Ladder {
  const { language, icmpErrors = [], title } = options;
  const told = tell(
    packets.map((packet) => ({
      ...packet,
      flags: packet.flags === '' ? [] : packet.flags.split(','),
      length: packet.length ?? 0,
      way: {},
    })),
    connection,
    options,
  );
  const startMs = packets[0]?.atMs ?? connection.firstAtMs;
  const icmp = icmpErrorsOf(connection, icmpErrors).map((error) => icmpStep(error, connection, startMs, language));
  return {
    client: endpointText(connection.client),
    target: endpointText(connection.server),
    capturedOn: options.capturedOn,
    ...(title === undefined ? {} : { title }),
    steps: merge(stepsOf(told, startMs, options), icmp),
    evidence: options.evidence,
  };
}

/**
 * The ladder of one connection that several captures saw: two lanes for two places, three for three. Of more places the
 * first, the last and the one that most packets were last seen at are drawn.
 */
export function joinedLadder(
  captures: JoinedCaptures,
  joined: JoinedConnection,
  options: ConversationLadderOptions,
): Ladder {
  const { language, title } = options;
  const say = pcapWording[language];
  const lanes = lanesOf(captures, joined);
  const names = (['client', 'forwarder', 'target'] as const).slice();
  if (lanes.length < 3) names.splice(1, 1);
  const packets: Packet[] = [];
  for (const packet of joined.packets) {
    const sights = packet.seen.flatMap((sight, place) => (sight === null ? [] : [{ ...sight, place }]));
    if (packet.from === 'server') sights.reverse();
    const [first] = sights;
    const last = sights.at(-1);
    if (first === undefined || last === undefined) continue;
    packets.push({
      frame: first.frame,
      atMs: first.atMs,
      from: packet.from,
      flags: packet.flags === '' ? [] : packet.flags.split(','),
      seq: packet.seq,
      ack: packet.ack,
      length: packet.length,
      analysis: packet.analysis,
      sack: [],
      window: null,
      ttl: null,
      tsval: null,
      tsecr: null,
      mss: null,
      way: wayOf(packet, {
        first: laneAt(first.place, lanes, names, other(packet.from)),
        last: laneAt(last.place, lanes, names, packet.from),
      }),
    });
  }
  packets.sort((a, b) => a.atMs - b.atMs);
  const told = tell(packets, null, options);
  const label = (lane: number | undefined): string => (lane === undefined ? '' : (captures.places[lane] ?? ''));
  const tuples = joined.tuples.filter((one) => one !== null);
  const ends = tuples[0];
  const lastEnds = tuples.at(-1);
  return {
    client: [label(lanes[0]), ends === undefined ? '' : endpointText(ends.client)].join(' ').trim(),
    target: [label(lanes.at(-1)), lastEnds === undefined ? '' : endpointText(lastEnds.server)].join(' ').trim(),
    ...(lanes.length === 3 ? { forwarder: label(lanes[1]) } : {}),
    capturedOn: captures.places.join(say.list),
    ...(title === undefined ? {} : { title }),
    steps: stepsOf(told, packets[0]?.atMs ?? 0, options),
    evidence: options.evidence,
  };
}

/** What a ladder is to say of the lanes that did not see a packet. */
function wayOf(
  { fate, from }: JoinedPacket,
  { first, last }: { readonly first: Lane; readonly last: Lane },
): Packet['way'] {
  if (fate === 'died') return { diedAfter: last };
  if (fate === 'appeared') return { firstSeenAt: first };
  const [start, end]: readonly [Lane, Lane] = from === 'client' ? ['client', 'target'] : ['target', 'client'];
  if (first === start && last === end) return {};
  return {
    ...(first === start ? {} : { firstSeenAt: first }),
    ...(last === end ? {} : { diedAfter: last }),
    unsure: true,
  };
}

function other(side: Side): Side {
  return side === 'client' ? 'server' : 'client';
}

/** Indexes of the places that get a lane: all up to three, else the ends and where most packets were last seen. */
function lanesOf({ places }: JoinedCaptures, { died }: JoinedConnection): readonly number[] {
  const all = places.map((_, index) => index);
  if (all.length <= 3) return all;
  const inner = all.slice(1, -1);
  const deaths = (place: number): number =>
    died.reduce((sum, one) => sum + (one.after === place || one.before === place ? one.packets : 0), 0);
  const [middle = 1] = [...inner].sort((a, b) => deaths(b) - deaths(a));
  return [0, middle, all.length - 1];
}

/** The lane of a place; a place without a lane counts as the lane behind it on the way that the packet came. */
function laneAt(place: number, lanes: readonly number[], names: readonly Lane[], from: Side): Lane {
  const exact = lanes.indexOf(place);
  const index =
    exact !== -1
      ? exact
      : from === 'client'
        ? lanes.findLastIndex((lane) => lane < place)
        : lanes.findIndex((lane) => lane > place);
  return names[index] ?? 'client';
}

/** Looks at all packets in order: what was answered, what was repeated, which holes opened and closed. */
function tell(packets: readonly Packet[], connection: Connection | null, options: ConversationLadderOptions): Told[] {
  const say = pcapWording[options.language];
  const time = (ms: number): string => timeText(ms, options.language);
  /** Per side: segments without an ACK yet. */
  const outstanding: Record<Side, Told[]> = { client: [], server: [] };
  /** Per side: what the other side said last that it lacks of this side's data. */
  const holes: Record<Side, { start: number; end: number } | null> = { client: null, server: null };
  const shut: Record<Side, boolean> = { client: false, server: false };
  /** Per side: whether its segment before filled the window. */
  const wasFull: Record<Side, boolean> = { client: false, server: false };
  /** Per side: sequence -> frame of the first segment that began there, and times it was sent. */
  const sent: Record<Side, Map<number, { frame: number; times: number }>> = { client: new Map(), server: new Map() };
  /** Per side: the end of what it has sent, and of what the other side has acknowledged of it. */
  const next: Record<Side, number> = { client: 0, server: 0 };
  const acked: Record<Side, number> = { client: -1, server: -1 };
  const sacked: Record<Side, number> = { client: -1, server: -1 };
  let lastAtMs: number | null = null;
  const told: Told[] = [];

  for (const packet of packets) {
    const { from, flags, analysis, sack } = packet;
    const peer = other(from);
    const isReset = flags.includes('RST');
    const isSyn = flags.includes('SYN');
    const marks = [...new Set(analysis.flatMap((name) => marksOf[name] ?? []))];
    const end = packet.seq + span(packet);
    const one: Told = { packet, end, fate: 'seen', marks, notes: [], weak: false, originalFrame: null, attempt: null };
    told.push(one);

    if (isReset) {
      marks.push('reset');
      one.notes.push(...resetNotes(packet, connection, say, time));
    }
    if (packet.way.firstSeenAt !== undefined && packet.way.unsure !== true) one.notes.push(say.madeOnTheWay);
    if (analysis.includes('lost_segment')) one.notes.push(say.gapHere);

    // Only what is new in an ACK can answer anything: the first SACK block is the one that has grown (RFC 2018 4).
    const edge = sack[0]?.[1] ?? -1;
    if (packet.ack !== null && (packet.ack > acked[peer] || edge > sacked[peer])) {
      sacked[peer] = Math.max(sacked[peer], edge);
      acknowledge(outstanding[peer], packet, sack);
      acked[peer] = Math.max(acked[peer], packet.ack);
    }

    // What the other side lacks of the peer's data.
    const before = holes[peer];
    const hole = holeOf(packet);
    if (hole !== null) {
      marks.push('hole');
      if (before === null || before.start !== hole.start) {
        const blocks = sack
          .filter(([left]) => left >= hole.start)
          .map(([left, right]) => `${left}-${right}`)
          .join(' ');
        one.notes.push(
          `${say.hole(hole.start, hole.end, hole.end - hole.start)}${blocks === '' ? '' : ` (${say.sack(blocks)})`}`,
        );
      } else one.weak = true;
      holes[peer] = hole;
    } else if (before !== null && packet.ack !== null && packet.ack > before.start) {
      marks.push('filled');
      one.notes.push(say.filled(before.start, before.end));
      holes[peer] = null;
    }
    if (marks.includes('duplicateAck') && hole === null) {
      const [previous] = told.slice(-3, -1).filter((each) => each.packet.from === from);
      one.weak = previous?.marks.includes('duplicateAck') ?? false;
    }
    if (marks.length === 1 && marks[0] === 'windowFull') one.weak = wasFull[from];
    if (packet.length > 0) wasFull[from] = marks.includes('windowFull');
    if (marks.length === 1 && marks[0] === 'outOfOrder') one.weak = before !== null;

    if (packet.window === 0 && !isSyn && !isReset && !flags.includes('FIN')) {
      if (!marks.includes('zeroWindow')) marks.push('zeroWindow');
      if (!shut[from]) {
        const known = connection?.flow[from].zeroWindows.find(({ frame }) => frame === packet.frame);
        if (known !== undefined)
          one.notes.push(known.untilMs === null ? say.neverOpens : say.shutFor(time(known.untilMs - known.fromMs)));
      }
      shut[from] = true;
    } else if (shut[from] && packet.window !== null && packet.window > 0) {
      marks.push('windowOpen');
      shut[from] = false;
    }
    if (isReset) shut[from] = false;

    const size = end - packet.seq;
    const isProbe = marks.includes('keepAlive') || marks.includes('zeroWindowProbe');
    if (size > 0 && !isReset) {
      const own = sent[from].get(packet.seq);
      if (own === undefined) {
        if (!isProbe) sent[from].set(packet.seq, { frame: packet.frame, times: 1 });
      } else if (marks.some((mark) => repeatMarks.includes(mark)) || isSyn) {
        own.times += 1;
        one.originalFrame = own.frame;
        if (isSyn && !marks.some((mark) => repeatMarks.includes(mark))) marks.push('retransmission');
        one.attempt = own.times;
      }
      if (!isProbe) {
        if (packet.seq < next[from]) repeat(outstanding[from], one, holes[from]);
        next[from] = Math.max(next[from], end);
        if (outstanding[from].length < maxOutstanding) outstanding[from].push(one);
      }
    }
    // A refused SYN got its answer, and so did what is reset.
    if (isReset) {
      for (const waiting of outstanding[peer]) waiting.fate = 'answered';
      outstanding[peer].length = 0;
    }
    if (packet.way.diedAfter !== undefined && packet.way.unsure !== true) {
      one.fate = 'lost';
      const index = outstanding[from].indexOf(one);
      if (index !== -1) outstanding[from].splice(index, 1);
    }
    lastAtMs = packet.atMs;
  }

  const endMs = Math.max(options.captureEndMs ?? 0, lastAtMs ?? 0);
  for (const side of ['client', 'server'] as const) {
    const hole = holes[side];
    for (const one of outstanding[side]) {
      if (hole !== null && inHole(one.packet, hole)) one.fate = 'lost';
      else if (endMs - one.packet.atMs >= answerWithinMs) one.fate = 'unanswered';
    }
  }
  return told;
}

/** Sequence numbers that a segment takes. */
function span({ length, flags }: Packet): number {
  return length + (flags.includes('SYN') ? 1 : 0) + (flags.includes('FIN') ? 1 : 0);
}

/** From the ACK to the first block beyond it; null where nothing is missing. Blocks below the ACK are D-SACK. */
function holeOf({ ack, sack }: Packet): { start: number; end: number } | null {
  if (ack === null) return null;
  let left = Number.POSITIVE_INFINITY;
  for (const [from] of sack) if (from > ack) left = Math.min(left, from);
  return left === Number.POSITIVE_INFINITY ? null : { start: ack, end: left };
}

function inHole(packet: Packet, hole: { readonly start: number; readonly end: number }): boolean {
  return packet.seq < hole.end && packet.seq + span(packet) > hole.start;
}

/** Takes from the list what the packet acknowledges. */
function acknowledge(waiting: Told[], packet: Packet, sack: Packet['sack']): void {
  const { ack } = packet;
  if (ack === null) return;
  for (let index = waiting.length - 1; index >= 0; index -= 1) {
    const one = waiting[index];
    if (one === undefined) continue;
    if (ack >= one.end || covered(one.packet.seq, one.end, sack)) {
      one.fate = 'answered';
      waiting.splice(index, 1);
    }
  }
}

function covered(start: number, end: number, sack: Packet['sack']): boolean {
  for (const [left, right] of sack) if (left <= start && right >= end) return true;
  return false;
}

/** A segment that is sent again: the one before got no answer in time, and did not arrive where a hole says so. */
function repeat(waiting: Told[], again: Told, hole: { readonly start: number; readonly end: number } | null): void {
  const start = again.packet.seq;
  const end = start + span(again.packet);
  for (let index = waiting.length - 1; index >= 0; index -= 1) {
    const one = waiting[index];
    if (one === undefined || one.packet.seq >= end || one.end <= start) continue;
    if (again.marks.includes('spuriousRetransmission')) one.fate = 'answered';
    else one.fate = hole !== null && inHole(one.packet, hole) ? 'lost' : 'unanswered';
    waiting.splice(index, 1);
  }
}

function resetNotes(
  packet: Packet,
  connection: Connection | null,
  say: PcapWording,
  time: (ms: number) => string,
): readonly string[] {
  if (connection === null) return packet.ttl === null ? [] : [say.resetTtl(packet.ttl, null)];
  const notes: string[] = [];
  const own = connection.flow[packet.from].ttl;
  if (packet.ttl !== null) {
    const foreign = own !== null && (packet.ttl < own.min || packet.ttl > own.max);
    const others = own === null ? null : own.min === own.max ? `${own.min}` : `${own.min}-${own.max}`;
    notes.push(
      own === null || foreign ? say.resetTtl(packet.ttl, foreign ? others : null) : say.resetTtlSame(packet.ttl),
    );
  }
  const reset = connection.resets.find(({ frame }) => frame === packet.frame);
  const idle = connection.idleGaps.find(
    ({ answer, endedBy, frame }) => answer === 'rst' && endedBy === other(packet.from) && frame <= packet.frame,
  );
  if (idle !== undefined) notes.push(say.afterSilence(time(idle.idleMs)));
  if (reset?.sequence === 'outside') notes.push(say.resetOutside);
  return notes;
}

function labelOf({ flags, seq, ack, length, mss, tsval }: Packet): string {
  const isSyn = flags.includes('SYN');
  const parts = [flags.join(',')];
  if (isSyn) {
    if (mss !== null) parts.push(`mss ${mss}`);
    if (tsval !== null && !flags.includes('ACK')) parts.push(`TSval ${tsval}`);
  } else if (!flags.includes('RST')) {
    if (length > 0 || flags.includes('FIN')) parts.push(`seq ${seq}`);
    if (ack !== null) parts.push(`ack ${ack}`);
  }
  if (length > 0) parts.push(`len ${length}`);
  return parts.filter((part) => part !== '').join(' ');
}

function icmpStep(error: IcmpError, connection: Connection, startMs: number, language: Language): LadderStep {
  const toClient = error.to === connection.client.address;
  const byOther = error.from !== (toClient ? connection.server : connection.client).address;
  return {
    atMs: round(error.atMs - startMs),
    from: toClient ? 'target' : 'client',
    label: `ICMP ${pcapWording[language].icmp(error.name, error.mtu, error.from)}`,
    fate: 'seen',
    frame: error.frame,
    marks: ['reset'],
    ...(byOther ? { firstSeenAt: toClient ? ('client' as const) : ('target' as const) } : {}),
  };
}

function merge(steps: readonly LadderStep[], icmp: readonly LadderStep[]): LadderStep[] {
  if (icmp.length === 0) return [...steps];
  return [...steps, ...icmp.slice(0, 20)].sort((a, b) => a.atMs - b.atMs || (a.frame ?? 0) - (b.frame ?? 0));
}

/** Whether a packet has something to tell on its own. */
function isRemarkable({ packet, fate, marks, weak }: Told): boolean {
  if (packet.flags.some((flag) => flag === 'SYN' || flag === 'FIN' || flag === 'RST')) return true;
  if (fate === 'lost' || fate === 'unanswered' || packet.way.firstSeenAt !== undefined) return true;
  return marks.some((mark) => !(weak && weakMarks.includes(mark)));
}

/** Steps of the ladder: remarkable packets with their neighbours, and folds for what lies between. */
function stepsOf(told: readonly Told[], startMs: number, options: ConversationLadderOptions): LadderStep[] {
  const { fold = true, language } = options;
  const steps: LadderStep[] = [];
  if (!fold) return told.map((one) => stepOf(one, startMs));
  const remarkable = told.map(isRemarkable);
  let data = 0;
  const keep = told.map(({ packet }, index) => {
    // The first exchange shows that the connection worked; neighbours show what a remarkable packet came after.
    if (packet.length > 0) data += 1;
    return (
      remarkable[index] === true ||
      remarkable[index - 1] === true ||
      remarkable[index + 1] === true ||
      data <= 2 ||
      index === told.length - 1
    );
  });
  const silences = told
    .flatMap(({ packet }, index) => {
      const before = told[index - 1]?.packet.atMs;
      return before === undefined || packet.atMs - before < silenceMs ? [] : [{ index, ms: packet.atMs - before }];
    })
    .sort((a, b) => b.ms - a.ms)
    .slice(0, maxSilences);
  const breaks = new Set(silences.map(({ index }) => index));

  let run: Told[] = [];
  const endRun = (): void => {
    if (run.length < foldFrom) steps.push(...run.map((one) => stepOf(one, startMs)));
    else steps.push(foldOf(run, startMs, language));
    run = [];
  };
  for (const [index, one] of told.entries()) {
    if (breaks.has(index)) endRun();
    if (keep[index] === true) {
      endRun();
      steps.push(stepOf(one, startMs));
    } else run.push(one);
  }
  endRun();
  return foldAlike(steps, language);
}

/** Ten of the same in a row (dup ACKs, probes, keep-alives, retransmissions) say no more than the first and last few. */
function foldAlike(steps: readonly LadderStep[], language: Language): LadderStep[] {
  const most = 10;
  const first = 5;
  const last = 2;
  const found: LadderStep[] = [];
  let group: LadderStep[] = [];
  const key = ({ marks = [], fate }: LadderStep): string => `${fate} ${marks.filter((mark) => mark !== 'hole').join()}`;
  const endGroup = (): void => {
    if (group.length <= most) found.push(...group);
    else {
      const middle = group.slice(first, -last);
      const from = middle[0];
      const until = middle.at(-1);
      found.push(...group.slice(0, first));
      if (from !== undefined && until !== undefined)
        found.push({
          atMs: from.atMs,
          from: from.from,
          label: [
            pcapWording[language].folded(middle.length, null, false),
            ...(from.marks ?? []).slice(0, 1).map((mark) => pcapWording[language].mark[mark]),
          ].join(pcapWording[language].list),
          fate: from.fate === 'answered' ? 'answered' : 'seen',
          folded: { packets: middle.length, untilMs: until.atMs },
        });
      found.push(...group.slice(-last));
    }
    group = [];
  };
  /** Two in turn, as keep-alive and its answer, are alike too. */
  for (const step of steps) {
    const near = group.slice(-2);
    if (group.length > 0 && (step.folded !== undefined || !near.some((one) => key(one) === key(step)))) {
      if (group.length > 1 || step.folded !== undefined) endGroup();
    }
    group.push(step);
  }
  endGroup();
  return found;
}

function stepOf({ packet, fate, marks, notes, originalFrame, attempt }: Told, startMs: number): LadderStep {
  return {
    atMs: round(packet.atMs - startMs),
    from: packet.from === 'client' ? 'client' : 'target',
    label: labelOf(packet),
    fate,
    frame: packet.frame,
    bytes: packet.length,
    ...(marks.length === 0 ? {} : { marks }),
    ...(notes.length === 0 ? {} : { note: notes.join('; ') }),
    ...(originalFrame === null ? {} : { originalFrame }),
    ...(attempt === null ? {} : { attempt }),
    ...packet.way,
  };
}

function foldOf(run: readonly Told[], startMs: number, language: Language): LadderStep {
  const bytes = { client: 0, server: 0 };
  let acked = true;
  for (const { packet, fate } of run) {
    bytes[packet.from] += packet.length;
    if (packet.length > 0 && fate !== 'answered') acked = false;
  }
  const total = bytes.client + bytes.server;
  const first = run[0]?.packet.atMs ?? startMs;
  const last = run.at(-1)?.packet.atMs ?? first;
  return {
    atMs: round(first - startMs),
    from: bytes.client >= bytes.server ? 'client' : 'target',
    label: pcapWording[language].folded(run.length, total === 0 ? null : sizeText(total), acked && total > 0),
    fate: acked ? 'answered' : 'seen',
    bytes: total,
    folded: { packets: run.length, untilMs: round(last - startMs) },
  };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
