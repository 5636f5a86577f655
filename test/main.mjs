// `npm test`: sets up what it needs, runs everything that this machine allows, and says what it skipped and why.
// `npm run check` (`node test/main.mjs check`): the part that needs no network, no root and no Debian package.
// The very last line is `N passed, N failed, N skipped`; the exit status is 0 only with no failure and a test that ran.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { labBlockers, runInLab } from './lab/enter.mjs';
import { setUp } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
const offlineOnly = process.argv[2] === 'check';
const node = process.execPath;
const folder = mkdtempSync(join(tmpdir(), 'netcheck-test-'));
const children = new Set();

process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.on(signal, () => {
    for (const child of children) child.kill(signal);
    process.exit(status);
  });
}

const say = (line) => process.stdout.write(`${line}\n`);
const tally = { passed: 0, failed: 0, skipped: 0 };
/** What was skipped, with its reason. */
const skips = [];

/** Runs and keeps what it prints. Resolves to `{ code, output }`. */
function capture(argv, env = {}) {
  return new Promise((resolve) => {
    const [tool, ...rest] = argv;
    const child = spawn(tool, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    children.add(child);
    let output = '';
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => resolve({ code: 127, output: error.message }));
    child.once('close', (code) => {
      children.delete(child);
      resolve({ code: code ?? 1, output });
    });
  });
}

function announce(name, began, text) {
  say(`${name.padEnd(10)} ${text} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
}

/** A step that is one check: it passes or it fails. */
async function check(name, argv) {
  const began = performance.now();
  const { code, output } = await capture(argv);
  tally[code === 0 ? 'passed' : 'failed'] += 1;
  announce(name, began, code === 0 ? 'passed' : 'FAILED');
  if (code !== 0) say(output.trimEnd());
}

/** A vitest project (or one file of it): its tests are counted, its output is shown when something failed. */
async function tests(name, project, { files = [], options = [], inLab = false, env = {} } = {}) {
  const began = performance.now();
  const outcomes = join(folder, `${name.replaceAll(/\W/g, '-')}.ndjson`);
  const argv = [
    node,
    'node_modules/vitest/vitest.mjs',
    'run',
    ...files,
    ...options,
    `--project=${project}`,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=./test/outcome-reporter.mjs',
  ];
  const environment = { ...env, NETCHECK_OUTCOMES: outcomes };
  let code;
  let output = '';
  if (inLab) {
    const onOutput = (chunk) => {
      output += chunk;
    };
    code = await runInLab(argv, { env: environment, stdio: ['ignore', 'pipe', 'pipe'], onOutput });
  } else ({ code, output } = await capture(argv, environment));
  const results = existsSync(outcomes)
    ? readFileSync(outcomes, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
    : [];
  const count = (state) => results.filter((result) => result.state === state).length;
  const failed = count('failed');
  tally.passed += count('passed');
  tally.failed += failed;
  tally.skipped += count('skipped');
  for (const { state, name: test, reason } of results) if (state === 'skipped') skips.push({ test, reason });
  // vitest may fail without a failing test (an option that it does not know, a crash), or find nothing to run: a
  // check that looked at nothing has not passed
  const crashed = (code !== 0 && failed === 0) || results.length === 0;
  if (crashed) tally.failed += 1;
  const parts = [`${count('passed')} passed`];
  if (failed > 0 || crashed)
    parts.push(crashed ? `FAILED (exit ${code}, ${results.length} tests seen)` : `${failed} FAILED`);
  if (count('skipped') > 0) parts.push(`${count('skipped')} skipped`);
  announce(name, began, parts.join(', '));
  if (failed > 0 || crashed) say(output.trimEnd());
}

/** What waits most of the time goes two at a time; whole bots with their workers need the processors for themselves. */
async function contracts() {
  const bots = ['end-to-end', 'bolt', 'faults'].map((name) => `test/contracts/real/${name}`);
  await tests('contracts', 'contracts', { options: bots.map((name) => `--exclude=${name}*`) });
  await tests('bots', 'contracts', { files: bots, options: ['--no-file-parallelism'] });
}

const began = performance.now();
const { ok, missing } = await setUp({ debian: !offlineOnly });
if (!ok) {
  say('netcheck could not be set up; see above. Nothing was tested.');
  say('0 passed, 1 failed, 0 skipped');
  process.exit(1);
}
for (const line of missing) say(line);
say(`set-up done after ${((performance.now() - began) / 1000).toFixed(1)} s`);

const bin = (name) => join('node_modules/.bin', name);
await Promise.all([
  check('format', [bin('biome'), 'format', '.']),
  check('lint', [bin('oxlint'), '--type-aware', '--deny-warnings', 'src', 'test']),
  check('types', [node, 'node_modules/typescript/bin/tsc', '--noEmit']),
  existsSync('docs/generate.ts') ? check('docs', [node, '--import', 'tsx', 'docs/generate.ts', '--check']) : undefined,
]);
await tests('unit', 'unit');
if (!offlineOnly) {
  await tests('processes', 'processes');
  const blockers = labBlockers();
  if (blockers.length > 0) {
    say(`the practice network cannot run here: ${blockers.join('; ')}`);
    // outside a lab every one of its tests skips itself, with this as its reason
    await contracts();
    await tests('lab', 'lab', { env: { NETCHECK_LAB_BLOCKED: blockers.join('; ') } });
  } else {
    await contracts();
    // Two labs at once: they cannot see each other, and both mostly wait for time-outs of the kernel.
    const lab = (name, files, env = {}) =>
      tests(name, 'lab', { inLab: true, files: files.map((file) => `test/lab/${file}`), env });
    const lane = (number) => lab(`scenarios ${number}/2`, ['scenarios.test.ts'], { NETCHECK_LANE: `${number}/2` });
    await Promise.all([
      lane(1)
        .then(() => lab('guests', ['uml', 'unchanged']))
        .then(() => lab('lab', ['network', 'enter', 'demo', 'netns', 'join-captures'])),
      lane(2).then(() => lab('changes', ['try-change'])),
    ]);
  }
}

const reasons = new Map();
for (const { test, reason } of skips) {
  reasons.set(reason, [...(reasons.get(reason) ?? []), test.replaceAll(` (skipped: ${reason})`, '')]);
}
for (const [reason, names] of reasons) {
  say(`skipped because: ${reason}`);
  for (const name of names) say(`  ${name}`);
}
const ran = tally.passed + tally.failed;
if (ran === 0) say('no test ran at all');
say(`all of it took ${((performance.now() - began) / 1000).toFixed(1)} s`);
say(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
process.exitCode = tally.failed > 0 || ran === 0 ? 1 : 0;
