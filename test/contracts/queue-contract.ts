import { hostname } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LostRun } from '../../src/adapters/queue/bull-worker.ts';
import type { QueueAdapter } from '../../src/adapters/queue/connect-queue.ts';
import { stopReasonOf } from '../../src/adapters/queue/stop-reason.ts';
import type { RunRequest } from '../../src/engine/ports.ts';
import { eventually } from '../fakes/queue.ts';

/** What the suite needs from an implementation. `maxCrashes` must be 1. */
export interface QueueHarness {
  /** What one process gets. Everything connected through one harness sees the same queue. */
  connect(): Promise<QueueAdapter>;
  /** A worker takes the only run there is and dies in the middle of it. */
  crashMidRun(): Promise<void>;
  /** Redis goes away, hard. */
  cut(): Promise<void>;
  /** Redis is back, with all that it had acknowledged. */
  mend(): Promise<void>;
  close(): Promise<void>;
}

export function runRequest(id: string, more: Partial<RunRequest> = {}): RunRequest {
  return {
    id,
    text: 'node-50 port 1301 from node-12',
    language: 'en',
    askedBy: 'U1',
    askedAtMs: 1_700_000_000_000,
    thread: { channel: 'C1', rootTs: '1.0', statusTs: '1.1' },
    ...more,
  };
}

interface Call {
  readonly request: RunRequest;
  readonly attempt: number;
  readonly signal: AbortSignal;
  finish(): void;
  fail(error: unknown): void;
}

/** A handler that records its calls; each run ends when the test says so. */
function recorder(): {
  calls: Call[];
  handle: (request: RunRequest, context: { signal: AbortSignal; attempt: number }) => Promise<void>;
} {
  const calls: Call[] = [];
  return {
    calls,
    handle: (request, { signal, attempt }) =>
      new Promise<void>((resolve, reject) => {
        calls.push({ request, attempt, signal, finish: resolve, fail: reject });
      }),
  };
}

