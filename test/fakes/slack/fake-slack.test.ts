import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { renderChange, renderMessage, renderThread } from './render-thread.ts';
import { type ApiAnswer, SlackWorld } from './slack-world.ts';
import { faultsInBlocks } from './validate-blocks.ts';

let world: SlackWorld;
beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 12, 0, 0) });
  world = new SlackWorld();
});
afterEach(() => {
  vi.useRealTimers();
});

const call = (method: string, args: Record<string, unknown>, token = world.botToken) =>
  outcome(world.handle(method, token, { channel: 'C0INCIDENT', ...args }));
const outcome = (answer: ApiAnswer): string => {
  if (typeof answer === 'string') return answer;
  if (answer.status !== 200) return `${answer.status} retry-after ${answer.headers['retry-after']}`;
  const body = answer.body as { ok: boolean; error?: string };
  return body.ok ? 'ok' : (body.error ?? '');
};
const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text } });
const button = (value: string) => ({
  type: 'button',
  action_id: `a${value.length}`,
  text: { type: 'plain_text', text: 'x' },
  value,
});

describe('the practice Slack refuses what Slack refuses', () => {
  it.each([
    ['51 blocks', Array.from({ length: 51 }, () => ({ type: 'divider' }))],
    ['3001 characters in a section', [section('x'.repeat(3001))]],
    ['an empty section', [section('')]],
    ['151 characters in a header', [{ type: 'header', text: { type: 'plain_text', text: 'x'.repeat(151) } }]],
    ['mrkdwn in a header', [{ type: 'header', text: { type: 'mrkdwn', text: 'x' } }]],
    ['26 buttons', [{ type: 'actions', elements: Array.from({ length: 26 }, (_, i) => button('x'.repeat(i))) }]],
    ['a button value of 2001', [{ type: 'actions', elements: [button('x'.repeat(2001))] }]],
    ['the same action twice', [{ type: 'actions', elements: [button('a'), button('b')] }]],
    [
      '11 elements of a context',
      [{ type: 'context', elements: Array.from({ length: 11 }, () => ({ type: 'mrkdwn', text: 'x' })) }],
    ],
    ['an unknown block', [{ type: 'marquee' }]],
    [
      'the same block_id twice',
      [
        { ...section('a'), block_id: 'b' },
        { ...section('c'), block_id: 'b' },
      ],
    ],
  ])('%s', (_what, blocks) => {
    expect(faultsInBlocks(blocks)).toHaveLength(1);
    expect(call('chat.postMessage', { text: 'x', blocks: JSON.stringify(blocks) })).toBe('invalid_blocks');
  });

  it('blocks that are too long together', () => {
    const blocks = Array.from({ length: 6 }, () => section('x'.repeat(2500)));
    expect(faultsInBlocks(blocks)).toEqual([]);
    expect(call('chat.postMessage', { text: 'x', blocks })).toBe('msg_blocks_too_long');
  });

  it('what the app may not do', () => {
    expect(call('chat.postMessage', { text: 'x' }, 'xoxb-wrong')).toBe('invalid_auth');
    expect(call('chat.postMessage', { text: 'x', channel: 'C0NOWHERE' })).toBe('channel_not_found');
    expect(call('chat.postMessage', { text: '' })).toBe('no_text');
    const message = world.say('U0ANNA', 'C0INCIDENT', 'mine');
    expect(call('chat.update', { ts: message.ts, text: 'yours' })).toBe('cant_update_message');
    expect(call('chat.update', { ts: '1.1', text: 'x' })).toBe('message_not_found');
    world.scopes = ['chat:write'];
    expect(call('conversations.history', {})).toBe('missing_scope');
    const channel = world.channels.get('C0INCIDENT');
    if (channel !== undefined) channel.hasBot = false;
    expect(call('chat.postMessage', { text: 'x' })).toBe('not_in_channel');
  });

  it('more than about one post per second and channel', () => {
    const answers = Array.from({ length: 5 }, () => call('chat.postMessage', { text: 'x' }));
    expect(answers).toEqual(['ok', 'ok', 'ok', '429 retry-after 1', '429 retry-after 1']);
    expect(call('chat.postMessage', { text: 'x', channel: 'U0ANNA' })).toBe('ok');
    vi.advanceTimersByTime(1000);
    expect(call('chat.postMessage', { text: 'x' })).toBe('ok');
  });

  it('cuts text at 40 000 characters', () => {
    call('chat.postMessage', { text: 'x'.repeat(50_000) });
    expect(world.messages()[0]?.text).toHaveLength(40_000);
  });
});

describe('the picture of a thread', () => {
  const options = { width: 60, timeZone: 'UTC', users: new Map([['U0ANNA', 'anna']]) };
  it('shows root, replies, edits, code, quotes, buttons and context', () => {
    call('chat.postMessage', {
      text: 'x',
      blocks: [
        section('🔎 *Running*  `netcheck node-50`'),
        { type: 'context', elements: [{ type: 'mrkdwn', text: 'asked by <@U0ANNA>' }] },
        { type: 'actions', elements: [{ ...button('x'), text: { type: 'plain_text', text: 'Cancel' } }] },
      ],
    });
    const root = world.messages()[0];
    if (root === undefined) throw new Error('nothing was posted');
    call('chat.postMessage', {
      text: 'x',
      thread_ts: root.ts,
      blocks: [section('*Cause*\n&gt; PAWSPassive +32\n```sysctl -w net.ipv4.tcp_tw_recycle=0\n# done```')],
    });
    call('chat.update', { ts: root.ts, text: 'x', blocks: [section('🔴 *Found*')] });
    expect(renderThread(world.thread(root.ts), options)).toMatchInlineSnapshot(`
      "netcheck  APP   12:00:00
        🔴 Found
        (edited)
        1 reply ─────────
          netcheck  APP   12:00:00
            Cause
            ┃ PAWSPassive +32
            │ sysctl -w net.ipv4.tcp_tw_recycle=0
            │ # done
      "
    `);
    expect(renderChange(world.changes.at(-1) ?? raise(), options)).toMatchInlineSnapshot(`
      "· 12:00:00 edited
      netcheck  APP   12:00:00
        🔴 Found
        (edited)
      "
    `);
  });

  it('wraps to the width, in colour where asked', () => {
    const message = world.say(
      'U0ANNA',
      'C0INCIDENT',
      `*bold* ${'word '.repeat(30)}<!channel> <https://x.example|link>`,
    );
    for (const line of renderMessage(message, options).split('\n')) expect(line.length).toBeLessThanOrEqual(60);
    expect(renderMessage(message, { ...options, colour: true })).toContain('\u001b[1mbold\u001b[22m');
    expect(renderMessage(message, options)).not.toContain('\u001b');
  });
});

function raise(): never {
  throw new Error('nothing happened');
}
