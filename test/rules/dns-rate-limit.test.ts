import { describe, expect, it } from 'vitest';
import { dnsRateLimit as rule } from '../../src/rules/dns-rate-limit.ts';
import { asked, dnsCapture } from './dns-facts.ts';
import { capture, counters, judgeNode } from './facts.ts';

const exceeded = (rise: number) => counters({ 'ethtool.eth0.linklocal_allowance_exceeded': rise });
const other = counters({ 'ethtool.eth0.rx_packets': 5000 });
const resolver = '10.0.0.2';
/** `count` questions within half a second, of which every twentieth got no answer. */
const burst = (count: number, lostOf = 20) =>
  dnsCapture(
    Array.from({ length: count }, (_one, i) =>
      asked('www.example.com', {
        server: resolver,
        atMs: 1000 + (i * 500) / count,
        ...(i % lostOf === 0 ? { tookMs: null } : {}),
      }),
    ),
  );
const judge = (facts: object, more: object = {}) => judgeNode(rule, { node: 'node-12', facts, ...more });

describe('dns-rate-limit', () => {
  it('fires: the allowance was exceeded while a busy server left questions without an answer', () => {
    const found = judge({ counters: exceeded(321), capture: burst(1200) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('eth0: linklocal_allowance_exceeded +321');
    expect(found.said).toContain(`${resolver} was asked 1200 times within one second`);
    expect(found.said).toContain(`60 questions to ${resolver} got no answer, and 1140 did`);
    expect(found.remedies[0]?.text).toContain('NodeLocal DNSCache');
    expect(judge({ counters: exceeded(321), capture: burst(1200) }, { language: 'zh' }).said).toContain('云平台');
  });

  it('fires: only likely where the questions are few (metadata or time may be what was dropped), or not seen', () => {
    expect(judge({ counters: exceeded(321), capture: burst(40) }).verdict).toBe('likely');
    expect(judge({ counters: exceeded(321) }).verdict).toBe('likely');
    const dead = dnsCapture(Array.from({ length: 1200 }, () => asked('a.b', { server: resolver, tookMs: null })));
    expect(judge({ counters: exceeded(321), capture: dead }).verdict).toBe('likely');
  });

  it('fires: only likely where no driver counts it', () => {
    const found = judge({ counters: other, capture: burst(2500) });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('Alibaba Cloud 5000');
    expect(found.said).toContain('does not count it');
  });

  it('stays silent: nothing was exceeded, or a packet or two', () => {
    expect(judge({ counters: exceeded(0), capture: burst(2500) }).verdict).toBe('ruledOut');
    expect(judge({ counters: exceeded(2), capture: burst(2500) }).verdict).toBe('ruledOut');
  });

  it('stays silent: fewer questions than any limit, all of them answered, or none', () => {
    const few = judge({ counters: other, capture: burst(40) });
    expect(few.verdict).toBe('ruledOut');
    expect(few.said).toContain('at most 40 questions');
    expect(judge({ counters: other, capture: burst(2500, 9999) }).said).toContain('all of them answered');
    expect(judge({ counters: other, capture: capture([]) }).verdict).toBe('notApplicable');
  });

  it('stays silent: a minute of questions is no second of them', () => {
    const spread = dnsCapture(Array.from({ length: 2000 }, (_one, i) => asked('a.b', { atMs: i * 30 })));
    expect(judge({ counters: other, capture: spread }).said).toContain('at most 34 questions');
  });

  it('missing evidence: neither counter nor capture, or a capture that lost packets', () => {
    expect(judge({ counters: other }).verdict).toBe('unknown');
    expect(judge({ capture: burst(40) }).missing[0]?.fact).toBe('counters');
    const weak = { ...burst(2500), droppedByKernel: 7 };
    expect(judge({ counters: other, capture: weak }).verdict).toBe('unknown');
    expect(judge({ counters: exceeded(321), capture: weak }).verdict).toBe('likely');
  });
});
