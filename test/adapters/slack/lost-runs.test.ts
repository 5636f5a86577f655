import { beforeEach, describe, expect, it } from 'vitest';
import { createLostRuns, type LostRuns } from '../../../src/adapters/slack/lost-runs.ts';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { answerKey, deliveryKey, runKey } from '../../../src/adapters/slack/run-keys.ts';
import { createSlackThread } from '../../../src/adapters/slack/slack-thread.ts';
import { recheckAction } from '../../../src/adapters/slack/status-message.ts';
import type { OpenRun, OpenRuns, RunRequest } from '../../../src/engine/ports.ts';
import { NetcheckError } from '../../../src/model/errors.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';
import { SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { sampleReport } from './sample-run.ts';

describe('runs that nobody has any more', () => {
  let world: SlackWorld;
  let store: ReturnType<typeof memoryStore>;
  let open: Map<string, OpenRun>;
  let redisIsAway: boolean;
  let nowMs: number;
  let settled: string[];
  let lines: string[];
  beforeEach(() => {
    world = new SlackWorld({ rates: 'off', channels: [{ id: 'C0INCIDENT', name: 'incident' }] });
    store = memoryStore();
    open = new Map();
    redisIsAway = false;
    nowMs = Date.parse('2026-03-01T10:00:00Z');
    settled = [];
    lines = [];
  });

  const openRuns: OpenRuns = {
    note: async (request) => void refusing(open.set(request.id, { request, state: 'missing' })),
    list: async () => refusing([...open.values()]),
    stateOf: async (id) => refusing(open.get(id)?.state ?? 'missing'),
    close: async (id) => void refusing(open.delete(id)),
  };
  function refusing<T>(value: T): T {
    if (redisIsAway) throw new NetcheckError('queue/down', 'Redis does not answer.', 'Start it.');
    return value;
  }
  const senderOf = () => {
    const calls = worldCalls(world, { latencyMs: 0, timeoutMs: 5 });
    const outbox = createOutbox({ calls, postGapMs: 0, updateGapMs: 0, settleMs: 0, backoffMs: 1, giveUpAfterMs: 50 });
    return {
      calls,
      outbox,
      answerThread: (request: RunRequest, { attempt }: { readonly attempt: number }) =>
        createSlackThread(request, { outbox, calls, store, attempt, renderReport: renderSlackReport, leaseMs: 1 }),
    };
  };
  const newKeeper = (): LostRuns => {
    const sender = senderOf();
    return createLostRuns({
      openRuns,
      store,
      sender: () => sender,
      onSettled: ({ id }) => settled.push(id),
      log: (line) => lines.push(line),
      now: () => nowMs,
    });
  };
  const run = (id: string, changes: Partial<RunRequest> = {}): RunRequest => {
    const { ts } = world.say('U0ANNA', 'C0INCIDENT', `the status of ${id}`);
    return {
      id,
      text: 'node-50 port 1301',
      language: 'en',
      askedBy: 'U0ANNA',
      askedAtMs: nowMs,
      thread: { channel: 'C0INCIDENT', rootTs: ts, statusTs: ts },
      ...changes,
    };
  };
  const put = (state: OpenRun['state'], request = run('r1')): RunRequest => {
    open.set(request.id, { request, state });
    return request;
  };
  const answers = () => world.messages().filter(({ metadata }) => metadata?.['event_type'] === 'netcheck_answer');
  const lookTwice = async (...keepers: readonly LostRuns[]) => {
    for (const passed of [0, 26_000]) {
      nowMs += passed;
      await Promise.all(keepers.map((keeper) => keeper.look()));
    }
  };

  it.each(['waiting', 'active'] as const)('are not those that are %s, however long', async (state) => {
    put(state);
    await lookTwice(newKeeper());
    nowMs += 3_600_000;
    await lookTwice(newKeeper());
    expect(answers()).toEqual([]);
    expect(open.size).toBe(1);
  });

  it('get one final message with what happened and Re-check, however many bots look', async () => {
    const request = put('missing');
    const keepers = [newKeeper(), newKeeper(), newKeeper()];
    await lookTwice(...keepers);
    await lookTwice(...keepers);
    const [answer, ...more] = answers();
    expect(more).toEqual([]);
    expect(answer?.threadTs).toBe(request.thread.rootTs);
    expect(answer?.text).toContain(
      'This run was lost: the queue (Redis) does not know it any more. Nothing of it is running.',
    );
    expect(JSON.stringify(answer?.blocks)).toContain(recheckAction);
    expect(await store.get(runKey('r1'))).toBe(JSON.stringify(request));
    expect(settled).toEqual(['r1']);
    expect(open.size).toBe(0);
  });

  it('are told that Slack did not take the answer where that is why there is none', async () => {
    put('unanswered', run('r1', { language: 'zh' }));
    await lookTwice(newKeeper());
    expect(answers()[0]?.text).toContain('无法发出');
  });

  it('are not believed at the first look: somebody may be about to queue them', async () => {
    const request = put('missing');
    const keeper = newKeeper();
    await keeper.look();
    nowMs += 20_000;
    await keeper.look();
    open.set('r1', { request, state: 'active' });
    nowMs += 20_000;
    await keeper.look();
    open.set('r1', { request, state: 'missing' });
    nowMs += 20_000;
    await keeper.look();
    expect(answers()).toEqual([]);
  });

  it('are found where Redis has forgotten everything, and the thread says when Redis was away', async () => {
    const keeper = newKeeper();
    const queue = keeper.watched(memoryQueue());
    const request = run('r1');
    await queue.submit(request);
    put('waiting', request);
    await keeper.look();
    redisIsAway = true;
    nowMs += 5000;
    await keeper.look();
    open.clear();
    store.values.clear();
    redisIsAway = false;
    nowMs += 20_000;
    await lookTwice(keeper);
    expect(answers()).toHaveLength(1);
    expect(answers()[0]?.text).toContain('Redis was away from about 10:00:05 UTC to 10:00:25 UTC');
    await lookTwice(keeper);
    expect(answers()).toHaveLength(1);
  });

  it('are left alone where the answer is in Slack, and only Redis does not know it', async () => {
    const keeper = newKeeper();
    const request = run('r1');
    await keeper.watched(memoryQueue()).submit(request);
    await senderOf().answerThread(request, { attempt: 1 }).report(sampleReport());
    const before = JSON.stringify(world.messages());
    store.values.clear();
    await lookTwice(keeper);
    expect(JSON.stringify(world.messages())).toBe(before);
    expect(await store.get(answerKey('r1'))).toMatch(/^done /);
  });

  it('are not those that were never queued, because whoever asked was told so', async () => {
    const keeper = newKeeper();
    const queue = memoryQueue();
    queue.down = true;
    const request = run('r1');
    await expect(keeper.watched(queue).submit(request)).rejects.toMatchObject({ code: 'queue/down' });
    await lookTwice(keeper);
    expect(answers()).toEqual([]);
    // It was noted before Redis went away, and nobody could take that back.
    put('missing', request);
    await lookTwice(keeper);
    expect(answers()).toEqual([]);
    expect(open.size).toBe(0);
    // Asked again, and queued: from now on it is looked after like any other.
    queue.down = false;
    await keeper.watched(queue).submit(request);
    put('missing', request);
    await lookTwice(keeper);
    expect(answers()).toHaveLength(1);
  });

  it('are told later where Slack is away, and once', async () => {
    put('missing');
    const keeper = newKeeper();
    await keeper.look();
    world.script('*', { kind: 'http', status: 503 }, { times: 1_000_000 });
    nowMs += 26_000;
    await keeper.look();
    expect(answers()).toEqual([]);
    expect(open.size).toBe(1);
    world.mend();
    await keeper.look();
    await keeper.look();
    expect(answers()).toHaveLength(1);
  });

  it('are forgotten when they have their answer, or after a week', async () => {
    put('answered', run('r1'));
    put('missing', run('r2', { askedAtMs: nowMs - 8 * 24 * 3_600_000 }));
    const done = put('missing', run('r3'));
    await store.set(answerKey(done.id), 'done 1.2', { ttlMs: 60_000 });
    await newKeeper().look();
    expect(open.size).toBe(0);
    expect(answers()).toEqual([]);
  });

  describe('and questions that were never queued', () => {
    const asked = (rootTs = ''): RunRequest => ({
      ...run('r1', { askedAtMs: Date.now() }),
      thread: { channel: 'C0INCIDENT', rootTs, statusTs: '' },
    });
    const passes = async (keeper: LostRuns): Promise<void> => {
      await keeper.look();
      nowMs += 30_000;
      await keeper.look();
    };
    const ours = () => world.messages().filter(({ user }) => user === world.botUserId);
    beforeEach(() => {
      nowMs = Date.now();
    });

    it('of which nothing is to be seen: their channel is told, with the asker and the question', async () => {
      put('missing', asked());
      await passes(newKeeper());
      const [message, ...more] = ours();
      expect(more).toEqual([]);
      expect(message?.threadTs).toBeUndefined();
      expect(JSON.stringify(message?.blocks)).toContain('restarted before it could queue this question');
      expect(JSON.stringify(message?.blocks)).toContain('node-50 port 1301');
      expect(message?.pings).toEqual(['<@U0ANNA>']);
      expect(open.size).toBe(0);
    });

    it('in a thread: it is told there', async () => {
      const { ts } = world.say('U0ANNA', 'C0INCIDENT', 'it hangs');
      put('missing', asked(ts));
      await passes(newKeeper());
      expect(ours().map(({ threadTs }) => threadTs)).toEqual([ts]);
    });

    it('with a status message: it gets the one answer, and the status does not go on', async () => {
      const sender = senderOf();
      const status = await sender.outbox.post({
        channel: 'C0INCIDENT',
        body: { text: 'queued', blocks: [] },
        plain: 'queued',
        metadata: { event_type: 'netcheck_status', event_payload: { run_id: 'r1' } },
        find: () => Promise.resolve({ found: 'no' }),
      });
      const statusTs = status.sent ? status.ts : '';
      put('missing', asked());
      await passes(newKeeper());
      const [root, answer, ...more] = ours();
      expect(more).toEqual([]);
      expect(root?.ts).toBe(statusTs);
      expect(answer?.threadTs).toBe(statusTs);
      expect(JSON.stringify(answer?.blocks)).toContain('restarted before it could queue');
    });

    it('are left alone while somebody is at them', async () => {
      put('missing', asked());
      await store.set(deliveryKey('r1'), 'taken', { ttlMs: 60_000 });
      await passes(newKeeper());
      expect(ours()).toEqual([]);
      expect(open.size).toBe(1);
    });
  });
});
