import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type CaptureShape, generateCaptureFile } from './generate-captures.ts';

/**
 * Measures `netcheck pcap` against its peers, side by side on generated captures, and holds it against its targets:
 *
 *     npm run bench:packets [-- --json] [--packets] [--quick] [--cli FILE] [--only short,long,shapes,flood,live]
 *
 * `--json`: figures for machines. `--packets`: the modes --packets and --json of netcheck, too. `--quick`: one round
 * instead of three. `--cli`: another build of netcheck. Every command is a whole process, its output thrown away; wall time
 * is the median of the rounds, in which the commands take turns; processor time (user and system) and the largest
 * resident set come from GNU time (wait4). The captures lie in the page cache. Exits with 1 where a target is missed.
 */
const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    packets: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    cli: { type: 'string', default: path.join(import.meta.dirname, '..', '..', 'dist', 'cli.js') },
    only: { type: 'string', default: 'short,long,shapes,flood,live' },
  },
});
const rounds = options.quick ? 1 : 3;
const parts = new Set(options.only.split(','));
const MiB = 1024 * 1024;

const say = (line: string): void => {
  if (!options.json) process.stdout.write(`${line}\n`);
};

interface Run {
  readonly wallSec: number;
  readonly cpuSec: number;
  readonly rssBytes: number;
  readonly status: number;
  readonly stderr: string;
}

interface Measured {
  readonly name: string;
  readonly packets: number;
  readonly wallSec: number;
  readonly cpuSec: number;
  readonly rssMiB: number;
}

interface Verdict {
  readonly target: string;
  readonly found: string;
  readonly pass: boolean;
}

const verdicts: Verdict[] = [];
function judge(target: string, found: string, pass: boolean): void {
  verdicts.push({ target, found, pass });
  say(`${pass ? 'PASS' : 'FAIL'}  ${target}: ${found}`);
}

const missing = new Set<string>();
function isThere(tool: string): boolean {
  if (spawnSync('which', [tool]).status === 0) return true;
  if (!missing.has(tool)) say(`${tool} is not here`);
  missing.add(tool);
  return false;
}

/** A peer that takes longer is stopped, and its figures are lower bounds. */
const mostSec = 150;

/** Runs a command under GNU time; its standard output goes nowhere. */
function run(argv: readonly string[]): Run {
  const figures = path.join(folder, 'time');
  const began = performance.now();
  // timeout(1) inside time(1): what has to be stopped is the command, and its figures are still wanted.
  const limited = ['timeout', '-s', 'KILL', String(mostSec), ...argv];
  const { status, stderr, error } = spawnSync('time', ['-q', '-o', figures, '-f', '%U %S %M', ...limited], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * MiB,
  });
  const wallSec = (performance.now() - began) / 1000;
  if (error !== undefined) throw new Error(`${argv.join(' ')}: ${error.message}`);
  const [user = 0, system = 0, kibibytes = 0] = timeFigures(figures);
  return { wallSec, cpuSec: user + system, rssBytes: kibibytes * 1024, status: status ?? 1, stderr };
}

