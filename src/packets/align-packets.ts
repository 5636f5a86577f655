import type { ConversationPacket } from '../model/packet-facts.ts';
import { median } from './clock-offset.ts';

/** A packet of one direction as one place saw it, on the scales that all places share. */
export interface PlacedPacket {
  readonly packet: ConversationPacket;
  /** Relative to the ISN that all places agree on. */
  readonly seq: number;
  readonly ack: number | null;
  /** On the first place's clock. */
  readonly atMs: number;
}

/** One packet, or a part of one, on its way over the places. */
export interface JoinedSegment {
  /** As the first place on its way saw it. */
  readonly origin: PlacedPacket;
  /** Index of that place, in the order of the way of this direction. */
  readonly originStep: number;
  readonly flags: string;
  readonly seq: number;
  readonly length: number | null;
  /** Per step of the way: how it was seen there; where it was seen in pieces, the first of them. */
  readonly seen: (PlacedPacket | null)[];
  /** Per step: the pieces. */
  readonly pieces: (readonly Piece[] | null)[];
}

interface Piece {
  readonly range: Range;
  readonly packet: PlacedPacket;
}
interface Range {
  readonly from: number;
  readonly to: number;
}

export interface AlignOptions {
  readonly steps: number;
  /** How far the clocks of two steps may differ from what was estimated, milliseconds. */
  readonly toleranceMs: (one: number, other: number) => number;
  /** Whether the IP id, and TSval, of a packet are the same at both steps. */
  readonly keepsIpId: (one: number, other: number) => boolean;
  readonly keepsTsval: (one: number, other: number) => boolean;
}

/** No packet is on its way longer than this. */
const longestWayMs = 10_000;
/** Packets alike that are laid against each other in the best order; of more, each takes the next. */
const maxCells = 40_000;
/** Segments over the same bytes that one packet is compared with. */
const maxCandidates = 256;

/** Sequence numbers that a packet takes. */
function spanOf(flags: string, length: number | null): number {
  return (length ?? 0) + (flags.includes('SYN') ? 1 : 0) + (flags.includes('FIN') ? 1 : 0);
}

export function segmentEnd({
  flags,
  seq,
  length,
}: {
  readonly flags: string;
  readonly seq: number;
  readonly length: number | null;
}): number {
  return seq + spanOf(flags, length);
}

/** What a router, GRO or GSO leaves of the flags. */
function kindOf(flags: string): string {
  return `${flags.includes('SYN') ? 'S' : ''}${flags.includes('FIN') ? 'F' : ''}${flags.includes('RST') ? 'R' : ''}`;
}

/** Packets that may be the same one have the same. */
export function lookOf({ packet, seq, ack }: PlacedPacket): string {
  return `${seq} ${ack ?? '-'} ${packet.length} ${kindOf(packet.flags)}`;
}

/**
 * Follows the packets of one direction from place to place. A retransmission is another packet than the original: of
 * packets alike, IP id and TSval tell which is which where they are known and left alone; else the order, and the time
 * that packets usually take from place to place.
 *
 * Segments are cut and put together on the way (GSO, TSO, GRO, LRO): what has no counterpart of its size is compared by
 * bytes. A packet of which only some bytes came is split in what came and what did not.
 *
 * @param lists per step of the way, the packets seen there in order of the file
 */
export function alignPackets(
  lists: readonly (readonly PlacedPacket[])[],
  options: AlignOptions,
): readonly JoinedSegment[] {
  let segments: JoinedSegment[] = [];
  for (const [step, packets] of lists.entries()) segments = addStep(segments, packets, step, options);
  return segments;
}

function segmentOf(packet: PlacedPacket, step: number, steps: number): JoinedSegment {
  const seen: (PlacedPacket | null)[] = Array.from({ length: steps }, () => null);
  seen[step] = packet;
  return {
    origin: packet,
    originStep: step,
    flags: packet.packet.flags,
    seq: packet.seq,
    length: packet.packet.length,
    seen,
    pieces: Array.from({ length: steps }, () => null),
  };
}

