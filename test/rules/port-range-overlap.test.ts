import { describe, expect, it } from 'vitest';
import { portRangeOverlap as rule } from '../../src/rules/port-range-overlap.ts';
import { judgeNode, listener, socket, symptom, sysctls } from './facts.ts';

const settings = (range: string, reserved = '') =>
  sysctls({ 'net.ipv4.ip_local_port_range': range, 'net.ipv4.ip_local_reserved_ports': reserved });
const target = { address: '10.51.2.2', port: 40_080 };
const listeners = [listener({ port: 40_080 })];
const wide = settings('32768 60999');

describe('port-range-overlap', () => {
  it('fires: an outgoing connection took the port, and nothing listens', () => {
    const taking = socket({ local: target, peer: { address: '10.9.0.1', port: 443 } });
    const found = judgeNode(rule, { target, facts: { sysctl: wide, listeners: [], sockets: [taking] } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('a connection of this node to 10.9.0.1:443 uses it as its source port');
  });
  it('fires: only likely while it is a risk, and keeps what is reserved already', () => {
    const found = judgeNode(rule, {
      target,
      facts: { sysctl: settings('32768 60999', '8080,9100-9110'), listeners },
    });
    expect(found.verdict).toBe('likely');
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.ipv4.ip_local_reserved_ports=8080,9100-9110,40080'],
      undo: ["sysctl -w net.ipv4.ip_local_reserved_ports='8080,9100-9110'"],
    });
    const kubeProxy = { mode: 'iptables', at: { evidence: 'x' } };
    const nodePorts = judgeNode(rule, {
      facts: { sysctl: settings('1024 65535', '1301'), listeners: [listener()], kubeProxy },
    });
    expect(nodePorts.verdict).toBe('likely');
    expect(nodePorts.said).toContain('NodePorts');
  });
  it('fires: in an audit, which asks about no port, for NodePorts only', () => {
    const kubeProxy = { mode: 'ipvs', at: { evidence: 'x' } };
    const audit = (range: string, more = {}) =>
      judgeNode(rule, {
        target,
        symptom: { ...symptom(), about: 'node' },
        facts: { sysctl: settings(range), listeners, ...more },
      });
    expect(audit('1024 65535', { kubeProxy }).verdict).toBe('likely');
    expect(audit('32768 60999', { kubeProxy }).verdict).toBe('ruledOut');
    expect(audit('1024 65535').verdict).toBe('notApplicable');
  });
  it('stays silent: outside the range, reserved, or a connection that outlived its listener', () => {
    expect(judgeNode(rule, { facts: { sysctl: wide, listeners: [listener()] } }).verdict).toBe('ruledOut');
    const reserved = settings('32768 60999', '40000-40100');
    expect(judgeNode(rule, { target, facts: { sysctl: reserved, listeners } }).verdict).toBe('ruledOut');
    const accepted = socket({ local: target, peer: { address: '10.12.1.2', port: 51_000 } });
    const left = judgeNode(rule, { target, facts: { sysctl: wide, listeners: [], sockets: [accepted] } });
    expect(left.verdict).toBe('likely');
  });
  it('missing evidence: settings or listeners', () => {
    expect(judgeNode(rule, { target, facts: { sysctl: sysctls({}), listeners } }).verdict).toBe('unknown');
    const unread = sysctls({ 'net.ipv4.ip_local_port_range': '32768 60999' });
    expect(judgeNode(rule, { target, facts: { sysctl: unread, listeners } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { target, facts: { sysctl: wide } }).verdict).toBe('unknown');
  });
});
