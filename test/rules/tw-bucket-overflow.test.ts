import { describe, expect, it } from 'vitest';
import { twBucketOverflow as rule } from '../../src/rules/tw-bucket-overflow.ts';
import { counters, judgeNode, symptom, sysctls } from './facts.ts';

const sysctl = sysctls({ 'net.ipv4.tcp_max_tw_buckets': '4096' });
const full = counters({ 'TcpExt.TCPTimeWaitOverflow': 700, 'sockstat.TCP.tw': [4096, 4090] });

describe('tw-bucket-overflow', () => {
  it('fires: the table overflowed, which is never more than likely, because no connect fails by it', () => {
    const found = judgeNode(rule, { facts: { sysctl, counters: full } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('TCPTimeWaitOverflow +700');
    expect(found.said).toContain('4096 sockets in TIME_WAIT of tcp_max_tw_buckets = 4096');
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.ipv4.tcp_max_tw_buckets=65536'],
      undo: ['sysctl -w net.ipv4.tcp_max_tw_buckets=4096'],
    });
    expect(JSON.stringify(found.remedies)).not.toContain('tw_recycle');
  });
  it('stays silent: many sockets in TIME_WAIT, and nothing overflowed', () => {
    const busy = counters({ 'TcpExt.TCPTimeWaitOverflow': 0, 'sockstat.TCP.tw': [4000, 4096] });
    expect(judgeNode(rule, { facts: { sysctl, counters: busy } }).verdict).toBe('ruledOut');
    const udp = symptom({ protocol: 'udp' });
    expect(judgeNode(rule, { facts: { sysctl, counters: full }, symptom: udp }).verdict).toBe('notApplicable');
  });
  it('missing evidence: the setting or the counter', () => {
    expect(judgeNode(rule, { facts: { sysctl: sysctls({}), counters: full } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { sysctl, counters: counters({}) } }).verdict).toBe('unknown');
    const once = counters({ 'TcpExt.TCPTimeWaitOverflow': null });
    expect(judgeNode(rule, { facts: { sysctl, counters: once } }).verdict).toBe('unknown');
  });
});
