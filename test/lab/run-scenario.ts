import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Report } from '../../src/model/report.ts';
import { confirmedIn, placeOf, told, without, withVerdict, wrong } from './compare-report.ts';
import { command, type Lab, startLab } from './network.ts';
import type { Feeling, Felt, Place, Scenario } from './scenario.ts';

export const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** What came of one scenario. */
export interface ScenarioResult {
  readonly id: string;
  /** What is not as it has to be, one sentence each; empty where all is well. */
  readonly problems: readonly string[];
  readonly verdict?: Report['verdict'];
  readonly confirmed: readonly Place[];
  readonly likely: readonly Place[];
  /** Confirmed, though it is not what was broken; or confirmed once mended. */
  readonly falselyConfirmed: readonly Place[];
  /** As the target's `uname -r` says. */
  readonly kernel?: string;
  /** The whole command, from its start to its end. */
  readonly tookMs?: number;
  readonly evidenceBytes?: number;
  /** Of the node where netcheck cost most; only where it can be measured apart from everything else. */
  readonly nodeCpuSec?: number;
}

export interface Asked {
  readonly report: Report;
  readonly status: number;
  readonly tookMs: number;
}

/** Where the runs are kept that a person wants to look at; unset: nowhere. */
const saveIn = process.env.NETCHECK_LAB_SAVE;

/**
 * The question through the real command line: one process, real SSH, real packets. `name` is what the run is saved as.
 * @throws Error when what it printed is no report
 */
export async function ask(lab: Pick<Lab, 'configFile'>, text: string, name?: string): Promise<Asked> {
  const began = performance.now();
  const save = saveIn === undefined || name === undefined ? [] : ['--save', join(saveIn, name)];
  const argv = [process.execPath, cli, '--config', lab.configFile, '--json', ...save, ...text.split(' ')];
  const { code, stdout, stderr } = await command(argv, { timeoutMs: 90_000 });
  const tookMs = performance.now() - began;
  let report: unknown;
  try {
    report = JSON.parse(stdout);
  } catch {
    throw new Error(`netcheck ${text}: exit ${code}, and no report:\n${stdout}${stderr}`);
  }
  return { report: Report.parse(report), status: code, tookMs };
}

/** Starts what the scenario runs on, whichever kind it is. */
export const startLabOf = ({ definition }: Pick<Scenario, 'definition'>): Promise<Lab> =>
  'start' in definition ? definition.start() : startLab(definition);

/**
 * Break, feel, ask, compare, mend, feel again, ask again. Mends whatever happens on the way, so that the next scenario
 * starts from a healthy network. Never rejects: what goes wrong is a problem of the result.
 */