function addStep(
  segments: JoinedSegment[],
  packets: readonly PlacedPacket[],
  step: number,
  options: AlignOptions,
): JoinedSegment[] {
  if (segments.length === 0) return packets.map((packet) => segmentOf(packet, step, options.steps));
  const { whole, packetsLeft, segmentsLeft, usualMs } = matchWhole(segments, packets, step, options);
  const parts = matchBytes(segmentsLeft, packetsLeft, step, usualMs, options);
  return [...whole, ...parts];
}

/** Where and when the segment was last seen before this step. */
function latestSight(segment: JoinedSegment, step: number): { readonly at: PlacedPacket; readonly step: number } {
  for (let before = step - 1; before >= 0; before--) {
    const at = segment.seen[before];
    if (at !== null && at !== undefined) return { at, step: before };
  }
  return { at: segment.origin, step: segment.originStep };
}

/** How long it took from where it was last seen; null: it cannot be the same packet. */
function delayOf(segment: JoinedSegment, packet: PlacedPacket, step: number, options: AlignOptions): number | null {
  const { originStep, origin } = segment;
  const own = origin.packet;
  const other = packet.packet;
  if (options.keepsTsval(originStep, step) && own.tsval !== null && other.tsval !== null && own.tsval !== other.tsval) {
    return null;
  }
  const last = latestSight(segment, step);
  const delay = packet.atMs - last.at.atMs;
  const tolerance = options.toleranceMs(last.step, step);
  return delay < -tolerance || delay > longestWayMs + tolerance ? null : delay;
}

/** IP id of the segment and the step that saw it; a part of a packet has one where it was seen alone. */
function ipIdOf(segment: JoinedSegment): { readonly ipId: number; readonly step: number } {
  const { origin, originStep, seen, seq, length } = segment;
  if (length === origin.packet.length) return { ipId: origin.packet.ipId, step: originStep };
  const step = seen.findIndex((sight) => sight?.seq === seq && sight.packet.length === length);
  return { ipId: seen[step]?.packet.ipId ?? 0, step: Math.max(0, step) };
}

function sameIpId(segment: JoinedSegment, packet: PlacedPacket, step: number, options: AlignOptions): boolean {
  const own = ipIdOf(segment);
  const other = packet.packet.ipId;
  return own.ipId === other || own.ipId === 0 || other === 0 || !options.keepsIpId(own.step, step);
}

interface WholeMatches {
  readonly whole: JoinedSegment[];
  readonly segmentsLeft: readonly JoinedSegment[];
  readonly packetsLeft: readonly PlacedPacket[];
  readonly usualMs: number;
}

/** Packets that have the same size at both places. */
function matchWhole(
  segments: readonly JoinedSegment[],
  packets: readonly PlacedPacket[],
  step: number,
  options: AlignOptions,
): WholeMatches {
  const looks = new Map<string, { readonly ours: JoinedSegment[]; readonly theirs: PlacedPacket[] }>();
  for (const segment of segments) {
    const { origin, seq, length } = segment;
    const isPart = length !== origin.packet.length;
    const look = isPart ? `${seq} ${origin.ack ?? '-'} ${length} ${kindOf(segment.flags)}` : lookOf(origin);
    const found = looks.get(look);
    if (found === undefined) looks.set(look, { ours: [segment], theirs: [] });
    else found.ours.push(segment);
  }
  const packetsLeft: PlacedPacket[] = [];
  for (const packet of packets) {
    const found = looks.get(lookOf(packet));
    if (found === undefined) packetsLeft.push(packet);
    else found.theirs.push(packet);
  }
  const matched = new Set<JoinedSegment>();
  const delays: number[] = [];
  const take = (segment: JoinedSegment, packet: PlacedPacket): void => {
    matched.add(segment);
    delays.push(packet.atMs - latestSight(segment, step).at.atMs);
    segment.seen[step] = packet;
  };
  const unsure: { ours: JoinedSegment[]; theirs: PlacedPacket[] }[] = [];
  for (const { ours, theirs } of looks.values()) {
    const [segment] = ours;
    const [packet] = theirs;
    if (packet === undefined) continue;
    if (segment !== undefined && ours.length === 1 && theirs.length === 1) {
      if (delayOf(segment, packet, step, options) !== null && sameIpId(segment, packet, step, options)) {
        take(segment, packet);
      } else packetsLeft.push(packet);
    } else unsure.push({ ours, theirs });
  }
  const usualMs = Math.max(0, median(delays));
  for (const { ours, theirs } of unsure) {
    const pairs = alike(ours, theirs, step, usualMs, options);
    const used = new Set<PlacedPacket>();
    for (const { segment, packet } of pairs) {
      take(segment, packet);
      used.add(packet);
    }
    for (const packet of theirs) if (!used.has(packet)) packetsLeft.push(packet);
  }
  const whole: JoinedSegment[] = [];
  const segmentsLeft: JoinedSegment[] = [];
  for (const segment of segments) {
    if (matched.has(segment)) whole.push(segment);
    else segmentsLeft.push(segment);
  }
  return { whole, segmentsLeft, packetsLeft, usualMs };
}

