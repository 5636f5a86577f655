import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type AlertDelivery, createAlertFront } from '../../../src/adapters/slack/alert-front.ts';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { Alert } from '../../../src/model/alert.ts';
import { notification, type SentAlert } from '../../fakes/alertmanager.ts';
import { memoryQueue, memoryStore } from '../../fakes/slack/memory-ports.ts';
import { SlackWorld } from '../../fakes/slack/slack-world.ts';
import { worldCalls } from '../../fakes/slack/world-calls.ts';

describe('alerts in Slack', () => {
  let world: SlackWorld;
  let store: ReturnType<typeof memoryStore>;
  let queue: ReturnType<typeof memoryQueue>;
  let lines: string[];
  beforeEach(() => {
    world = new SlackWorld({
      rates: 'off',
      channels: [
        { id: 'C0INCIDENT', name: 'incident' },
        { id: 'C0OTHER', name: 'other' },
      ],
    });
    store = memoryStore();
    queue = memoryQueue();
    lines = [];
  });
  const newFront = (runsPerMinute = 10, language: 'en' | 'zh' = 'en') => {
    const calls = worldCalls(world, { latencyMs: 0, timeoutMs: 5 });
    return createAlertFront({
      outbox: createOutbox({ calls, postGapMs: 0, updateGapMs: 0, settleMs: 0, backoffMs: 1, giveUpAfterMs: 200 }),
      calls,
      store,
      queue,
      ask: async (text, { user }) =>
        text.includes('node-99') || user !== 'alert'
          ? { ok: false, message: `There is no node ${text} <!channel>.`, hint: 'Did you mean node-50?' }
          : { ok: true, describe: 'node-50 (target)' },
      helpText: () => 'HELP',
      command: '/netcheck',
      language,
      runsPerMinute,
      log: (line) => lines.push(line),
    });
  };
  const deliver = (instances: readonly string[], changes: Partial<SentAlert> = {}, channel = 'C0INCIDENT') =>
    notification(
      instances.map((instance) => ({ instance })),
      changes,
    ).alerts.map(
      (sent): AlertDelivery => ({
        alert: Alert.parse(sent),
        channel,
        question: { ok: true, text: `${sent.labels['instance'] ?? ''} port 1301` },
      }),
    );
  const messages = () => world.messages();
  const roots = () => messages().filter(({ threadTs }) => threadTs === undefined);
  const blocksOf = (message: { readonly blocks: unknown } | undefined) => JSON.stringify(message?.blocks);

  it('make a thread that begins with the alert, and a run in it', async () => {
    expect(await newFront().take(deliver(['node-50']))).toEqual(['started']);
    const [root, status, ...more] = messages();
    expect(more).toEqual([]);
    expect(blocksOf(root)).toContain('`TargetDown`');
    expect(blocksOf(root)).toContain('`instance=node-50` `severity=page`');
    expect(blocksOf(root)).toContain('The target does not answer.');
    expect(blocksOf(root)).toContain('<http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&amp;g0.tab=1|Source>');
    expect(blocksOf(root)).toContain('<!date^1772359200^');
    expect(status?.threadTs).toBe(root?.ts);
    expect(queue.submitted).toMatchObject([
      {
        text: 'node-50 port 1301',
        askedBy: 'alert',
        origin: 'alert',
        thread: { channel: 'C0INCIDENT', rootTs: root?.ts, statusTs: status?.ts },
      },
    ]);
  });

  it('speak Chinese where that is configured', async () => {
    await newFront(10, 'zh').take(deliver(['node-50']));
    expect(blocksOf(messages()[0])).toContain('告警');
    expect(queue.submitted[0]?.language).toBe('zh');
  });

  it('are the same however often they come, to whichever bot, also side by side', async () => {
    const [one, two] = [newFront(), newFront()];
    expect(await one.take(deliver(['node-50', 'node-12']))).toEqual(['started', 'started']);
    expect(await two.take(deliver(['node-50', 'node-12']))).toEqual(['known', 'known']);
    const more = await Promise.all([one, two, one, two].map((front) => front.take(deliver(['node-30']))));
    expect(more.flat().filter((outcome) => outcome === 'started')).toHaveLength(1);
    expect(more.flat().every((outcome) => ['started', 'known', 'again'].includes(outcome))).toBe(true);
    expect(await two.take(deliver(['node-30']))).toEqual(['known']);
    expect(queue.submitted).toHaveLength(3);
    expect(messages()).toHaveLength(6);
  });

  it('stay known for as long as they are repeated, be it weeks', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    await newFront().take(deliver(['node-50']));
    for (let day = 6; day <= 30; day += 6) {
      vi.setSystemTime(Date.now() + 6 * 24 * 3_600_000);
      expect(await newFront().take(deliver(['node-50'])), `day ${day}`).toEqual(['known']);
    }
    expect(queue.submitted).toHaveLength(1);
  });

  it('note in the thread that they are over, once; a new beginning is a new thread', async () => {
    const front = newFront();
    await front.take(deliver(['node-50']));
    const over = deliver(['node-50'], { status: 'resolved' });
    expect(await front.take(over)).toEqual(['resolved']);
    expect(await newFront().take(over)).toEqual(['known']);
    const [root, , note] = messages();
    expect(note?.threadTs).toBe(root?.ts);
    expect(note?.text).toContain('resolved <!date^1772361000^');
    expect(blocksOf(root)).toContain('✅ *Resolved*');
    expect(queue.submitted).toHaveLength(1);
    expect(queue.cancelled).toEqual([]);
    const next = deliver(['node-50'], { startsAt: '2026-03-01T11:00:00Z' });
    expect(await front.take(next)).toEqual(['started']);
    expect(roots()).toHaveLength(2);
    expect(queue.submitted).toHaveLength(2);
  });

  it('that are over before anybody heard of them are nothing', async () => {
    expect(await newFront().take(deliver(['node-50'], { status: 'resolved' }))).toEqual(['unknown']);
    expect(messages()).toEqual([]);
  });

  it('wait for Redis: taken when it is back, and never half', async () => {
    const front = newFront();
    store.down = true;
    expect(await front.take(deliver(['node-50']))).toEqual(['again']);
    expect(messages()).toEqual([]);
    store.down = false;
    queue.down = true;
    expect(await front.take(deliver(['node-50']))).toEqual(['again']);
    queue.down = false;
    expect(await front.take(deliver(['node-50']))).toEqual(['started']);
    expect(roots()).toHaveLength(1);
    expect(messages()).toHaveLength(2);
    expect(queue.submitted).toHaveLength(1);
  });

  it('wait for Slack: one thread and one run in the end', async () => {
    const front = newFront();
    world.script('chat.postMessage', { kind: 'http', status: 503 }, { times: 1_000_000 });
    expect(await front.take(deliver(['node-50']))).toEqual(['again']);
    expect(queue.submitted).toEqual([]);
    world.mend();
    expect(await newFront().take(deliver(['node-50']))).toEqual(['started']);
    expect(messages()).toHaveLength(2);
    expect(queue.submitted).toHaveLength(1);
  });

  it('for a channel that is closed to us are not sent again and again, and are taken once it is open', async () => {
    world.script('chat.postMessage', { kind: 'error', error: 'not_in_channel' });
    expect(await newFront().take(deliver(['node-50']))).toEqual(['refused']);
    expect(lines).toEqual([expect.stringContaining('C0INCIDENT: not_in_channel')]);
    expect(queue.submitted).toEqual([]);
    expect(await newFront().take(deliver(['node-50']))).toEqual(['started']);
    expect(roots()).toHaveLength(1);
  });

  it('of a bot that died between the root and the run go on in the same thread', async () => {
    const front = newFront();
    queue.down = true;
    await front.take(deliver(['node-50']));
    queue.down = false;
    // What the store knew of the half-made thread is lost with the process: Slack is the witness.
    for (const key of store.values.keys()) if (/status|delivery/.test(key)) store.values.delete(key);
    expect(await newFront().take(deliver(['node-50']))).toEqual(['started']);
    expect(roots()).toHaveLength(1);
    expect(messages()).toHaveLength(2);
  });

  it('that make no question, or one that is refused, say so in their thread, once', async () => {
    const [first] = deliver(['node-50']);
    if (first === undefined) throw new Error('no alert');
    const none = {
      ...first,
      question: { ok: false as const, message: 'The alert has no label "x".', hint: 'Name another.' },
    };
    expect(await newFront().take([none])).toEqual(['notStarted']);
    expect(await newFront().take([none])).toEqual(['known']);
    expect(await newFront().take(deliver(['node-99']))).toEqual(['notStarted']);
    const replies = messages().filter(({ threadTs }) => threadTs !== undefined);
    expect(replies.map(({ text }) => text)).toEqual([
      expect.stringContaining('The alert has no label "x".\nName another.'),
      expect.stringContaining('There is no node node-99 port 1301'),
    ]);
    expect(messages().flatMap(({ pings }) => pings)).toEqual([]);
    expect(queue.submitted).toEqual([]);
  });

  it('begin no more runs in a minute than allowed, over all bots; the rest is one message per channel', async () => {
    const names = Array.from({ length: 70 }, (_, n) => `node-${100 + n}`);
    const some = [...deliver(names.slice(0, 60)), ...deliver(names.slice(60), {}, 'C0OTHER')];
    const outcomes = (
      await Promise.all([newFront(3).take(some.slice(0, 30)), newFront(3).take(some.slice(30))])
    ).flat();
    expect(outcomes.filter((one) => one === 'started')).toHaveLength(3);
    expect(outcomes.filter((one) => one === 'suppressed')).toHaveLength(67);
    expect(queue.submitted).toHaveLength(3);
    const lists = messages().filter(({ text }) => text.includes('more alert'));
    expect(lists.map(({ channel }) => channel).sort()).toEqual(['C0INCIDENT', 'C0INCIDENT', 'C0OTHER']);
    expect(lists.every(({ threadTs }) => threadTs === undefined)).toBe(true);
    expect(lists[0]?.text).toMatch(
      /^🔔 \*And \d+ more alerts: netcheck begins at most 3 runs a minute for alerts\.\*\n`TargetDown node-1\d\d`, /,
    );
    expect(lists[0]?.text).toMatch(/… and \d+ more/);
    const before = messages().length;
    expect(new Set(await newFront(3).take(some))).toEqual(new Set(['known']));
    expect(messages()).toHaveLength(before);
  });

  it('bring nothing along that acts in Slack', async () => {
    const [sent] = notification(
      [
        {
          instance: 'node-50`<!channel> *x*',
          alertname: '<@U0ANNA> `here`',
          'a<!here>': '@channel',
          runbook: 'x',
        },
      ],
      {
        annotations: {
          summary: '<!everyone> <http://evil.example|click> &lt;!here&gt; *bold* @here',
          runbook_url: 'javascript:alert(1)',
        },
        generatorURL: 'https://x.example/|<!channel>"',
      },
    ).alerts;
    await newFront().take([
      { alert: Alert.parse(sent), channel: 'C0INCIDENT', question: { ok: true, text: 'node-50 port 1' } },
    ]);
    expect(messages().flatMap(({ pings }) => pings)).toEqual([]);
    const text = blocksOf(messages()[0]);
    expect(text).not.toMatch(/<!(?!date)|<@|javascript|<http:\/\/evil/);
    expect(text).toContain('<https://x.example/%7C%3C!channel%3E%22|Source>');
  });

  it('without a fingerprint are told apart by their labels', async () => {
    const strip = (deliveries: readonly AlertDelivery[]) =>
      deliveries.map(({ alert: { fingerprint: _none, ...alert }, ...rest }) => ({ ...rest, alert }));
    expect(await newFront().take(strip(deliver(['node-50', 'node-12'])))).toEqual(['started', 'started']);
    expect(await newFront().take(strip(deliver(['node-12', 'node-50'])))).toEqual(['known', 'known']);
  });
});
