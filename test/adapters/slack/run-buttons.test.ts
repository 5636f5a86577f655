import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClickDelivery, FormDelivery } from '../../../src/adapters/slack/deliveries.ts';
import { pickAction } from '../../../src/adapters/slack/evidence-button.ts';
import { createFront, type FrontOptions } from '../../../src/adapters/slack/front.ts';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { runKey } from '../../../src/adapters/slack/run-keys.ts';
import type { RunShelf } from '../../../src/adapters/slack/run-shelf.ts';
import { createSlackThread } from '../../../src/adapters/slack/slack-thread.ts';
import {
  evidenceAction,
  explainAction,
  recheckAction,
  wrongVerdictAction,
} from '../../../src/adapters/slack/status-message.ts';
import type { Report } from '../../../src/model/report.ts';
import type { VerdictNote } from '../../../src/model/verdict-note.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';
import { type FakeView, SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { sampleReport, sampleRequest } from './sample-run.ts';

let world: SlackWorld;
let store: ReturnType<typeof memoryStore>;
let notes: { readonly runId: string; readonly note: VerdictNote }[];
let shelf: { -readonly [Part in keyof RunShelf]: RunShelf[Part] };
let fails: { note: boolean };

const entry: Report['evidence'][number] = {
  id: '03-netstat',
  node: 'node-50',
  collector: 'netstat',
  phase: 'after',
  kind: 'netstat',
  argv: ['cat', '/proc/net/netstat'],
  privilege: 'none',
  startedAtMs: 0,
  endedAtMs: 31,
  exit: { how: 'exited', code: 0 },
  out: 'evidence/node-50/03-netstat.out',
  outBytes: 20,
  errBytes: 0,
};
const report = sampleReport({ run: { ...sampleReport().run, id: 'run1' }, evidence: [entry] });

beforeEach(async () => {
  world = new SlackWorld({
    rates: 'off',
    channels: [
      { id: 'C0INCIDENT', name: 'incident' },
      { id: 'C0OTHER', name: 'other' },
    ],
  });
  store = memoryStore();
  notes = [];
  fails = { note: false };
  shelf = {
    rules: ['fd-exhaustion', 'tw-recycle'],
    plan: () => Promise.reject(new Error('not planned')),
    report: async (runId) => (runId === 'run1' ? report : undefined),
    output: async () => ({ stdout: Buffer.from('first\n<!channel> PAWSPassive 42\n'), stderr: Buffer.alloc(0) }),
    async keepNote(runId, note) {
      if (fails.note) throw new Error('the disk is full');
      notes.push({ runId, note });
      return 'withRun';
    },
  };
  await keep('run1');
});
async function keep(id: string, changes: object = {}): Promise<void> {
  const run = { ...sampleRequest({ channel: 'C0INCIDENT', rootTs: '1.0', statusTs: '1.1' }), id, ...changes };
  await store.set(runKey(id), JSON.stringify(run), { ttlMs: 1e9 });
}

function newFront(changes: Partial<FrontOptions> = {}) {
  const calls = worldCalls(world, { latencyMs: 0, timeoutMs: 5 });
  const outbox = createOutbox({
    calls,
    postGapMs: 0,
    updateGapMs: 0,
    settleMs: 0,
    backoffMs: 1,
    updatesPerMinute: 1e9,
  });
  return createFront({
    outbox,
    calls,
    store,
    queue: memoryQueue(),
    shelf,
    ask: async () => ({ ok: true, describe: '' }),
    helpText: () => 'HELP',
    threadOf: (request) => createSlackThread(request, { outbox, calls, store, renderReport: renderSlackReport }),
    language: 'en',
    command: '/netcheck',
    ...changes,
  });
}
const click = (action: string, changes: Partial<ClickDelivery> = {}): ClickDelivery => ({
  action,
  value: 'run1',
  user: 'U0BEN',
  channel: 'C0INCIDENT',
  threadTs: '1.0',
  team: 'T0',
  triggerId: world.trigger(changes.user ?? 'U0BEN'),
  ...changes,
});
const whispers = () =>
  world.changes.filter(({ what }) => what === 'ephemeral').map(({ message, onlyFor }) => `${onlyFor}: ${message.text}`);
const opened = (): FakeView => {
  const [view, ...more] = world.views.values();
  if (view === undefined || more.length > 0) throw new Error(`${more.length} modals more than one`);
  return view;
};
const shown = () => JSON.stringify(opened().blocks);
const inModal = (view: FakeView, value: string, changes: Partial<ClickDelivery> = {}): ClickDelivery => {
  const { threadTs: _, ...rest } = click(pickAction, { value, channel: '', ...changes });
  return { ...rest, view: { id: view.id, hash: view.hash, privateMetadata: view.privateMetadata } };
};
const form = (view: FakeView, fields: FormDelivery['fields'], changes: Partial<FormDelivery> = {}): FormDelivery => ({
  callbackId: view.callbackId,
  privateMetadata: view.privateMetadata,
  fields,
  viewId: view.id,
  user: 'U0BEN',
  team: 'T0',
  ...changes,
});

describe('Explain, Evidence and Wrong verdict', () => {
  const all = [explainAction, evidenceAction, wrongVerdictAction];

  it.each(all)('%s opens a modal for the one who pressed, and says nothing in public', async (action) => {
    await newFront().press(click(action));
    expect(opened()).toMatchObject({ user: 'U0BEN' });
    expect(JSON.parse(opened().privateMetadata)).toEqual({
      runId: 'run1',
      channel: 'C0INCIDENT',
      threadTs: '1.0',
      language: 'en',
    });
    expect(world.messages()).toEqual([]);
    expect(whispers()).toEqual([]);
  });

  it.each(all)(
    '%s is refused in another channel, after a day, for an unknown run, and to those who may not',
    async (action) => {
      const front = newFront({
        mayAct: async (what, { user }) =>
          user === 'U0ANNA' ? { ok: false, message: `no ${what}`, hint: 'Ask <!here>.' } : { ok: true },
      });
      await keep('old1', { askedAtMs: Date.now() - 25 * 3600_000 });
      await front.press(click(action, { channel: 'C0OTHER' }));
      await front.press(click(action, { value: 'old1' }));
      await front.press(click(action, { value: 'nobody' }));
      await front.press(click(action, { value: '../run1' }));
      await front.press(click(action, { user: 'U0ANNA' }));
      expect(world.views.size).toBe(0);
      expect(whispers()).toEqual([
        expect.stringContaining('another channel'),
        expect.stringContaining('older than 24 hours'),
        expect.stringContaining('older than 24 hours'),
        expect.stringContaining('older than 24 hours'),
        expect.stringMatching(/^U0ANNA: no (?:explain|evidence|wrongVerdict)\nAsk &lt;!here&gt;\.$/),
      ]);
    },
  );

  it.each(all)('%s says so where Slack does not open the window in time', async (action) => {
    await newFront().press(click(action, { triggerId: 'long ago' }));
    expect(world.views.size).toBe(0);
    expect(whispers()).toEqual([expect.stringContaining('Press the button once more')]);
  });

  it('Explain shows what ran, and before its end what will run', async () => {
    await newFront().press(click(explainAction));
    expect(shown()).toContain('[after · 31 ms · ok] cat /proc/net/netstat');
    await keep('run2');
    await newFront().press(click(explainAction, { value: 'run2' }));
    // This run cannot be planned here: our own fault is for the log, and nothing else happens.
    expect(world.views.size).toBe(1);
  });

  it('Evidence shows the list, and below it the output that is picked, as text', async () => {
    const front = newFront();
    await front.press(click(evidenceAction));
    expect(shown()).toContain('03-netstat · 20 B');
    await front.press(inModal(opened(), '0'));
    expect(shown()).toContain('▶ &lt;!channel&gt; PAWSPassive 42');
    expect(shown()).toContain('cat /proc/net/netstat');
    const before = shown();
    for (const value of ['7', '-1', '', '__proto__', '0x0']) await front.press(inModal(opened(), value));
    expect(shown()).toBe(before);
  });

  it('Evidence asks again whether the person may, for every pick', async () => {
    const mayAct = vi.fn<NonNullable<FrontOptions['mayAct']>>(async () => ({ ok: true }));
    const front = newFront({ mayAct });
    await front.press(click(evidenceAction));
    mayAct.mockResolvedValue({ ok: false, message: 'No more.', hint: '' });
    const before = shown();
    await front.press(inModal(opened(), '0'));
    expect(shown()).toBe(before);
    expect(whispers()).toEqual(['U0BEN: No more.']);
  });

  it('Evidence says where it is, where the run is on another machine or has not ended', async () => {
    await keep('run2');
    await newFront().press(click(evidenceAction, { value: 'run2' }));
    expect(world.views.size).toBe(0);
    expect(whispers()).toEqual([expect.stringMatching(/not saved on the machine.*bundle in the thread/s)]);
    shelf.output = async () => undefined;
    await newFront().press(click(evidenceAction));
    await newFront().press(inModal(opened(), '0'));
    expect(shown()).toContain('not saved here. The bundle');
  });

  it('Wrong verdict keeps what it was, who says so, and what had been said', async () => {
    const front = newFront();
    await front.press(click(wrongVerdictAction));
    expect(shown()).toContain('netcheck said: node-50 drops SYNs');
    const verdict = await front.submit(form(opened(), { was: 'fd-exhaustion', words: 'the files <!channel>' }));
    if ('errors' in verdict) throw new Error('refused');
    expect(notes).toEqual([]);
    await verdict.work();
    expect(notes).toEqual([
      {
        runId: 'run1',
        note: {
          who: 'U0BEN',
          atMs: expect.any(Number),
          was: 'fd-exhaustion',
          words: 'the files <!channel>',
          text: 'node-50 port 1301 from node-12',
          said: { verdict: 'found', headline: report.headline },
        },
      },
    ]);
    expect(whispers()).toEqual([expect.stringMatching(/^U0BEN: Thank you/)]);
    // Delivered again: one note.
    const again = await front.submit(form(opened(), { was: 'fd-exhaustion' }));
    if (!('errors' in again)) await again.work();
    expect(notes).toHaveLength(1);
    expect(world.messages()).toEqual([]);
  });

  it('Wrong verdict wants to know what it was, and takes only what it offered', async () => {
    const front = newFront();
    await front.press(click(wrongVerdictAction));
    expect(await front.submit(form(opened(), { was: 'other' }))).toEqual({ errors: { words: expect.any(String) } });
    expect(await front.submit(form(opened(), { was: '../../etc' }))).toEqual({ errors: { was: expect.any(String) } });
    expect(await front.submit(form(opened(), {}))).toEqual({ errors: { was: expect.any(String) } });
    for (const was of ['nothing', 'other']) {
      const view = { ...opened(), id: `V-${was}` };
      const verdict = await front.submit(form(view, { was, words: 'x'.repeat(5000) }));
      if (!('errors' in verdict)) await verdict.work();
    }
    expect(notes.map(({ note }) => [note.was, note.words.length])).toEqual([
      ['nothing', 2000],
      ['other', 2000],
    ]);
  });

  it('Wrong verdict is asked again whether the person may, and says it where the note is lost', async () => {
    const front = newFront();
    await front.press(click(wrongVerdictAction));
    const send = async (changes: Partial<FormDelivery> = {}) => {
      const verdict = await front.submit(form(opened(), { was: 'nothing' }, changes));
      if (!('errors' in verdict)) await verdict.work();
    };
    fails.note = true;
    await send();
    expect(whispers().at(-1)).toContain('could not be saved');
    // The same window once more, when there is room again.
    fails.note = false;
    await send();
    expect(notes).toHaveLength(1);
    await send({ privateMetadata: '{"runId":"run1","channel":"C0OTHER"}', viewId: 'V2' });
    expect(whispers().at(-1)).toContain('another channel');
    await send({ privateMetadata: 'nonsense', viewId: 'V3' });
    expect(notes).toHaveLength(1);
  });

  it('stand below an answer: all where there is a report, Re-check and Explain where there is none', async () => {
    const calls = worldCalls(world, { latencyMs: 0, timeoutMs: 5 });
    const outbox = createOutbox({ calls, postGapMs: 0, updateGapMs: 0, settleMs: 0, backoffMs: 1 });
    const actionsOf = async (finish: 'report' | 'failed') => {
      const root = world.say('U0ANNA', 'C0INCIDENT', 'x');
      const request = sampleRequest({ channel: 'C0INCIDENT', rootTs: root.ts, statusTs: root.ts }, { id: finish });
      const thread = createSlackThread(request, { outbox, calls, store, renderReport: renderSlackReport });
      await (finish === 'report'
        ? thread.report(report)
        : thread.failed({ message: 'm', hint: 'h', cancelled: false }));
      const answer = world.thread(root.ts).at(-1);
      return [...JSON.stringify(answer?.blocks).matchAll(/"action_id":"(\w+)"[^}]*\}?[^}]*"value":"(\w+)"/g)].map(
        ([, action, value]) => `${action} ${value}`,
      );
    };
    expect(await actionsOf('report')).toEqual(
      [recheckAction, explainAction, evidenceAction, wrongVerdictAction].map((action) => `${action} report`),
    );
    expect(await actionsOf('failed')).toEqual([recheckAction, explainAction].map((action) => `${action} failed`));
  });
});
