import { beforeEach, describe, expect, it } from 'vitest';
import type { CallOutcome, SlackCalls } from '../../../src/adapters/slack/slack-calls.ts';
import { createSlackWatch, type SlackWatch } from '../../../src/adapters/slack/slack-watch.ts';

const ok: CallOutcome = { outcome: 'ok', response: {}, scopes: [] };
const away: CallOutcome = { outcome: 'ambiguous', why: 'HTTP 503' };

describe('whether Slack takes what we say', () => {
  let nowMs = 0;
  let asked: number;
  let answer: CallOutcome;
  let watch: SlackWatch;
  const calls: SlackCalls = {
    call(method) {
      asked += 1;
      watch.note(method, answer);
      return Promise.resolve(answer);
    },
    upload: () => Promise.reject(new Error('nothing is uploaded here')),
  };
  const prove = () => watch.prove(calls);
  beforeEach(() => {
    nowMs = 1_000_000;
    asked = 0;
    answer = ok;
    watch = createSlackWatch({ now: () => nowMs });
  });

  it('is proved by a recent message, without asking', async () => {
    watch.note('chat.postMessage', ok);
    nowMs += 60_000;
    watch.note('conversations.replies', ok);
    expect(await prove()).toEqual({ ok: true, method: 'chat.postMessage', atMs: 1_000_000 });
    expect(asked).toBe(0);
  });

  it('is proved by auth.test where nobody has said anything for minutes; once, however often it is asked for', async () => {
    watch.note('chat.postMessage', ok);
    nowMs += 300_001;
    expect(await prove()).toEqual({ ok: true, method: 'auth.test', atMs: nowMs });
    nowMs += 299_000;
    expect(await prove()).toMatchObject({ ok: true, method: 'auth.test' });
    expect(asked).toBe(1);
  });

  it('is no while Slack does not answer, asks again with pauses, and is yes again by itself', async () => {
    watch.note('chat.postMessage', ok);
    nowMs += 1000;
    watch.note('auth.test', away);
    answer = away;
    expect(await prove()).toEqual({ ok: false, why: 'Slack does not answer (auth.test: HTTP 503).' });
    expect(asked).toBe(0);
    nowMs += 15_001;
    expect(await prove()).toMatchObject({ ok: false });
    expect(await prove()).toMatchObject({ ok: false });
    expect(asked).toBe(1);
    answer = ok;
    nowMs += 15_001;
    expect(await prove()).toMatchObject({ ok: true });
    expect(asked).toBe(2);
  });

  it('is no where Slack answers questions and takes no message, until it takes one', async () => {
    watch.note('chat.update', away);
    nowMs += 15_001;
    expect(await prove()).toEqual({
      ok: false,
      why: 'Slack answers, but did not take the last message (chat.update: HTTP 503).',
    });
    nowMs += 1000;
    watch.note('chat.postMessage', ok);
    expect(await prove()).toMatchObject({ ok: true, method: 'chat.postMessage' });
  });

  it('does not stay no for ever where nobody has anything to say', async () => {
    watch.note('chat.update', away);
    nowMs += 15_001;
    expect(await prove()).toMatchObject({ ok: false });
    nowMs += 300_000;
    expect(await prove()).toMatchObject({ ok: true, method: 'auth.test' });
  });

  it('is no with a dead token; a channel that is closed to us says nothing about it', async () => {
    watch.note('chat.postMessage', ok);
    watch.note('chat.postMessage', { outcome: 'refused', error: 'not_in_channel', detail: '' });
    expect(await prove()).toMatchObject({ ok: true });
    watch.note('chat.postMessage', { outcome: 'refused', error: 'token_revoked', detail: '' });
    expect(await prove()).toEqual({ ok: false, why: 'Slack does not accept the token (token_revoked).' });
  });

  it('is no, and not late, where Slack keeps silent', async () => {
    watch = createSlackWatch({ now: () => nowMs, answerWithinMs: 1 });
    const silent: SlackCalls = { ...calls, call: () => new Promise(() => undefined) };
    expect(await watch.prove(silent)).toEqual({ ok: false, why: 'Slack has not answered yet.' });
  });
});
