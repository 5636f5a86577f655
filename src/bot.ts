import { type HttpRoute, serveHttp } from './adapters/http/serve-http.ts';
import type { QueueAdapter } from './adapters/queue/connect-queue.ts';
import { createAlertFront } from './adapters/slack/alert-front.ts';
import { createLostRuns } from './adapters/slack/lost-runs.ts';
import { createSlackApp, type SlackApp, slackEventsPath } from './adapters/slack/create-slack-app.ts';
import { alertsRoute } from './alerts-route.ts';
import type { AccessCheck } from './check-access.ts';
import type { Options } from './cli.ts';
import { loadConfig, requireSecret } from './config.ts';
import type { RunQueue } from './engine/ports.ts';
import { logLost, remember } from './handle-run.ts';
import type { NetcheckError } from './model/errors.ts';
import { slackHelp } from './help.ts';
import { createJudge, type Judge } from './judge-ask.ts';
import { openQueue } from './open-queue.ts';
import { createRunShelf } from './run-shelf.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { healthRoutes, httpTokenOf, readinessChecks } from './serve-health.ts';
import { slackKnowledge } from './slack-knowledge.ts';
import { announceSchedules } from './start-schedules.ts';
import { untilStopped } from './until-stopped.ts';
import { accessCheckOf, log, slackOptions, startWorker } from './worker.ts';
import { type Wiring, wire } from './wiring.ts';

/** `netcheck bot`: the Slack front, with a worker in the same process unless --no-worker. */
export async function bot(options: Options): Promise<number> {
  const metrics = createMetrics();
  const wiring = await wire(loadConfig(options.config), metrics.transport);
  const { config } = wiring.loaded;
  const botToken = requireSecret(process.env, 'SLACK_BOT_TOKEN', 'the bot cannot talk to Slack without it');
  const metricsToken = httpTokenOf(process.env, 'NETCHECK_METRICS_TOKEN');
  const alertToken = httpTokenOf(process.env, 'NETCHECK_ALERT_TOKEN');
  const queue = await openQueue(wiring.loaded);
  metrics.watchQueue(queue);
  const access = accessCheckOf(wiring, botToken);
  const judge = createJudge(wiring, access);
  const stop = untilStopped();
  const lost = createLostRuns({
    openRuns: queue.openRuns,
    store: queue.store,
    sender() {
      if (app === undefined) throw new Error('Nothing is looked after before the bot has started');
      return app.sender;
    },
    onSettled(request, why) {
      void logLost(request, why.message, wiring);
      void remember(request, { how: 'failed', ...why, plan: undefined }, queue);
    },
    log,
  });
  const parts: BotParts = { runs: lost.watched(queue.queue), access, judge, metrics };
  let app: SlackApp | undefined;
  let http: Awaited<ReturnType<typeof serveHttp>> | undefined;
  let announced: Awaited<ReturnType<typeof announceSchedules>> | undefined;
  let working: Awaited<ReturnType<typeof startWorker>> | undefined;
  try {
    app = createApp(wiring, queue, botToken, parts, stop.because);
    const { team } = await app.start();
    http = await serveHttp({
      port: config.slack.httpPort,
      portHint:
        'Set slack.httpPort in netcheck.yaml to a free port; health checks ask there, and Slack without SLACK_APP_TOKEN.',
      routes: [
        ...botRoutes(app, queue),
        ...(metricsToken === undefined ? [] : [metrics.route(metricsToken)]),
        ...(alertToken === undefined ? [] : [alerts(wiring, queue, parts, app, alertToken)]),
      ],
      log,
    });
    announced = await announceSchedules(config, queue);
    working = options['no-worker'] ? undefined : await startWorker(wiring, queue, app.sender, access, metrics);
    lost.start();
    process.stderr.write(
      `netcheck: listening to ${config.slack.command} in ${team} (health on port ${http.port})${working ? '' : ', without a worker'}\n`,
    );
    return await stop.stopped;
  } finally {
    // Also where the start failed: an open connection would keep the process from ending, and nobody would restart it.
    announced?.close();
    await http?.close();
    await lost.stop();
    await working?.close();
    await app?.stop();
    await queue.close();
    await wiring.close();
  }
}

/** What the ways into the bot share. */
interface BotParts {
  /** What is queued through it is looked after. */
  readonly runs: RunQueue;
  readonly access: AccessCheck;
  readonly judge: Judge;
  readonly metrics: Metrics;
}

/** Every path that anybody may ask, and Slack's. */
function botRoutes(app: SlackApp, queue: QueueAdapter): readonly HttpRoute[] {
  const connection = {
    name: 'connection',
    look: () => {
      const { connected, mode, why } = app.health();
      return Promise.resolve(
        connected
          ? { ok: true as const, detail: { mode } }
          : { ok: false as const, why: why ?? 'no connection to Slack' },
      );
    },
  };
  return [
    ...healthRoutes(() => app.health(), [...readinessChecks(queue, app.sender), connection]),
    ...(app.events === undefined ? [] : [{ method: 'POST', path: slackEventsPath, listener: app.events } as const]),
  ];
}

/** Alertmanager's way in. */
function alerts(
  wiring: Wiring,
  queue: QueueAdapter,
  { runs, judge, metrics }: BotParts,
  app: SlackApp,
  token: string,
): HttpRoute {
  const { config } = wiring.loaded;
  const { outbox, calls } = app.sender;
  const front = createAlertFront({
    outbox,
    calls,
    store: queue.store,
    queue: runs,
    ask: judge.ask,
    helpText: (language) => slackHelp(language, config.slack.command),
    command: config.slack.command,
    language: config.language,
    runsPerMinute: config.alerts.runsPerMinute,
    log,
  });
  return alertsRoute({
    token,
    settings: config.alerts,
    take: (deliveries) => front.take(deliveries),
    count: (outcome) => metrics.alert(outcome),
    log,
  });
}

function createApp(
  wiring: Wiring,
  queue: QueueAdapter,
  botToken: string,
  { runs, access, judge, metrics }: BotParts,
  onDead: (error: NetcheckError) => void,
): SlackApp {
  const { config } = wiring.loaded;
  return createSlackApp({
    ...slackOptions(wiring, queue, botToken, metrics),
    appToken: process.env['SLACK_APP_TOKEN'] || undefined,
    signingSecret: process.env['SLACK_SIGNING_SECRET'] || undefined,
    command: config.slack.command,
    language: config.language,
    helpText: (language) => slackHelp(language, config.slack.command),
    queue: runs,
    openRuns: queue.openRuns,
    shelf: createRunShelf(wiring),
    onDead,
    ask: judge.ask,
    mayAct: judge.mayAct,
    knowledge: slackKnowledge(wiring, queue, { access, judge }),
  });
}
