import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/engine/evaluate.ts';
import { engineText } from '../../src/engine/wording.ts';
import type { Facts } from '../../src/model/facts.ts';
import { rules } from '../../src/rules/index.ts';
import { asked, dnsCapture } from '../rules/dns-facts.ts';
import { at, plan, symptom, sysctls } from '../rules/facts.ts';

const config = {
  nameservers: [{ address: '10.96.0.10', at: at('17-resolver.out', 1) }],
  search: [],
  options: [],
  at: at('17-resolver.out', 1),
};
const facts: Facts = {
  capture: dnsCapture([asked('a.example.com'), asked('b.example.com')]),
  sysctl: sysctls({ 'net.ipv4.ip_forward': '1' }),
  resolver: { config },
};
const knowledge = new Map(
  ['node-50', 'node-12', 'router-30'].map((node) => [
    node,
    { facts, whyMissing: () => 'not collected', problems: [] as never[] },
  ]),
);
const verdicts = (protocol: 'tcp' | 'udp') =>
  Object.fromEntries(
    evaluate(rules, {
      plan: plan({
        symptom: symptom({ protocol }),
        rules: ['dns-bad-nameserver', 'dns-resolvconf-limits', 'ip-forward-off'].map((rule) => ({ rule, params: {} })),
      }),
      knowledge,
      clockOffsetsMs: {},
      language: 'en',
      say: engineText.en,
    }).map(({ rule, verdict }) => [rule, verdict]),
  );

describe('a question about UDP', () => {
  it('is put to rules on packets and to those that read nothing of TCP, and to no other', () => {
    expect(verdicts('udp')).toEqual({
      'dns-bad-nameserver': 'ruledOut',
      'dns-resolvconf-limits': 'ruledOut',
      'ip-forward-off': 'unknown',
    });
    expect(verdicts('tcp')['ip-forward-off']).toBe('ruledOut');
  });
});
