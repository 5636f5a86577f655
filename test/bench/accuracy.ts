import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';
import { accuracyPage, accuracyTable, goldenTotals, percent } from '../../docs/accuracy-page.ts';
import { expectationOf } from '../cases/expectation-of.ts';
import { placeText } from '../lab/compare-report.ts';
import type { LaneResult } from '../lab/lane.ts';
import { scenarios } from '../lab/scenarios.ts';
import { expectedText, goldenFigure, goldenFigures, textOf } from './accuracy-figures.ts';

/**
 * How often netcheck is right, and how fast:
 *
 *     npm run bench:accuracy [-- [--golden] [--to=FILE] [scenario]...]
 *
 * First all recorded runs, judged anew. Then all scenarios of the practice network, on real kernels, in two labs side by
 * side. Writes docs/accuracy.md when all of it ran; of named scenarios only a FILE that is asked for. Exits with 1 where a target is missed.
 */
const targets = { rightShare: 0.98, medianSec: 8, worstSec: 25 } as const;
const lanes = ['forward', 'backward'] as const;
const root = path.join(import.meta.dirname, '..', '..');
const say = (line: string) => process.stdout.write(`${line}\n`);
const goldenOnly = process.argv.includes('--golden');
const askedFile = process.argv.find((word) => word.startsWith('--to='))?.slice('--to='.length);
const only = process.argv.slice(2).filter((word) => !word.startsWith('--'));

// ------------------------------------------------------------------------------------------------------- recorded runs

async function golden(): Promise<boolean> {
  const judged = [];
  for (const { id } of goldenFigures()) {
    const { record, evidence } = await loadRun(path.join(root, 'test', 'cases', id, 'run.tar.gz'));
    judged.push(goldenFigure(id, judge(record, evidence, { collectors, parsers, rules }), expectationOf(id)));
  }
  for (const { id, expected, got, unknowns, problems } of judged)
    say(
      `${problems.length === 0 ? 'right' : 'WRONG'}  ${id.padEnd(36)} ${got}${unknowns === 0 ? '' : ` (${unknowns} unknown)`}${problems.length === 0 ? '' : `\n       expected: ${expected}\n       ${problems.join('\n').replaceAll('\n', '\n       ')}`}`,
    );
  const pass = judged.every(({ problems, falselyConfirmed }) => problems.length === 0 && falselyConfirmed === 0);
  say(`${goldenTotals(judged)} ${pass ? 'PASS' : 'FAIL'}\n`);
  return pass;
}

// ------------------------------------------------------------------------------------------------------ live scenarios

/** One lab's share of the scenarios; what it prints besides results is shown. */
function runLane(folder: string, direction: string): Promise<number> {
  const lane = spawn(
    process.execPath,
    ['test/lab/enter.mjs', process.execPath, '--import', 'tsx', 'test/lab/lane.ts', folder, direction, ...only],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  return new Promise((resolve) => {
    lane.once('error', () => resolve(1));
    lane.once('exit', (code) => resolve(code ?? 1));
  });
}

const resultsIn = (folder: string): readonly LaneResult[] => {
  const file = path.join(folder, 'results.ndjson');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  // the last line may still be being written
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LaneResult);
};

const seconds = (ms: number | undefined) => (ms === undefined ? '–' : (ms / 1000).toFixed(1));

function lineOf(result: LaneResult): string {
  const id = result.id.padEnd(36);
  if ('skipped' in result) return `skip   ${id} ${result.skipped}`;
  const { problems, verdict = 'no answer', confirmed, likely, tookMs } = result;
  const got = textOf(verdict, confirmed.map(placeText), likely.map(placeText));
  const why = problems.length === 0 ? '' : `\n       ${problems.join('\n').replaceAll('\n', '\n       ')}`;
  return `${problems.length === 0 ? 'right' : 'WRONG'}  ${id} ${seconds(tookMs).padStart(5)} s  ${got}${why}`;
}

