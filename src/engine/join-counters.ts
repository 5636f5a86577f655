import type { At, Evidence } from '../model/evidence.ts';
import type { CounterDelta, CounterDeltas, CounterReading } from '../model/facts.ts';

/** Numbers among the counters that stand for "now", not for "so often": RFC 1213 and 4293 gauges, sizes, settings. */
const gauges =
  /^(?:sockstat6?\.|Ip\.(?:Forwarding|DefaultTTL)$|Tcp\.(?:RtoAlgorithm|RtoMin|RtoMax|MaxConn|CurrEstab)$|\w+\.entries$)/;

/**
 * Two readings of counters -> how far each moved. Counters of a 32-bit kernel go through their end; kernel counters
 * never begin anew without a reboot or a module that was loaded again, and those begin at 0.
 *
 * @param rebooted the node's uptime went back between the readings: nothing can be compared
 */
export function joinCounters(
  readings: readonly { readonly evidence: Evidence; readonly value: unknown }[],
  rebooted: boolean,
): CounterDeltas | undefined {
  if (readings.length === 0) return undefined;
  const side = (after: boolean): CounterReading =>
    Object.assign(
      {},
      ...readings
        .filter(({ evidence }) => (evidence.entry.phase === 'after') === after)
        .map(({ value }) => value as CounterReading),
    ) as CounterReading;
  const before = side(false);
  const after = side(true);
  const between = betweenOf(readings);
  const onlyOnce = !readings.some(({ evidence }) => evidence.entry.phase === 'after');
  const deltas: Record<string, CounterDelta> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const first = before[name];
    const second = after[name];
    const at = (second ?? first)?.at;
    if (at === undefined) continue;
    const delta = deltaOf(name, first?.value, second?.value, { onlyOnce, rebooted, at });
    deltas[name] = between === undefined || delta.delta === null ? delta : { ...delta, between };
  }
  return deltas;
}

/** From the end of what was read before to the begin of what was read after. */
function betweenOf(readings: readonly { readonly evidence: Evidence }[]): CounterDelta['between'] {
  const entries = readings.map(({ evidence }) => evidence.entry);
  const before = entries.filter(({ phase }) => phase !== 'after').map(({ endedAtMs }) => endedAtMs);
  const after = entries.filter(({ phase }) => phase === 'after').map(({ startedAtMs }) => startedAtMs);
  if (before.length === 0 || after.length === 0) return undefined;
  return { fromMs: Math.max(...before), toMs: Math.min(...after) };
}

/** One counter before and after. */
export function deltaOf(
  name: string,
  before: number | undefined,
  after: number | undefined,
  { onlyOnce = false, rebooted, at }: { readonly onlyOnce?: boolean; readonly rebooted: boolean; readonly at: At },
): CounterDelta {
  return { before: before ?? null, after: after ?? null, ...moved(name, before, after, { onlyOnce, rebooted }), at };
}

function moved(
  name: string,
  before: number | undefined,
  after: number | undefined,
  { onlyOnce, rebooted }: { readonly onlyOnce: boolean; readonly rebooted: boolean },
): Pick<CounterDelta, 'delta' | 'how'> {
  if (onlyOnce) return { delta: null, how: 'once' };
  if (before === undefined) return { delta: null, how: 'appeared' };
  if (after === undefined) return { delta: null, how: 'vanished' };
  if (gauges.test(name)) return { delta: after - before, how: 'gauge' };
  if (rebooted) return { delta: null, how: 'reset' };
  if (after >= before) return { delta: after - before, how: 'counted' };
  const wrapped = after + 2 ** 32 - before;
  // Half of the range is more than any counter moves in one run; a value above 32 bits did not wrap there.
  const isWrap = before < 2 ** 32 && before >= 2 ** 31 && wrapped < 2 ** 31;
  return isWrap ? { delta: wrapped, how: 'wrapped' } : { delta: null, how: 'reset' };
}
