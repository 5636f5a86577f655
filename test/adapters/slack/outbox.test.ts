import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createOutbox,
  type Outbox,
  type OutboxOptions,
  type PostOrder,
  type Sent,
} from '../../../src/adapters/slack/outbox.ts';
import { findRunMessage, metadataOf } from '../../../src/adapters/slack/run-messages.ts';
import { SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { settled } from './settled.ts';

let world: SlackWorld;
let deadTokens: string[];

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  world = new SlackWorld({
    channels: [
      { id: 'C0HOT', name: 'hot' },
      { id: 'C0COLD', name: 'cold' },
    ],
  });
  deadTokens = [];
});
afterEach(() => {
  vi.useRealTimers();
});

const newOutbox = (options: Partial<OutboxOptions> = {}): Outbox =>
  createOutbox({ calls: worldCalls(world), onDeadToken: (error) => deadTokens.push(error), ...options });

const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text } });
const order = (text: string, changes: Partial<PostOrder> = {}): PostOrder => {
  const channel = changes.channel ?? 'C0HOT';
  return {
    channel,
    body: { text, blocks: [section(text)] },
    plain: `plain ${text}`,
    metadata: metadataOf('answer', text.replaceAll(' ', '-')),
    find: () => findRunMessage(worldCalls(world), 'answer', text.replaceAll(' ', '-'), { channel, oldestTs: '0' }),
    ...changes,
  };
};
const texts = (channel: string) => world.messages(channel).map((message) => message.text);

describe('posts', () => {
  it('leave in order within a channel and never meet a rate limit', async () => {
    const outbox = newOutbox();
    const sent = Promise.all(Array.from({ length: 12 }, (_, i) => outbox.post(order(`post ${i}`))));
    expect((await settled(sent)).every((one) => one.sent)).toBe(true);
    expect(texts('C0HOT')).toEqual(Array.from({ length: 12 }, (_, i) => `post ${i}`));
    expect(world.calls.filter((call) => call.answered === '429')).toEqual([]);
  });

  it('and edits go on at their pace where the clock of the machine is set back', async () => {
    // Slack's own clock is not set.
    world.rates = 'off';
    const outbox = newOutbox();
    await settled(outbox.post(order('before')));
    const { ts = '' } = world.messages('C0HOT')[0] ?? {};
    const edit = (text: string, final: boolean) =>
      outbox.update({ channel: 'C0HOT', ts, body: { text, blocks: [section(text)] }, plain: text, final });
    await settled(edit('first', false));
    const beganMs = performance.now();
    vi.setSystemTime(Date.now() - 3_600_000);
    await settled(Promise.all([outbox.post(order('after')), edit('second', false)]));
    expect(performance.now() - beganMs).toBeLessThan(5000);
    expect(texts('C0HOT')).toEqual(['second', 'after']);
  });

  it('of one channel in a storm of 429 do not hold back another channel', async () => {
    world.script('chat.postMessage', { kind: 'rateLimit', retryAfterS: 30 }, { times: 3, channel: 'C0HOT' });
    const outbox = newOutbox();
    const hot = outbox.post(order('hot'));
    const cold = outbox.post(order('cold', { channel: 'C0COLD' }));
    await settled(cold, 5000);
    expect(texts('C0HOT')).toEqual([]);
    expect(await settled(hot)).toMatchObject({ sent: true });
    expect(texts('C0HOT')).toEqual(['hot']);
    const tries = world.calls.filter(
      ({ method, args }) => method === 'chat.postMessage' && args['channel'] === 'C0HOT',
    );
    for (const [i, call] of tries.slice(1).entries()) {
      expect(call.atMs - (tries[i]?.atMs ?? 0)).toBeGreaterThanOrEqual(30_000);
    }
  });

  it.each([
    ['a time-out after accepting', { kind: 'silence', afterAccepting: true }],
    ['a reset after accepting', { kind: 'reset', afterAccepting: true }],
    ['a 503 after accepting', { kind: 'http', status: 503, afterAccepting: true }],
    ['a time-out before accepting', { kind: 'silence', afterAccepting: false }],
    ['a 500', { kind: 'http', status: 500 }],
    ['fatal_error', { kind: 'error', error: 'fatal_error' }],
  ] as const)('are there once after %s', async (_name, trouble) => {
    world.script('chat.postMessage', trouble.kind === 'error' ? trouble : trouble);
    const sent = await settled(newOutbox().post(order('one')));
    expect(sent).toMatchObject({ sent: true, ts: world.messages('C0HOT')[0]?.ts });
    expect(texts('C0HOT')).toEqual(['one']);
  });

  it('wait for Slack to come back before they decide whether to post again', async () => {
    world.script('chat.postMessage', { kind: 'silence', afterAccepting: true });
    world.script('conversations.history', { kind: 'http', status: 500 }, { times: 4 });
    await settled(newOutbox().post(order('one')));
    expect(texts('C0HOT')).toEqual(['one']);
  });

  it('may come twice where Slack does not let us look, but are never lost', async () => {
    world.scopes = ['chat:write'];
    world.script('chat.postMessage', { kind: 'silence', afterAccepting: false });
    await settled(newOutbox().post(order('one')));
    expect(texts('C0HOT')).toEqual(['one']);
  });

  it('fall back to plain text where Slack refuses the blocks', async () => {
    const blocks = Array.from({ length: 51 }, () => section('x'));
    const sent = await settled(newOutbox().post(order('one', { body: { text: 'short', blocks } })));
    expect(sent).toMatchObject({ sent: true, shape: 'plain' });
    expect(texts('C0HOT')).toEqual(['plain one']);
    const long = Array.from({ length: 10 }, () => section('x'.repeat(2000)));
    await settled(newOutbox().post(order('two', { body: { text: 'short', blocks: long } })));
    expect(world.calls.map((call) => call.answered)).toContain('msg_blocks_too_long');
    expect(texts('C0HOT')).toEqual(['plain one', 'plain two']);
  });

  it.each([
    ['channel_not_found', 'C0NOWHERE'],
    ['is_archived', 'C0HOT'],
  ])('are given up at once on %s', async (error, channel) => {
    const hot = world.channels.get('C0HOT');
    if (hot !== undefined) hot.isArchived = true;
    const sent = await settled(newOutbox().post(order('one', { channel })), 2000);
    expect(sent).toMatchObject({ sent: false, because: 'refused', error });
  });

  it('report a dead token once', async () => {
    world.deadToken = { bot: 'invalid_auth' };
    const outbox = newOutbox();
    const sent = await settled(Promise.all([outbox.post(order('one')), outbox.post(order('two'))]));
    expect(sent.map((one: Sent) => (one.sent ? '' : one.because))).toEqual(['refused', 'refused']);
    expect(deadTokens).toEqual(['invalid_auth']);
  });

  it('are given up when Slack stays away for longer than our patience, and at once on close', async () => {
    world.script('*', { kind: 'http', status: 503 }, { times: 10_000 });
    const outbox = newOutbox({ giveUpAfterMs: 60_000 });
    expect(await settled(outbox.post(order('one')), 120_000)).toMatchObject({ sent: false, because: 'gaveUp' });
    const waiting = outbox.post(order('two'));
    await vi.advanceTimersByTimeAsync(5000);
    outbox.close();
    expect(await settled(waiting, 2000)).toMatchObject({ sent: false, because: 'gaveUp' });
    await settled(outbox.drained(), 1000);
  });
});

