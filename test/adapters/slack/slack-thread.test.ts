import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { answerKey } from '../../../src/adapters/slack/run-keys.ts';
import { createSlackThread, type SlackThreadOptions } from '../../../src/adapters/slack/slack-thread.ts';
import { cancelAction, recheckAction } from '../../../src/adapters/slack/status-message.ts';
import type { AnswerThread, RunRequest } from '../../../src/engine/ports.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { memoryStore } from '../../fakes/slack/memory-ports.ts';
import { type FakeMessage, SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { sampleReport, sampleRequest } from './sample-run.ts';
import { settled } from './settled.ts';

let world: SlackWorld;
let store: ReturnType<typeof memoryStore>;
let request: RunRequest;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  world = new SlackWorld();
  store = memoryStore();
  const root = world.handle('chat.postMessage', world.botToken, { channel: 'C0INCIDENT', text: 'queued' });
  const ts = typeof root === 'object' && root.body !== null ? (world.messages()[0]?.ts ?? '') : '';
  request = sampleRequest({ channel: 'C0INCIDENT', rootTs: ts, statusTs: ts });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Each call is a process of its own: nothing in memory is shared but Slack and the store. */
function newThread(changes: Partial<SlackThreadOptions> = {}): AnswerThread {
  const calls = worldCalls(world);
  return createSlackThread(request, {
    calls,
    outbox: createOutbox({ calls }),
    store,
    renderReport: renderSlackReport,
    ...changes,
  });
}
const answers = (): FakeMessage[] =>
  world.messages().filter((message) => message.metadata?.['event_type'] === 'netcheck_answer');
const status = () => JSON.stringify(world.message('C0INCIDENT', request.thread.statusTs)?.blocks);
const failure = { message: 'The worker died.', hint: 'Re-check runs it again.', cancelled: false };

describe('the answer', () => {
  it('is one reply that alerts the asker once, with Re-check; the status says the verdict', async () => {
    const thread = newThread();
    thread.progress({ type: 'phase', phase: 'probe', atMs: Date.now() });
    await vi.advanceTimersByTimeAsync(3000);
    expect(status()).toContain(cancelAction);
    await settled(thread.report(sampleReport()));
    const [answer, ...more] = answers();
    expect(more).toEqual([]);
    expect(answer).toMatchObject({ threadTs: request.thread.rootTs, pings: ['<@U0ANNA>'] });
    expect(JSON.stringify(answer?.blocks)).toContain(`"action_id":"${recheckAction}"`);
    expect(status()).toContain('node-50 drops SYNs by TCP timestamp');
    expect(status()).not.toContain(cancelAction);
  });

  it('is given once however often it is asked for, by however many processes', async () => {
    await settled(newThread().report(sampleReport()));
    await settled(newThread({ attempt: 2 }).report(sampleReport()));
    await settled(newThread().failed(failure));
    const twins = [newThread(), newThread()];
    await settled(Promise.all(twins.map((thread) => thread.report(sampleReport()))));
    expect(answers()).toHaveLength(1);
  });

  it('comes once from two workers at the same time', async () => {
    await settled(Promise.all([newThread().report(sampleReport()), newThread({ attempt: 2 }).report(sampleReport())]));
    expect(answers()).toHaveLength(1);
  });

  it('is not repeated by the worker that follows one that died right after posting', async () => {
    world.script('chat.postMessage', { kind: 'silence', afterAccepting: true });
    void newThread()
      .report(sampleReport())
      .catch(() => {});
    await vi.advanceTimersByTimeAsync(200);
    expect(answers()).toHaveLength(1);
    // The first process hangs and dies here; its timers do nothing any more.
    vi.clearAllTimers();
    expect([...store.values.values()].some((value) => value.startsWith('pending'))).toBe(true);
    await settled(newThread({ attempt: 2 }).report(sampleReport()));
    expect(answers()).toHaveLength(1);
    expect(status()).toContain('node-50 drops SYNs');
  });

  it('comes from the worker that follows one that died right before posting', async () => {
    world.script('chat.postMessage', { kind: 'silence', afterAccepting: false });
    void newThread()
      .report(sampleReport())
      .catch(() => {});
    await vi.advanceTimersByTimeAsync(200);
    vi.clearAllTimers();
    await settled(newThread({ attempt: 2 }).report(sampleReport()));
    expect(answers()).toHaveLength(1);
  });

  it('is recognised in Slack itself when the store has forgotten everything', async () => {
    await settled(newThread().report(sampleReport()));
    store.values.clear();
    await settled(newThread({ attempt: 2 }).report(sampleReport()));
    expect(answers()).toHaveLength(1);
  });

  it('comes once while the store is down', async () => {
    store.down = true;
    await settled(newThread().report(sampleReport()));
    await settled(newThread().report(sampleReport()));
    expect(answers()).toHaveLength(1);
  });

  it('comes once while the store can be read and takes nothing', async () => {
    const full = () => Promise.reject(new Error("OOM command not allowed when used memory > 'maxmemory'."));
    const fullStore = { ...store, set: full, setOnce: full };
    await settled(newThread({ store: fullStore }).report(sampleReport()));
    await settled(newThread({ store: fullStore, attempt: 2 }).report(sampleReport()));
    expect(answers()).toHaveLength(1);
  });

  it('waits for no longer than the lease for a worker whose clock was ahead', async () => {
    await store.set(answerKey(request.id), `pending another ${Date.now() + 3_600_000}`, { ttlMs: 3_600_000 });
    await settled(newThread({ attempt: 2 }).report(sampleReport()), 30_000);
    expect(answers()).toHaveLength(1);
  });

  it('is recognised by its block where metadata is not shown to us', async () => {
    await settled(newThread().report(sampleReport()));
    store.values.clear();
    const handle = world.handle.bind(world);
    world.handle = (method, token, args) => handle(method, token, { ...args, include_all_metadata: false });
    await settled(newThread({ attempt: 2 }).report(sampleReport()));
    expect(answers()).toHaveLength(1);
  });

  it('keeps its words as plain text where Slack refuses the blocks', async () => {
    const renderReport = () => ({
      text: 'short',
      blocks: [{ type: 'nonsense', text: { type: 'mrkdwn', text: 'the cause <!channel>' } }],
    });
    await settled(newThread({ renderReport }).report(sampleReport()));
    const [answer] = answers();
    expect(answer?.blocks).toEqual([]);
    expect(answer?.text).toContain('the cause');
    expect(answer?.pings).toEqual(['<@U0ANNA>']);
  });

  it('alerts nobody else, whatever the nodes printed and the renderer let through', async () => {
    const report = sampleReport({ headline: '<!channel> @here <@U0BEN> <https://evil.example|ok>' });
    const renderReport = () => ({
      text: '<!everyone>',
      blocks: [{ type: 'section', text: { type: 'mrkdwn', text: '<!channel> <@U0BEN> @here' } }],
    });
    for (const thread of [newThread(), newThread({ renderReport })]) {
      await settled(thread.report(report));
      store.values.clear();
      for (const message of answers()) world.remove(message.channel, message.ts);
    }
    const alerted = world.changes.flatMap((change) => change.message.pings);
    expect(new Set(alerted)).toEqual(new Set(['<@U0ANNA>']));
    expect(status()).not.toMatch(/<!|<https?:/u);
  });

  it('of any length is one message within the limits of Slack', async () => {
    const blocks = Array.from({ length: 80 }, (_, i) => ({
      type: 'section',
      text: { type: 'mrkdwn', text: `${i} ${'evidence "quoted" \n'.repeat(300)}` },
    }));
    await settled(newThread({ renderReport: () => ({ text: 'x'.repeat(9000), blocks }) }).report(sampleReport()));
    const [answer] = answers();
    expect(answer?.blocks.length).toBeGreaterThan(1);
    expect(JSON.stringify(answer?.blocks)).toMatch(/… and \d+ more/u);
    expect(JSON.stringify(answer?.blocks)).toContain(recheckAction);
  });

  it('goes to the asker where the channel was archived meanwhile', async () => {
    const channel = world.channels.get('C0INCIDENT');
    if (channel !== undefined) channel.isArchived = true;
    await settled(newThread().report(sampleReport()));
    expect(answers()).toMatchObject([{ channel: 'D0ANNA' }]);
    expect(answers()[0]?.text).toContain('node-50 drops SYNs');
  });

  it('rejects with slack/refused where nothing helps, and can be given later', async () => {
    world.deadToken = { bot: 'account_inactive' };
    const thread = newThread();
    await expect(settled(thread.report(sampleReport()))).rejects.toMatchObject({ code: 'slack/refused' });
    world.deadToken = {};
    await settled(thread.report(sampleReport()));
    expect(answers()).toHaveLength(1);
  });

  it('rejects with slack/unreachable after the patience of the outbox, and is found if it arrived after all', async () => {
    world.script('chat.postMessage', { kind: 'silence', afterAccepting: true });
    world.script('conversations.replies', { kind: 'http', status: 503 }, { times: 1000 });
    const calls = worldCalls(world);
    const outbox = createOutbox({ calls, giveUpAfterMs: 30_000 });
    await expect(settled(newThread({ calls, outbox }).report(sampleReport()))).rejects.toMatchObject({
      code: 'slack/unreachable',
    });
    expect(answers()).toHaveLength(1);
    world.mend();
    await settled(newThread({ attempt: 2 }).report(sampleReport()));
    expect(answers()).toHaveLength(1);
  });
});

describe('a run without a report', () => {
  it('ends in one reply that says why, with Re-check', async () => {
    await settled(newThread().failed({ ...failure, message: 'node-50 <!channel> is gone' }));
    await settled(newThread({ attempt: 2 }).failed(failure));
    expect(answers()).toHaveLength(1);
    expect(JSON.stringify(answers()[0]?.blocks)).toContain('is gone');
    expect(answers()[0]?.pings).toEqual(['<@U0ANNA>']);
    expect(status()).toContain('is gone');
  });

  it('ends in its status message when it was cancelled, saying by whom', async () => {
    await store.set('netcheck:cancel:run1', 'U0BEN', { ttlMs: 1000_000 });
    await settled(newThread().failed({ message: 'U0BEN', hint: '', cancelled: true }));
    expect(status()).toContain('<@U0BEN>');
    expect(status()).not.toContain(cancelAction);
    expect(answers()).toEqual([]);
    await settled(newThread().report(sampleReport()));
    expect(answers()).toEqual([]);
  });

  it('that was cancelled gets a reply where its status message is gone', async () => {
    const root = world.say('U0BEN', 'C0INCIDENT', 'what is wrong with node-50?');
    request = sampleRequest({ channel: 'C0INCIDENT', rootTs: root.ts, statusTs: '1.000001' });
    await settled(newThread().failed({ message: 'U0BEN', hint: '', cancelled: true }));
    expect(answers()).toHaveLength(1);
  });
});

describe('progress', () => {
  it('is paced, and what comes after the answer is not shown', async () => {
    const thread = newThread();
    for (let i = 1; i <= 50; i += 1) {
      thread.progress({ type: 'probe', node: 'node-12', done: i, total: 50, failed: i });
      await vi.advanceTimersByTimeAsync(100);
    }
    const edits = world.changes.filter((change) => change.what === 'edited').length;
    expect(edits).toBeGreaterThanOrEqual(2);
    expect(edits).toBeLessThanOrEqual(4);
    await settled(thread.report(sampleReport()));
    thread.progress({ type: 'phase', phase: 'judge', atMs: Date.now() });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(status()).toContain('node-50 drops SYNs');
  });

  it('tells that an earlier worker stopped in the middle', async () => {
    newThread({ attempt: 2 }).progress({ type: 'phase', phase: 'connect', atMs: Date.now() });
    await vi.advanceTimersByTimeAsync(3000);
    expect(status()).toContain('Attempt 2');
  });

  it('goes on without a status message to edit', async () => {
    world.remove('C0INCIDENT', request.thread.statusTs);
    const root = world.say('U0BEN', 'C0INCIDENT', 'x');
    request = { ...request, thread: { ...request.thread, rootTs: root.ts } };
    const thread = newThread();
    thread.progress({ type: 'phase', phase: 'connect', atMs: Date.now() });
    await settled(thread.report(sampleReport()));
    expect(answers()).toHaveLength(1);
  });
});

describe('the files of an answer', () => {
  const file = (name: string) => ({ name, title: name, bytes: new TextEncoder().encode('bytes') });
  const files = () => Promise.resolve([file('ladder.png'), file('run.tar.gz')]);
  const withFiles = () => world.messages().filter((message) => message.files.length > 0);

  it('are one message of the thread, after the answer', async () => {
    await settled(newThread().report(sampleReport(), files));
    expect(withFiles()).toMatchObject([
      { threadTs: request.thread.rootTs, files: [{ name: 'ladder.png' }, { name: 'run.tar.gz' }] },
    ]);
    expect(world.messages().findIndex((one) => one.files.length > 0)).toBeGreaterThan(
      world.messages().findIndex((one) => one.metadata?.['event_type'] === 'netcheck_answer'),
    );
  });

  it('are there once, however many workers bring them', async () => {
    await settled(
      Promise.all([newThread().report(sampleReport(), files), newThread({ attempt: 2 }).report(sampleReport(), files)]),
    );
    expect(withFiles()).toHaveLength(1);
  });

  it('are brought by the next worker where the first died after its answer', async () => {
    await settled(newThread().report(sampleReport()));
    await settled(newThread({ attempt: 2 }).report(sampleReport(), files));
    expect(answers()).toHaveLength(1);
    expect(withFiles()).toHaveLength(1);
  });

  it('that Slack does not take, or that cannot be made, do not harm the answer', async () => {
    const lines: string[] = [];
    world.scopes.splice(world.scopes.indexOf('files:write'), 1);
    await settled(newThread({ log: (line) => lines.push(line) }).report(sampleReport(), files));
    expect(answers()).toHaveLength(1);
    expect(lines.join()).toContain('missing_scope');
    expect(withFiles()).toEqual([]);
  });

  it('that cannot be made are left out, and the log says why', async () => {
    const lines: string[] = [];
    const broken = () => Promise.reject(new Error('the disk is full'));
    await settled(newThread({ log: (line) => lines.push(line) }).report(sampleReport(), broken));
    expect(answers()).toHaveLength(1);
    expect(lines.join()).toContain('the disk is full');
  });

  it('wait where Slack asks for it', async () => {
    world.script('files.getUploadURLExternal', { kind: 'rateLimit', retryAfterS: 3 });
    await settled(newThread().report(sampleReport(), files));
    expect(withFiles()).toHaveLength(1);
  });
});
