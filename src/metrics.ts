import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { AnsweredRoute } from './adapters/http/serve-http.ts';
import { createMetricRegistry, metricContentType, type MetricRegistry } from './adapters/http/metric-registry.ts';
import type { QueueAdapter } from './adapters/queue/connect-queue.ts';
import type { OnCall } from './adapters/slack/slack-calls.ts';
import type { AnswerThread, NodeTransport, ProgressEvent, RunRequest } from './engine/ports.ts';
import type { Exit } from './model/evidence.ts';
import { version } from './version.ts';

/** What netcheck counts. No label holds a name of a node, a person or a channel, so their number stays small. */
export interface Metrics {
  /** For every call of Slack's Web API. */
  readonly onSlackCall: OnCall;
  /** A worker takes a run that another one had begun. */
  begunAgain(): void;
  /** The same transport; its connects and commands are counted. */
  readonly transport: (inner: NodeTransport) => NodeTransport;
  /** The same thread; what is answered in it is counted and timed. */
  thread(inner: AnswerThread, request: RunRequest): AnswerThread;
  /** @param outcome a word of a small set */
  alert(outcome: string): void;
  /** The queue's numbers, asked at every scrape. */
  watchQueue(queue: Pick<QueueAdapter, 'load'>): void;
  /** `GET /metrics`, for who has the token. */
  route(token: string): AnsweredRoute;
}

const secondsBuckets = [0.1, 0.25, 0.5, 1, 2, 4, 6, 8, 12, 16, 25, 40, 60, 120, 300];
const phases = { connect: 0, look: 0, before: 0, capture: 0, probe: 0, after: 0, judge: 0 } as const;

/** One per process. */
export function createMetrics(
  registry: MetricRegistry = createMetricRegistry(),
  now: () => number = Date.now,
): Metrics {
  const runs = registry.counter('netcheck_runs_total', 'Runs that were answered, by what the answer was.', [
    'verdict',
    'origin',
    'playbook',
  ]);
  const runSeconds = registry.histogram(
    'netcheck_run_duration_seconds',
    'From the moment a worker took a run to its report, before it is posted.',
    ['verdict'],
    secondsBuckets,
  );
  const askSeconds = registry.histogram(
    'netcheck_answer_duration_seconds',
    'From the question to the answer being in the thread: waiting, run, posting.',
    ['origin'],
    secondsBuckets,
  );
  const phaseSeconds = registry.histogram(
    'netcheck_run_phase_duration_seconds',
    'How long the phases of a run took.',
    ['phase'],
    secondsBuckets,
  );
  const restarts = registry.counter(
    'netcheck_run_restarts_total',
    'Runs that were begun again, because the worker before had stopped in the middle.',
    [],
  );
  const lost = registry.counter('netcheck_answers_lost_total', 'Answers that Slack did not take.', []);
  const slack = registry.counter('netcheck_slack_calls_total', 'Calls of the Web API of Slack; rateLimited is a 429.', [
    'method',
    'outcome',
  ]);
  const connects = registry.counter('netcheck_ssh_connects_total', 'Connections to nodes that were asked for.', [
    'outcome',
  ]);
  const commands = registry.counter('netcheck_commands_total', 'Commands on nodes, by how they ended.', ['exit']);
  const alerts = registry.counter('netcheck_alerts_total', 'Alerts that came in over HTTP, by what was done.', [
    'outcome',
  ]);
  processMetrics(registry);

  return {
    begunAgain: () => restarts.inc({}),
    onSlackCall: (method, { outcome }) => slack.inc({ method, outcome }),
    transport: (inner) => ({
      close: () => inner.close(),
      async connect(node, options) {
        const result = await inner.connect(node, options);
        connects.inc({ outcome: result.ok ? 'ok' : result.exit.why });
        if (!result.ok) return result;
        const { connection } = result;
        return {
          ok: true,
          connection: {
            close: () => connection.close(),
            async run(command, runOptions) {
              const ended = await connection.run(command, runOptions);
              commands.inc({ exit: wordFor(ended.exit) });
              return ended;
            },
          },
        };
      },
    }),
    thread(inner, request) {
      const origin = request.origin ?? 'person';
      const beganMs = now();
      let playbook = 'none';
      let phase: { readonly name: string; readonly atMs: number } | undefined;
      const endPhase = (atMs: number): void => {
        if (phase !== undefined && phase.name in phases)
          phaseSeconds.observe({ phase: phase.name }, Math.max(0, atMs - phase.atMs) / 1000);
        phase = undefined;
      };
      const answered = async (verdict: string, give: Promise<void>): Promise<void> => {
        const readyMs = now();
        endPhase(readyMs);
        try {
          await give;
        } catch (error) {
          lost.inc({});
          throw error;
        }
        runs.inc({ verdict, origin, playbook });
        runSeconds.observe({ verdict }, (readyMs - beganMs) / 1000);
        askSeconds.observe({ origin }, (now() - request.askedAtMs) / 1000);
      };
      return {
        ...inner,
        progress(event: ProgressEvent) {
          if (event.type === 'planned') playbook = event.playbooks[0] ?? playbook;
          if (event.type === 'phase') {
            endPhase(event.atMs);
            phase = { name: event.phase, atMs: event.atMs };
          }
          inner.progress(event);
        },
        report: (report, ...more) => answered(report.verdict, inner.report(report, ...more)),
        failed: (why) => answered(why.cancelled ? 'cancelled' : 'failed', inner.failed(why)),
      };
    },
    alert: (outcome) => alerts.inc({ outcome }),
    watchQueue(queue) {
      const load = shared(() => queue.load());
      registry.gauge('netcheck_queue_runs', 'Runs in the queue of the whole installation.', ['state'], async () => {
        const { waiting, active } = await load();
        return [
          { labels: { state: 'waiting' }, value: waiting },
          { labels: { state: 'active' }, value: active },
        ];
      });
      registry.gauge(
        'netcheck_queue_oldest_waiting_seconds',
        'How long the longest waiting run has waited; 0 where none does.',
        [],
        async () => {
          const { oldestWaitingMs } = await load();
          return [{ labels: {}, value: oldestWaitingMs / 1000 }];
        },
      );
      registry.gauge('netcheck_redis_up', 'Whether Redis answers.', [], async () => [
        {
          labels: {},
          value: await load().then(
            () => 1,
            () => 0,
          ),
        },
      ]);
    },
    route: (token) => ({
      method: 'GET',
      path: '/metrics',
      token,
      answer: async () => ({ status: 200, body: await registry.render(), contentType: metricContentType }),
    }),
  };
}

