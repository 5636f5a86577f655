import { describe, expect, it } from 'vitest';
import { dnsMusl as rule } from '../../src/rules/dns-musl.ts';
import { asked, clusterDns, dnsCapture, pod } from './dns-facts.ts';
import { answered, capture, connection, judgeOnCapture, refused } from './facts.ts';

const server = { address: clusterDns, port: 53 };
const cut = (answers: number, rest: Parameters<typeof asked>[1] = {}) =>
  asked('many.svc.cluster.local', { addresses: [], answer: { truncated: true, answers, frame: 8 }, ...rest });
/** TCP of somebody else: shows that the capture would have TCP. */
const other = answered({ from: '10.244.9.9' });

describe('dns-musl', () => {
  it('fires: an empty truncated answer, and the client does not turn to TCP', () => {
    const found = judgeOnCapture(rule, dnsCapture([cut(0)], { connections: [other] }));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('truncated (TC=1, frame 8), and 10.244.1.7 did not ask over TCP within 5 s');
    expect(found.said).toContain('1 of these answers held no record at all');
    expect(found.remedies.map(({ kind }) => kind)).toEqual(['application', 'kubernetes']);
  });

  it('fires: likely only where the truncated answer holds records', () => {
    expect(judgeOnCapture(rule, dnsCapture([cut(9)], { connections: [other] })).verdict).toBe('likely');
  });

  it('fires: TCP was tried and refused, or not answered', () => {
    for (const tcp of [refused, connection]) {
      const found = judgeOnCapture(
        rule,
        dnsCapture([cut(0)], { connections: [tcp({ from: pod, server, startMs: 1002 })] }),
      );
      expect(found.verdict).toBe('confirmed');
      expect(found.said).toContain(tcp === refused ? 'the connect was refused' : 'the connect was not answered');
      expect(found.remedies[0]?.text).toContain('Let TCP port 53 through to 10.96.0.10');
    }
  });

  it('fires: A and AAAA with one id on one port, one of them without an answer', () => {
    const same = { id: 0x1f2e, port: 40_000 } as const;
    const clash = [
      asked('a.example', { ...same, frame: 21 }),
      asked('a.example', { ...same, frame: 22, type: 'AAAA', tookMs: null, atMs: 1000.1 }),
    ];
    const found = judgeOnCapture(rule, dnsCapture(clash));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('the same id 0x1f2e on one port (frames 21 and 22)');
    expect(found.said).toContain('of 1 such pairs, 1 had a question without an answer');
    const harmless = [asked('a.example', same), asked('a.example', { ...same, type: 'AAAA', addresses: [] })];
    expect(judgeOnCapture(rule, dnsCapture(harmless)).verdict).toBe('likely');
  });

  it('stays silent: the client asks again over TCP', () => {
    const tcp = answered({ from: pod, server, startMs: 1002 });
    const found = judgeOnCapture(rule, dnsCapture([cut(0)], { connections: [tcp] }));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('each of 1 truncated answers');
    const seen = [cut(0), asked('many.svc.cluster.local', { transport: 'tcp', atMs: 1002 })];
    expect(judgeOnCapture(rule, dnsCapture(seen)).verdict).toBe('ruledOut');
  });

  it('stays silent: a whole answer came over UDP after all', () => {
    const dns = [cut(0), asked('many.svc.cluster.local', { atMs: 1003 })];
    expect(judgeOnCapture(rule, dnsCapture(dns, { connections: [other] })).verdict).toBe('ruledOut');
  });

  it('stays silent: no answer is truncated, and no id is used twice', () => {
    const pair = [asked('a.example', { port: 1 }), asked('a.example', { port: 1, type: 'AAAA' })];
    const found = judgeOnCapture(rule, dnsCapture(pair));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('none of 2 answers');
    expect(judgeOnCapture(rule, capture([])).verdict).toBe('notApplicable');
  });

  it('missing evidence: the filter may have left TCP out', () => {
    const found = judgeOnCapture(rule, dnsCapture([cut(0)]));
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('holds no TCP at all');
  });

  it('missing evidence: the capture ends too soon, lost packets, or has no answers', () => {
    expect(judgeOnCapture(rule, dnsCapture([cut(0)], { connections: [other], lastAtMs: 2000 })).said).toContain(
      'less than 5 s before the capture ends',
    );
    expect(judgeOnCapture(rule, dnsCapture([cut(0)], { connections: [other], droppedByKernel: 1 })).verdict).toBe(
      'unknown',
    );
    expect(judgeOnCapture(rule, dnsCapture([asked('a.example', { tookMs: null })])).verdict).toBe('unknown');
  });
});
