/** One packet that two places saw. */
export interface ClockSample {
  /** When the first place saw it, on its clock. */
  readonly atMs: number;
  /** Time at the second place minus time at the first, each on its own clock. */
  readonly differenceMs: number;
  /** Whether it travelled from the first place to the second. */
  readonly away: boolean;
}

/** Clock of the second place minus clock of the first. */
export interface ClockOffset {
  /** At `atMs` on the first place's clock. */
  readonly offsetMs: number;
  readonly atMs: number;
  readonly driftPpm: number;
  readonly uncertaintyMs: number;
  readonly samples: number;
}

/** A network that keeps a packet longer on one way is not reckoned with, where nothing tells how long the way is. */
const longestWayMs = 1000;
/** Drift is looked for in captures of at least this length, in parts of at least a sixth of it. */
const shortestDriftMs = 30_000;
const shortestPartMs = 5000;
const maxParts = 32;
/** The kernel slews a clock by at most this much (adjtimex(2)). */
const maxDriftPpm = 500;
/** Times in captures are in microseconds. */
const resolutionMs = 0.001;

/** The offset at a moment of the first place's clock. */
export function offsetAt(clock: ClockOffset, atMs: number): number {
  return clock.offsetMs + ((atMs - clock.atMs) * clock.driftPpm) / 1e6;
}

/**
 * Estimates the offset of two clocks from packets that both places saw. A packet cannot arrive before it left: every
 * packet on its way from the first place to the second bounds the offset from above (offset + delay), every packet on
 * its way back from below (offset - delay). The packets with the least delay bound it best, as in NTP's clock filter
 * (RFC 5905 section 10); the offset is the middle of the bounds and the uncertainty half of what lies between.
 *
 * - Drift: the middles of parts of the capture are laid on a line (median of all slopes, Theil and Sen, which a third of
 *   wild values does not move). The line is used only where it leads further than the bounds are wide. A clock that
 *   jumps is not followed: the uncertainty grows instead.
 * - Bounds that contradict each other (wrong pairs, late time stamps) are moved inwards, quantile by quantile, until
 *   they agree.
 * - With packets of one direction only, the way back is not known. Where a round trip over both places was seen, the
 *   offset lies within it; else the delay is taken to be 0 to 1 s, and the offset is the bound itself.
 *
 * @param roundTripMs least round trip, seen at one of the places, of packets that passed both; null: none
 * @returns null without samples
 */
export function estimateClockOffset(samples: readonly ClockSample[], roundTripMs: number | null): ClockOffset | null {
  const away = samples.filter((sample) => sample.away);
  const back = samples.filter((sample) => !sample.away);
  if (samples.length === 0) return null;
  let from = Number.POSITIVE_INFINITY;
  let until = Number.NEGATIVE_INFINITY;
  for (const { atMs } of samples) {
    from = Math.min(from, atMs);
    until = Math.max(until, atMs);
  }
  const atMs = (from + until) / 2;
  if (away.length === 0 || back.length === 0) return ofOneDirection(samples, atMs, roundTripMs);

  const still = boundsOf(away, back, 0, atMs);
  const drift = until - from < shortestDriftMs ? null : driftOf(away, back, from, until);
  if (drift !== null) {
    const moving = boundsOf(away, back, drift.ppm, atMs);
    const reachMs = (Math.abs(drift.ppm) * (until - from)) / 1e6;
    if (moving.trimmed <= still.trimmed && (still.trimmed > 0 || reachMs > drift.halfMs)) {
      return {
        offsetMs: moving.middleMs,
        atMs,
        driftPpm: drift.ppm,
        uncertaintyMs: moving.halfMs + drift.residualMs + resolutionMs,
        samples: samples.length,
      };
    }
  }
  return {
    offsetMs: still.middleMs,
    atMs,
    driftPpm: 0,
    uncertaintyMs: still.halfMs + still.contradictionMs + resolutionMs,
    samples: samples.length,
  };
}

