import { writeSync } from 'node:fs';
import { generateCapture, writeFully } from './generate-captures.ts';

/**
 * Writes a capture of short connections to standard output at a pace kept by the wall clock, in bursts of 10 ms, and
 * says on standard error how far behind the reader was: a burst that leaves late waited for the reader to take the ones
 * before. node --import tsx test/bench/paced-writer.ts PACKETS_PER_SECOND SECONDS
 */
const [rate = 200_000, seconds = 10] = process.argv.slice(2).map(Number);
const burstMs = 10;
const burst = Math.round((rate * burstMs) / 1000);
/** A reader that is already there when the packets come, as netcheck is when tcpdump starts. */
const startUpMs = 1500;

const sleeper = new Int32Array(new SharedArrayBuffer(4));
let startedAtMs = 0;
let bursts = 0;
let bytes = 0;
const lagsMs: number[] = [];
let worstBehindBytes = 0;

generateCapture(
  'short-connections',
  (chunk) => {
    if (bursts === 0) startedAtMs = performance.now() + startUpMs;
    const dueMs = startedAtMs + bursts * burstMs;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) Atomics.wait(sleeper, 0, 0, waitMs);
    writeFully(1, chunk);
    const lagMs = Math.max(0, performance.now() - dueMs);
    lagsMs.push(lagMs);
    worstBehindBytes = Math.max(worstBehindBytes, Math.floor(lagMs / burstMs) * chunk.length);
    bursts++;
    bytes += chunk.length;
  },
  { seed: 7, count: Math.round((rate * seconds) / 10), perSecond: rate / 10, flushPackets: burst },
);
lagsMs.sort((a, b) => a - b);
const at = (share: number): number => lagsMs[Math.min(lagsMs.length - 1, Math.floor(lagsMs.length * share))] ?? 0;
writeSync(
  2,
  `${JSON.stringify({
    packets: Math.round(rate * seconds),
    bytes,
    medianLagMs: at(0.5),
    p99LagMs: at(0.99),
    worstLagMs: at(1),
    worstBehindBytes,
    endedAtMs: Date.now(),
  })}\n`,
);
