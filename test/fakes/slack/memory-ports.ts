import type { KeyValue, RunQueue, RunRequest } from '../../../src/engine/ports.ts';
import { NetcheckError } from '../../../src/model/errors.ts';

/** A store in memory that can be switched off, with expiry by `Date.now()`. */
export function memoryStore(): KeyValue & { down: boolean; readonly values: Map<string, string> } {
  const values = new Map<string, string>();
  const expiry = new Map<string, number>();
  const store = {
    down: false,
    values,
    async get(key: string) {
      reachable();
      forget(key);
      return values.get(key) ?? null;
    },
    async set(key: string, value: string, { ttlMs }: { readonly ttlMs: number }) {
      reachable();
      values.set(key, value);
      expiry.set(key, Date.now() + ttlMs);
    },
    async setOnce(key: string, value: string, { ttlMs }: { readonly ttlMs: number }) {
      reachable();
      forget(key);
      if (values.has(key)) return false;
      values.set(key, value);
      expiry.set(key, Date.now() + ttlMs);
      return true;
    },
    async delete(key: string) {
      reachable();
      values.delete(key);
    },
  };
  function reachable(): void {
    if (store.down) throw new NetcheckError('queue/down', 'Redis does not answer.', 'Start it.');
  }
  function forget(key: string): void {
    if ((expiry.get(key) ?? 0) < Date.now()) values.delete(key);
  }
  return store;
}

/** A queue in memory that keeps what is submitted; a test plays the worker. */
export function memoryQueue(): RunQueue & {
  down: boolean;
  readonly submitted: RunRequest[];
  readonly cancelled: { readonly runId: string; readonly by: string }[];
  /** What `cancel` answers. */
  cancelling: 'cancelling' | 'removed' | 'unknown';
  onSubmit: (request: RunRequest) => void;
} {
  const submitted: RunRequest[] = [];
  const cancelled: { readonly runId: string; readonly by: string }[] = [];
  const queue = {
    down: false,
    submitted,
    cancelled,
    cancelling: 'removed' as 'cancelling' | 'removed' | 'unknown',
    onSubmit: (_request: RunRequest): void => {},
    async submit(request: RunRequest) {
      reachable();
      if (submitted.some((known) => known.id === request.id)) return 'duplicate' as const;
      submitted.push(request);
      queue.onSubmit(request);
      return 'queued' as const;
    },
    async cancel(runId: string, by: string) {
      reachable();
      cancelled.push({ runId, by });
      return queue.cancelling;
    },
    async find(runId: string) {
      reachable();
      return submitted.find((known) => known.id === runId) ?? null;
    },
    async ping() {
      reachable();
      return { version: '7.0.15', evictionPolicy: 'noeviction' };
    },
    async close() {},
  };
  function reachable(): void {
    if (queue.down) throw new NetcheckError('queue/down', 'Redis does not answer.', 'Start it.');
  }
  return queue;
}
