import { describe, expect, it } from 'vitest';
import { acceptQueueOverflow as rule } from '../../src/rules/accept-queue-overflow.ts';
import { answered, capture, connection, counters, judgeNode, listener, symptom, sysctls } from './facts.ts';

const overflowing = counters({ 'TcpExt.ListenOverflows': 15, 'TcpExt.ListenDrops': 15 });
const flat = counters({ 'TcpExt.ListenOverflows': 0, 'TcpExt.ListenDrops': 0 });
const full = listener({ recvq: 3, sendq: 2 });
const at = { evidence: 'evidence/node-50/01-kernel.out' };

describe('accept-queue-overflow', () => {
  it('fires: ListenOverflows rose and the queue of this port is full', () => {
    const found = judgeNode(rule, {
      facts: { counters: overflowing, listeners: [full], capture: capture([connection()]) },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('ListenOverflows +15 in the window (ListenDrops +15)');
    expect(found.said).toContain('listener 0.0.0.0:1301 (nginx): Recv-Q 3 of Send-Q 2');
    expect(found.said).toContain('3 SYNs to port 1301 got no answer');
  });

  it('fires: tells whether the kernel or the application sets the limit, and offers what helps', () => {
    const somaxconn = sysctls({ 'net.core.somaxconn': '128' });
    const kernel = judgeNode(rule, {
      facts: { counters: overflowing, listeners: [listener({ recvq: 129, sendq: 128 })], sysctl: somaxconn },
    });
    expect(kernel.said).toContain('Send-Q 128 = net.core.somaxconn');
    expect(kernel.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.core.somaxconn=4096'],
      undo: ['sysctl -w net.core.somaxconn=128'],
    });
    const application = judgeNode(rule, {
      facts: { counters: overflowing, listeners: [full], sysctl: sysctls({ 'net.core.somaxconn': '65535' }) },
    });
    expect(application.said).toContain("the application's own backlog is the limit");
    // never lower what is higher already
    expect(application.remedies.flatMap((r) => r.commands).join('\n')).not.toContain('sysctl');
  });

  it('fires: on kernels before 4.10 an answered SYN does not clear it', () => {
    const facts = { counters: overflowing, listeners: [full], capture: capture([answered()]) };
    const old = judgeNode(rule, { facts: { ...facts, kernel: { release: '3.10.0-1160.el7.x86_64', at } } });
    expect(old.verdict).toBe('confirmed');
    expect(old.said).toContain('older than 4.10');
    expect(judgeNode(rule, { facts: { ...facts, kernel: { release: '6.1.0', at } } }).verdict).toBe('likely');
  });

  it('fires: only likely when the queue is not full any more, or nothing was dropped yet', () => {
    const calm = listener({ recvq: 0 });
    const failing = capture([connection()]);
    const burst = judgeNode(rule, { facts: { counters: overflowing, listeners: [calm], capture: failing } });
    expect(burst.verdict).toBe('likely');
    expect(burst.said).toContain('may have been a burst');
    expect(judgeNode(rule, { facts: { counters: flat, listeners: [full] } }).verdict).toBe('likely');
  });

  it('stays silent: no overflow in the window', () => {
    const found = judgeNode(rule, {
      facts: { counters: flat, listeners: [listener()], capture: capture([connection()]) },
    });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('ListenOverflows +0 while 3 SYNs to port 1301 came');
    expect(found.said).toContain('Recv-Q 0 of Send-Q 128');
  });

  it('stays silent: the overflow is that of another listener', () => {
    const other = listener({ port: 8080, recvq: 6, sendq: 5 });
    const found = judgeNode(rule, {
      facts: { counters: overflowing, listeners: [listener(), other], capture: capture([answered()]) },
    });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('0.0.0.0:8080');
    expect(judgeNode(rule, { facts: { counters: overflowing, listeners: [other] } }).verdict).toBe('ruledOut');
  });

  it('stays silent: UDP', () => {
    const found = judgeNode(rule, { facts: { counters: overflowing }, symptom: symptom({ protocol: 'udp' }) });
    expect(found.verdict).toBe('notApplicable');
  });

  it('missing evidence: counters', () => {
    expect(judgeNode(rule, { facts: { listeners: [full] } }).verdict).toBe('unknown');
    const rebooted = counters({ 'TcpExt.ListenOverflows': null });
    expect(judgeNode(rule, { facts: { counters: rebooted, listeners: [full] } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: counters({}), listeners: [full] } }).verdict).toBe('unknown');
  });

  it('missing evidence: without the queue it is never more than likely', () => {
    expect(judgeNode(rule, { facts: { counters: overflowing } }).verdict).toBe('likely');
    const procNetTcp = listener({ recvq: 3, sendq: null });
    expect(judgeNode(rule, { facts: { counters: overflowing, listeners: [procNetTcp] } }).verdict).toBe('likely');
  });
});
