import { fork, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { randomTalk } from '../packets/random-talk.ts';
import { SeededRandom } from '../packets/seeded-random.ts';
import { arbitraryFrame } from './arbitrary-frame.ts';
import { checkDecode, checkStream, pcapOf } from './check-engine.ts';
import { corpus } from './corpus.ts';
import { fuzzRound } from './fuzz-packets.ts';
import { hostileShapes, measureGrowth, talkShape } from './grow.ts';
import { mutateBytes } from './mutate-bytes.ts';
import { comparedVerdicts, ourVerdicts, tsharkVerdicts, tsharkVersion } from './tshark-verdicts.ts';

/**
 * The long run of the fuzzer, on every processor:
 *
 *     npm run test:fuzz [-- --packets 10000000] [--seed N] [--only mutate,structure,growth,command,tshark]
 *
 * - mutate: packets and whole files with things wrong in them, alone and as streams (fuzz-packets.ts)
 * - structure: frames that are well built but strange (arbitrary-frame.ts)
 * - growth: hostile streams; neither memory nor time per packet may grow with their length
 * - command: mutated files, packed and not, through the built command line; it must end with a sentence, not a stack
 * - tshark: random conversations judged frame by frame as tshark 4.0 judges them
 *
 * The seed is printed first; `--seed` with it repeats the run. A failing input is made as short as possible and saved as a
 * capture file, whose name is printed. Exits with 1 when something failed.
 *
 * Seen to find faults: in a copy of the sources, with `|| at + length > end` taken out of tcpOptions() in decode-packet.ts,
 * the run of `npm test` ends within its first round in "decoding: threw RangeError: Offset is outside the bounds of the
 * DataView", with a capture of one packet.
 */
const { values: options } = parseArgs({
  options: {
    packets: { type: 'string', default: '10000000' },
    seed: { type: 'string' },
    only: { type: 'string', default: 'mutate,structure,growth,command,tshark' },
    /** Of a child: its share. */
    child: { type: 'boolean', default: false },
  },
});
const seed = options.seed === undefined ? Date.now() % 2 ** 31 : Number(options.seed);
const parts = new Set(options.only.split(','));
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

interface Progress {
  readonly packets: number;
  readonly files: number;
  readonly failures: readonly { readonly seed: number; readonly complaint: string; readonly capture: string }[];
}

/** At most so many failures are saved: one fault shows itself again and again. */
const mostFailures = 20;
let failed = 0;
let saveTo: string | null = null;

function fail(complaint: string, capture?: Uint8Array): void {
  failed++;
  if (failed > mostFailures) return;
  if (capture === undefined) {
    say(`FAIL  ${complaint}`);
    return;
  }
  saveTo ??= mkdtempSync(path.join(tmpdir(), 'netcheck-fuzz-'));
  mkdirSync(saveTo, { recursive: true });
  const file = path.join(saveTo, `failure-${failed}.pcap`);
  writeFileSync(file, capture);
  say(`FAIL  ${complaint}\n      ${file}`);
}

/** Child: rounds until its share is done, telling the parent now and then. */
function mutateShare(packets: number): void {
  const seeds = corpus();
  let done = 0;
  let files = 0;
  let failures: { seed: number; complaint: string; capture: string }[] = [];
  const report = (): void => {
    process.send?.({ packets: done, files, failures } satisfies Progress);
    failures = [];
  };
  for (let round = 0; done < packets; round++) {
    // A round of its own per number, whatever the share of the child.
    const found = fuzzRound(seeds, (seed + Math.imul(round, 0x9e37_79b1)) | 0);
    done += found.packets;
    files += found.files;
    for (const { seed: roundSeed, complaint, capture } of found.failures) {
      failures.push({ seed: roundSeed, complaint, capture: Buffer.from(capture).toString('base64') });
    }
    if (round % 20 === 0 || found.failures.length > 0) report();
  }
  report();
  process.disconnect();
}

async function mutate(): Promise<void> {
  const children = availableParallelism();
  const share = Math.ceil(Number(options.packets) / children);
  const began = performance.now();
  const progress = new Map<number, Progress>();
  const total = (key: 'packets' | 'files'): number => [...progress.values()].reduce((sum, one) => sum + one[key], 0);
  const complaints = new Map<string, number>();
  let saidAtMs = began;
  await Promise.all(
    Array.from({ length: children }, (_, index) => {
      const argv = ['--child', '--packets', String(share), '--seed', String((seed + index * 0x0101_0101) % 2 ** 31)];
      const child = fork(fileURLToPath(import.meta.url), argv, { execArgv: ['--import', 'tsx'] });
      child.on('message', (message: Progress) => {
        progress.set(index, message);
        for (const { seed: roundSeed, complaint, capture } of message.failures) {
          // The same complaint with other numbers is the same fault.
          const kind = complaint.replace(/\d+/g, 'N');
          const times = (complaints.get(kind) ?? 0) + 1;
          complaints.set(kind, times);
          if (times === 1) fail(`round ${roundSeed}: ${complaint}`, Buffer.from(capture, 'base64'));
        }
        if (performance.now() - saidAtMs < 20_000) return;
        saidAtMs = performance.now();
        say(`  ${total('packets').toLocaleString('en')} packets after ${seconds(began)}`);
      });
      return new Promise<void>((resolve) => {
        child.once('exit', (code, signal) => {
          if (code !== 0) fail(`a fuzzing process ended with ${code ?? signal}`);
          resolve();
        });
      });
    }),
  );
  for (const [kind, times] of complaints) if (times > 1) say(`      ${times} times: ${kind}`);
  say(
    `mutate     ${total('packets').toLocaleString('en')} mutated packets and ${total('files').toLocaleString('en')} mutated files on ${children} processors (${seconds(began)})`,
  );
}

function structure(): void {
  const began = performance.now();
  const runs = 20_000;
  const result = fc.check(
    fc.property(fc.array(arbitraryFrame, { minLength: 1, maxLength: 12 }), fc.integer(), (frames, cutSeed) => {
      const packets = frames.map((bytes) => ({ bytes, wireLength: bytes.length, atUs: 0 }));
      for (const packet of packets) {
        const complaint = checkDecode(packet, 1);
        if (complaint !== null) throw new Error(complaint);
      }
      const complaint = checkStream(pcapOf(packets, 1), new SeededRandom(cutSeed));
      if (complaint !== null) throw new Error(complaint);
    }),
    { numRuns: runs, seed },
  );
  if (result.failed) fail(`structure: ${fc.defaultReportMessage(result) ?? 'failed'}`);
  say(`structure  ${runs.toLocaleString('en')} streams of well-built frames (${seconds(began)})`);
}

/** Time per packet may grow by this factor when a stream becomes ten times longer: caches, not algorithms. */
const mostGrowth = 4;
const mostHeldMiB = 192;

function growth(): void {
  const began = performance.now();
  const few = 30_000;
  for (const shape of [...hostileShapes, talkShape]) {
    const perPacketUs = (packets: number, tries: number): { us: number; heldMiB: number } => {
      const runs = Array.from({ length: tries }, () => measureGrowth(shape, packets, seed));
      const fastest = Math.min(...runs.map(({ tookMs }) => tookMs));
      return { us: (fastest / packets) * 1000, heldMiB: Math.max(...runs.map(({ heldBytes }) => heldBytes)) / 2 ** 20 };
    };
    const short = perPacketUs(few, 3);
    const long = perPacketUs(few * 10, 2);
    const line = `${shape.name}: ${short.us.toFixed(2)} us per packet, ${long.us.toFixed(2)} in ten times as many; ${long.heldMiB.toFixed(0)} MiB held`;
    // Below a microsecond it is the start-up of the machine code that is measured.
    if (long.us > Math.max(1, short.us) * mostGrowth || long.heldMiB > mostHeldMiB) fail(`growth: ${line}`);
    else say(`  ${line}`);
  }
  say(
    `growth     ${hostileShapes.length + 1} hostile streams of ${(few * 10).toLocaleString('en')} packets (${seconds(began)})`,
  );
}

/** What the command line is asked for, in turn. */
const modes: readonly (readonly string[])[] = [
  [],
  ['--json'],
  ['--packets'],
  ['--packets', '--json', '--as', 'wireshark'],
];

function command(): void {
  const began = performance.now();
  const cli = path.join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
  const random = new SeededRandom(seed);
  const { files } = corpus();
  const folder = mkdtempSync(path.join(tmpdir(), 'netcheck-fuzz-command-'));
  let tried = 0;
  try {
    for (let batch = 0; batch < 12; batch++) {
      const names = Array.from({ length: 50 }, (_, index) => {
        const original = random.pick(files) ?? new Uint8Array(0);
        const file = path.join(folder, `${batch}-${index}.pcap`);
        if (index % 2 === 0) {
          // Not the ten bytes of the header (RFC 1952), or it is merely no gzip any more.
          const packed = gzipSync(original);
          const rest = mutateBytes(random, packed.subarray(10), packed, 4000);
          writeFileSync(file, Buffer.concat([packed.subarray(0, 10), rest]));
        } else writeFileSync(file, mutateBytes(random, original, random.pick(files) ?? original, 400));
        return file;
      });
      tried += names.length;
      const run = spawnSync(process.execPath, [cli, 'pcap', ...names, ...(modes[batch % modes.length] ?? [])], {
        encoding: 'utf8',
        timeout: 120_000,
        maxBuffer: 2 ** 28,
      });
      if (![0, 1, 2].includes(run.status ?? -1) || /\n\s+at /.test(run.stderr)) {
        fail(`command: batch ${batch} ended with ${run.status ?? run.signal}: ${run.stderr.trim().slice(-500)}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say(`command    ${tried} mutated files, half of them gzip, through the command line (${seconds(began)})`);
}

function tshark(): void {
  const version = tsharkVersion();
  if (version !== '4.0') {
    say(
      `tshark     skipped: ${version === undefined ? 'tshark is not here' : `the rules are those of 4.0, this is ${version}`}`,
    );
    return;
  }
  const began = performance.now();
  const folder = mkdtempSync(path.join(tmpdir(), 'netcheck-fuzz-tshark-'));
  let frames = 0;
  let flagged = 0;
  let differences = 0;
  const seen = new Set<string>();
  try {
    for (let talk = 0; talk < 60; talk++) {
      const talkSeed = (seed + talk) >>> 0;
      const bytes = randomTalk(talkSeed, 8000).bytes();
      const file = path.join(folder, 'talk.pcap');
      writeFileSync(file, bytes);
      const ours = ourVerdicts(bytes);
      for (const [frame, theirs] of tsharkVerdicts(file)) {
        frames++;
        if (theirs !== '') flagged++;
        for (const verdict of theirs.split(' ')) seen.add(verdict);
        if (ours.get(frame) === theirs) continue;
        differences++;
        if (differences <= 100) say(`  talk ${talkSeed}, frame ${frame}: tshark "${theirs}", we "${ours.get(frame)}"`);
        if (differences === 1) fail(`tshark: talk ${talkSeed} is judged otherwise`, bytes);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const never = comparedVerdicts.filter((verdict) => !seen.has(verdict));
  if (never.length > 0) fail(`tshark: ${never.join(', ')} never occurred`);
  say(
    `tshark     ${frames.toLocaleString('en')} frames of random conversations, ${flagged.toLocaleString('en')} with verdicts: ${differences} differences (${seconds(began)})`,
  );
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}

if (options.child) mutateShare(Number(options.packets));
else {
  say(`seed ${seed}`);
  const began = performance.now();
  if (parts.has('mutate')) await mutate();
  if (parts.has('structure')) structure();
  if (parts.has('growth')) growth();
  if (parts.has('command')) command();
  if (parts.has('tshark')) tshark();
  say(`${failed === 0 ? 'nothing failed' : `${failed} FAILED`} (${seconds(began)}, seed ${seed})`);
  process.exitCode = failed === 0 ? 0 : 1;
}
