import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { AuditQueue } from '../../engine/ports.ts';
import { createDeadline } from '../../model/deadline.ts';
import { NetcheckError } from '../../model/errors.ts';
import { type AuditFlowJob, stepOf, unpackEnd } from './audit-job.ts';
import type { AuditNames } from './audit-names.ts';
import type { QueueLog } from './queue-log.ts';
import type { RedisPlace } from './redis-client.ts';
import { createRedisGuard } from './redis-guard.ts';

/** Messages of a channel may be lost while a connection is; the end is looked for this often as well. */
const lookEveryMs = 1_000;

/**
 * The front's half of audits: asks for one, stops one, waits for one. An audit is known by its id for `keepMs`.
 *
 * @param openSubscriber a client of its own for each that follows; closed when it has its answer
 */
export function createAuditQueue(
  client: Redis,
  place: RedisPlace,
  names: AuditNames,
  options: { readonly keepMs: number; readonly log: QueueLog; readonly openSubscriber: () => Redis },
): AuditQueue & { close(): Promise<void> } {
  const age = Math.ceil(options.keepMs / 1_000);
  const queue = new Queue<AuditFlowJob>(names.audits, {
    connection: client,
    prefix: names.prefix,
    defaultJobOptions: { attempts: 1, removeOnComplete: { age }, removeOnFail: { age } },
  });
  queue.on('error', (error) => options.log('warn', `audits: ${error.message}`));

  const guarded = createRedisGuard(place, client);

  return {
    submit: (request) =>
      guarded(async () => {
        if (!/^[A-Za-z0-9_.-]+$/.test(request.id))
          throw new NetcheckError(
            'fault/internal',
            `The audit id ${JSON.stringify(request.id)} cannot be a job id.`,
            'Ids have letters, digits, "_", "." and "-".',
          );
        const submission = randomUUID();
        await queue.add('audit', { submission, request }, { jobId: request.id });
        const kept = await queue.getJob(request.id);
        return kept === undefined || kept.data.submission === submission ? 'queued' : 'duplicate';
      }),

    cancel: (audit, by) =>
      guarded(async () => {
        const job = await queue.getJob(audit);
        const state = (await job?.getState()) ?? 'unknown';
        if (state === 'completed' || state === 'failed' || state === 'unknown') return 'unknown';
        // The flag first: who takes a node of it from here on looks at it after it can hear the channel.
        await client.set(names.cancelKey(audit), by, 'PX', options.keepMs);
        await client.publish(names.cancelChannel, JSON.stringify({ audit, by }));
        return 'cancelling';
      }),

    async follow(audit, { signal, onStep }) {
      const subscriber = options.openSubscriber();
      const channel = names.stepChannel(audit);
      let wake = (): void => undefined;
      subscriber.on('message', (_channel, text) => {
        const step = stepOf(text);
        if (step === 'ended') wake();
        else if (step !== undefined) onStep(step);
      });
      const known = async (): Promise<boolean> => (await queue.getJob(audit)) !== undefined;
      try {
        await subscriber.subscribe(channel);
        for (;;) {
          signal.throwIfAborted();
          const end = await guarded(() => client.getBuffer(names.endKey(audit)));
          if (end !== null) return unpackEnd(end);
          if (!(await guarded(known)))
            throw new NetcheckError(
              'fault/internal',
              `The audit ${audit} is not known.`,
              'It may be too long ago; ask for a new one.',
            );
          const pause = createDeadline(lookEveryMs, signal);
          await new Promise<void>((resolve) => {
            wake = resolve;
            pause.signal.addEventListener('abort', () => resolve(), { once: true });
            if (pause.signal.aborted) resolve();
          });
          pause.clear();
        }
      } finally {
        subscriber.disconnect();
      }
    },

    close: () => queue.close().catch(() => undefined),
  };
}
