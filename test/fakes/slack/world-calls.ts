import { webApi } from '@slack/bolt';
import { type CallOutcome, outcomeOf, type SlackCalls } from '../../../src/adapters/slack/slack-calls.ts';
import type { SlackWorld } from './slack-world.ts';
import { isObject } from './validate-blocks.ts';

/**
 * The Web API without a network, for offline tests with fake timers: the same rules, `latencyMs` per call, and a
 * silent call times out after `timeoutMs`, as `createSlackCalls` would see it.
 */
export function worldCalls(world: SlackWorld, options: { latencyMs?: number; timeoutMs?: number } = {}): SlackCalls {
  const { latencyMs = 50, timeoutMs = 10_000 } = options;
  const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  return {
    async call(method, args): Promise<CallOutcome> {
      const answer = world.handle(method, world.botToken, structuredClone(args));
      await after(answer === 'silence' ? timeoutMs : latencyMs);
      if (answer === 'silence') return { outcome: 'ambiguous', why: 'time-out' };
      if (answer === 'reset') return { outcome: 'ambiguous', why: 'ECONNRESET' };
      const body = isObject(answer.body) ? answer.body : {};
      if (answer.status === 429) {
        return { outcome: 'rateLimited', retryAfterMs: Number(answer.headers['retry-after']) * 1000 };
      }
      if (answer.status !== 200) return { outcome: 'ambiguous', why: `Slack answered HTTP ${answer.status}` };
      if (body['ok'] === true) return { outcome: 'ok', response: body, scopes: world.scopes };
      return outcomeOf(new webApi.WebAPIPlatformError({ ok: false, error: String(body['error']) }));
    },
    async upload(url, bytes): Promise<CallOutcome> {
      await after(latencyMs);
      return world.uploaded(url.split('/').at(-1) ?? '', bytes.length)
        ? { outcome: 'ok', response: {}, scopes: [] }
        : { outcome: 'ambiguous', why: 'Slack answered HTTP 404 to an upload' };
    },
  };
}
