import * as fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { ProgressEvent } from '../../src/engine/ports.ts';
import { newStatus, reduceStatus, type RunEvent, type StatusState } from '../../src/report/run-status.ts';
import { renderSlackStatus } from '../../src/report/slack-status.ts';
import { nastyText } from './arbitrary-report.ts';

const asked = newStatus({ question: 'node-50 port 1301 from node-12', askedBy: 'U024BE7LH' });
const after = (...events: readonly RunEvent[]): StatusState => events.reduce(reduceStatus, asked);

const events: readonly RunEvent[] = [
  {
    type: 'planned',
    nodes: [
      { name: 'node-50', roles: ['target'] },
      { name: 'node-12', roles: ['client'] },
      { name: 'node-30', roles: ['forwarder'] },
    ],
    playbooks: ['connect'],
  },
  { type: 'phase', phase: 'connect', atMs: 1000 },
  { type: 'waiting', node: 'node-12' },
  { type: 'connected', node: 'node-50' },
  { type: 'unreachable', node: 'node-30', why: 'connect ETIMEDOUT <!channel>' },
  { type: 'connected', node: 'node-12' },
  { type: 'phase', phase: 'look', atMs: 1850 },
  { type: 'phase', phase: 'probe', atMs: 2100 },
  { type: 'probe', node: 'node-12', done: 3, total: 8, failed: 1 },
  { type: 'probe', node: 'node-12', done: 4, total: 8, failed: 2 },
  { type: 'decided', rule: 'tw-recycle', node: 'node-50', title: 'tcp_tw_recycle drops SYNs' },
  { type: 'decided', rule: 'port-closed', node: 'node-50', title: 'never shown' },
];

function reading(state: StatusState, options: Parameters<typeof renderSlackStatus>[1] = {}): string {
  const { text, blocks } = renderSlackStatus(state, options);
  const lines = blocks.map((block) => {
    const objects = (block['elements'] ?? [block['text']]) as { text: string }[];
    return `[${String(block['type'])}] ${objects.map((object) => object.text).join(' | ')}`;
  });
  return [`text: ${text}`, ...lines].join('\n');
}

describe('reduceStatus', () => {
  it('takes every event that the engine tells', () => {
    expectTypeOf<ProgressEvent>().toExtend<RunEvent>();
  });

  it('keeps the newest count per node, the first finding, and each phase once', () => {
    const state = after(...events, { type: 'phase', phase: 'probe', atMs: 9999 });
    expect(state.probes).toEqual([{ node: 'node-12', done: 4, total: 8, failed: 2 }]);
    expect(state.decided?.rule).toBe('tw-recycle');
    expect(state.phases.map(({ phase }) => phase)).toEqual(['connect', 'look', 'probe']);
    expect(state.nodes.map(({ name, state: how }) => [name, how])).toEqual([
      ['node-50', 'connected'],
      ['node-12', 'connected'],
      ['node-30', 'unreachable'],
    ]);
  });

  it('ends once', () => {
    const state = after(
      { type: 'finished', verdict: 'clear', headline: 'all well' },
      { type: 'failed', message: 'late', hint: '', cancelled: false },
      { type: 'phase', phase: 'probe', atMs: 1 },
    );
    expect(state.ended).toEqual({ how: 'finished', verdict: 'clear', headline: 'all well' });
    expect(state.phases).toEqual([]);
  });

  it('changes no state that it was given', () => {
    const frozen = Object.freeze({ ...asked, nodes: Object.freeze([]), phases: Object.freeze([]) });
    for (const event of events) reduceStatus(frozen, event);
    expect(frozen).toEqual(asked);
  });

  it('survives being stored', () => {
    const state = after(...events);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  });
});