/** `exit 0`, `exit other`, `timedOut`, `notStarted sudo`: few, whatever the nodes do. */
function wordFor(exit: Exit): string {
  switch (exit.how) {
    case 'exited':
      return exit.code === 0 ? 'exit 0' : 'exit other';
    case 'stopped':
    case 'notStarted':
      return `${exit.how} ${exit.why}`;
    case 'signalled':
    case 'timedOut':
    case 'tooMuchOutput':
    case 'connectionLost':
    case 'skipped':
      return exit.how;
  }
}

/** Several gauges of one scrape share one question. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | undefined;
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

function processMetrics(registry: MetricRegistry): void {
  const one = (value: number) => [{ labels: {}, value }];
  // Nanoseconds from one tick of its own timer to the next: what is above the timer's period is delay.
  const resolutionMs = 20;
  const lag = monitorEventLoopDelay({ resolution: resolutionMs });
  lag.enable();
  registry.gauge('netcheck_build_info', 'The version that runs; always 1.', ['version'], () => [
    { labels: { version }, value: 1 },
  ]);
  registry.gauge('process_start_time_seconds', 'When this process was started, Unix time.', [], () =>
    one(Math.round(Date.now() / 1000 - process.uptime())),
  );
  registry.gauge('process_resident_memory_bytes', 'Memory of this process in RAM.', [], () =>
    one(process.memoryUsage.rss()),
  );
  registry.gauge('nodejs_heap_used_bytes', 'JavaScript heap in use.', [], () => one(process.memoryUsage().heapUsed));
  registry.readCounter('process_cpu_seconds_total', 'Processor time that this process has used so far.', [], () => {
    const { user, system } = process.cpuUsage();
    return one((user + system) / 1e6);
  });
  registry.gauge(
    'nodejs_eventloop_lag_max_seconds',
    'Longest delay of the event loop since the last scrape.',
    [],
    () => {
      const max = lag.max / 1e9 - resolutionMs / 1000;
      lag.reset();
      return one(Math.max(0, max));
    },
  );
}
