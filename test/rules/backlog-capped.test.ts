import { describe, expect, it } from 'vitest';
import type { Facts, SinceAudit } from '../../src/model/facts.ts';
import { backlogCapped as rule } from '../../src/rules/backlog-capped.ts';
import { at, counters, judgeNode, listener, sysctls } from './facts.ts';

const old = sysctls({ 'net.core.somaxconn': '128' });
const capped = [listener({ port: 8080, sendq: 128, recvq: 0 }), listener({ port: 22, sendq: 50 })];
const since = (rise: number): SinceAudit => ({
  elapsedSec: 86_400,
  rebooted: false,
  counters: counters({ 'TcpExt.ListenOverflows': rise }),
  at: at('01-last-audit.out'),
});
const overflowed = { sinceAudit: since(5000) };
const judge = (facts: Facts) => judgeNode(rule, { facts: { sysctl: old, listeners: capped, ...facts } });

describe('backlog-capped', () => {
  it('fires: likely where a listener has a queue of just the limit, and queues have overflowed', () => {
    const found = judge(overflowed);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('1 listeners have a queue of just that: they may have asked for more (8080)');
    expect(found.said).toContain('ListenOverflows +5000 since the last audit');
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.core.somaxconn=4096'],
      undo: ['sysctl -w net.core.somaxconn=128'],
    });
  });
  it('fires: likely where such a queue is half full now', () => {
    const found = judge({ listeners: [listener({ port: 8080, sendq: 128, recvq: 100 })] });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('port 8080: 100 of 128 places are taken now');
  });
  it('stays silent: nothing has overflowed, no queue is at the limit, or the limit is high', () => {
    expect(judge({}).verdict).toBe('ruledOut');
    expect(judge({ sinceAudit: since(5) }).verdict).toBe('ruledOut');
    expect(judge({ listeners: [listener({ sendq: 50 })], ...overflowed }).verdict).toBe('ruledOut');
    expect(judge({ sysctl: sysctls({ 'net.core.somaxconn': '4096' }), ...overflowed }).verdict).toBe('ruledOut');
    expect(judge({ listeners: [] }).verdict).toBe('notApplicable');
  });
  it('stays silent: however many there were since the node was started', () => {
    expect(judge({ counters: counters({ 'TcpExt.ListenOverflows': [9_000_000, 9_000_000] }) }).verdict).toBe(
      'ruledOut',
    );
  });
  it('missing evidence: no setting, or no lengths of queues', () => {
    expect(judge({ sysctl: sysctls({}) }).verdict).toBe('unknown');
    expect(judge({ listeners: [listener({ sendq: null })] }).verdict).toBe('unknown');
  });
});
