import { describe, expect, it } from 'vitest';
import { fragDrop as rule } from '../../src/rules/frag-drop.ts';
import { asked, dnsCapture } from './dns-facts.ts';
import { counters, judgeNode } from './facts.ts';

const moved = (fails: number, oks = 0) =>
  counters({ 'Ip.ReasmFails': fails, 'Ip.ReasmTimeout': fails, 'Ip.ReasmOKs': oks });
const cut = { fragments: { datagrams: 4, reassembled: 0, fragments: 4 } };
const judge = (facts: object, more: object = {}) => judgeNode(rule, { facts, ...more });

describe('frag-drop', () => {
  it('fires: reassembly fails, and DNS answers in fragments do not arrive whole', () => {
    const capture = dnsCapture([asked('big.example.com', { tookMs: null })], cut);
    const found = judge({ counters: moved(4), capture });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Ip ReasmFails +4 in the window (ReasmTimeout +4, ReasmOKs +0)');
    expect(found.said).toContain('4 of 4 datagrams in fragments are not complete');
    expect(found.remedies[0]?.text).toContain('1232');
  });
  it('fires: all that came of the answers is their first fragment, which looks like an answer', () => {
    const first = asked('big.example.com', { answer: { fragmented: true } });
    const found = judge({ counters: moved(4), capture: dnsCapture([first], cut) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('1 DNS answers came in fragments');
    const some = { fragments: { datagrams: 4, reassembled: 2, fragments: 10 } };
    expect(judge({ counters: moved(4), capture: dnsCapture([first], some) }).verdict).toBe('likely');
  });
  it('fires: likely by the counters alone, in Chinese too', () => {
    expect(judge({ counters: moved(4) }).verdict).toBe('likely');
    expect(judge({ counters: moved(4), capture: dnsCapture([asked('a.b')], cut) }, { language: 'zh' }).said).toContain(
      '有 4 个不完整',
    );
  });
  it('stays silent: nothing failed; a busy node with a failure now and then', () => {
    expect(judge({ counters: moved(0, 40) }).verdict).toBe('ruledOut');
    expect(judge({ counters: moved(2) }).verdict).toBe('ruledOut');
    expect(judge({ counters: moved(5, 9000) }).said).toContain('fragments are put together here');
  });
  it('stays silent: questions without an answer while reassembly works (dns-bad-nameserver, F81)', () => {
    const capture = dnsCapture([asked('a.example.com', { tookMs: null })]);
    expect(judge({ counters: moved(0), capture }).verdict).toBe('ruledOut');
  });
  it('missing evidence: the counter', () => {
    expect(judge({ counters: counters({ 'Ip.ReasmFails': null }) }).missing[0]?.fact).toBe('counters');
    expect(judge({}).verdict).toBe('unknown');
  });
});
