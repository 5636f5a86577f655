import { describe, expect, it } from 'vitest';
import { synQueueOverflow as rule } from '../../src/rules/syn-queue-overflow.ts';
import { answered, capture, connection, counters, judgeNode, listener, socket, symptom, sysctls } from './facts.ts';

const off = sysctls({
  'net.ipv4.tcp_syncookies': '0',
  'net.ipv4.tcp_max_syn_backlog': '4',
  'net.core.somaxconn': '4',
});
const cookies = sysctls({ 'net.ipv4.tcp_syncookies': '1', 'net.ipv4.tcp_max_syn_backlog': '128' });
const listening = { local: { address: '10.51.2.2', port: 1301 }, state: 'SYN-RECV' };
const halfOpen = [socket(listening), socket(listening), socket(listening)];
const dropping = counters({ 'TcpExt.TCPReqQFullDrop': 7, 'TcpExt.ListenDrops': 7, 'TcpExt.ListenOverflows': 0 });
const flat = counters({ 'TcpExt.TCPReqQFullDrop': 0, 'TcpExt.ListenDrops': 0 });

describe('syn-queue-overflow', () => {
  it('fires: SYNs dropped without cookies while the queue of this port is full', () => {
    const found = judgeNode(rule, {
      facts: { sysctl: off, counters: dropping, sockets: halfOpen, listeners: [listener({ sendq: 4 })] },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('TCPReqQFullDrop +7');
    expect(found.said).toContain('3 half-open connections (SYN-RECV) to port 1301; the kernel starts to drop at 3');
    expect(found.remedies[0]?.commands).toEqual([
      'sysctl -w net.ipv4.tcp_syncookies=1',
      'sysctl -w net.ipv4.tcp_max_syn_backlog=8192',
      'sysctl -w net.core.somaxconn=4096',
    ]);
    expect(found.remedies[0]?.undo).toEqual([
      'sysctl -w net.ipv4.tcp_syncookies=0',
      'sysctl -w net.ipv4.tcp_max_syn_backlog=4',
      'sysctl -w net.core.somaxconn=4',
    ]);
  });

  it('fires: by ListenDrops beyond what other counters explain, where the kernel counts no TCPReqQFullDrop', () => {
    const rest = counters({ 'TcpExt.ListenDrops': 9, 'TcpExt.ListenOverflows': 2, 'TcpExt.PAWSPassive': 3 });
    const found = judgeNode(rule, { facts: { sysctl: off, counters: rest, sockets: halfOpen } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('of which 4 are neither ListenOverflows (+2) nor PAWSPassive (+3)');
  });

  it('fires: only likely when the queue has drained since, and names a broken way back', () => {
    const noAck = answered({ handshake: 'noFinalAck' });
    const found = judgeNode(rule, {
      facts: { sysctl: off, counters: dropping, sockets: [], capture: capture([connection(), noAck]) },
    });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('1 connects got a SYN+ACK and never sent the final ACK');
  });

  it('stays silent: cookies absorbed the overflow', () => {
    const absorbed = counters({
      'TcpExt.TCPReqQFullDrop': 0,
      'TcpExt.TCPReqQFullDoCookies': 7,
      'TcpExt.SyncookiesSent': 7,
      'TcpExt.ListenDrops': 0,
    });
    const found = judgeNode(rule, { facts: { sysctl: cookies, counters: absorbed, sockets: halfOpen } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('TCPReqQFullDoCookies +7, SyncookiesSent +7');
  });

  it('stays silent: nothing dropped', () => {
    const found = judgeNode(rule, { facts: { sysctl: off, counters: flat, sockets: halfOpen } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('TCPReqQFullDrop +0, ListenDrops +0');
  });

  it('stays silent: the drops of tw-recycle and of the accept queue are not its own', () => {
    const others = counters({
      'TcpExt.TCPReqQFullDrop': 0,
      'TcpExt.ListenDrops': 55,
      'TcpExt.ListenOverflows': 15,
      'TcpExt.PAWSPassive': 40,
    });
    const found = judgeNode(rule, { facts: { sysctl: off, counters: others, sockets: [] } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('ListenDrops +55 has other reasons (ListenOverflows +15, PAWSPassive +40)');
  });

  it('stays silent: the drops belong to another port', () => {
    const found = judgeNode(rule, {
      facts: { sysctl: off, counters: dropping, sockets: [], capture: capture([answered()]) },
    });
    expect(found.verdict).toBe('ruledOut');
  });

  it('stays silent: UDP', () => {
    const facts = { sysctl: off, counters: dropping };
    expect(judgeNode(rule, { facts, symptom: symptom({ protocol: 'udp' }) }).verdict).toBe('notApplicable');
  });

  it('missing evidence: settings or counters', () => {
    expect(judgeNode(rule, { facts: { sysctl: off } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: dropping } }).verdict).toBe('unknown');
    const unread = sysctls({ 'net.core.somaxconn': '4' });
    expect(judgeNode(rule, { facts: { sysctl: unread, counters: dropping } }).said).toContain(
      'tcp_syncookies was not read',
    );
    const rebooted = counters({ 'TcpExt.ListenDrops': null });
    expect(judgeNode(rule, { facts: { sysctl: off, counters: rebooted } }).verdict).toBe('unknown');
  });

  it('missing evidence: without the half-open connections it is never more than likely', () => {
    const found = judgeNode(rule, { facts: { sysctl: off, counters: dropping } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('not tied to this port');
  });
});
