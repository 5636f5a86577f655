import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { judgeCapture } from '../../src/engine/judge-capture.ts';
import type { AnyRule, Outcome, Undecided } from '../../src/model/rule.ts';
import { rules } from '../../src/rules/index.ts';
import { capture, connection, refused, talk } from '../rules/facts.ts';

const text = { en: { title: 'A title' }, zh: { title: '标题' } };
function rule(id: string, answer: () => Outcome | Undecided): AnyRule {
  return { id, fault: '-', scope: 'capture', params: z.strictObject({}), sources: [], text, evaluate: answer };
}
const says = (verdict: Outcome['verdict']) => (): Outcome => ({ verdict, because: [], remedies: [] });
const judge = (chosen: readonly AnyRule[], language: 'en' | 'zh' = 'en') =>
  judgeCapture({
    rules: new Map(chosen.map((one) => [one.id, one])),
    capture: capture([talk()]),
    place: 'incident.pcap',
    language,
  });

describe('judgeCapture', () => {
  it('asks every rule that needs only packets, and no other', () => {
    const found = judgeCapture({ rules, capture: capture([refused()]), place: 'incident.pcap', language: 'en' });
    const asked = [...rules.values()].filter(({ scope }) => scope === 'capture').map(({ id }) => id);
    expect(found.map((one) => one.rule).sort()).toEqual([...asked].sort());
    expect(asked).not.toContain('tw-recycle');
    expect(found[0]).toMatchObject({ rule: 'connect-refused', verdict: 'confirmed', node: 'incident.pcap' });
  });

  it('puts causes first and keeps the order of the rules within one verdict', () => {
    const found = judge([
      rule('z-not', says('notApplicable')),
      rule('y-out', says('ruledOut')),
      rule('x-unknown', () => ({ undecided: [{ fact: 'capture', node: 'incident.pcap', why: 'too short' }] })),
      rule('w-likely', says('likely')),
      rule('v-likely', says('likely')),
      rule('u-sure', says('confirmed')),
    ]);
    expect(found.map((one) => one.rule)).toEqual(['u-sure', 'w-likely', 'v-likely', 'x-unknown', 'y-out', 'z-not']);
    expect(found[3]?.missing).toEqual([{ fact: 'capture', node: 'incident.pcap', why: 'too short' }]);
  });

  it('makes an error of a rule that fails, and asks the others all the same', () => {
    const found = judge([
      rule('broken', () => {
        throw new Error('no such frame');
      }),
      rule('sure', says('confirmed')),
    ]);
    expect(found.map(({ verdict }) => verdict)).toEqual(['confirmed', 'error']);
    expect(found[1]?.missing[0]?.why).toContain('no such frame');
  });

  it('speaks Chinese', () => {
    expect(judge([rule('sure', says('confirmed'))], 'zh')[0]?.title).toBe('标题');
    const chinese = judgeCapture({ rules, capture: capture([connection()]), place: 'a.pcap', language: 'zh' });
    for (const { because, missing } of chinese)
      for (const said of [...because.map((one) => one.text), ...missing.map(({ why }) => why)])
        expect(said).toMatch(/[\u4e00-\u9fff]/);
  });
});
