import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { parseConfig } from '../../../src/config.ts';
import { parsePrometheusText } from '../../adapters/http/parse-prometheus-text.ts';
import { type BuiltNetcheck, buildNetcheck } from '../../commands/built-netcheck.ts';
import { notification } from '../../fakes/alertmanager.ts';
import { type BotWorld, isAnswer, startBotWorld } from './bot-world.ts';
import { whyNoRedis } from './loopback-redis.ts';
import { freePort } from './loopback-sshd.ts';

/** Real bots with a real Redis and the practice Slack, told of alerts over HTTP; at the end by a real Alertmanager. */
const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;
const alertmanager = ['prometheus-alertmanager', 'alertmanager'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
const alertToken = 'alert-token-of-a-test-0123456789';
const metricsToken = 'metrics-token-of-a-test-0123456789';
const tokens = { NETCHECK_ALERT_TOKEN: alertToken, NETCHECK_METRICS_TOKEN: metricsToken };

let netcheck: BuiltNetcheck;
let service: Server;
let port: number;
const cleanUp: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  service = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const address = service.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  netcheck = await buildNetcheck();
});
afterAll(async () => {
  await netcheck.remove();
  await Promise.all(cleanUp.map((end) => end()));
  service.close();
});

const alerts = { channel: 'C0INCIDENT', routes: [{ ask: { port: { label: 'port' }, from: 'node-12' } }] };
async function world(config: Readonly<Record<string, unknown>> = { alerts }): Promise<BotWorld> {
  const here = await startBotWorld(netcheck, undefined, config);
  cleanUp.push(() => here.close());
  return here;
}
const labels = (instance: string) => ({ instance, port: String(port) });
const post = (here: BotWorld, body: unknown, token = alertToken) =>
  fetch(`http://127.0.0.1:${here.httpPort}/alerts`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const roots = (here: BotWorld) =>
  here.slack.world.messages().filter(({ metadata }) => metadata?.['event_type'] === 'netcheck_alert');
const ready = async (here: BotWorld): Promise<{ readonly status: number; readonly body: unknown }> => {
  const answer = await fetch(`http://127.0.0.1:${here.httpPort}/readyz`);
  return { status: answer.status, body: await answer.json() };
};

describe.skipIf(missing !== undefined).concurrent(`a bot that is told of alerts${because}`, () => {
  it('answers in a thread that begins with the alert; repeats and resolutions begin nothing', async () => {
    const here = await world();
    await here.botWith(tokens).says('listening to');
    const firing = notification([labels('node-50')]);
    const first = await post(here, firing);
    expect([first.status, await first.json()]).toEqual([200, { alerts: { started: 1 } }]);
    const answer = await here.slack.awaitMessage(isAnswer, 40_000);
    await here.recorded(1);
    const [root, ...others] = roots(here);
    expect(others).toEqual([]);
    expect(answer.threadTs).toBe(root?.ts);
    expect(answer.pings).toEqual([]);
    expect(await (await post(here, firing)).json()).toEqual({ alerts: { known: 1 } });
    const over = notification([labels('node-50')], { status: 'resolved' });
    expect(await (await post(here, over)).json()).toEqual({ alerts: { resolved: 1 } });
    expect(await (await post(here, over)).json()).toEqual({ alerts: { known: 1 } });
    expect(roots(here)).toHaveLength(1);
    expect(here.answers()).toHaveLength(1);
    const again = notification([labels('node-50')], { startsAt: '2026-03-02T10:00:00Z' });
    expect(await (await post(here, again)).json()).toEqual({ alerts: { started: 1 } });
    await here.recorded(2);
    expect(roots(here)).toHaveLength(2);
    expect(here.answers()).toHaveLength(2);

    const scraped = await fetch(`http://127.0.0.1:${here.httpPort}/metrics`, {
      headers: { authorization: `Bearer ${metricsToken}` },
    });
    const families = parsePrometheusText(await scraped.text());
    const total = (name: string, match: Readonly<Record<string, string>> = {}) =>
      families
        .find((family) => family.name === name)
        ?.series.filter((one) => Object.entries(match).every(([label, value]) => one.labels[label] === value))
        .reduce((sum, { value }) => sum + value, 0);
    expect(total('netcheck_runs_total', { origin: 'alert' })).toBe(2);
    expect(total('netcheck_alerts_total', { outcome: 'started' })).toBe(2);
    expect(total('netcheck_ssh_connects_total', { outcome: 'ok' })).toBeGreaterThan(0);
    expect(total('netcheck_commands_total', { exit: 'exit 0' })).toBeGreaterThan(10);
    expect(total('netcheck_slack_calls_total', { method: 'chat.postMessage', outcome: 'ok' })).toBeGreaterThan(4);
    expect(total('netcheck_queue_runs')).toBe(0);
    expect(await ready(here)).toMatchObject({
      status: 200,
      body: { checks: { redis: { ok: true }, slack: { ok: true }, connection: { ok: true } } },
    });
  });

  it('has no /alerts and no /metrics without their tokens, and refuses wrong ones', async () => {
    const here = await world();
    const closed = here.bot('--no-worker');
    await closed.says('listening to');
    for (const where of ['alerts', 'metrics'])
      expect((await fetch(`http://127.0.0.1:${here.httpPort}/${where}`, { method: 'POST' })).status).toBe(404);
    await closed.stop('SIGTERM');
    const open = here.botWith(tokens);
    await open.says('listening to');
    expect((await post(here, {}, metricsToken)).status).toBe(401);
    expect((await fetch(`http://127.0.0.1:${here.httpPort}/metrics`)).status).toBe(401);
    const refused = await post(here, { alerts: 'none' });
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { error: expect.stringContaining('This is no notification of Alertmanager: alerts: ') },
    ]);
    const weak = await here.botWith({ NETCHECK_ALERT_TOKEN: 'secret' }).finished;
    expect(weak.status).toBe(64);
    expect(weak.stderr).toContain('NETCHECK_ALERT_TOKEN cannot be used');
  });

  it('wants the alert again while Redis is away, is not ready, and both end when it is back', async () => {
    const here = await world();
    const bot = here.botWith(tokens);
    await bot.says('listening to');
    const firing = notification([labels('node-50')]);
    await here.redis.kill();
    const refused = await post(here, firing);
    expect([refused.status, await refused.json()]).toEqual([503, { error: expect.stringContaining('send it again') }]);
    expect(await ready(here)).toMatchObject({ status: 503, body: { ready: false, checks: { redis: { ok: false } } } });
    expect((await fetch(`http://127.0.0.1:${here.httpPort}/healthz`)).status).toBe(200);
    expect(here.slack.world.messages()).toEqual([]);
    await here.redis.start();
    await bot.says('is back (');
    await expect.poll(async () => (await post(here, firing)).status, { timeout: 20_000 }).toBe(200);
    await here.slack.awaitMessage(isAnswer, 40_000);
    await here.recorded(1);
    expect(roots(here)).toHaveLength(1);
    expect(here.answers()).toHaveLength(1);
    expect((await ready(here)).status).toBe(200);
  });
});