interface Match {
  readonly segment: JoinedSegment;
  readonly packet: PlacedPacket;
}

/** Which of several packets alike is which. */
function alike(
  ours: readonly JoinedSegment[],
  theirs: readonly PlacedPacket[],
  step: number,
  usualMs: number,
  options: AlignOptions,
): readonly Match[] {
  const matches: Match[] = [];
  const left = new Set(ours);
  const rest: PlacedPacket[] = [];
  // An IP id of its own is as good as a name, also where packets overtake each other.
  const byId = new Map<number, JoinedSegment | null>();
  for (const segment of ours) {
    const { ipId, step: at } = ipIdOf(segment);
    if (ipId !== 0 && options.keepsIpId(at, step)) byId.set(ipId, byId.has(ipId) ? null : segment);
  }
  for (const packet of theirs) {
    const segment = byId.get(packet.packet.ipId) ?? null;
    if (segment !== null && left.has(segment) && delayOf(segment, packet, step, options) !== null) {
      matches.push({ segment, packet });
      left.delete(segment);
    } else rest.push(packet);
  }
  if (left.size === 0 || rest.length === 0) return matches;
  // So is a TSval, for those that share it.
  const stamps = new Map<number | null, { readonly ours: JoinedSegment[]; readonly theirs: PlacedPacket[] }>();
  const stampOf = (packet: PlacedPacket, at: number): number | null =>
    options.keepsTsval(at, step) ? packet.packet.tsval : null;
  for (const segment of left) {
    const stamp = stampOf(segment.origin, segment.originStep);
    const group = stamps.get(stamp) ?? { ours: [], theirs: [] };
    group.ours.push(segment);
    stamps.set(stamp, group);
  }
  for (const packet of rest) stamps.get(stampOf(packet, ours[0]?.originStep ?? 0))?.theirs.push(packet);
  for (const group of stamps.values()) matches.push(...inOrder(group.ours, group.theirs, step, usualMs, options));
  return matches;
}

