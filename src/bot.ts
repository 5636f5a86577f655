import { type HttpRoute, serveHttp } from './adapters/http/serve-http.ts';
import type { QueueAdapter } from './adapters/queue/connect-queue.ts';
import { createSlackApp, type SlackApp, slackEventsPath } from './adapters/slack/create-slack-app.ts';
import type { Options } from './cli.ts';
import { loadConfig, requireSecret } from './config.ts';
import type { NetcheckError } from './model/errors.ts';
import { slackHelp } from './help.ts';
import { createJudge } from './judge-ask.ts';
import { openQueue } from './open-queue.ts';
import { createRunShelf } from './run-shelf.ts';
import { healthRoutes, readinessChecks } from './serve-health.ts';
import { slackKnowledge } from './slack-knowledge.ts';
import { announceSchedules } from './start-schedules.ts';
import { untilStopped } from './until-stopped.ts';
import { accessCheckOf, log, slackOptions, startWorker } from './worker.ts';
import { type Wiring, wire } from './wiring.ts';

/** `netcheck bot`: the Slack front, with a worker in the same process unless --no-worker. */
export async function bot(options: Options): Promise<number> {
  const wiring = await wire(loadConfig(options.config));
  const { config } = wiring.loaded;
  const botToken = requireSecret(process.env, 'SLACK_BOT_TOKEN', 'the bot cannot talk to Slack without it');
  const queue = await openQueue(wiring.loaded);
  const stop = untilStopped();
  let app: SlackApp | undefined;
  let http: Awaited<ReturnType<typeof serveHttp>> | undefined;
  let announced: Awaited<ReturnType<typeof announceSchedules>> | undefined;
  let working: Awaited<ReturnType<typeof startWorker>> | undefined;
  try {
    app = createApp(wiring, queue, botToken, stop.because);
    const { team } = await app.start();
    http = await serveHttp({
      port: config.slack.httpPort,
      portHint:
        'Set slack.httpPort in netcheck.yaml to a free port; health checks ask there, and Slack without SLACK_APP_TOKEN.',
      routes: botRoutes(app, queue),
      log,
    });
    announced = await announceSchedules(config, queue);
    working = options['no-worker']
      ? undefined
      : await startWorker(wiring, queue, app.sender, accessCheckOf(wiring, botToken));
    process.stderr.write(
      `netcheck: listening to ${config.slack.command} in ${team} (health on port ${http.port})${working ? '' : ', without a worker'}\n`,
    );
    return await stop.stopped;
  } finally {
    // Also where the start failed: an open connection would keep the process from ending, and nobody would restart it.
    announced?.close();
    await http?.close();
    await working?.close();
    await app?.stop();
    await queue.close();
    await wiring.close();
  }
}

/** Every path that the bot answers. */
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

function createApp(
  wiring: Wiring,
  queue: QueueAdapter,
  botToken: string,
  onDead: (error: NetcheckError) => void,
): SlackApp {
  const { config } = wiring.loaded;
  const access = accessCheckOf(wiring, botToken);
  const judge = createJudge(wiring, access);
  return createSlackApp({
    ...slackOptions(queue, botToken),
    appToken: process.env['SLACK_APP_TOKEN'] || undefined,
    signingSecret: process.env['SLACK_SIGNING_SECRET'] || undefined,
    command: config.slack.command,
    language: config.language,
    helpText: (language) => slackHelp(language, config.slack.command),
    queue: queue.queue,
    shelf: createRunShelf(wiring),
    onDead,
    ask: judge.ask,
    mayAct: judge.mayAct,
    knowledge: slackKnowledge(wiring, queue, { access, judge }),
  });
}
