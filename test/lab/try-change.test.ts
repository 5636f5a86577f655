import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { applyAction, approveAction } from '../../src/adapters/slack/status-message.ts';
import { changeHelperScript } from '../../src/commands/change-helper-script.ts';
import { changesIn, type OfferedChange, type Trial } from '../../src/model/change.ts';
import { netcheckAt } from '../commands/built-netcheck.ts';
import { isAnswer } from '../contracts/real/bot-world.ts';
import { startLoopbackRedis } from '../contracts/real/loopback-redis.ts';
import { startFakeSlack } from '../fakes/slack/fake-slack.ts';
import { insideLab, type Lab, type LabNodeHandle, startLab, whyOutside } from './network.ts';
import { cli } from './run-scenario.ts';
import { plain } from './topologies.ts';
import { type Answered, answerOnce, type Attempted } from './try-change-worker.ts';

const skipped = insideLab ? '' : ` (skipped: ${whyOutside})`;
const worker = fileURLToPath(new URL('./try-change-worker.ts', import.meta.url));
const throughRouter = 'node-50 port 1301 from node-12 via r1';
const direct = 'node-50 port 1301 from node-12';

/** Remedies that two people want, on real kernels: the node always ends in a state that is known. */
describe.skipIf(!insideLab)(`trying a change${skipped}`, () => {
  let lab: Lab;
  let file: string;
  let attempts = 0;
  const undo: (readonly [string, ...string[]])[] = [];

  const on = async (node: string, ...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await lab.node(node).exec(argv);
    if (code !== 0) throw new Error(`${node}: ${argv.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const broken = async (node: string, breaks: string, mends: string): Promise<void> => {
    undo.push([node, 'sh', '-c', mends]);
    await on(node, 'sh', '-c', breaks);
  };
  const forwarding = () => on('r1', 'sysctl', '-n', 'net.ipv4.ip_forward');
  const left = async (node: string) =>
    on(node, 'sh', '-c', 'ls /run/netcheck-change 2>/dev/null; pgrep -f "netcheck-change [t]imer" || true');
  const newId = () => `try${(attempts += 1)}`;
  const offeredFor = async (text: string): Promise<OfferedChange> => {
    const { report } = await answerOnce(file, { id: newId(), text, attempt: 1 });
    const [offered] = report === undefined ? [] : changesIn(report);
    if (offered === undefined) throw new Error(`nothing is offered: ${report?.headline}`);
    return offered;
  };
  const trialOf = (offered: OfferedChange): Trial => ({ ...offered, askedBy: 'U0ANNA', approvedBy: 'U0BEN' });
  const attempt = (text: string, trial: Trial, more: Partial<Attempted> = {}): Promise<Answered> =>
    answerOnce(file, { id: newId(), text, trial, attempt: 1, ...more });

  beforeAll(async () => {
    lab = await startLab(plain);
    const dir = join('/run', 'try-change');
    await mkdir(dir, { recursive: true });
    file = join(dir, 'netcheck.yaml');
    await writeFile(
      file,
      `${await readFile(lab.configFile, 'utf8')}
defaults: { budget: { wall: 10s, window: 2s } }
remedies: { apply: true }
data: ${dir}/data
access:
  - { users: [U0ANNA, U0BEN, U0EVE], actions: [ask] }
  - { users: [U0ANNA, U0BEN], actions: [apply, approve] }
`,
    );
    for (const name of ['r1', 'node-50']) await install(lab.node(name));
  }, 60_000);
  afterEach(async () => {
    for (const [node, ...argv] of undo.splice(0)) await lab.node(node).exec(argv);
  });
  afterAll(async () => {
    await lab?.stop();
  });

  async function install(node: LabNodeHandle): Promise<void> {
    const text = Buffer.from(changeHelperScript('0')).toString('base64');
    const { code, stderr } = await node.exec([
      'sh',
      '-c',
      `mount -t tmpfs none /usr/local/sbin && echo ${text} | base64 -d > /usr/local/sbin/netcheck-change && chmod 755 /usr/local/sbin/netcheck-change`,
    ]);
    if (code !== 0) throw new Error(stderr);
  }

  test('one that helps is kept, told, in the log, and nothing of it stays behind', { timeout: 120_000 }, async () => {
    await broken('r1', 'sysctl -qw net.ipv4.ip_forward=0', 'sysctl -qw net.ipv4.ip_forward=1');
    const offered = await offeredFor(throughRouter);
    expect(offered).toMatchObject({ node: 'r1', rule: 'ip-forward-off', command: 'sysctl -w net.ipv4.ip_forward=1' });
    const { context, report, log } = await attempt(throughRouter, trialOf(offered));
    expect(context?.trial?.outcome).toEqual({ how: 'kept', previous: '0', now: '1' });
    expect(report?.verdict).toBe('clear');
    expect(await forwarding()).toBe('1');
    expect(log).toEqual(['before', 'changed', 'after', 'kept']);
    await expect.poll(() => left('r1'), { timeout: 5000 }).toBe('');
  });

  test('a rule ahead of the one that drops is kept', { timeout: 120_000 }, async () => {
    await broken('node-50', 'iptables -A INPUT -p tcp --dport 1301 -j DROP', 'iptables -F INPUT');
    const { context, report } = await attempt(direct, trialOf(await offeredFor(direct)));
    expect(context?.trial?.outcome).toEqual({ how: 'kept', previous: 'absent', now: 'present' });
    expect(report?.verdict).toBe('clear');
    expect(await on('node-50', 'iptables', '-S', 'INPUT')).toMatch(
      /^-P INPUT ACCEPT\n-A INPUT .*ACCEPT\n-A INPUT .*DROP$/,
    );
  });

  test('one that does not help is put back: another rule drops behind it', { timeout: 120_000 }, async () => {
    await broken(
      'node-50',
      'iptables -t raw -A PREROUTING -p tcp --dport 1301 -j DROP; iptables -A INPUT -p tcp --dport 1301 -j DROP',
      'iptables -t raw -F PREROUTING; iptables -F INPUT',
    );
    const { context } = await attempt(direct, trialOf(await offeredFor(direct)));
    expect(context?.trial?.outcome).toMatchObject({ how: 'putBack', now: 'absent' });
    expect(await on('node-50', 'iptables-save')).not.toContain('ACCEPT --');
    expect(await on('node-50', 'iptables-save')).not.toContain('netcheck');
    await expect.poll(() => left('node-50'), { timeout: 5000 }).toBe('');
  });

  test('one that cuts the node off is put back by the node itself', { timeout: 180_000 }, async () => {
    await broken('r1', 'sysctl -qw net.ipv4.ip_forward=0', 'sysctl -qw net.ipv4.ip_forward=1');
    const offered = await offeredFor(throughRouter);
    // As long as the change stands, the node cannot be reached.
    const cutting = new AbortController();
    const cutter = cutWhile(cutting.signal);
    const { context, failed } = await attempt(throughRouter, trialOf(offered));
    cutting.abort();
    await cutter;
    expect(context?.trial?.outcome ?? failed).toMatchObject({ how: 'putBack', because: 'timer', now: '0' });
    expect(await forwarding()).toBe('0');
  });

  /** Takes the management link of r1 away while the new value stands there. */
  async function cutWhile(signal: AbortSignal): Promise<void> {
    let isUp = true;
    while (!signal.aborted || !isUp) {
      const wantsUp = (await forwarding()) === '0';
      if (wantsUp !== isUp) await on('r1', 'ip', 'link', 'set', 'mgmt0', wantsUp ? 'up' : 'down');
      isUp = wantsUp;
      await pause(20);
    }
  }

  test('a worker that is killed in the middle: the next one puts it back', { timeout: 180_000 }, async () => {
    await broken('r1', 'sysctl -qw net.ipv4.ip_forward=0', 'sysctl -qw net.ipv4.ip_forward=1');
    const trial = trialOf(await offeredFor(throughRouter));
    const id = newId();
    await killedWhenChanged({ id, text: throughRouter, trial, attempt: 1 });
    expect(await forwarding()).toBe('1');
    const { failed, log } = await answerOnce(file, { id, text: throughRouter, trial, attempt: 2 });
    expect(failed?.message).toContain('The worker that tried it died in the middle');
    expect(log.at(-1)).toBe('putBack');
    expect(await forwarding()).toBe('0');
  });

  test('a worker that is killed, and no other: the timer of the node puts it back', { timeout: 180_000 }, async () => {
    await broken('r1', 'sysctl -qw net.ipv4.ip_forward=0', 'sysctl -qw net.ipv4.ip_forward=1');
    const trial = trialOf(await offeredFor(throughRouter));
    await killedWhenChanged({ id: newId(), text: throughRouter, trial, attempt: 1 });
    await expect.poll(forwarding, { timeout: 60_000, interval: 500 }).toBe('0');
  });

  /** Starts a worker of its own and kills it as soon as the node has the new value. */
  async function killedWhenChanged(attempted: Attempted): Promise<void> {
    const child = spawn(process.execPath, ['--import', 'tsx', worker, file, JSON.stringify(attempted)], {
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    while ((await forwarding()) === '0' && child.exitCode === null) await pause(50);
    child.kill('SIGKILL');
    await ended;
  }

  test.each([
    ['the same person twice', { approvedBy: 'U0ANNA' }, /needs two people/],
    ['somebody who may not approve', { approvedBy: 'U0EVE' }, /not for this/],
    ['somebody who may not ask for it', { askedBy: 'U0EVE' }, /not for this/],
    ['a node that the run is not about', { node: 'node-51' }, /not a node of this run/],
  ])('nothing is changed for %s', { timeout: 60_000 }, async (_what, forged, why) => {
    await broken('r1', 'sysctl -qw net.ipv4.ip_forward=0', 'sysctl -qw net.ipv4.ip_forward=1');
    const change = { kind: 'sysctl', key: 'net.ipv4.ip_forward', value: '1' } as const;
    const trial = { node: 'r1', rule: 'ip-forward-off', change, command: 'x', askedBy: 'U0ANNA', approvedBy: 'U0BEN' };
    const { failed } = await attempt(throughRouter, { ...trial, ...forged });
    expect(failed?.message).toMatch(why);
    expect(await forwarding()).toBe('0');
  });

  test('what the rules do not offer now is not done, whatever the queue says', { timeout: 60_000 }, async () => {
    const change = { kind: 'sysctl', key: 'net.ipv4.tcp_mtu_probing', value: '2' } as const;
    const trial = { node: 'r1', rule: 'ip-forward-off', change, command: 'x', askedBy: 'U0ANNA', approvedBy: 'U0BEN' };
    const before = await on('r1', 'sysctl', '-n', change.key);
    const { context } = await attempt(throughRouter, trial);
    expect(context?.trial?.outcome).toMatchObject({ how: 'notChanged', because: 'gone' });
    expect(await on('r1', 'sysctl', '-n', change.key)).toBe(before);
  });

  test('a node without the program says so, and stays as it is', { timeout: 60_000 }, async () => {
    await broken(
      'r1',
      'sysctl -qw net.ipv4.ip_forward=0; mv /usr/local/sbin/netcheck-change /usr/local/sbin/away',
      'sysctl -qw net.ipv4.ip_forward=1; mv /usr/local/sbin/away /usr/local/sbin/netcheck-change',
    );
    const { context } = await attempt(throughRouter, trialOf(await offeredFor(throughRouter)));
    expect(context?.trial?.outcome).toMatchObject({ how: 'notChanged', because: 'noHelper' });
    expect(await forwarding()).toBe('0');
  });

  test('asked for and approved in Slack, done by the worker, told in the thread', { timeout: 180_000 }, async () => {
    await broken('r1', 'sysctl -qw net.ipv4.ip_forward=0', 'sysctl -qw net.ipv4.ip_forward=1');
    const slack = await startFakeSlack();
    const redis = await startLoopbackRedis();
    const netcheck = netcheckAt(cli);
    try {
      const bot = netcheck.start(['bot'], {
        cwd: dirname(file),
        env: {
          REDIS_URL: redis.url,
          SLACK_BOT_TOKEN: slack.botToken,
          SLACK_APP_TOKEN: slack.appToken,
          SLACK_API_URL: slack.url,
        },
        withinMs: 180_000,
      });
      await bot.says(/listening to/);
      await slack.slash(throughRouter).ended;
      const answer = await slack.awaitMessage(isAnswer, 60_000);
      await slack.click(applyAction, answer, { user: 'U0ANNA' }).ended;
      const proposal = await slack.awaitMessage(({ blocks }) => JSON.stringify(blocks ?? []).includes(approveAction));
      expect(JSON.stringify(proposal.blocks)).toContain('sysctl -w net.ipv4.ip_forward=1');
      await slack.click(approveAction, proposal, { user: 'U0ANNA' }).ended;
      await slack.awaitChange(({ what, message }) => what === 'ephemeral' && message.text.includes('two people'));
      expect(await forwarding()).toBe('0');
      await slack.click(approveAction, proposal, { user: 'U0BEN' }).ended;
      const kept = await slack.awaitMessage(
        (message) => isAnswer(message) && JSON.stringify(message.blocks).includes('The change stays'),
        90_000,
      );
      expect(kept.threadTs).toBe(answer.threadTs);
      expect(JSON.stringify(kept.blocks)).toContain('asked for by <@U0ANNA>, approved by <@U0BEN>');
      expect(await forwarding()).toBe('1');
      const log = await netcheck.run(['log', '--json'], { cwd: dirname(file) });
      const steps = log.stdout
        .split('\n')
        .flatMap((line) => (line.includes('"changed"') ? [(JSON.parse(line) as { step: string }).step] : []));
      expect(steps.slice(-4)).toEqual(['before', 'changed', 'after', 'kept']);
    } finally {
      await netcheck.remove();
      await Promise.all([slack.close(), redis.stop()]);
    }
  });
});
