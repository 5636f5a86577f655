import type { QueueAdapter } from './adapters/queue/connect-queue.ts';
import { createChatDirectory } from './adapters/slack/chat-directory.ts';
import { createSlackCalls } from './adapters/slack/slack-calls.ts';
import { createSlackSender, type SlackSender } from './adapters/slack/slack-sender.ts';
import { whoAmI } from './adapters/slack/who-am-i.ts';
import { auditHandlers } from './audit-handlers.ts';
import { type AccessCheck, createAccessCheck } from './check-access.ts';
import type { Options } from './cli.ts';
import { loadConfig, requireSecret } from './config.ts';
import { failureOf, handleRun, logLost, remember } from './handle-run.ts';
import { openQueue } from './open-queue.ts';
import { renderSlackReport } from './report/slack-blocks.ts';
import { serveHttp } from './adapters/http/serve-http.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { healthPortOf, healthRoutes, httpTokenOf, readinessChecks } from './serve-health.ts';
import { takeSchedules } from './start-schedules.ts';
import { untilStopped } from './until-stopped.ts';
import { type Wiring, wire } from './wiring.ts';

/** `netcheck worker`: takes runs from the queue and answers in their threads, until it is told to stop. */
export async function worker(options: Options): Promise<number> {
  const metrics = createMetrics();
  const wiring = await wire(loadConfig(options.config), metrics.transport);
  const botToken = requireSecret(process.env, 'SLACK_BOT_TOKEN', 'a worker answers in Slack threads');
  const healthPort = healthPortOf(process.env);
  const metricsToken = httpTokenOf(process.env, 'NETCHECK_METRICS_TOKEN');
  const queue = await openQueue(wiring.loaded);
  metrics.watchQueue(queue);
  const stop = untilStopped();
  const sender = createSlackSender({
    ...slackOptions(wiring, queue, botToken, metrics),
    store: queue.patientStore,
    onDead: stop.because,
  });
  let http: Awaited<ReturnType<typeof serveHttp>> | undefined;
  let running: Awaited<ReturnType<typeof startWorker>> | undefined;
  try {
    if (healthPort !== undefined)
      http = await serveHttp({
        port: healthPort,
        portHint: 'Set NETCHECK_HEALTH_PORT to a free port, or leave it unset.',
        routes: [
          ...healthRoutes(() => ({ healthy: true }), readinessChecks(queue, sender)),
          ...(metricsToken === undefined ? [] : [metrics.route(metricsToken)]),
        ],
        log,
      });
    // Before the first run is taken: with a dead token a worker would only keep it from one that can answer.
    await whoAmI(sender);
    running = await startWorker(wiring, queue, sender, accessCheckOf(wiring, botToken), metrics);
    process.stderr.write('netcheck: worker started\n');
    return await stop.stopped;
  } finally {
    // Also where the start failed: an open connection would keep the process from ending, and nobody would restart it.
    await running?.close();
    await sender.close(5000);
    await http?.close();
    await queue.close();
    await wiring.close();
  }
}

/** To standard error, where a supervisor keeps it. */
export function log(line: string): void {
  process.stderr.write(`netcheck: ${line}\n`);
}

/** What every process that talks to Slack has in common. */
export function slackOptions({ loaded }: Wiring, queue: QueueAdapter, botToken: string, metrics: Metrics) {
  return {
    botToken,
    slackApiUrl: process.env['SLACK_API_URL'] || undefined,
    store: queue.store,
    renderReport: renderSlackReport,
    offersChanges: loaded.config.remedies.apply,
    onCall: metrics.onSlackCall,
    log,
  } as const;
}

/** `access` of the configuration, with the user groups of Slack. */
export function accessCheckOf({ loaded }: Wiring, botToken: string): AccessCheck {
  const { access } = loaded.config;
  if (access === undefined) return createAccessCheck(undefined, undefined);
  const slackApiUrl = process.env['SLACK_API_URL'] || undefined;
  const calls = createSlackCalls({ token: botToken, slackApiUrl, timeoutMs: 5000 });
  return createAccessCheck(
    access,
    createChatDirectory(calls, { log: (line) => process.stderr.write(`netcheck: ${line}\n`) }),
  );
}

/** Starts taking runs, and the nodes of audits. The thread of a run that was lost (crashed too often) still gets its one answer. */
export async function startWorker(
  wiring: Wiring,
  queue: QueueAdapter,
  sender: SlackSender,
  access: AccessCheck,
  metrics: Metrics,
): Promise<{ close(): Promise<void> }> {
  const { workers } = wiring.loaded.config;
  const slots = queue.slots({ perNode: workers.runsPerNode });
  const taking = queue.worker({ concurrency: workers.concurrency });
  await taking.start(
    (request, context) => {
      if (context.attempt > 1) metrics.begunAgain();
      return handleRun(request, context, {
        thread: metrics.thread(sender.answerThread(request, context), request),
        wiring,
        slots,
        memory: queue,
        access,
      });
    },
    async (request, lost) => {
      const why =
        lost.why === 'threw'
          ? failureOf(lost.error, request.language)
          : {
              message: `The worker died ${lost.times} times in the middle of this run.`,
              hint: 'Look at the log and the memory of the workers; Re-check runs it again.',
              cancelled: false,
            };
      if (lost.why === 'crashed') await logLost(request, why.message, wiring);
      await metrics.thread(sender.answerThread(request, { attempt: 2 }), request).failed(why);
      await remember(request, { how: 'failed', ...why, plan: undefined }, queue);
    },
  );
  const auditing = queue.auditWorker({ concurrency: wiring.loaded.config.audit.concurrency });
  await auditing.start(auditHandlers(wiring, slots, access));
  const firing = await takeSchedules(wiring, queue, sender, access);
  return { close: async () => void (await Promise.all([taking.close(), auditing.close(), firing.close()])) };
}
