import { describe, expect, it } from 'vitest';
import type { Ipvs } from '../../src/model/facts.ts';
import { keepaliveTooLate as rule } from '../../src/rules/keepalive-too-late.ts';
import { at, judgeNode, sysctls } from './facts.ts';

const time = (seconds: number, more: Readonly<Record<string, string | null>> = {}) =>
  sysctls({ 'net.ipv4.tcp_keepalive_time': `${seconds}`, ...more });
const place = at('21-ipvs.out', 1);
const service = { protocol: 'tcp', address: '10.96.0.1', port: 443, scheduler: 'rr', servers: [], at: place } as const;
const ipvs = (tcp: number): Ipvs => ({ services: [service], timeoutsSec: { tcp, tcpfin: 120, udp: 300, at: place } });

describe('keepalive-too-late', () => {
  it('fires: likely where IPVS forgets first, with a third of its time-out as the remedy', () => {
    const found = judgeNode(rule, { facts: { sysctl: time(7200), ipvs: ipvs(900) } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('IPVS forgets an idle TCP connection after 900 s');
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.ipv4.tcp_keepalive_time=300'],
      undo: ['sysctl -w net.ipv4.tcp_keepalive_time=7200'],
    });
  });
  it('fires: likely for connection tracking, and for a middlebox of the playbook', () => {
    const tracked = time(7200, { 'net.netfilter.nf_conntrack_tcp_timeout_established': '3600' });
    expect(judgeNode(rule, { facts: { sysctl: tracked } }).verdict).toBe('likely');
    const params = { middleboxes: [{ name: 'the cloud load balancer', idleSec: 350 }] };
    const found = judgeNode(rule, { facts: { sysctl: time(600) }, params });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('the cloud load balancer forgets an idle connection after 350 s');
  });
  it('stays silent: keepalive begins in time', () => {
    expect(judgeNode(rule, { facts: { sysctl: time(600), ipvs: ipvs(900) } }).verdict).toBe('ruledOut');
    const tracked = time(7200, { 'net.netfilter.nf_conntrack_tcp_timeout_established': '432000' });
    expect(judgeNode(rule, { facts: { sysctl: tracked } }).verdict).toBe('ruledOut');
  });
  it('stays silent: IPVS is loaded and has no services', () => {
    expect(judgeNode(rule, { facts: { sysctl: time(7200), ipvs: { ...ipvs(900), services: [] } } }).verdict).toBe(
      'notApplicable',
    );
    expect(judgeNode(rule, { facts: { sysctl: time(7200) } }).verdict).toBe('notApplicable');
  });
  it('missing evidence: no setting, or services without their time-outs', () => {
    expect(judgeNode(rule, { facts: { sysctl: sysctls({}) } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { facts: { sysctl: time(7200), ipvs: { services: [service] } } }).verdict).toBe('unknown');
  });
});