/** As many pairs as possible in the order of both places, and of these ways the one whose delays are most usual. */
function inOrder(
  ours: readonly JoinedSegment[],
  theirs: readonly PlacedPacket[],
  step: number,
  usualMs: number,
  options: AlignOptions,
): readonly Match[] {
  const oddness = (segment: JoinedSegment, packet: PlacedPacket): number | null => {
    if (!sameIpId(segment, packet, step, options)) return null;
    const delay = delayOf(segment, packet, step, options);
    return delay === null ? null : Math.abs(delay - usualMs);
  };
  const width = theirs.length + 1;
  if ((ours.length + 1) * width > maxCells) return nextOne(ours, theirs, oddness);
  const pairs = new Int32Array((ours.length + 1) * width);
  const costs = new Float64Array((ours.length + 1) * width);
  /** 0: leave out ours, 1: leave out theirs, 2: a pair */
  const choices = new Uint8Array((ours.length + 1) * width);
  for (let i = 1; i <= ours.length; i++) {
    for (let j = 1; j < width; j++) {
      const at = i * width + j;
      const above = at - width;
      let choice = 0;
      let count = pairs[above] ?? 0;
      let cost = costs[above] ?? 0;
      const better = (otherCount: number, otherCost: number): boolean =>
        otherCount > count || (otherCount === count && otherCost < cost);
      if (better(pairs[at - 1] ?? 0, costs[at - 1] ?? 0)) {
        choice = 1;
        count = pairs[at - 1] ?? 0;
        cost = costs[at - 1] ?? 0;
      }
      const segment = ours[i - 1];
      const packet = theirs[j - 1];
      const odd = segment === undefined || packet === undefined ? null : oddness(segment, packet);
      if (odd !== null && better((pairs[above - 1] ?? 0) + 1, (costs[above - 1] ?? 0) + odd)) {
        choice = 2;
        count = (pairs[above - 1] ?? 0) + 1;
        cost = (costs[above - 1] ?? 0) + odd;
      }
      choices[at] = choice;
      pairs[at] = count;
      costs[at] = cost;
    }
  }
  const matches: Match[] = [];
  for (let i = ours.length, j = theirs.length; i > 0 && j > 0; ) {
    const choice = choices[i * width + j];
    if (choice === 2) {
      const segment = ours[--i];
      const packet = theirs[--j];
      if (segment !== undefined && packet !== undefined) matches.push({ segment, packet });
    } else if (choice === 1) j--;
    else i--;
  }
  return matches;
}

function nextOne(
  ours: readonly JoinedSegment[],
  theirs: readonly PlacedPacket[],
  oddness: (segment: JoinedSegment, packet: PlacedPacket) => number | null,
): readonly Match[] {
  const matches: Match[] = [];
  let i = 0;
  for (const packet of theirs) {
    // Ours that would take longer than the next of ours died.
    for (; i < ours.length; i++) {
      const segment = ours[i];
      if (segment === undefined) break;
      const odd = oddness(segment, packet);
      const next = ours[i + 1];
      const nextOdd = next === undefined ? null : oddness(next, packet);
      if (odd !== null && (nextOdd === null || odd <= nextOdd)) {
        matches.push({ segment, packet });
        i++;
        break;
      }
      if (odd === null && nextOdd === null && packet.atMs < segment.origin.atMs) break;
    }
  }
  return matches;
}

// -------------------------------------------------------------------------------------------------------- bytes

interface Open {
  readonly segment: JoinedSegment;
  missing: readonly Range[];
  readonly came: Piece[];
}

/** Segments and packets of different sizes, compared by the bytes that are in them. */
function matchBytes(
  segments: readonly JoinedSegment[],
  packets: readonly PlacedPacket[],
  step: number,
  usualMs: number,
  options: AlignOptions,
): readonly JoinedSegment[] {
  const open: Open[] = [];
  const result: JoinedSegment[] = [];
  for (const segment of segments) {
    if ((segment.length ?? 0) > 0 && !segment.flags.includes('SYN'))
      open.push({ segment, missing: [{ from: segment.seq, to: segmentEnd(segment) }], came: [] });
    else result.push(segment);
  }
  open.sort((a, b) => a.segment.seq - b.segment.seq);
  const longest = open.reduce((most, { segment }) => Math.max(most, segmentEnd(segment) - segment.seq), 0);

  for (const packet of packets) {
    const { flags, length } = packet.packet;
    if (length === null || length === 0 || flags.includes('SYN')) {
      result.push(segmentOf(packet, step, options.steps));
      continue;
    }
    const whole = { from: packet.seq, to: packet.seq + spanOf(flags, length) };
    let remaining: readonly Range[] = [whole];
    for (const one of candidates(open, whole, longest, packet, step, usualMs, options)) {
      const before = one.missing;
      const taken = remaining.flatMap((range) => overlaps(range, before));
      if (taken.length === 0) continue;
      for (const range of taken) {
        one.missing = without(one.missing, range);
        remaining = without(remaining, range);
        one.came.push({ range, packet });
      }
      if (remaining.length === 0) break;
    }
    for (const range of remaining) {
      const segment = segmentOf(packet, step, options.steps);
      result.push(
        range.from === whole.from && range.to === whole.to ? segment : partOf(segment, range, packet.seq + length),
      );
    }
  }
  for (const one of open) result.push(...partsOf(one, step));
  return result;
}

