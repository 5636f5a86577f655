import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createSlackApp, type SlackAppOptions } from '../../../src/adapters/slack/create-slack-app.ts';
import { pickAction } from '../../../src/adapters/slack/evidence-button.ts';
import type { RunShelf } from '../../../src/adapters/slack/run-shelf.ts';
import {
  cancelAction,
  evidenceAction,
  explainAction,
  recheckAction,
  wrongVerdictAction,
} from '../../../src/adapters/slack/status-message.ts';
import type { Report } from '../../../src/model/report.ts';
import type { VerdictNote } from '../../../src/model/verdict-note.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { sampleReport } from '../../adapters/slack/sample-run.ts';
import { type FakeMessage, type FakeSlack, startFakeSlack } from '../../fakes/slack/fake-slack.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';

/** Every button of a run, by the real Bolt App over Socket Mode. */
let slack: FakeSlack;
let queue: ReturnType<typeof memoryQueue>;
let notes: VerdictNote[];
let report: Report;
let unhandled: unknown[];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(async () => {
  unhandled = [];
  process.on('unhandledRejection', onUnhandled);
  slack = await startFakeSlack();
  queue = memoryQueue();
  notes = [];
  report = sampleReport({
    evidence: [
      {
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
      },
    ],
  });
});
afterEach(async () => {
  await slack.close();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

const shelf: RunShelf = {
  rules: ['fd-exhaustion', 'tw-recycle'],
  plan: () => Promise.reject(new Error('not planned')),
  report: async () => report,
  output: async () => ({ stdout: Buffer.from('PAWSPassive 42\n'), stderr: Buffer.alloc(0) }),
  async keepNote(_runId, note) {
    notes.push(note);
    return 'withRun';
  },
};

/** A run with its answer; the message that its buttons stand in. */
async function answered(changes: Partial<SlackAppOptions> = {}): Promise<FakeMessage> {
  const app = createSlackApp({
    botToken: slack.botToken,
    appToken: slack.appToken,
    slackApiUrl: slack.url,
    language: 'en',
    helpText: () => 'HELP',
    store: memoryStore(),
    queue,
    shelf,
    renderReport: renderSlackReport,
    outbox: { postGapMs: 0, updateGapMs: 0, settleMs: 20, backoffMs: 20 },
    ask: async () => ({ ok: true, describe: '' }),
    ...changes,
  });
  await app.start();
  onTestFinished(() => app.stop(200));
  slack.slash('node-50 port 1301');
  await expect.poll(() => queue.submitted.length, { timeout: 10_000 }).toBe(1);
  const [run] = queue.submitted;
  if (run === undefined) throw new Error('nothing was queued');
  await app.sender.answerThread(run, { attempt: 1 }).report(report);
  return slack.awaitMessage(({ metadata }) => metadata?.['event_type'] === 'netcheck_answer');
}
const onlyFor = (user: string, part: string) =>
  slack.awaitChange((change) => change.onlyFor === user && change.message.text.includes(part));
const says = (blocks: readonly unknown[]) => JSON.stringify(blocks);

describe('the buttons of a run, by the real Bolt App', () => {
  it('Evidence: a modal for one person, from click to pick; the channel sees nothing', async () => {
    const answer = await answered();
    const before = slack.world.messages().length;
    expect(await slack.click(evidenceAction, answer, { user: 'U0BEN' }).ended).toBe('acked');
    const view = await slack.awaitView(({ user }) => user === 'U0BEN');
    expect(await slack.pick(pickAction, view, '0').ended).toBe('acked');
    await slack.awaitView(({ blocks }) => says(blocks).includes('PAWSPassive 42'));
    expect(slack.world.messages()).toHaveLength(before);
  });

  it('Explain: what ran; also while the run is still queued', async () => {
    const answer = await answered();
    expect(await slack.click(explainAction, answer).ended).toBe('acked');
    await slack.awaitView(({ blocks }) => says(blocks).includes('cat /proc/net/netstat'));
    slack.slash('node-50 port 1302');
    const queued = await slack.awaitMessage(
      ({ blocks }) => says(blocks).includes('1302') && says(blocks).includes(cancelAction),
    );
    expect(await slack.click(explainAction, queued, { user: 'U0BEN' }).ended).toBe('acked');
    await slack.awaitView(({ user }) => user === 'U0BEN');
  });

  it('Wrong verdict: the form is checked, sent in twice, and kept once', async () => {
    const answer = await answered();
    await slack.click(wrongVerdictAction, answer, { user: 'U0BEN' }).ended;
    const view = await slack.awaitView(({ canSubmit }) => canSubmit);
    await slack.submit(view, { was: 'other' }).ended;
    const sent = slack.submit(view, { was: 'fd-exhaustion', words: 'the files' });
    expect(await sent.ended).toBe('acked');
    await onlyFor('U0BEN', 'Thank you');
    await slack.redeliver(sent).ended;
    await slack.submit(view, { was: 'tw-recycle' }).ended;
    expect(notes).toMatchObject([{ who: 'U0BEN', was: 'fd-exhaustion', words: 'the files' }]);
  });

  it('a click that is delivered twice opens one modal', async () => {
    const answer = await answered();
    const press = slack.click(evidenceAction, answer);
    await press.ended;
    await slack.awaitView(() => true);
    await slack.redeliver(press).ended;
    // The trigger is used up: the person is told, and nothing else opens.
    await onlyFor('U0ANNA', 'Press the button once more');
    expect(slack.world.views.size).toBe(1);
  });

  it('who may not is told so, for every button', async () => {
    const answer = await answered({
      mayAct: async (action) => ({ ok: false, message: `You may not ${action}.`, hint: 'Ask the people on call.' }),
    });
    for (const [button, action] of [
      [recheckAction, 'recheck'],
      [explainAction, 'explain'],
      [evidenceAction, 'evidence'],
      [wrongVerdictAction, 'wrongVerdict'],
    ] as const) {
      await slack.click(button, answer, { user: 'U0BEN' }).ended;
      await onlyFor('U0BEN', `You may not ${action}.`);
    }
    expect(slack.world.views.size).toBe(0);
    expect(queue.submitted).toHaveLength(1);
  });
});