async function live(): Promise<boolean> {
  const folder = mkdtempSync(path.join(tmpdir(), 'netcheck-accuracy-'));
  const began = performance.now();
  let shown = 0;
  const show = () => {
    for (const result of resultsIn(folder).slice(shown)) {
      say(lineOf(result));
      shown += 1;
    }
  };
  const timer = setInterval(show, 500);
  let statuses: readonly number[];
  try {
    statuses = await Promise.all(lanes.map((direction) => runLane(folder, direction)));
    const loners = scenarios.filter(({ id, alone }) => alone !== undefined && (only.length === 0 || only.includes(id)));
    if (loners.length > 0) statuses = [...statuses, await runLane(folder, 'alone')];
  } finally {
    clearInterval(timer);
  }
  show();
  const results = resultsIn(folder);
  rmSync(folder, { recursive: true, force: true });
  if (statuses.every((status) => status === 77)) {
    say('no live scenario can run on this machine (see above): skipped');
    return true;
  }
  return judgeLive(results, (performance.now() - began) / 1000);
}

function judgeLive(results: readonly LaneResult[], tookSec: number): boolean {
  const byId = new Map(results.map((result) => [result.id, result]));
  const chosen = scenarios.filter(({ id }) => only.length === 0 || only.includes(id));
  const rows = chosen.map((scenario) => {
    const result = byId.get(scenario.id) ?? { id: scenario.id, skipped: 'its lab ended before it was run' };
    const expected = expectedText(scenario.expect);
    if ('skipped' in result) return [scenario.id, '', expected, `skipped: ${result.skipped}`, '', '', '', ''];
    const {
      problems,
      verdict = 'no answer',
      confirmed,
      likely,
      kernel = '',
      tookMs,
      evidenceBytes,
      nodeCpuSec,
    } = result;
    return [
      scenario.id,
      kernel,
      expected,
      textOf(verdict, confirmed.map(placeText), likely.map(placeText)),
      seconds(tookMs),
      evidenceBytes === undefined ? '' : (evidenceBytes / 1000).toFixed(0),
      nodeCpuSec === undefined ? '' : nodeCpuSec.toFixed(2),
      problems.length === 0 ? 'right' : 'WRONG',
    ];
  });
  const ran = results.flatMap((result) => ('skipped' in result ? [] : [result]));
  const right = ran.filter(({ problems }) => problems.length === 0).length;
  const falselyConfirmed = ran.reduce((sum, one) => sum + one.falselyConfirmed.length, 0);
  const times = ran.flatMap(({ tookMs }) => (tookMs === undefined ? [] : [tookMs / 1000])).sort((a, b) => a - b);
  const median = times[times.length >> 1] ?? 0;
  const worst = times.at(-1) ?? 0;
  const checks: readonly (readonly [string, string, boolean])[] = [
    [
      'cause right',
      `${right} of ${ran.length} (${percent(right, ran.length)})`,
      ran.length > 0 && right >= targets.rightShare * ran.length,
    ],
    ['false confirmations', String(falselyConfirmed), falselyConfirmed === 0],
    ['median time to verdict', `${median.toFixed(1)} s`, median <= targets.medianSec],
    ['worst time to verdict', `${worst.toFixed(1)} s`, worst <= targets.worstSec],
  ];
  const skipped = chosen.length - ran.length;
  const totals = accuracyTable(
    ['figure', 'value', ''],
    [
      ...checks.map(([name, value, pass]) => [name, value, pass ? 'PASS' : 'FAIL']),
      ['scenarios skipped', String(skipped), ''],
      ['all of it', `${(tookSec / 60).toFixed(1)} min`, ''],
    ],
  );
  say(`\n${totals}\n`);
  const file = askedFile ?? (only.length === 0 ? path.join('docs', 'accuracy.md') : undefined);
  if (file !== undefined) {
    const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node ${process.versions.node}; load ${loadavg()[1]?.toFixed(1)}; ${new Date().toISOString().slice(0, 10)}`;
    const table = accuracyTable(
      ['scenario', 'kernel', 'expected', 'got', 's', 'evidence, kB', 'node CPU, s', ''],
      rows,
    );
    const text = `## Live scenarios\n\n${machine}\n\n${totals}\n\n${table}\n`;
    writeFileSync(path.resolve(root, file), accuracyPage(text));
    say(`wrote ${file}`);
  }
  return checks.every(([, , pass]) => pass);
}

const goldenPass = only.length > 0 || (await golden());
const livePass = goldenOnly || (await live());
if (goldenOnly) writeFileSync(path.join(root, 'docs', 'accuracy.md'), accuracyPage());
say(goldenPass && livePass ? 'PASS' : 'FAIL');
process.exitCode = goldenPass && livePass ? 0 : 1;
