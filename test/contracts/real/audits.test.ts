import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectQueue, type QueueAdapter, type QueueTiming } from '../../../src/adapters/queue/connect-queue.ts';
import type { AuditHandlers, AuditStep } from '../../../src/engine/ports.ts';
import { auditHandlers, auditRequest, resultOf } from '../../fakes/audit-nodes.ts';
import { eventually } from '../../fakes/queue.ts';
import { runRequest } from '../queue-contract.ts';
import { type LoopbackRedis, startLoopbackRedis, whyNoRedis } from './loopback-redis.ts';

const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;
const timing: Partial<QueueTiming> = {
  lockMs: 1_500,
  stalledCheckMs: 300,
  maxCrashes: 1,
  pollMs: 10,
  missingAfterMs: 1_000,
};
const never = new AbortController().signal;

describe.skipIf(missing !== undefined)(`audits over many workers, on a real Redis${because}`, () => {
  let redis: LoopbackRedis;
  let count = 0;
  const open: QueueAdapter[] = [];
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    redis = await startLoopbackRedis();
  });
  afterAll(() => redis.stop());
  beforeEach(() => {
    count += 1;
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await Promise.all(open.splice(0).map((adapter) => adapter.close()));
  });

  const prefix = (): string => `audits-${count}`;
  const connect = async (more: Partial<QueueTiming> = {}): Promise<QueueAdapter> => {
    const adapter = await connectQueue({
      redisUrl: redis.url,
      prefix: prefix(),
      dataDir: tmpdir(),
      timing: { ...timing, ...more },
    });
    open.push(adapter);
    return adapter;
  };
  /** A worker in a process of its own that stays with its first node from number `ending` on. */
  const startCrashing = async (ending: number): Promise<ChildProcess> => {
    const script = path.join(import.meta.dirname, 'crashing-audit-worker.ts');
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', script, redis.url, prefix(), JSON.stringify(timing), String(ending)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.push(child);
    await once(child.stdout, 'data');
    return child;
  };
  const kill = async (child: ChildProcess): Promise<void> => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  const follow = (adapter: QueueAdapter, id: string, onStep: (step: AuditStep) => void = () => undefined) =>
    adapter.audits.follow(id, { signal: never, onStep });
  const keys = (): Promise<string[]> =>
    redis.until(
      (client) => client.keys(`{${prefix()}}:*`),
      () => true,
    );

  it('every node is looked at once, by whoever is free, and nothing but the report is left', async () => {
    const [first, second] = [await connect(), await connect()];
    const looked: string[] = [];
    const steps: AuditStep[] = [];
    const by = (name: string): AuditHandlers =>
      auditHandlers({ step: (_request, step) => void steps.push(step) }, async (job) => {
        looked.push(`${name} ${job.node}`);
        await eventually(() => new Set(looked.map((one) => one.slice(0, 1))).size === 2);
        return resultOf(job);
      });
    await first.auditWorker({ concurrency: 2 }).start(by('a'));
    await second.auditWorker({ concurrency: 2 }).start(by('b'));
    expect(await first.audits.submit(auditRequest('audit-1', 40))).toBe('queued');
    expect(await second.audits.submit(auditRequest('audit-1', 40))).toBe('duplicate');
    const report = await follow(second, 'audit-1');
    expect(report.counts).toMatchObject({ nodes: 40, looked: 40, failed: 0 });
    expect(new Set(looked.map((one) => one.slice(2))).size).toBe(40);
    expect(looked).toHaveLength(40);
    expect(new Set(looked.map((one) => one.slice(0, 1)))).toEqual(new Set(['a', 'b']));
    expect(steps.at(-1)).toMatchObject({ done: 40, total: 40 });
    // Also for who asks later.
    expect(await follow(first, 'audit-1')).toEqual(report);
    await eventually(async () =>
      (await keys()).every((key) => !/audit-nodes:audit-1_|:results|:done|:dictionary/.test(key)),
    );
  });

  it('an audit does not fill Redis: only a window of its nodes is in the queue', async () => {
    const adapter = await connect({ window: 10 });
    let most = 0;
    await adapter.auditWorker({ concurrency: 2 }).start(
      auditHandlers({}, async (job) => {
        most = Math.max(most, (await keys()).filter((key) => /audit-nodes:audit-1_node-\d+$/.test(key)).length);
        return resultOf(job);
      }),
    );
    await adapter.audits.submit(auditRequest('audit-1', 60));
    expect((await follow(adapter, 'audit-1')).counts.looked).toBe(60);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(12);
  });

  it('the node of a worker that died is looked at by another', async () => {
    const adapter = await connect();
    await adapter.audits.submit(auditRequest('audit-1', 6));
    const dying = await startCrashing(0);
    const looked: string[] = [];
    await adapter.auditWorker({ concurrency: 1 }).start(
      auditHandlers({}, async (job) => {
        looked.push(job.node);
        return resultOf(job);
      }),
    );
    await eventually(() => looked.length === 5);
    await kill(dying);
    expect((await follow(adapter, 'audit-1')).counts).toMatchObject({ nodes: 6, looked: 6 });
    expect(looked.toSorted()).toEqual([...new Set(looked)].toSorted());
  });

  it('where the process dies that puts it together, another goes on with what is still to be looked at', async () => {
    const adapter = await connect();
    await adapter.audits.submit(auditRequest('audit-1', 12));
    // Alone: it makes the audit, looks at seven nodes, and stays with the eighth.
    await kill(await startCrashing(7));
    const looked: string[] = [];
    const steps: AuditStep[] = [];
    await adapter.auditWorker({ concurrency: 1 }).start(
      auditHandlers({ step: (_request, step) => void steps.push(step) }, async (job) => {
        looked.push(job.node);
        return resultOf(job);
      }),
    );
    expect((await follow(adapter, 'audit-1')).counts).toMatchObject({ nodes: 12, looked: 12 });
    expect(looked.map((node) => Number(node.slice(5))).toSorted((a, b) => a - b)).toEqual([7, 8, 9, 10, 11]);
    expect(steps.at(-1)).toMatchObject({ done: 12, total: 12 });
  });

  it('a node that kills every worker is a result', async () => {
    const adapter = await connect();
    await adapter.audits.submit(auditRequest('audit-1', 1));
    await kill(await startCrashing(0));
    await kill(await startCrashing(0));
    await adapter.auditWorker({ concurrency: 1 }).start(auditHandlers());
    const report = await follow(adapter, 'audit-1');
    expect(report.nodes).toMatchObject([{ name: 'node-00000', outcome: 'failed', why: 'lost' }]);
  });

  it('cancelled: what was looked at is told, what is being looked at is stopped, the rest says so', async () => {
    const [front, worker] = [await connect(), await connect()];
    const stopped: string[] = [];
    await worker.auditWorker({ concurrency: 2 }).start(
      auditHandlers({}, async (job, { signal }) => {
        if (Number(job.node.slice(5)) < 3) return resultOf(job);
        await once(signal, 'abort');
        stopped.push(job.node);
        return resultOf(job, 'failed', 'stopped');
      }),
    );
    await front.audits.submit(auditRequest('audit-1', 20));
    const steps: number[] = [];
    const report = follow(front, 'audit-1', ({ done }) => steps.push(done));
    await eventually(() => steps.includes(3));
    expect(await front.audits.cancel('audit-1', 'U0BEN')).toBe('cancelling');
    expect((await report).counts).toMatchObject({ nodes: 20, looked: 3, failed: 17 });
    expect(new Set((await report).nodes.map(({ why }) => why))).toEqual(new Set([undefined, 'cancelled']));
    await eventually(() => stopped.length === 2);
    await eventually(async () => (await front.audits.cancel('audit-1', 'U0BEN')) === 'unknown');
    expect(await front.audits.cancel('audit-2', 'U0BEN')).toBe('unknown');
  });

  it('a worker that closes hands its nodes and its audit to another', async () => {
    const [closing, other] = [await connect(), await connect()];
    const begun: string[] = [];
    await closing.auditWorker({ concurrency: 2 }).start(
      auditHandlers({}, async (job, { signal }) => {
        begun.push(job.node);
        await once(signal, 'abort');
        return resultOf(job, 'failed', 'stopped');
      }),
    );
    await other.audits.submit(auditRequest('audit-1', 4));
    await eventually(() => begun.length === 2);
    await closing.close();
    await other.auditWorker({ concurrency: 2 }).start(auditHandlers());
    expect((await follow(other, 'audit-1')).counts).toMatchObject({ nodes: 4, looked: 4 });
  });

  it('an audit that cannot be made says why, to who follows it too', async () => {
    const adapter = await connect();
    const failures: string[] = [];
    const { NetcheckError } = await import('../../../src/model/errors.ts');
    await adapter.auditWorker({ concurrency: 1 }).start(
      auditHandlers({
        begin: () => Promise.reject(new NetcheckError('audit/no-nodes', 'No node has it.', 'Look at the labels.')),
        failed: async (_request, { message }) => void failures.push(message),
      }),
    );
    await adapter.audits.submit(auditRequest('audit-1', 4));
    await expect(follow(adapter, 'audit-1')).rejects.toMatchObject({
      code: 'audit/no-nodes',
      hint: 'Look at the labels.',
    });
    expect(failures).toEqual(['No node has it.']);
  });

  it('a question of a person does not wait for the nodes of an audit', async () => {
    const adapter = await connect();
    const order: string[] = [];
    let answered = (): void => undefined;
    const isAnswered = new Promise<void>((resolve) => {
      answered = resolve;
    });
    await adapter.auditWorker({ concurrency: 2 }).start(
      auditHandlers({}, async (job) => {
        order.push(job.node);
        // Every place of this process is taken until the question has its answer.
        await isAnswered;
        return resultOf(job);
      }),
    );
    await adapter.worker({ concurrency: 1 }).start(async () => {
      order.push('question');
      answered();
    });
    await adapter.audits.submit(auditRequest('audit-1', 30));
    await eventually(() => order.length === 2);
    await adapter.queue.submit(runRequest('r1'));
    expect((await follow(adapter, 'audit-1')).counts.looked).toBe(30);
    expect(order.indexOf('question')).toBe(2);
  });

  it('while a question is being answered, its process takes fewer nodes', async () => {
    const adapter = await connect();
    let inHand = 0;
    let mostDuring = 0;
    let goOn = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const isAnswering = { now: false };
    await adapter.worker({ concurrency: 1 }).start(async () => {
      isAnswering.now = true;
      await done;
      isAnswering.now = false;
    });
    await adapter.queue.submit(runRequest('r1'));
    await eventually(() => isAnswering.now);
    let looked = 0;
    await adapter.auditWorker({ concurrency: 8 }).start(
      auditHandlers({}, async (job) => {
        inHand++;
        if (isAnswering.now) mostDuring = Math.max(mostDuring, inHand);
        await new Promise((resolve) => setImmediate(resolve));
        inHand--;
        if (++looked === 20) goOn();
        return resultOf(job);
      }),
    );
    await adapter.audits.submit(auditRequest('audit-1', 60));
    expect((await follow(adapter, 'audit-1')).counts.looked).toBe(60);
    expect(mostDuring).toBeGreaterThan(0);
    expect(mostDuring).toBeLessThanOrEqual(2);
  });
});