function ofOneDirection(samples: readonly ClockSample[], atMs: number, roundTripMs: number | null): ClockOffset {
  const isAway = samples[0]?.away === true;
  let bound = samples[0]?.differenceMs ?? 0;
  for (const { differenceMs } of samples) {
    bound = isAway ? Math.min(bound, differenceMs) : Math.max(bound, differenceMs);
  }
  const half = roundTripMs === null ? 0 : roundTripMs / 2;
  return {
    offsetMs: isAway ? bound - half : bound + half,
    atMs,
    driftPpm: 0,
    uncertaintyMs: roundTripMs === null ? longestWayMs : half + resolutionMs,
    samples: samples.length,
  };
}

interface Bounds {
  readonly middleMs: number;
  readonly halfMs: number;
  /** Part of the samples at either bound that had to be left out, 0 to 0.5. */
  readonly trimmed: number;
  /** By how much the outermost samples contradict each other. */
  readonly contradictionMs: number;
}

function boundsOf(away: readonly ClockSample[], back: readonly ClockSample[], ppm: number, atMs: number): Bounds {
  const level = ({ differenceMs, atMs: at }: ClockSample): number => differenceMs - ((at - atMs) * ppm) / 1e6;
  const above = away.map(level).sort((a, b) => a - b);
  const below = back.map(level).sort((a, b) => b - a);
  const contradictionMs = Math.max(0, (below[0] ?? 0) - (above[0] ?? 0));
  for (const trimmed of [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5]) {
    const upper = above[Math.floor((above.length - 1) * trimmed)] ?? 0;
    const lower = below[Math.floor((below.length - 1) * trimmed)] ?? 0;
    if (upper < lower && trimmed < 0.5) continue;
    return {
      middleMs: (upper + lower) / 2,
      halfMs: Math.abs(upper - lower) / 2,
      trimmed,
      // a few wild values say nothing; many say that the clock did not run evenly
      contradictionMs: trimmed > 0.05 ? contradictionMs : 0,
    };
  }
  return { middleMs: 0, halfMs: longestWayMs, trimmed: 1, contradictionMs };
}

interface Drift {
  readonly ppm: number;
  /** Half of what lies between the bounds of a part, and how far middles lie from the line. */
  readonly halfMs: number;
  readonly residualMs: number;
}

function driftOf(
  away: readonly ClockSample[],
  back: readonly ClockSample[],
  from: number,
  until: number,
): Drift | null {
  const parts = Math.min(maxParts, Math.floor((until - from) / shortestPartMs));
  const uppers = Array.from({ length: parts }, (): ClockSample | null => null);
  const lowers = Array.from({ length: parts }, (): ClockSample | null => null);
  const partOf = ({ atMs }: ClockSample): number =>
    Math.min(parts - 1, Math.floor(((atMs - from) / (until - from)) * parts));
  for (const sample of away) {
    const part = partOf(sample);
    const best = uppers[part] ?? null;
    if (best === null || sample.differenceMs < best.differenceMs) uppers[part] = sample;
  }
  for (const sample of back) {
    const part = partOf(sample);
    const best = lowers[part] ?? null;
    if (best === null || sample.differenceMs > best.differenceMs) lowers[part] = sample;
  }
  const middles: { readonly atMs: number; readonly ms: number; readonly halfMs: number }[] = [];
  for (const [part, upper] of uppers.entries()) {
    const lower = lowers[part] ?? null;
    if (upper === null || lower === null) continue;
    middles.push({
      atMs: (upper.atMs + lower.atMs) / 2,
      ms: (upper.differenceMs + lower.differenceMs) / 2,
      halfMs: Math.abs(upper.differenceMs - lower.differenceMs) / 2,
    });
  }
  if (middles.length < 4) return null;
  const slopes = middles.flatMap((a, index) =>
    middles
      .slice(index + 1)
      .flatMap((b) => (b.atMs - a.atMs < shortestPartMs / 2 ? [] : [(b.ms - a.ms) / (b.atMs - a.atMs)])),
  );
  const ppm = median(slopes) * 1e6;
  if (slopes.length < 3 || Math.abs(ppm) > maxDriftPpm) return null;
  const levels = middles.map(({ atMs, ms }) => ms - (atMs * ppm) / 1e6);
  const centre = median(levels);
  return {
    ppm,
    halfMs: median(middles.map(({ halfMs }) => halfMs)),
    residualMs: median(levels.map((level) => Math.abs(level - centre))) * 2,
  };
}

/** The middle value; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