export async function runScenario(lab: Lab, scenario: Scenario): Promise<ScenarioResult> {
  const problems: string[] = [];
  let broken: (Asked & { readonly cpuSec: number | undefined }) | undefined;
  let stillConfirmed: readonly Place[] = [];
  const stops: (() => Promise<void>)[] = [];
  /** Each step tells its own failure; a scenario goes on as far as it makes sense. */
  const attempt = async <T>(what: string, step: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await step();
    } catch (error) {
      problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  await attempt('breaking and asking', async () => {
    await lab.apply(scenario.break);
    for (const one of scenario.traffic ?? []) stops.push(await startTraffic(lab, one));
    if (scenario.felt) problems.push(...(await feltWrongly(lab, scenario.felt, 'broken')));
    const cpu = await cpuReader(lab, scenario);
    const asked = await ask(lab, scenario.ask, scenario.id);
    problems.push(...(await leftBehind(lab, asked.report)));
    broken = { ...asked, cpuSec: await cpu() };
    problems.push(...wrong(asked.report, scenario.expect));
    const status = { clear: 0, found: 1, inconclusive: 2 }[asked.report.verdict];
    if (asked.status !== status) problems.push(`must end with exit status ${status}, not ${asked.status}`);
  });
  // one by one: what cannot be undone must not keep the rest from being mended
  for (const step of scenario.mend) await attempt('mending', () => lab.apply([step]));
  await attempt('asking again', async () => {
    if (problems.length > 0 && broken === undefined) return;
    if (scenario.felt) problems.push(...(await feltWrongly(lab, scenario.felt, 'mended')));
    if (scenario.expect.verdict === 'clear') return;
    const { report } = await ask(lab, scenario.ask, `${scenario.id}-mended`);
    const wanted = scenario.mended ?? 'clear';
    stillConfirmed = confirmedIn(report);
    if (report.verdict !== wanted || stillConfirmed.length > 0)
      problems.push(`once mended it must be ${wanted}, and is ${told(report)}`);
  });
  for (const stop of stops) await attempt('ending the traffic', stop);
  const report = broken?.report;
  const confirmed = report === undefined ? [] : confirmedIn(report);
  const target = report?.nodes.find(({ roles }) => roles.includes('target'));
  const kernel = target?.kernel ?? report?.nodes.find((node) => node.kernel !== undefined)?.kernel;
  return {
    id: scenario.id,
    problems,
    confirmed,
    likely: report === undefined ? [] : withVerdict(report, 'likely').map(placeOf),
    falselyConfirmed: [...without(confirmed, scenario.expect.confirmed), ...stillConfirmed],
    ...(report === undefined ? {} : { verdict: report.verdict, evidenceBytes: evidenceBytes(report) }),
    ...(broken === undefined ? {} : { tookMs: broken.tookMs }),
    ...(kernel === undefined ? {} : { kernel }),
    ...(broken?.cpuSec === undefined ? {} : { nodeCpuSec: broken.cpuSec }),
  };
}

const evidenceBytes = (report: Report): number =>
  report.evidence.reduce((sum, { outBytes, errBytes }) => sum + outBytes + errBytes, 0);

// ---------------------------------------------------------------------------------------------------------- feeling

/** What one connect meets: success, or the kernel's own word for the failure. */
async function feelConnect(
  lab: Lab,
  { from, to, port }: { readonly from: string; readonly to: string; readonly port: number },
  limitSec: number,
): Promise<Felt> {
  const argv = ['timeout', String(limitSec), 'bash', '-c', 'exec 3<>"/dev/tcp/$0/$1"', to, String(port)];
  const { code, stderr } = await lab.node(from).exec(argv);
  if (code === 0) return 'connected';
  if (/Connection refused/.test(stderr)) return 'refused';
  if (/Connection reset/.test(stderr)) return 'reset';
  if (/No route to host/.test(stderr)) return 'noRoute';
  if (/Network is unreachable/.test(stderr)) return 'unreachable';
  if (/Permission denied/.test(stderr)) return 'denied';
  if (/Cannot assign requested address/.test(stderr)) return 'noPort';
  if (code === 124) return 'timedOut';
  throw new Error(`a connect from ${from} to ${to} port ${port} ended with ${code}: ${stderr}`);
}

/** Long enough for the answer that is expected: ARP gives up after 3 s, the second SYN goes out after 1 s. */
const limitOf = (felt: Felt) => (felt === 'noRoute' ? 4 : 1.5);

/** Sentences about a fault that, after some patience, is not felt while broken, or is still felt once mended. */
async function feltWrongly(lab: Lab, felt: Feeling, state: 'broken' | 'mended'): Promise<readonly string[]> {
  const feel = async (): Promise<string | undefined> => {
    if ('as' in felt) {
      const wanted = state === 'broken' ? felt.as : 'connected';
      const met = await feelConnect(lab, felt, state === 'broken' ? limitOf(felt.as) : 4);
      return met === wanted ? undefined : `a connect must be ${wanted}, and is ${met}`;
    }
    const wanted = state === 'broken' ? felt.broken : (felt.mended ?? { exit: 0 });
    const limitSec = felt.limitSec ?? 10;
    const argv = ['timeout', String(limitSec), ...felt.run];
    const { code, stdout, stderr } = await lab.node(felt.from).exec(argv, { timeoutMs: (limitSec + 5) * 1000 });
    const printed = `${stdout}${stderr}`;
    const right = code === wanted.exit && (wanted.says === undefined || wanted.says.test(printed));
    return right ? undefined : `${felt.run.join(' ')} ended with ${code}: ${printed.trim().slice(-300)}`;
  };
  const deadline = performance.now() + (state === 'mended' ? 15_000 : 3000);
  for (;;) {
    const met = await feel();
    if (met === undefined) return [];
    if (performance.now() > deadline) return [`${state}: ${met}`];
    await pause(200);
  }
}

// ------------------------------------------------------------------------------------------------------- the nodes

let started = 0;

/** A command that runs on a node until the returned function is called; all that it has started ends with it. */
export async function startTraffic(
  lab: Lab,
  { on, run }: { readonly on: string; readonly run: readonly string[] },
): Promise<() => Promise<void>> {
  started += 1;
  const pidFile = `/tmp/traffic-${started}.pid`;
  const node = lab.node(on);
  const ended = node.exec(['setsid', '-w', 'sh', '-c', `echo $$ > ${pidFile}; exec "$@"`, 'traffic', ...run], {
    timeoutMs: 120_000,
  });
  await node.exec(['sh', '-c', `until [ -s ${pidFile} ]; do sleep 0.05; done`], { timeoutMs: 5000 });
  return async () => {
    const { code } = await node.exec(['sh', '-c', `kill -KILL -$(cat ${pidFile})`]);
    const { stderr } = await ended;
    if (code !== 0) throw new Error(`${run.join(' ')} on ${on} had ended by itself: ${stderr}`);
  };
}

/** Sentences about processes of netcheck that are still on a node some seconds after it has answered. */
async function leftBehind(lab: Lab, report: Report): Promise<readonly string[]> {
  const deadline = performance.now() + 5000;
  const problems: string[] = [];
  for (const { name, unseen } of report.nodes) {
    if (unseen !== undefined) continue;
    const [node = name] = name.split('@');
    for (;;) {
      const { stdout } = await lab.node(node).exec(['ps', '-eo', 'stat=,args=']);
      const left = stdout
        .split('\n')
        .filter((line) => !line.startsWith('Z') && /\btcpdump\b|\/dev\/tcp\/\$0/.test(line));
      if (left.length === 0) break;
      if (performance.now() > deadline) {
        problems.push(`left on ${name}: ${left.join(' | ')}`);
        break;
      }
      await pause(100);
    }
  }
  return problems;
}

const ticksPerSec = 100;

/**
 * Begins to measure what SSH sessions cost each node; the returned function tells the most that one of them used.
 * Processor time is that of the listening sshd and of all its children that have ended (proc(5): utime, stime, cutime,
 * cstime). Guests are left out: everything that is done to them goes through that sshd.
 */
async function cpuReader(lab: Lab, { definition }: Scenario): Promise<() => Promise<number | undefined>> {
  const logins = 'nodes' in definition ? definition.nodes.filter((node) => node.management !== undefined) : [];
  // The listener knows its children's times when they have ended and were waited for.
  const script =
    'p=$(pgrep -o -x sshd) || exit 1; n=0; while pgrep -P $p >/dev/null && [ $n -lt 40 ]; do n=$((n+1)); sleep 0.05; done; cat /proc/$p/stat';
  const read = () =>
    Promise.all(
      logins.map(async ({ name }) => {
        const { stdout } = await lab.node(name).exec(['sh', '-c', script]);
        const fields = stdout.replace(/^.*\) /, '').split(' ');
        return [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0) / ticksPerSec;
      }),
    );
  const before = await read();
  return async () => {
    const used = (await read()).map((after, index) => after - (before[index] ?? 0)).filter(Number.isFinite);
    return used.length === 0 ? undefined : Math.max(...used);
  };
}