describe('edits', () => {
  const status = async (outbox: Outbox, text = 'status'): Promise<string> => {
    const sent = await settled(outbox.post(order(text)));
    return sent.sent ? sent.ts : '';
  };
  const edit = (ts: string, text: string, final = false) => ({
    channel: 'C0HOT',
    ts,
    body: { text, blocks: [section(text)] },
    plain: text,
    final,
  });

  it('send only the newest state, at most one per two seconds', async () => {
    const outbox = newOutbox();
    const ts = await status(outbox);
    const states: Promise<Sent>[] = [];
    for (let i = 0; i < 40; i += 1) {
      states.push(outbox.update(edit(ts, `state ${i}`)));
      await vi.advanceTimersByTimeAsync(100);
    }
    const sent = await settled(Promise.all(states));
    expect(world.message('C0HOT', ts)?.text).toBe('state 39');
    const edits = world.changes.filter((change) => change.what === 'edited');
    expect(edits.length).toBeLessThanOrEqual(4);
    for (const [i, one] of edits.slice(1).entries()) {
      expect(one.atMs - (edits[i]?.atMs ?? 0)).toBeGreaterThanOrEqual(1950);
    }
    expect(sent.filter((one) => one.sent)).toHaveLength(edits.length);
  });

  it('keep the last state through 429, 500 and time-outs', async () => {
    const outbox = newOutbox();
    const ts = await status(outbox);
    world.script('chat.update', { kind: 'rateLimit', retryAfterS: 3 });
    world.script('chat.update', { kind: 'http', status: 500 });
    world.script('chat.update', { kind: 'silence', afterAccepting: true });
    const sent = await settled(outbox.update(edit(ts, 'last', true)));
    expect(sent).toMatchObject({ sent: true });
    expect(world.message('C0HOT', ts)?.text).toBe('last');
  });

  it('stay final: progress that comes late changes nothing', async () => {
    const outbox = newOutbox();
    const ts = await status(outbox);
    void outbox.update(edit(ts, 'progress'));
    const last = outbox.update(edit(ts, 'last', true));
    const late = outbox.update(edit(ts, 'late progress'));
    await settled(last);
    expect(await settled(late)).toMatchObject({ sent: false, because: 'superseded' });
    expect(await settled(outbox.update(edit(ts, 'later still')))).toMatchObject({ sent: false });
    expect(world.message('C0HOT', ts)?.text).toBe('last');
  });

  it('of many runs together keep the tier of chat.update, and the last states do not wait for it', async () => {
    const outbox = newOutbox();
    const all: string[] = [];
    for (let i = 0; i < 10; i += 1) all.push(await status(outbox, `status ${i}`));
    for (let second = 0; second < 120; second += 1) {
      for (const ts of all) void outbox.update(edit(ts, `second ${second}`));
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(world.calls.filter((call) => call.method === 'chat.update' && call.answered === '429')).toEqual([]);
    const lasts = all.map((ts) => outbox.update(edit(ts, 'last', true)));
    const before = Date.now();
    await settled(Promise.all(lasts));
    expect(Date.now() - before).toBeLessThan(5000);
    expect(all.map((ts) => world.message('C0HOT', ts)?.text)).toEqual(all.map(() => 'last'));
  });

  it('lose their blocks rather than their words', async () => {
    const outbox = newOutbox();
    const ts = await status(outbox);
    const broken = {
      ...edit(ts, 'last', true),
      body: { text: 'last', blocks: [{ type: 'nonsense' }] },
      plain: 'last in plain',
    };
    expect(await settled(outbox.update(broken))).toMatchObject({ sent: true, shape: 'plain' });
    expect(world.message('C0HOT', ts)).toMatchObject({ text: 'last in plain', blocks: [] });
  });

  it('are given up where the message is gone', async () => {
    const outbox = newOutbox();
    const ts = await status(outbox);
    world.remove('C0HOT', ts);
    expect(await settled(outbox.update(edit(ts, 'last', true)), 5000)).toMatchObject({ error: 'message_not_found' });
  });
});