function candidates(
  open: readonly Open[],
  whole: Range,
  longest: number,
  packet: PlacedPacket,
  step: number,
  usualMs: number,
  options: AlignOptions,
): readonly Open[] {
  let low = 0;
  let high = open.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((open[middle]?.segment.seq ?? 0) < whole.from - longest) low = middle + 1;
    else high = middle;
  }
  const found: { readonly one: Open; readonly odd: number }[] = [];
  for (let at = low; at < open.length; at++) {
    const one = open[at];
    if (one === undefined || one.segment.seq >= whole.to || found.length >= maxCandidates) break;
    if (one.missing.length === 0 || segmentEnd(one.segment) <= whole.from) continue;
    // Whoever cuts a packet, or puts packets together, leaves the acknowledgement number alone.
    if (one.segment.origin.ack !== packet.ack) continue;
    const sameSize = one.segment.seq === packet.seq && one.segment.length === packet.packet.length;
    if (sameSize && !sameIpId(one.segment, packet, step, options)) continue;
    const delay = delayOf(one.segment, packet, step, options);
    if (delay !== null) found.push({ one, odd: Math.abs(delay - usualMs) });
  }
  return found.sort((a, b) => a.odd - b.odd).map(({ one }) => one);
}

/** What of a segment came and what did not, next to each other. */
function partsOf({ segment, missing, came }: Open, step: number): readonly JoinedSegment[] {
  if (came.length === 0) return [segment];
  came.sort((a, b) => a.packet.atMs - b.packet.atMs);
  const first = came[0]?.packet ?? null;
  segment.seen[step] = first;
  segment.pieces[step] = came;
  if (missing.length === 0) return [segment];
  const end = segment.seq + (segment.length ?? 0);
  let left: readonly Range[] = [{ from: segment.seq, to: segmentEnd(segment) }];
  for (const range of missing) left = without(left, range);
  return [...missing, ...left].map((range) => partOf(segment, range, end)).sort((a, b) => a.seq - b.seq);
}

/** A part of a segment; PSH and FIN belong to the last. `dataEnd`: where its payload ends. */
function partOf(segment: JoinedSegment, range: Range, dataEnd: number): JoinedSegment {
  const isLast = range.to >= dataEnd;
  return {
    ...segment,
    flags: isLast
      ? segment.flags
      : segment.flags
          .split(',')
          .filter((flag) => flag !== 'PSH' && flag !== 'FIN')
          .join(','),
    seq: range.from,
    length: Math.min(range.to, dataEnd) - range.from,
    seen: segment.seen.map((sight, step) => {
      const pieces = segment.pieces[step] ?? null;
      return pieces === null
        ? sight
        : (pieces.find((piece) => overlaps(range, [piece.range]).length > 0)?.packet ?? null);
    }),
    pieces: [...segment.pieces],
  };
}

function overlaps(range: Range, others: readonly Range[]): readonly Range[] {
  return others.flatMap((other) => {
    const from = Math.max(range.from, other.from);
    const to = Math.min(range.to, other.to);
    return from < to ? [{ from, to }] : [];
  });
}

function without(ranges: readonly Range[], taken: Range): readonly Range[] {
  return ranges.flatMap((range) => {
    if (taken.to <= range.from || taken.from >= range.to) return [range];
    return [
      ...(range.from < taken.from ? [{ from: range.from, to: taken.from }] : []),
      ...(taken.to < range.to ? [{ from: taken.to, to: range.to }] : []),
    ];
  });
}
