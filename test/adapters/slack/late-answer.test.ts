import { describe, expect, it } from 'vitest';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { createSlackThread } from '../../../src/adapters/slack/slack-thread.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { memoryStore } from '../../fakes/slack/memory-ports.ts';
import { SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';
import { sampleReport } from './sample-run.ts';

/** @param refusals  posts that Slack does not take before it takes one; every repetition counts as late */
async function answerAfter(refusals: number, language: 'en' | 'zh' = 'en'): Promise<string> {
  const world = new SlackWorld({ rates: 'off', channels: [{ id: 'C0INCIDENT', name: 'incident' }] });
  const { ts } = world.say('U0ANNA', 'C0INCIDENT', 'the status');
  const calls = worldCalls(world, { latencyMs: 0, timeoutMs: 5 });
  const outbox = createOutbox({ calls, postGapMs: 0, updateGapMs: 0, settleMs: 0, backoffMs: 100, lateMs: 90 });
  const thread = createSlackThread(
    {
      id: 'r1',
      text: 'node-50 port 1301',
      language,
      askedBy: 'U0ANNA',
      askedAtMs: Date.now(),
      thread: { channel: 'C0INCIDENT', rootTs: ts, statusTs: ts },
    },
    { outbox, calls, store: memoryStore(), renderReport: renderSlackReport },
  );
  world.script('chat.postMessage', { kind: 'http', status: 503 }, { times: refusals });
  await thread.report(sampleReport());
  const [answer, ...more] = world.messages().filter(({ metadata }) => metadata?.['event_type'] === 'netcheck_answer');
  expect(more).toEqual([]);
  return JSON.stringify(answer?.blocks);
}

describe('an answer that Slack takes late', () => {
  it('says since when it was ready', async () => {
    expect(await answerAfter(1)).toMatch(/This answer was ready <!date\^\d{10}\^[^>]*>; Slack took it only now\./);
    expect(await answerAfter(1, 'zh')).toMatch(/此回答在 <!date\^\d{10}\^[^>]*> 已准备好/);
  });

  it('says nothing of it where it was in time', async () => {
    expect(await answerAfter(0)).not.toContain('was ready');
  });
});
