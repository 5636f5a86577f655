import { describe, expect, it } from 'vitest';
import { halfOpen as rule } from '../../src/rules/half-open.ts';
import { answered, at, capture, connection, judgeNode, socket, symptom } from './facts.ts';

const sockets = (count: number, values: Parameters<typeof socket>[0]) =>
  ['06-sockets.out', '19-sockets.out'].flatMap((file) =>
    Array.from({ length: count }, (_, i) =>
      socket({ peer: { address: '10.77.0.9', port: 30_000 + i }, at: at(file, i + 2), ...values }),
    ),
  );
const silent = sockets(6, { timer: { kind: 'on', leftMs: 20_000, retries: 8 } });

describe('half-open', () => {
  it('fires: connections send again without an answer while new connects work', () => {
    const found = judgeNode(rule, { facts: { sockets: silent, capture: capture([answered()]) } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('6 connections to port 1301 (ESTAB) send again and get no answer, 8 times and more');
    expect(found.said).toContain('not the path, but those peers are gone');
  });
  it('fires: only likely while the path may be broken or nothing shows that it is not', () => {
    const broken = judgeNode(rule, { facts: { sockets: silent, capture: capture([connection()]) } });
    expect(broken.verdict).toBe('likely');
    expect(broken.said).toContain('the path may be broken');
    expect(judgeNode(rule, { facts: { sockets: silent } }).verdict).toBe('likely');
    const closed = sockets(200, { state: 'FIN-WAIT-2' });
    expect(judgeNode(rule, { facts: { sockets: closed } }).verdict).toBe('likely');
  });
  it('stays silent: a few, keep-alive timers, retransmissions that go through, half-open handshakes', () => {
    const verdict = (list: typeof silent) =>
      judgeNode(rule, { facts: { sockets: list, capture: capture([answered()]) } }).verdict;
    expect(verdict(sockets(2, { timer: { kind: 'on', leftMs: 1, retries: 9 } }))).toBe('ruledOut');
    expect(verdict(sockets(90, { timer: { kind: 'keepalive', leftMs: 7000, retries: 0 } }))).toBe('ruledOut');
    expect(verdict(sockets(90, { timer: { kind: 'on', leftMs: 200, retries: 1 } }))).toBe('ruledOut');
    expect(verdict(sockets(90, { state: 'SYN-RECV', timer: { kind: 'on', leftMs: 1, retries: 5 } }))).toBe('ruledOut');
    expect(verdict([])).toBe('ruledOut');
    const udp = judgeNode(rule, { facts: { sockets: silent }, symptom: symptom({ protocol: 'udp' }) });
    expect(udp.verdict).toBe('notApplicable');
  });
  it('missing evidence: the sockets, or a second look at them', () => {
    expect(judgeNode(rule, { facts: {} }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { sockets: silent.slice(0, 6) } }).verdict).toBe('unknown');
  });
});
