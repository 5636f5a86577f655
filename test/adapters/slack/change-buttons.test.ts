import { beforeEach, describe, expect, it } from 'vitest';
import type { MayAct } from '../../../src/adapters/slack/behind-button.ts';
import { createFront } from '../../../src/adapters/slack/front.ts';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { runKey } from '../../../src/adapters/slack/run-keys.ts';
import { emptyShelf } from '../../../src/adapters/slack/run-shelf.ts';
import { createSlackThread } from '../../../src/adapters/slack/slack-thread.ts';
import { applyAction, approveAction, withdrawAction } from '../../../src/adapters/slack/status-message.ts';
import type { Report } from '../../../src/model/report.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';
import { SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { sampleReport, sampleRequest } from './sample-run.ts';

const command = 'sysctl -w net.ipv4.tcp_tw_recycle=0';
const [finding] = sampleReport().findings;
const remedies = [{ kind: 'temporary' as const, node: 'node-50', commands: [command], undo: ['x'], risk: '' }];
const fixable: Report = sampleReport({ findings: finding === undefined ? [] : [{ ...finding, remedies }] });
const change = { kind: 'sysctl', key: 'net.ipv4.tcp_tw_recycle', value: '0' };

let world: SlackWorld;
let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof memoryQueue>;
let thread: { channel: string; rootTs: string; statusTs: string };
let asked: { action: string; user: string; others: readonly string[] | undefined }[];

beforeEach(async () => {
  world = new SlackWorld({
    rates: 'off',
    users: { U0ANNA: 'anna', U0BEN: 'ben', U0EVE: 'eve' },
    channels: [
      { id: 'C0INCIDENT', name: 'incident' },
      { id: 'C0OTHER', name: 'other' },
    ],
  });
  store = memoryStore();
  queue = memoryQueue();
  asked = [];
  const { ts } = world.say('U0ANNA', 'C0INCIDENT', '/netcheck node-50 port 1301 from node-12');
  thread = { channel: 'C0INCIDENT', rootTs: ts, statusTs: ts };
  await store.set(runKey('run1'), JSON.stringify(sampleRequest(thread)), { ttlMs: 1e9 });
});

const mayAct: MayAct = async (action, { user, others }) => {
  asked.push({ action, user, others });
  return others?.includes(user) === true
    ? { ok: false, message: 'A change needs two people.', hint: '' }
    : { ok: true };
};

function make(saved: { readonly report: Report | undefined } = { report: fixable }) {
  const calls = worldCalls(world, { latencyMs: 0, timeoutMs: 5 });
  const outbox = createOutbox({
    calls,
    postGapMs: 0,
    updateGapMs: 0,
    settleMs: 0,
    backoffMs: 1,
    updatesPerMinute: 1e9,
  });
  const front = createFront({
    outbox,
    calls,
    store,
    queue,
    mayAct,
    shelf: { ...emptyShelf, report: async () => saved.report },
    ask: async () => ({ ok: true, describe: '', key: 'the same for everybody' }),
    helpText: () => 'HELP',
    threadOf: (request) => createSlackThread(request, { outbox, calls, store, renderReport: renderSlackReport }),
    language: 'en',
    command: '/netcheck',
  });
  const press = (action: string, value: string, user: string, channel = 'C0INCIDENT') =>
    front.press({ action, value, user, channel, threadTs: thread.rootTs, team: 'T0', triggerId: world.trigger(user) });
  return { outbox, calls, press };
}
const said = () =>
  world.changes
    .filter(({ what }) => what === 'posted')
    .map(({ message }) => message)
    .filter(({ user }) => user === world.botUserId);
const whispers = () => world.changes.filter(({ what }) => what === 'ephemeral').map(({ message }) => message.text);
/** The id behind the button of the proposal. */
const proposed = (): string => {
  const found = /"action_id":"netcheck_approve"[^}]*\}[^}]*"value":"([\w-]+)"/u.exec(JSON.stringify(said()));
  if (found?.[1] === undefined) throw new Error(`no proposal in ${JSON.stringify(said())}`);
  return found[1];
};

