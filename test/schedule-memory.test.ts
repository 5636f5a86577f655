import { describe, expect, it } from 'vitest';
import { createAuditFold } from '../src/engine/audit-fold.ts';
import { lookOfAudit } from '../src/engine/schedule-news.ts';
import type { NodeAudit } from '../src/model/node-audit.ts';
import type { ScheduleState } from '../src/model/schedule-state.ts';
import { createScheduleMemory } from '../src/schedule-memory.ts';
import { memoryStore } from './fakes/slack/memory-ports.ts';

const state = (firing: string): ScheduleState => ({
  format: 1,
  firing,
  atMs: 1,
  headline: '',
  nodes: 1,
  looked: 1,
  count: 0,
  troubles: [],
  unseen: [],
  tally: { sinceMs: 1, looks: 1, new: 0, gone: 0, failed: 0 },
});

function nodeWith(node: string, checks: readonly string[] | 'down'): NodeAudit {
  const accused = checks === 'down' ? [] : checks;
  return {
    node,
    labels: {},
    outcome: checks === 'down' ? 'unreachable' : 'looked',
    ...(checks === 'down' ? { why: 'no route to host' } : {}),
    startedAtMs: 1000,
    tookMs: 1,
    checks: Object.fromEntries(
      accused.map((check) => [check, { rule: check, title: check, verdict: 'confirmed' as const }]),
    ),
    findings: accused.map((check) => ({
      rule: check,
      check,
      fingerprint: `${check}/${node}/audit`,
      verdict: 'confirmed' as const,
      node,
      title: `${check} on ${node}`,
      because: [],
      remedies: [],
      missing: [],
    })),
    unknown: [],
    facts: {},
  };
}

describe('what a scheduled audit compares with', () => {
  it('is its own, from firing to firing, once it was told', async () => {
    const store = memoryStore();
    const of = { playbook: 'node-audit', selector: 'role=web' };
    const fire = async (id: string, nodes: readonly NodeAudit[], isTold = true) => {
      const memory = createScheduleMemory(store, 'nightly:abc');
      const head = { id, ...of, startedAtMs: 1000, language: 'en' as const, netcheck: '0', compareBy: [] };
      const fold = createAuditFold(head, await memory.baselines.last(of));
      for (const node of nodes) fold.addNode(node);
      const { report, baseline } = fold.finish(2000);
      await memory.baselines.keep(baseline);
      if (isTold) await memory.keep(state(id));
      return lookOfAudit(report);
    };
    const first = await fire('a', [nodeWith('node-1', ['mtu']), nodeWith('node-2', [])]);
    expect([first.isFirst, first.counts.still, first.counts.new]).toEqual([true, 1, 0]);
    expect(first.still).toMatchObject([{ node: 'node-1', title: 'mtu on node-1' }]);
    // Slack did not take it: the next firing tells it again.
    const lost = await fire('b', [nodeWith('node-1', ['mtu']), nodeWith('node-2', ['dns'])], false);
    expect(lost.counts).toMatchObject({ new: 1, still: 1 });
    const again = await fire('c', [nodeWith('node-1', 'down'), nodeWith('node-2', ['dns'])]);
    expect(again.counts).toMatchObject({ nodes: 2, looked: 1, new: 1, gone: 0 });
    expect(again.unseen).toEqual([{ node: 'node-1', why: 'no route to host' }]);
    // It is back with the same trouble, which is not new; the other trouble is gone.
    const back = await fire('d', [nodeWith('node-1', ['mtu']), nodeWith('node-2', [])]);
    expect(back.counts).toMatchObject({ new: 0, gone: 1, still: 1 });
  });

  it('begins anew where another version wrote something else', async () => {
    const store = memoryStore();
    await store.set('netcheck:schedule:x', '{"format":2}', { ttlMs: 1e6 });
    await store.set('netcheck:schedule-baseline:x', 'no gzip', { ttlMs: 1e6 });
    const memory = createScheduleMemory(store, 'x');
    expect([await memory.state(), await memory.baselines.last({ playbook: 'a', selector: '' })]).toEqual([null, null]);
  });
});
