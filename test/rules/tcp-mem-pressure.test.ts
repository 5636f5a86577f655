import { describe, expect, it } from 'vitest';
import { tcpMemPressure as rule } from '../../src/rules/tcp-mem-pressure.ts';
import { counters, judgeNode, symptom, sysctls } from './facts.ts';

const sysctl = sysctls({ 'net.ipv4.tcp_mem': '18000\t24000\t36000', 'net.ipv4.tcp_max_orphans': '4096' });
const calm = {
  'TcpExt.TCPAbortOnMemory': 0,
  'TcpExt.TCPMemoryPressures': 0,
  'sockstat.TCP.mem': [900, 950],
  'sockstat.TCP.orphan': [2, 3],
} as const;

describe('tcp-mem-pressure', () => {
  it('fires: connections were ended, and TCP is above the pressure value', () => {
    const moved = counters({ ...calm, 'TcpExt.TCPAbortOnMemory': 12, 'sockstat.TCP.mem': [35_000, 36_100] });
    const found = judgeNode(rule, { facts: { sysctl, counters: moved } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('TCPAbortOnMemory +12');
    expect(found.said).toContain('36100 pages');
    expect(found.remedies[0]).toMatchObject({
      commands: ["sysctl -w net.ipv4.tcp_mem='36000 48000 72000'"],
      undo: ["sysctl -w net.ipv4.tcp_mem='18000 24000 36000'"],
    });
  });
  it('fires: connections were ended, and there are too many orphans', () => {
    const moved = counters({ ...calm, 'TcpExt.TCPAbortOnMemory': 12, 'sockstat.TCP.orphan': [2000, 1500] });
    const found = judgeNode(rule, { facts: { sysctl, counters: moved } });
    expect(found.verdict).toBe('confirmed');
    expect(found.remedies[0]?.commands).toEqual(['sysctl -w net.ipv4.tcp_max_orphans=8192']);
  });
  it('fires: only likely with one of the two', () => {
    const aborted = counters({ ...calm, 'TcpExt.TCPAbortOnMemory': 1 });
    expect(judgeNode(rule, { facts: { sysctl, counters: aborted } }).verdict).toBe('likely');
    const near = counters({ ...calm, 'sockstat.TCP.mem': [24_000, 24_100] });
    expect(judgeNode(rule, { facts: { sysctl, counters: near } }).verdict).toBe('likely');
  });
  it('stays silent: nothing was ended and memory is free', () => {
    expect(judgeNode(rule, { facts: { sysctl, counters: counters(calm) } }).verdict).toBe('ruledOut');
    const pod = sysctls({ 'net.ipv4.tcp_mem': null, 'net.ipv4.tcp_max_orphans': '4096' });
    expect(judgeNode(rule, { facts: { sysctl: pod, counters: counters(calm) } }).verdict).toBe('ruledOut');
    const orphans = counters({ ...calm, 'sockstat.TCP.orphan': [2000, 2000] });
    expect(judgeNode(rule, { facts: { sysctl, counters: orphans } }).verdict).toBe('ruledOut');
    const udp = judgeNode(rule, { facts: { sysctl, counters: counters(calm) }, symptom: symptom({ protocol: 'udp' }) });
    expect(udp.verdict).toBe('notApplicable');
  });
  it('missing evidence: tcp_mem or the counter', () => {
    expect(judgeNode(rule, { facts: { sysctl: sysctls({}), counters: counters(calm) } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { sysctl, counters: counters({}) } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { counters: counters(calm) } }).verdict).toBe('unknown');
  });
});