describe('the button of a remedy', () => {
  it.each([
    ['is there where changes may be tried', true, fixable, true],
    ['is not there where they are switched off', false, fixable, false],
    ['is not there where nothing can be changed', true, sampleReport(), false],
  ])('%s', async (_what, offersChanges, report, isThere) => {
    const { outbox, calls } = make();
    const options = { outbox, calls, store, renderReport: renderSlackReport, offersChanges };
    await createSlackThread(sampleRequest(thread), options).report(report);
    expect(JSON.stringify(said()).includes(applyAction)).toBe(isThere);
  });

  it('shows in the thread what would be changed, and changes nothing', async () => {
    await make().press(applyAction, 'run1', 'U0ANNA');
    const [message, ...more] = said();
    expect(more).toEqual([]);
    expect(message?.threadTs).toBe(thread.rootTs);
    expect(JSON.stringify(message?.blocks)).toContain(command);
    expect(JSON.stringify(message?.blocks)).toContain('<@U0ANNA> asks for it');
    expect(queue.submitted).toEqual([]);
  });

  it('proposes once at a time', async () => {
    const { press } = make();
    await press(applyAction, 'run1', 'U0ANNA');
    await press(applyAction, 'run1', 'U0BEN');
    expect(said()).toHaveLength(1);
    expect(whispers().join()).toContain('already proposed');
  });

  it.each([
    ['the run is not saved here', undefined, /Press Re-check/],
    ['the report offers nothing', sampleReport(), /can be taken back/],
  ])('says so where %s', async (_what, report, words) => {
    await make({ report }).press(applyAction, 'run1', 'U0ANNA');
    expect(whispers().join()).toMatch(words);
    expect(said()).toEqual([]);
  });
  it('is tried when a second person approves, as the report showed it', async () => {
    const { press } = make();
    await press(applyAction, 'run1', 'U0BEN');
    await press(approveAction, proposed(), 'U0EVE');
    expect(queue.submitted).toHaveLength(1);
    expect(queue.submitted[0]).toMatchObject({
      text: 'node-50 port 1301 from node-12',
      askedBy: 'U0EVE',
      recheckOf: 'run1',
      thread: { rootTs: thread.rootTs },
      trial: { node: 'node-50', rule: 'tw-recycle', change, command, askedBy: 'U0BEN', approvedBy: 'U0EVE' },
    });
    expect(
      said()
        .map(({ text }) => text)
        .join(),
    ).toContain('Approved by <@U0EVE>');
  });

  it.each(['U0BEN', 'U0ANNA'])('is not approved by %s, who asked for it or asked the question', async (user) => {
    const { press } = make();
    await press(applyAction, 'run1', 'U0BEN');
    await press(approveAction, proposed(), user);
    expect(asked.at(-1)).toEqual({ action: 'approve', user, others: ['U0BEN', 'U0ANNA'] });
    expect(whispers().join()).toContain('two people');
    expect(queue.submitted).toEqual([]);
  });

  it('is approved once, and not elsewhere', async () => {
    const { press } = make();
    await press(applyAction, 'run1', 'U0ANNA');
    const id = proposed();
    await press(approveAction, id, 'U0EVE', 'C0OTHER');
    expect(queue.submitted).toEqual([]);
    await Promise.all([press(approveAction, id, 'U0EVE'), press(approveAction, id, 'U0BEN')]);
    expect(queue.submitted).toHaveLength(1);
    expect(whispers().join()).toContain('decided already');
  });

  it('may be approved again where the queue was down', async () => {
    const { press } = make();
    await press(applyAction, 'run1', 'U0ANNA');
    const id = proposed();
    queue.down = true;
    await press(approveAction, id, 'U0EVE');
    queue.down = false;
    await press(approveAction, id, 'U0BEN');
    expect(queue.submitted.map(({ askedBy }) => askedBy)).toEqual(['U0BEN']);
  });

  it('is withdrawn by who asked for it, and cannot be approved any more', async () => {
    const { press } = make();
    await press(applyAction, 'run1', 'U0ANNA');
    const id = proposed();
    await press(withdrawAction, id, 'U0ANNA');
    await press(approveAction, id, 'U0EVE');
    expect(asked.map(({ action }) => action)).toEqual(['apply', 'apply', 'approve']);
    expect(queue.submitted).toEqual([]);
    expect(
      said()
        .map(({ text }) => text)
        .join(),
    ).toContain('Withdrawn by <@U0ANNA>');
  });

  it.each(['nothing', 'a b', '../x', ''])('of a proposal that is not there (%j) does nothing', async (value) => {
    await make().press(approveAction, value, 'U0EVE');
    expect(whispers().join()).toContain('expired');
    expect(queue.submitted).toEqual([]);
  });
});