/** GNU time writes a line about a failed command before its figures. */
function timeFigures(file: string): readonly number[] {
  return (readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '').split(' ').map(Number);
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

interface Contestant {
  readonly name: string;
  readonly argv: readonly string[];
  /** How often at most: what takes minutes is measured once. */
  readonly rounds?: number;
}

const netcheck = (file: string, ...more: readonly string[]): Contestant => ({
  name: ['netcheck pcap', ...more].join(' '),
  argv: [process.execPath, options.cli, 'pcap', file, ...more],
});

function peersOf(file: string, slowRounds: number): readonly Contestant[] {
  return [
    {
      name: 'tshark -T fields -e tcp.analysis.flags',
      argv: ['tshark', '-r', file, '-T', 'fields', '-e', 'tcp.analysis.flags'],
      rounds: slowRounds,
    },
    { name: 'tshark -q -z expert', argv: ['tshark', '-q', '-z', 'expert', '-r', file], rounds: slowRounds },
    { name: 'tcptrace -n -l', argv: ['tcptrace', '-n', '-l', file] },
    { name: 'ndpiReader', argv: ['ndpiReader', '-i', file] },
    { name: 'tcpdump -w /dev/null', argv: ['tcpdump', '-r', file, '-w', '/dev/null'] },
  ].filter(({ argv }) => isThere(argv[0] ?? ''));
}

/** Every contestant in turn, round after round. The first is ours, and what the others are divided by. */
function race(file: string, packets: number, contestants: readonly Contestant[]): readonly Measured[] {
  const runs = contestants.map((): Run[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      if (round < (contestant.rounds ?? rounds)) runs[index]?.push(run(contestant.argv));
    }
  }
  const found = contestants.map(({ name }, index): Measured => {
    const mine = runs[index] ?? [];
    return {
      name,
      packets,
      wallSec: median(mine.map(({ wallSec }) => wallSec)),
      cpuSec: median(mine.map(({ cpuSec }) => cpuSec)),
      rssMiB: Math.max(...mine.map(({ rssBytes }) => rssBytes)) / MiB,
    };
  });
  const ours = found[0];
  say('');
  say(`${path.basename(file)}: ${packets.toLocaleString('en')} packets, ${Math.round(statSync(file).size / 1e6)} MB`);
  say(
    `${'command'.padEnd(40)}${['wall s', 'cpu s', 'RSS MiB', 'Mpkt/s', 'wall x', 'cpu x'].map((h) => h.padStart(9)).join('')}`,
  );
  for (const one of found) {
    const cells = [
      `${one.wallSec >= mostSec ? '> ' : ''}${one.wallSec.toFixed(2)}`,
      one.cpuSec.toFixed(2),
      one.rssMiB.toFixed(0),
      (packets / one.wallSec / 1e6).toFixed(2),
      ours === undefined ? '' : (one.wallSec / ours.wallSec).toFixed(2),
      ours === undefined ? '' : (one.cpuSec / ours.cpuSec).toFixed(2),
    ];
    say(`${one.name.padEnd(40)}${cells.map((cell) => cell.padStart(9)).join('')}`);
  }
  return found;
}

const all: { file: string; measured: readonly Measured[] }[] = [];

function made(shape: CaptureShape): { readonly file: string; readonly packets: number } {
  const file = path.join(folder, `${shape}.pcap`);
  const packets = generateCaptureFile(shape, file);
  return { file, packets };
}

function memory(measured: readonly Measured[], what: string, atMostMiB: number): void {
  for (const { name, rssMiB } of measured.filter(({ name }) => name.startsWith('netcheck'))) {
    judge(`${name} on ${what}: RSS at most ${atMostMiB} MiB`, `${rssMiB.toFixed(0)} MiB`, rssMiB <= atMostMiB);
  }
}

function moreModes(file: string): readonly Contestant[] {
  return options.packets ? [netcheck(file, '--packets', '--json'), netcheck(file, '--json')] : [];
}

function shortConnections(): void {
  const { file, packets } = made('short-connections');
  const measured = race(file, packets, [netcheck(file), ...peersOf(file, rounds), ...moreModes(file)]);
  all.push({ file: path.basename(file), measured });
  const ours = measured[0];
  const targets: readonly (readonly [string, number])[] = [
    ['tshark -T fields', 25],
    ['tshark -q -z expert', 6],
    ['tcptrace', 4],
  ];
  for (const [name, factor] of targets) {
    const peer = measured.find((one) => one.name.startsWith(name));
    if (ours === undefined || peer === undefined) continue;
    const ratio = peer.wallSec / ours.wallSec;
    judge(
      `at least ${factor} times as fast as ${name}`,
      `${ratio.toFixed(1)} times (processor time: ${(peer.cpuSec / ours.cpuSec).toFixed(1)} times)`,
      ratio >= factor,
    );
  }
  memory(measured, '100 000 short connections', 256);
  rmSync(file);
}

function longTransfers(): void {
  const { file, packets } = made('long-transfers');
  const measured = race(file, packets, [netcheck(file), ...peersOf(file, 1), ...moreModes(file)]);
  all.push({ file: path.basename(file), measured });
  memory(measured, '5 million packets', 512);
  rmSync(file);
}

function otherShapes(): void {
  for (const shape of ['port-reuse', 'any-duplicates'] as const) {
    const { file, packets } = made(shape);
    const measured = race(file, packets, [netcheck(file)]);
    all.push({ file: path.basename(file), measured });
    memory(measured, shape, 256);
    rmSync(file);
  }
}

function flood(): void {
  const { file, packets } = made('syn-flood');
  const measured = race(file, packets, [netcheck(file)]);
  all.push({ file: path.basename(file), measured });
  memory(measured, 'a SYN flood from 5 million addresses', 512);
  const { stderr, status } = run(netcheck(file).argv);
  const said = stderr.split('\n').filter((line) => /let go|not kept|dropped|uneventful|at most/.test(line));
  judge(
    'a SYN flood ends in a report that says what was dropped',
    `exit ${status}; ${said.join(' | ').replaceAll(file, 'FILE') || 'it says nothing'}`,
    status < 64 && said.length > 0,
  );
  rmSync(file);
}

/** A stream at 200 000 packets a second into a reader that has one processor. */
function live(): void {
  if (!isThere('taskset')) return;
  const rate = 200_000;
  const seconds = 10;
  const figures = path.join(folder, 'live-time');
  const lag = path.join(folder, 'live-lag');
  const writerCpu = availableParallelism() > 1 ? '1' : '0';
  const writer = path.join(import.meta.dirname, 'paced-writer.ts');
  const script =
    'timeout -s KILL 60 taskset -c "$0" "$1" --import tsx "$2" "$3" "$4" 2>"$5" | time -q -o "$6" -f "%U %S %M" taskset -c 0 "$1" "$7" pcap - >/dev/null 2>&1';
  spawnSync(
    'sh',
    [
      '-c',
      script,
      writerCpu,
      process.execPath,
      writer,
      String(rate),
      String(seconds),
      lag,
      figures,
      path.resolve(options.cli),
    ],
    { stdio: 'ignore' },
  );
  const endedAtMs = Date.now();
  const [user = 0, system = 0, kibibytes = 0] = timeFigures(figures);
  const written = JSON.parse(readFileSync(lag, 'utf8')) as {
    readonly packets: number;
    readonly bytes: number;
    readonly medianLagMs: number;
    readonly p99LagMs: number;
    readonly worstLagMs: number;
    readonly worstBehindBytes: number;
    readonly endedAtMs: number;
  };
  const share = ((user + system) / seconds) * 100;
  say('');
  say(
    `live: ${written.packets.toLocaleString('en')} packets, ${(written.bytes / 1e6).toFixed(0)} MB in ${seconds} s; ` +
      `bursts of 10 ms late by ${written.medianLagMs.toFixed(1)} ms (median), ${written.p99LagMs.toFixed(1)} ms (99 %), ${written.worstLagMs.toFixed(1)} ms (worst); ` +
      `report ${endedAtMs - written.endedAtMs} ms after the last byte; RSS ${(kibibytes / 1024).toFixed(0)} MiB`,
  );
  judge(
    `live at ${rate.toLocaleString('en')} packets/s on one processor: never more than 100 ms behind`,
    `${written.worstLagMs.toFixed(1)} ms, ${(written.worstBehindBytes / MiB).toFixed(2)} MiB`,
    written.worstLagMs <= 100,
  );
  judge('live: less than 100 % of that processor', `${share.toFixed(0)} %`, share < 100);
  all.push({
    file: 'live',
    measured: [
      {
        name: 'netcheck pcap -',
        packets: written.packets,
        wallSec: seconds,
        cpuSec: user + system,
        rssMiB: kibibytes / 1024,
      },
    ],
  });
}

/** The captures are there for as long as this runs, on the disk of the machine's temporary folder. */
const folder = mkdtempSync(path.join(tmpdir(), 'netcheck-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));

const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
say(machine);
if (!existsSync(options.cli)) throw new Error(`${options.cli} is not there: npm run build`);
if (!isThere('time')) throw new Error('GNU time is needed (Debian package time)');
const began = performance.now();
if (parts.has('short')) shortConnections();
if (parts.has('long')) longTransfers();
if (parts.has('shapes')) otherShapes();
if (parts.has('flood')) flood();
if (parts.has('live')) live();
const failed = verdicts.filter(({ pass }) => !pass);
say('');
say(
  `${verdicts.length - failed.length} of ${verdicts.length} targets reached; ${((performance.now() - began) / 1000).toFixed(0)} s`,
);
for (const { target, found } of failed) say(`FAIL  ${target}: ${found}`);
if (options.json) process.stdout.write(`${JSON.stringify({ machine, files: all, verdicts })}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