describe.skipIf(missing !== undefined || alertmanager === undefined)(
  `a real Alertmanager${alertmanager === undefined ? ' (skipped: prometheus-alertmanager is not installed)' : because}`,
  () => {
    it('with the configuration of docs/alerts.md: fires, repeats, and tells the end', async () => {
      const page = await readFile(path.join(import.meta.dirname, '../../../docs/alerts.md'), 'utf8');
      const [ours, theirs] = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, text = '']) => text);
      if (ours === undefined || theirs === undefined) throw new Error('docs/alerts.md has no two configurations');
      // What the page shows of netcheck.yaml is valid as it stands.
      const settings = parseConfig(ours, 'docs/alerts.md').alerts;
      expect(settings.routes).toHaveLength(3);

      const here = await world({ alerts: (parse(ours) as { alerts: unknown }).alerts });
      here.slack.world.channels.set('C0NETWORK', {
        id: 'C0NETWORK',
        name: 'network',
        isPrivate: false,
        isArchived: false,
        hasBot: true,
      });
      await here.botWith(tokens).says('listening to');
      const folder = await mkdtemp(path.join(tmpdir(), 'netcheck-alertmanager-'));
      const tokenFile = path.join(folder, 'token');
      await writeFile(tokenFile, `${alertToken}\n`);
      const config = parse(
        theirs
          .replace('http://netcheck:3000', `http://127.0.0.1:${here.httpPort}`)
          .replace('/etc/alertmanager/netcheck-token', tokenFile),
      ) as { route: Record<string, unknown> };
      // The defaults would take minutes.
      Object.assign(config.route, { group_wait: '100ms', group_interval: '1s', repeat_interval: '1s' });
      await writeFile(path.join(folder, 'alertmanager.yml'), stringify(config));
      const apiPort = await freePort();
      const running: ChildProcess = spawn(
        alertmanager ?? '',
        [
          `--config.file=${path.join(folder, 'alertmanager.yml')}`,
          `--storage.path=${path.join(folder, 'data')}`,
          `--web.listen-address=127.0.0.1:${apiPort}`,
          '--cluster.listen-address=',
        ],
        { stdio: 'ignore' },
      );
      cleanUp.push(async () => {
        if (running.exitCode === null) {
          running.kill();
          await once(running, 'exit');
        }
        await rm(folder, { recursive: true, force: true });
      });
      const tell = (endsAt?: Date) =>
        fetch(`http://127.0.0.1:${apiPort}/api/v2/alerts`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify([
            {
              labels: { alertname: 'ProbeFailed', job: 'edge-1', instance: `tcp://node-50:${port}` },
              annotations: { summary: 'The probe does not reach it.' },
              startsAt,
              ...(endsAt === undefined ? {} : { endsAt: endsAt.toISOString() }),
              generatorURL: 'http://prometheus.example/graph',
            },
          ]),
        }).then(
          ({ status }) => status,
          () => 0,
        );
      const startsAt = new Date(Date.now() - 60_000).toISOString();
      await expect.poll(() => tell(), { timeout: 20_000, interval: 200 }).toBe(200);
      const answer = await here.slack.awaitMessage(isAnswer, 40_000);
      const [root] = roots(here);
      expect([answer.threadTs, root?.channel]).toEqual([root?.ts, 'C0NETWORK']);
      const alertsOf = async (outcome: string) => {
        const scraped = await fetch(`http://127.0.0.1:${here.httpPort}/metrics`, {
          headers: { authorization: `Bearer ${metricsToken}` },
        });
        return new RegExp(`netcheck_alerts_total\\{outcome="${outcome}"\\} (\\d+)`).exec(await scraped.text())?.[1];
      };
      await expect.poll(() => alertsOf('known'), { timeout: 20_000, interval: 200 }).toMatch(/^[2-9]/);
      await tell(new Date());
      await expect.poll(() => alertsOf('resolved'), { timeout: 20_000, interval: 200 }).toBe('1');
      const thread = here.slack.thread(root?.ts ?? '');
      expect(thread.filter(({ metadata }) => metadata?.['event_type'] === 'netcheck_resolved')).toHaveLength(1);
      expect(JSON.stringify(thread[0]?.blocks)).toContain('Resolved');
      expect([roots(here).length, here.answers().length]).toEqual([1, 1]);
    });
  },
);
