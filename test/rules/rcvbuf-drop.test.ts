import { describe, expect, it } from 'vitest';
import { rcvbufDrop as rule } from '../../src/rules/rcvbuf-drop.ts';
import { capture, counters, judgeNode, listener, symptom, sysctls, talk } from './facts.ts';

const udp = symptom({ protocol: 'udp' });
const udpDrops = counters({ 'Udp.RcvbufErrors': 400, 'Udp.InDatagrams': 9000 });
const tcpDrops = counters({ 'TcpExt.TCPRcvQDrop': 20, 'TcpExt.TCPBacklogDrop': 0, 'Tcp.InSegs': 5000 });
const lossy = capture([talk({ retransmitted: { client: 9, server: 0 } })]);

describe('rcvbuf-drop', () => {
  it('fires: UDP datagrams were dropped while bytes wait in the socket of this port', () => {
    const sysctl = sysctls({ 'net.core.rmem_default': '212992', 'net.core.rmem_max': '212992' });
    const listeners = [listener({ protocol: 'udp', recvq: 212_000, sendq: 0 })];
    const found = judgeNode(rule, { facts: { counters: udpDrops, listeners, sysctl }, symptom: udp });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Udp.RcvbufErrors +400 in the window, of 9400 that arrived');
    expect(found.said).toContain('212000 bytes wait');
    expect(found.remedies[0]?.undo).toContain('sysctl -w net.core.rmem_max=212992');
  });
  it('fires: TCP segments were dropped and sent again', () => {
    const found = judgeNode(rule, { facts: { counters: tcpDrops, capture: lossy } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('TCPRcvQDrop +20');
    expect(found.said).toContain('9 packets of connections to port 1301 were sent again');
  });
  it('fires: only likely where nothing ties the counter to this port', () => {
    expect(judgeNode(rule, { facts: { counters: udpDrops }, symptom: udp }).verdict).toBe('likely');
    expect(judgeNode(rule, { facts: { counters: tcpDrops, capture: capture([talk()]) } }).verdict).toBe('likely');
  });
  it('stays silent: few drops on a busy node, tidied queues, drops of the other protocol', () => {
    const busy = counters({ 'Udp.RcvbufErrors': 6, 'Udp.InDatagrams': 1_000_000 });
    expect(judgeNode(rule, { facts: { counters: busy }, symptom: udp }).verdict).toBe('ruledOut');
    const pruned = counters({ 'TcpExt.PruneCalled': 900, 'TcpExt.RcvPruned': 0, 'Tcp.InSegs': 5000 });
    expect(judgeNode(rule, { facts: { counters: pruned, capture: lossy } }).verdict).toBe('ruledOut');
    const other = counters({ 'Udp.RcvbufErrors': 400, 'TcpExt.TCPRcvQDrop': 0 });
    expect(judgeNode(rule, { facts: { counters: other, capture: lossy } }).verdict).toBe('ruledOut');
  });
  it('missing evidence: the counters', () => {
    expect(judgeNode(rule, { facts: {} }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: counters({ 'Udp.RcvbufErrors': null }) }, symptom: udp }).verdict).toBe(
      'unknown',
    );
  });
});