/** The contract of RunQueue, RunWorker, NodeSlots and KeyValue, run on the fake and on a real Redis. */
export function queueContract(title: string, open: () => Promise<QueueHarness>): void {
  describe(title, () => {
    let harness: QueueHarness;
    let front: QueueAdapter;
    let back: QueueAdapter;
    beforeEach(async () => {
      harness = await open();
      front = await harness.connect();
      back = await harness.connect();
    });
    const handlers: (readonly Call[])[] = [];
    afterEach(async () => {
      for (const call of handlers.splice(0).flat()) call.finish();
      await harness.close();
    });

    const begin = async (
      adapter: QueueAdapter,
      concurrency = 1,
    ): Promise<{ calls: Call[]; lost: LostRun[]; readonly close: () => Promise<void> }> => {
      const { calls, handle } = recorder();
      handlers.push(calls);
      const lost: LostRun[] = [];
      const worker = adapter.worker({ concurrency });
      await worker.start(handle, async (_request, why) => {
        lost.push(why);
      });
      return { calls, lost, close: () => worker.close() };
    };
    const nth = async (calls: readonly Call[], count: number): Promise<Call> => {
      await eventually(() => calls.length >= count);
      const call = calls[count - 1];
      if (call === undefined) throw new Error('unreachable');
      return call;
    };
    /** Proves that nothing more is in the queue: a run submitted now is the next one to be handled. */
    const nextIs = async (calls: readonly Call[], id: string): Promise<void> => {
      const before = calls.length;
      await front.queue.submit(runRequest(id));
      expect((await nth(calls, before + 1)).request.id).toBe(id);
    };

    describe('runs', () => {
      it('reach a worker of another process as they were asked, once, in order', async () => {
        const asked = [
          runRequest('r1', { recheckOf: 'r0', language: 'zh', text: '节点 “x” 不通' }),
          runRequest('r2', { origin: 'alert' }),
        ];
        for (const request of asked) expect(await front.queue.submit(request)).toBe('queued');
        const { calls } = await begin(back);
        const first = await nth(calls, 1);
        expect(first.attempt).toBe(1);
        expect(first.signal.aborted).toBe(false);
        first.finish();
        (await nth(calls, 2)).finish();
        expect(calls.map((call) => call.request)).toEqual(asked);
        await nextIs(calls, 'r3');
      });

      it('are handled so many at once as the worker allows', async () => {
        for (const id of ['r1', 'r2', 'r3']) await front.queue.submit(runRequest(id));
        const { calls } = await begin(back, 2);
        const second = await nth(calls, 2);
        expect(calls.map((call) => call.request.id)).toEqual(['r1', 'r2']);
        second.finish();
        expect((await nth(calls, 3)).request.id).toBe('r3');
      });

      it('are known while they wait, go on and have ended', async () => {
        const request = runRequest('r1');
        expect(await front.queue.find('r1')).toBeNull();
        await front.queue.submit(request);
        expect(await back.queue.find('r1')).toEqual(request);
        const { calls } = await begin(back);
        (await nth(calls, 1)).finish();
        await nextIs(calls, 'r2');
        expect(await front.queue.find('r1')).toEqual(request);
      });

      it('are counted while they wait and go on', async () => {
        expect(await front.load()).toEqual({ waiting: 0, active: 0, oldestWaitingMs: 0 });
        for (const id of ['r1', 'r2', 'r3']) await front.queue.submit(runRequest(id));
        expect(await back.load()).toMatchObject({ waiting: 3, active: 0 });
        const { calls } = await begin(back);
        const first = await nth(calls, 1);
        const { waiting, active, oldestWaitingMs } = await front.load();
        expect([waiting, active]).toEqual([2, 1]);
        expect(oldestWaitingMs).toBeGreaterThanOrEqual(0);
        expect(oldestWaitingMs).toBeLessThan(60_000);
        first.finish();
        (await nth(calls, 2)).finish();
        (await nth(calls, 3)).finish();
        await eventually(async () => (await front.load()).active === 0);
        await harness.cut();
        await expect(front.load()).rejects.toMatchObject({ code: 'queue/down' });
        await harness.mend();
      });

      it('are in the hands of workers, which say where they are, how busy, and when they go', async () => {
        expect(await front.workers()).toEqual([]);
        const begun = await begin(back);
        await eventually(async () => (await front.workers()).length === 1);
        const [worker] = await front.workers();
        expect(worker).toMatchObject({ host: hostname(), pid: process.pid, runs: 0 });
        expect(worker?.sinceMs).toBeLessThanOrEqual(Date.now());
        await begun.close();
        expect(await front.workers()).toEqual([]);
      });

      it('are open until they have had their answer', async () => {
        expect(await front.openRuns.list(10)).toEqual([]);
        const [first, second] = [runRequest('r1', { askedAtMs: 2000 }), runRequest('r2', { askedAtMs: 1000 })];
        for (const request of [first, second, first]) await front.queue.submit(request);
        expect(await back.openRuns.list(10)).toEqual([
          { request: second, state: 'waiting' },
          { request: first, state: 'waiting' },
        ]);
        expect(await back.openRuns.list(1)).toHaveLength(1);
        const { calls, handle } = recorder();
        handlers.push(calls);
        await back.worker({ concurrency: 1 }).start(handle);
        const running = await nth(calls, 1);
        expect(await front.openRuns.stateOf('r1')).toBe('active');
        running.finish();
        (await nth(calls, 2)).fail(new Error('no answer'));
        await eventually(async () => (await front.openRuns.stateOf('r1')) === 'answered');
        await eventually(async () => (await front.openRuns.stateOf('r2')) === 'unanswered');
        expect(await front.openRuns.list(10)).toEqual([{ request: second, state: 'unanswered' }]);
        await front.openRuns.close('r2');
        expect(await front.openRuns.list(10)).toEqual([]);
        expect(await front.openRuns.stateOf('r3')).toBe('missing');
      });

      it('are open from the moment that they were noted; queuing them takes the place of the note', async () => {
        const noted = runRequest('r1', { thread: { channel: 'C1', rootTs: '', statusTs: '' } });
        await front.openRuns.note(noted);
        expect(await back.openRuns.list(10)).toEqual([{ request: noted, state: 'missing' }]);
        await front.queue.submit(runRequest('r1'));
        expect(await back.openRuns.list(10)).toEqual([{ request: runRequest('r1'), state: 'waiting' }]);
        await front.openRuns.note(runRequest('r2'));
        await front.openRuns.close('r2');
        expect(await back.openRuns.list(10)).toHaveLength(1);
      });

      it('stay open where they were removed while they waited: who removed them has to say so', async () => {
        await front.queue.submit(runRequest('r1'));
        expect(await front.queue.cancel('r1', 'U2')).toBe('removed');
        expect(await front.openRuns.list(10)).toEqual([{ request: runRequest('r1'), state: 'missing' }]);
        await harness.cut();
        await expect(front.openRuns.list(10)).rejects.toMatchObject({ code: 'queue/down' });
        await harness.mend();
      });

      it('refuse an id that cannot be a job id', async () => {
        await expect(front.queue.submit(runRequest('node-50:1301'))).rejects.toMatchObject({ code: 'fault/internal' });
      });
    });

    describe('a delivery that comes again', () => {
      it('is a duplicate, whoever takes it', async () => {
        expect(await front.queue.submit(runRequest('r1'))).toBe('queued');
        expect(await front.queue.submit(runRequest('r1'))).toBe('duplicate');
        expect(await back.queue.submit(runRequest('r1', { text: 'other' }))).toBe('duplicate');
        const { calls } = await begin(back);
        const first = await nth(calls, 1);
        expect(first.request.text).toBe('node-50 port 1301 from node-12');
        expect(await front.queue.submit(runRequest('r1'))).toBe('duplicate');
        first.finish();
        await nextIs(calls, 'r2');
        expect(await front.queue.submit(runRequest('r1'))).toBe('duplicate');
      });

      it('is queued by exactly one of many at the same moment', async () => {
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, n) => (n % 2 ? front : back).queue.submit(runRequest('r1'))),
        );
        expect(answers.filter((answer) => answer === 'queued')).toHaveLength(1);
        expect(answers.filter((answer) => answer === 'duplicate')).toHaveLength(19);
      });
    });

    describe('cancel', () => {
      it('removes a run that waits, also for a delivery that comes again', async () => {
        await front.queue.submit(runRequest('r1'));
        expect(await back.queue.cancel('r1', 'U2')).toBe('removed');
        expect(await front.queue.submit(runRequest('r1'))).toBe('duplicate');
        const { calls } = await begin(back);
        await nextIs(calls, 'r2');
      });

      it('reaches the worker that holds the run, and says who', async () => {
        await front.queue.submit(runRequest('r1'));
        await front.queue.submit(runRequest('r2'));
        const { calls } = await begin(back, 2);
        const first = await nth(calls, 1);
        const second = await nth(calls, 2);
        expect(await front.queue.cancel('r1', 'U2')).toBe('cancelling');
        await eventually(() => first.signal.aborted);
        expect(stopReasonOf(first.signal)).toEqual({ why: 'cancelled', by: 'U2' });
        expect(second.signal.aborted).toBe(false);
      });

      it('knows nothing of runs that never were or have ended', async () => {
        expect(await front.queue.cancel('r1', 'U2')).toBe('unknown');
        await front.queue.submit(runRequest('r1'));
        const { calls } = await begin(back);
        (await nth(calls, 1)).finish();
        await nextIs(calls, 'r2');
        expect(await front.queue.cancel('r1', 'U2')).toBe('unknown');
      });

      it('waits for the worker that takes up a run whose worker died: its thread is owed an answer', async () => {
        await front.queue.submit(runRequest('r1'));
        await harness.crashMidRun();
        expect(await front.queue.cancel('r1', 'U2')).toBe('cancelling');
        const { calls } = await begin(back);
        const again = await nth(calls, 1);
        expect(stopReasonOf(again.signal)).toEqual({ why: 'cancelled', by: 'U2' });
        expect(again.attempt).toBe(2);
      });
    });

    describe('a handler that fails', () => {
      it('leaves the last word to onLost, and the worker goes on', async () => {
        await front.queue.submit(runRequest('r1'));
        const { calls, lost } = await begin(back);
        const error = new Error('our own fault');
        (await nth(calls, 1)).fail(error);
        await eventually(() => lost.length === 1);
        expect(lost).toEqual([{ why: 'threw', error }]);
        await nextIs(calls, 'r2');
      });

      it('does no harm where there is no onLost', async () => {
        const { calls, handle } = recorder();
        handlers.push(calls);
        await back.worker({ concurrency: 1 }).start(handle);
        await front.queue.submit(runRequest('r1'));
        (await nth(calls, 1)).fail(new Error('our own fault'));
        await nextIs(calls, 'r2');
      });
    });

    describe('a worker that closes', () => {
      it('stops its runs, waits for them, and takes no more', async () => {
        await front.queue.submit(runRequest('r1'));
        const { calls, close } = await begin(back);
        const first = await nth(calls, 1);
        const closed = close();
        await eventually(() => first.signal.aborted);
        expect(stopReasonOf(first.signal)).toEqual({ why: 'closing' });
        await front.queue.submit(runRequest('r2'));
        let done = false;
        void closed.then(() => {
          done = true;
        });
        expect(done).toBe(false);
        first.finish();
        await closed;
        expect(calls).toHaveLength(1);
        const other = await begin(front);
        expect((await nth(other.calls, 1)).request.id).toBe('r2');
      });

      it('hands a run back whose handler rejects then, and another worker begins it again', async () => {
        await front.queue.submit(runRequest('r1'));
        const { calls, lost, close } = await begin(back);
        const first = await nth(calls, 1);
        first.signal.addEventListener('abort', () => first.fail(first.signal.reason));
        await close();
        expect(lost).toEqual([]);
        const other = await begin(front);
        const again = await nth(other.calls, 1);
        expect(again.request.id).toBe('r1');
        expect(again.attempt).toBe(2);
      });
    });

    it('a run that was handed back is owed an answer: cancel leaves it to the next worker', async () => {
      await front.queue.submit(runRequest('r1'));
      const { calls, close } = await begin(back);
      const first = await nth(calls, 1);
      first.signal.addEventListener('abort', () => first.fail(first.signal.reason));
      await close();
      expect(await front.queue.cancel('r1', 'U2')).toBe('cancelling');
      const again = await nth((await begin(front)).calls, 1);
      expect(stopReasonOf(again.signal)).toEqual({ why: 'cancelled', by: 'U2' });
    });

    describe('a worker that dies', () => {
      it('leaves its run to another one, which can tell', async () => {
        await front.queue.submit(runRequest('r1'));
        await harness.crashMidRun();
        const { calls } = await begin(back);
        const again = await nth(calls, 1);
        expect(again.request).toEqual(runRequest('r1'));
        expect(again.attempt).toBe(2);
        expect(again.signal.aborted).toBe(false);
      });

      it('too often: the run is not begun again, and onLost may answer', async () => {
        await front.queue.submit(runRequest('r1'));
        await harness.crashMidRun();
        await harness.crashMidRun();
        const { calls, lost } = await begin(back);
        await eventually(() => lost.length === 1);
        expect(lost).toEqual([{ why: 'crashed', times: 2 }]);
        expect(calls).toEqual([]);
        await nextIs(calls, 'r2');
      });
    });

    describe('while Redis is away', () => {
      it('everything that the front asks is refused with queue/down', async () => {
        await harness.cut();
        const refused = { code: 'queue/down', name: 'NetcheckError' };
        await expect(front.queue.submit(runRequest('r1'))).rejects.toMatchObject(refused);
        await expect(front.queue.cancel('r1', 'U1')).rejects.toMatchObject(refused);
        await expect(front.queue.find('r1')).rejects.toMatchObject(refused);
        await expect(front.queue.ping()).rejects.toMatchObject(refused);
        await expect(front.store.get('k')).rejects.toMatchObject(refused);
        await expect(front.store.setOnce('k', 'v', { ttlMs: 1_000 })).rejects.toMatchObject(refused);
        const health = await front.health();
        expect(health).toMatchObject({ ok: false, version: null });
        expect(health.problems).toHaveLength(1);
        await harness.mend();
        await eventually(async () => (await front.health()).ok);
        expect(await front.queue.submit(runRequest('r1'))).toBe('queued');
      });

      it('queued runs survive, and the worker takes them when it is back', async () => {
        const { calls } = await begin(back);
        (
          await (async () => {
            await front.queue.submit(runRequest('r1'));
            return nth(calls, 1);
          })()
        ).finish();
        await front.queue.submit(runRequest('r2'));
        const second = await nth(calls, 2);
        await front.queue.submit(runRequest('r3'));
        await harness.cut();
        second.finish();
        await harness.mend();
        expect((await nth(calls, 3)).request.id).toBe('r3');
      });

      it('a run goes on undisturbed, ends during it, and is not begun again', async () => {
        await front.queue.submit(runRequest('r1'));
        const { calls } = await begin(back);
        const first = await nth(calls, 1);
        await harness.cut();
        first.finish();
        await harness.mend();
        await eventually(async () => (await front.health()).ok);
        await nextIs(calls, 'r2');
        expect(first.signal.aborted).toBe(false);
        expect(calls.map((call) => call.request.id)).toEqual(['r1', 'r2']);
      });

      it('a patient store waits', async () => {
        await harness.cut();
        const set = back.patientStore.setOnce('k', 'v', { ttlMs: 60_000 });
        await harness.mend();
        expect(await set).toBe(true);
        expect(await back.patientStore.get('k')).toBe('v');
      });
    });

    describe('node slots', () => {
      const never = new AbortController().signal;

      it('let so many in as a node may bear, over all processes, first come first served', async () => {
        const [ours, theirs] = [front.slots({ perNode: 2 }), back.slots({ perNode: 2 })];
        const first = await ours.acquire('node-50', { signal: never, holder: 'r1' });
        await theirs.acquire('node-50', { signal: never, holder: 'r2' });
        const order: string[] = [];
        const third = ours.acquire('node-50', { signal: never, holder: 'r3' }).then((slot) => {
          order.push('r3');
          return slot;
        });
        // Another node is free, which also lets r3 take its place in the line before r4 does.
        await ours.acquire('node-12', { signal: never, holder: 'r3' });
        const fourth = theirs.acquire('node-50', { signal: never, holder: 'r4' }).then((slot) => {
          order.push('r4');
          return slot;
        });
        await theirs.acquire('node-12', { signal: never, holder: 'r4' });
        expect(order).toEqual([]);
        await first.release();
        const slot = await third;
        expect(order).toEqual(['r3']);
        await slot.release();
        await fourth;
        expect(order).toEqual(['r3', 'r4']);
      });

      it('stop waiting when they are told to, and leave the line', async () => {
        const slots = front.slots({ perNode: 1 });
        const held = await slots.acquire('node-50', { signal: never, holder: 'r1' });
        const stopping = new AbortController();
        const waiting = slots.acquire('node-50', { signal: stopping.signal, holder: 'r2' });
        stopping.abort('cancelled');
        await expect(waiting).rejects.toMatchObject({ name: 'AbortError', cause: 'cancelled' });
        const next = back.slots({ perNode: 1 }).acquire('node-50', { signal: never, holder: 'r3' });
        await held.release();
        await next;
      });

      it('give a run its own slot back when its second attempt asks again', async () => {
        const slots = front.slots({ perNode: 1 });
        const dead = await slots.acquire('node-50', { signal: never, holder: 'r1' });
        const second = await back.slots({ perNode: 1 }).acquire('node-50', { signal: never, holder: 'r1' });
        // The first attempt's slot is gone: releasing it must not let r2 in.
        await dead.release();
        let entered = false;
        const waiting = slots.acquire('node-50', { signal: never, holder: 'r2' }).then(() => {
          entered = true;
        });
        // Asked after r2 on the same connection, so r2 has its answer by then.
        await slots.acquire('node-12', { signal: never, holder: 'r9' });
        expect(entered).toBe(false);
        await second.release();
        await second.release();
        await waiting;
      });
    });

    describe('the store', () => {
      it('keeps facts for every process, for their time', async () => {
        expect(await front.store.get('k')).toBeNull();
        await front.store.set('k', 'värde 值 : {}', { ttlMs: 60_000 });
        expect(await back.patientStore.get('k')).toBe('värde 值 : {}');
        await back.store.set('k', '', { ttlMs: 60_000 });
        expect(await front.store.get('k')).toBe('');
        await front.store.delete('k');
        expect(await back.store.get('k')).toBeNull();
        await front.store.set('short', 'v', { ttlMs: 1 });
        await eventually(async () => (await front.store.get('short')) === null);
      });

      it('sets once, for one of many', async () => {
        const won = await Promise.all(
          Array.from({ length: 10 }, (_, n) => (n % 2 ? front : back).store.setOnce('k', `v${n}`, { ttlMs: 60_000 })),
        );
        expect(won.filter(Boolean)).toHaveLength(1);
        expect(await front.store.get('k')).toBe(`v${won.indexOf(true)}`);
        await front.store.delete('k');
        expect(await front.store.setOnce('k', 'again', { ttlMs: 1 })).toBe(true);
        await eventually(() => front.store.setOnce('k', 'later', { ttlMs: 60_000 }));
      });
    });

    it('tells what it stands on', async () => {
      expect(await front.queue.ping()).toEqual({
        version: expect.stringMatching(/^\d+\./),
        evictionPolicy: 'noeviction',
      });
      expect(await front.health()).toMatchObject({ ok: true, persistent: true, problems: [] });
    });
  });
}
