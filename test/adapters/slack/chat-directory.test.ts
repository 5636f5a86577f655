import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createChatDirectory } from '../../../src/adapters/slack/chat-directory.ts';
import { SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';

let world: SlackWorld;
const log: string[] = [];
beforeEach(() => {
  vi.useFakeTimers();
  log.length = 0;
  world = new SlackWorld({
    rates: 'off',
    channels: [
      { id: 'C0NET', name: 'net' },
      { id: 'C0SECRET', name: 'secret', isPrivate: true },
    ],
  });
  world.userGroups.push({ id: 'S0SRE', handle: 'sre-oncall', users: ['U0ANNA'] });
});
afterEach(() => vi.useRealTimers());

const directory = () =>
  createChatDirectory(worldCalls(world, { latencyMs: 0 }), { log: (line) => void log.push(line) });
const answered = async <T>(work: Promise<T>): Promise<T> => {
  await vi.advanceTimersByTimeAsync(5000);
  return work;
};
const asked = (method: string): number => world.calls.filter((call) => call.method === method).length;

describe('the directory of user groups', () => {
  it('knows members by handle, with and without @, in any case, and by id', async () => {
    const chat = directory();
    for (const group of ['@sre-oncall', 'SRE-Oncall', 'S0SRE']) {
      expect(await answered(chat.isIn(group, 'U0ANNA'))).toBe('yes');
      expect(await answered(chat.isIn(group, 'U0BEN'))).toBe('no');
    }
    expect(await answered(chat.isIn('@nobody', 'U0ANNA'))).toBe('no');
    expect(await answered(chat.groupHandle('S0SRE'))).toBe('sre-oncall');
  });

  it('asks Slack once in five minutes, however many ask', async () => {
    const chat = directory();
    await answered(Promise.all(Array.from({ length: 20 }, () => chat.isIn('@sre-oncall', 'U0ANNA'))));
    expect([asked('usergroups.list'), asked('usergroups.users.list')]).toEqual([1, 1]);
    for (const group of world.userGroups) group.users = ['U0BEN'];
    expect(await answered(chat.isIn('@sre-oncall', 'U0BEN'))).toBe('no');
    await vi.advanceTimersByTimeAsync(300_000);
    expect(await answered(chat.isIn('@sre-oncall', 'U0BEN'))).toBe('yes');
    expect([asked('usergroups.list'), asked('usergroups.users.list')]).toEqual([2, 2]);
  });

  it('goes by what it knew while Slack is away, for an hour, and then does not know', async () => {
    const chat = directory();
    expect(await answered(chat.isIn('@sre-oncall', 'U0ANNA'))).toBe('yes');
    world.script('*', { kind: 'http', status: 503 }, { times: 1e6 });
    await vi.advanceTimersByTimeAsync(50 * 60_000);
    expect(await answered(chat.isIn('@sre-oncall', 'U0ANNA'))).toBe('yes');
    await vi.advanceTimersByTimeAsync(11 * 60_000);
    expect(await answered(chat.isIn('@sre-oncall', 'U0ANNA'))).toBe('unknown');
    world.mend();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await answered(chat.isIn('@sre-oncall', 'U0ANNA'))).toBe('yes');
  });

  it('does not know, soon, where Slack says nothing or the scope is missing; the log says which', async () => {
    world.script('usergroups.list', { kind: 'silence', afterAccepting: false });
    expect(await answered(directory().isIn('@sre-oncall', 'U0ANNA'))).toBe('unknown');
    world.scopes = world.scopes.filter((scope) => scope !== 'usergroups:read');
    expect(await answered(directory().isIn('@sre-oncall', 'U0ANNA'))).toBe('unknown');
    expect(log.join()).toContain('usergroups.list: missing_scope');
  });

  it('does not ask a Slack that refuses again and again', async () => {
    world.script('usergroups.list', { kind: 'rateLimit', retryAfterS: 30 }, { times: 1e6 });
    const chat = directory();
    for (let times = 0; times < 3; times += 1)
      expect(await answered(chat.isIn('@sre-oncall', 'U0ANNA'))).toBe('unknown');
    expect(asked('usergroups.list')).toBe(1);
  });

  it('names public channels only', async () => {
    const chat = directory();
    expect(await answered(chat.channelName('C0NET'))).toBe('net');
    expect(await answered(chat.channelName('C0SECRET'))).toBeUndefined();
    expect(await answered(chat.channelName('C0GONE'))).toBeUndefined();
  });
});
