import type { QueueAdapter } from './adapters/queue/connect-queue.ts';
import { createSchedulePosts } from './adapters/slack/schedule-posts.ts';
import type { SlackSender } from './adapters/slack/slack-sender.ts';
import type { AccessCheck } from './check-access.ts';
import type { Config } from './config.ts';
import { fireSchedule } from './fire-schedule.ts';
import { entriesOf, schedulesOf } from './schedules.ts';
import type { Wiring } from './wiring.ts';

/** A Redis that lost what it had (a restore, FLUSHALL) has its schedules again after at most this. */
const putBackMs = 5 * 60_000;

const log = (line: string): void => void process.stderr.write(`netcheck: ${line}\n`);

/** Tells the queue which schedules there are: those of this configuration and no others. For bots. */
export async function announceSchedules(
  config: Pick<Config, 'schedules' | 'language'>,
  { schedules }: Pick<QueueAdapter, 'schedules'>,
): Promise<{ close(): void }> {
  const entries = entriesOf(schedulesOf(config));
  await schedules.sync(entries);
  const timer = setInterval(() => {
    // While Redis is away there is nothing to put back; it is tried again.
    schedules.sync(entries, { onlyMissing: true }).catch(() => undefined);
  }, putBackMs).unref();
  return { close: () => clearInterval(timer) };
}

/** Takes what is due. For every process that runs what people ask; one without schedules leaves them to others. */
export async function takeSchedules(
  wiring: Wiring,
  queue: QueueAdapter,
  sender: SlackSender,
  access: AccessCheck,
): Promise<{ close(): Promise<void> }> {
  const { config } = wiring.loaded;
  const schedules = schedulesOf(config);
  if (schedules.length === 0) return { close: () => Promise.resolve() };
  const desk = {
    schedules,
    wiring,
    access,
    store: queue.patientStore,
    memory: queue.patientHistory,
    slots: queue.slots({ perNode: config.workers.runsPerNode }),
    posts: createSchedulePosts({ outbox: sender.outbox, calls: sender.calls, store: queue.patientStore, log }),
    now: Date.now,
    log,
  };
  return queue.schedules.take((firing, context) => fireSchedule(firing, context, desk));
}