describe('renderSlackStatus', () => {
  it('shows the question while it waits', () => {
    expect(reading(asked)).toMatchInlineSnapshot(`
      "text: ⏳ queued: node-50 port 1301 from node-12
      [section] ⏳ *queued*  \`netcheck node-50 port 1301 from node-12\`
      [context] asked by <@U024BE7LH>"
    `);
  });

  it('shows what goes on, with seconds', () => {
    expect(reading(after(...events), { nowMs: 4600 })).toMatchInlineSnapshot(`
      "text: 🔎 running: node-50 port 1301 from node-12
      [section] 🔎 *running*  \`netcheck node-50 port 1301 from node-12\`
      [context] asked by <@U024BE7LH> | playbook connect
      [section] connect 0.8 s → look around 0.3 s → *probe* 2.5 s …
      • connected: node-50, node-12
      • 🟡 node-30 unreachable: connect ETIMEDOUT &lt;!channel&gt;
      • probes from node-12: 4 of 8 done, 2 failed
      [section] *First finding:* tcp_tw_recycle drops SYNs (\`tw-recycle\`, node-50)"
    `);
  });

  it('shows it in Chinese', () => {
    expect(reading(after(...events), { nowMs: 4600, language: 'zh' })).toMatchInlineSnapshot(`
      "text: 🔎 诊断中：node-50 port 1301 from node-12
      [section] 🔎 *诊断中*  \`netcheck node-50 port 1301 from node-12\`
      [context] 提问人 <@U024BE7LH> | 剧本 connect
      [section] 连接节点 0.8 秒 → 摸底 0.3 秒 → *探测* 2.5 秒 …
      • 已连上：node-50、node-12
      • 🟡 node-30 连不上：connect ETIMEDOUT &lt;!channel&gt;
      • 从 node-12 探测：完成 4/8，失败 2
      [section] *首个发现：* tcp_tw_recycle drops SYNs (\`tw-recycle\`, node-50)"
    `);
  });

  it('ends with the verdict, or with why there is none', () => {
    expect(
      reading(after(...events, { type: 'finished', verdict: 'inconclusive', headline: 'node-30 was not there' })),
    ).toMatchInlineSnapshot(`
      "text: 🟡 INCONCLUSIVE: node-50 port 1301 from node-12
      [section] 🟡 *INCONCLUSIVE*  \`netcheck node-50 port 1301 from node-12\`
      [context] asked by <@U024BE7LH> | playbook connect
      [section] connect 0.8 s → look around 0.3 s → probe
      • connected: node-50, node-12
      • 🟡 node-30 unreachable: connect ETIMEDOUT &lt;!channel&gt;
      • probes from node-12: 4 of 8 done, 2 failed
      [section] *node-30 was not there*"
    `);
    expect(
      reading(after({ type: 'failed', message: 'Redis is gone.', hint: 'Start it again.', cancelled: false })),
    ).toMatchInlineSnapshot(`
      "text: ⚠️ No report: node-50 port 1301 from node-12
      [section] ⚠️ *No report*  \`netcheck node-50 port 1301 from node-12\`
      [context] asked by <@U024BE7LH>
      [section] Redis is gone.
      Start it again."
    `);
    expect(reading(after({ type: 'failed', message: 'Stopped.', hint: '', cancelled: true }))).toContain(
      '⏹ *Cancelled*',
    );
  });

  it('has no empty block where there is nothing to say', () => {
    const { blocks } = renderSlackStatus(after({ type: 'failed', message: ' ', hint: '', cancelled: true }));
    expect(blocks).toHaveLength(2);
  });

  it('mentions only ids of Slack users', () => {
    expect(reading(newStatus({ question: 'q', askedBy: '<!channel>' }))).toContain('asked by &lt;!channel&gt;');
    expect(reading(newStatus({ question: 'q', askedBy: 'cron $& $1' }))).toContain('asked by cron $&amp; $1');
  });

  it('keeps to the limits whatever the nodes are called', { timeout: 60_000 }, () => {
    const node = fc.record({ name: nastyText, roles: fc.constant(['target']) });
    const anyEvent: fc.Arbitrary<RunEvent> = fc.oneof(
      fc.record({
        type: fc.constant('planned' as const),
        nodes: fc.array(node, { maxLength: 40 }),
        playbooks: fc.array(nastyText),
      }),
      fc.record({ type: fc.constantFrom('waiting' as const, 'connected' as const), node: nastyText }),
      fc.record({ type: fc.constant('unreachable' as const), node: nastyText, why: nastyText }),
      fc.record({
        type: fc.constant('phase' as const),
        phase: fc.constantFrom('connect' as const, 'look' as const, 'probe' as const, 'judge' as const),
        atMs: fc.nat(),
      }),
      fc.record({
        type: fc.constant('probe' as const),
        node: nastyText,
        done: fc.nat(),
        total: fc.nat(),
        failed: fc.nat(),
      }),
      fc.record({ type: fc.constant('decided' as const), rule: nastyText, node: nastyText, title: nastyText }),
      fc.record({
        type: fc.constant('finished' as const),
        verdict: fc.constantFrom('found' as const, 'clear' as const, 'inconclusive' as const),
        headline: nastyText,
      }),
      fc.record({ type: fc.constant('failed' as const), message: nastyText, hint: nastyText, cancelled: fc.boolean() }),
    );
    fc.assert(
      fc.property(nastyText, fc.array(anyEvent, { maxLength: 60 }), (question, list) => {
        const state = list.reduce(reduceStatus, newStatus({ question, askedBy: 'U024BE7LH' }));
        const { text, blocks } = renderSlackStatus(state, { nowMs: 1 });
        expect(JSON.stringify(blocks).length).toBeLessThanOrEqual(11_000);
        expect(text).not.toMatch(/[<>]/);
        for (const block of blocks) {
          for (const object of (block['elements'] ?? [block['text']]) as { text: string }[]) {
            expect(object.text.trim()).not.toBe('');
            expect(object.text.length).toBeLessThanOrEqual(2800);
            expect(object.text.replace('<@U024BE7LH>', '')).not.toMatch(/[<>]/);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
