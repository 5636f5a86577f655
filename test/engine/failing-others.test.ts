import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/engine/evaluate.ts';
import { engineText } from '../../src/engine/wording.ts';
import type { Address, Connection } from '../../src/model/facts.ts';
import type { Symptom } from '../../src/model/symptom.ts';
import { rules } from '../../src/rules/index.ts';
import { answered, at, capture, clientAddress, connection, counters, plan, symptom } from '../rules/facts.ts';

const stranger = '203.0.113.9';
const own: Address = {
  family: 4,
  device: 'kube-ipvs0',
  address: stranger,
  prefixLength: 32,
  at: at('05-addresses.out', 3),
};

/** Connects of a stranger are martians on the target; what becomes of those that were asked about is given. */
function martian(connections: readonly Connection[], from: Symptom['from']) {
  const facts = {
    addresses: [own],
    counters: counters({ 'rt_cache.in_martian_src': 3, 'TcpExt.IPReversePathFilter': 0 }),
    capture: capture([connection({ from: stranger }), ...connections]),
  };
  const [finding] = evaluate(rules, {
    plan: plan({ symptom: symptom({ from }), rules: [{ rule: 'martian-local-source', params: {} }] }),
    knowledge: new Map([['node-50', { facts, whyMissing: () => 'not collected', problems: [] as never[] }]]),
    clockOffsetsMs: {},
    language: 'en',
    say: engineText.en,
  });
  return { verdict: finding?.verdict, said: finding?.because.map(({ text }) => text).join('\n') };
}

const named: Symptom['from'] = [{ kind: 'node', node: 'node-12' }];
const works = answered({ from: clientAddress });

describe('connects of clients that nobody asked about', () => {
  it('are likely and named, where all that were asked about were answered at once', () => {
    const { verdict, said } = martian([works, works], named);
    expect(verdict).toBe('likely');
    expect(said).toContain(`This befalls others: 1 connects of ${stranger}. All 2 connects of node-12`);
  });

  it('are the answer where the question names no client', () => {
    expect(martian([works], []).verdict).toBe('confirmed');
  });

  it('may be those of the client where it was not seen under its own address, or not always answered', () => {
    expect(martian([], named).verdict).toBe('confirmed');
    expect(martian([works, connection({ from: clientAddress })], named).verdict).toBe('confirmed');
    // answered in the end is not answered at once
    expect(martian([answered({ from: clientAddress, tries: 2 })], named).verdict).toBe('confirmed');
  });
});
