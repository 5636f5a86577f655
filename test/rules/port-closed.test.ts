import { describe, expect, it } from 'vitest';
import { portClosed as rule } from '../../src/rules/port-closed.ts';
import {
  answered,
  at,
  capture,
  connection,
  counters,
  firewall,
  firewallRule,
  icmp,
  judgeNode,
  listener,
  port1301,
  refused,
  symptom,
} from './facts.ts';

const ssh = listener({ port: 22, process: 'sshd' });

describe('port-closed', () => {
  it('fires: RST from the target, and nothing listens', () => {
    const found = judgeNode(rule, {
      facts: { listeners: [ssh], capture: capture([refused(), refused()]), counters: counters({ 'Tcp.OutRsts': 2 }) },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('no process listens on tcp port 1301 (1 listening sockets on the node)');
    expect(found.said).toContain('2 connects to 10.51.2.2:1301 were answered by RST');
    expect(found.said).toContain('Tcp OutRsts +2');
    expect(found.remedies[0]?.commands).toEqual(["ss -lntp 'sport = :1301'"]);
  });

  it('fires: UDP, by ICMP port-unreachable', () => {
    const unreachable = icmp({ code: 3, name: 'port-unreachable', about: { protocol: 17 } });
    const found = judgeNode(rule, {
      facts: { listeners: [listener()], capture: capture([], { icmpErrors: [unreachable] }) },
      symptom: symptom({ protocol: 'udp' }),
    });
    expect(found.verdict).toBe('confirmed');
  });

  it('fires: only likely where no RST was seen, and says what that means', () => {
    const silent = judgeNode(rule, { facts: { listeners: [], capture: capture([connection()]) } });
    expect(silent.verdict).toBe('likely');
    expect(silent.said).toContain('3 SYNs to port 1301 got no answer at all');
    expect(judgeNode(rule, { facts: { listeners: [], capture: capture([]) } }).verdict).toBe('likely');
  });

  it('fires: only likely where nat rules hand the port on', () => {
    const dnat = firewallRule({
      table: 'nat',
      chain: 'PREROUTING',
      hook: 'prerouting',
      verdict: 'other',
      text: '-A PREROUTING -p tcp --dport 1301 -j DNAT --to-destination 172.17.0.2:80',
      match: port1301,
    });
    const facts = { listeners: [], capture: capture([refused()]), firewall: firewall(dnat) };
    expect(judgeNode(rule, { facts }).verdict).toBe('likely');
    const silent = judgeNode(rule, { facts: { ...facts, capture: capture([connection()]) } });
    expect(silent.verdict).toBe('notApplicable');
    expect(silent.said).toContain('a closed port answers with RST');
  });

  it('stays silent: somebody listens', () => {
    const found = judgeNode(rule, { facts: { listeners: [listener()], capture: capture([refused()]) } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toBe('0.0.0.0:1301 is listened on (nginx)');
    const loopback = judgeNode(rule, { facts: { listeners: [listener({ address: '127.0.0.1' })] } });
    expect(loopback.verdict).toBe('ruledOut');
    expect(loopback.said).toContain('see loopback-only');
  });

  it('stays silent: the port answers although no process of the node listens', () => {
    const found = judgeNode(rule, { facts: { listeners: [ssh], capture: capture([answered()]) } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('served elsewhere');
  });

  it('stays silent: an IPVS service', () => {
    const service = {
      protocol: 'tcp',
      address: '10.51.2.2',
      port: 1301,
      scheduler: 'rr',
      servers: [],
      at: at('14-ipvs.out', 3),
    } as const;
    expect(judgeNode(rule, { facts: { listeners: [ssh], ipvs: { services: [service] } } }).verdict).toBe(
      'notApplicable',
    );
    const others = [
      { ...service, port: 80 },
      { ...service, address: '10.51.2.3' },
      { ...service, protocol: 'udp' as const },
    ];
    expect(judgeNode(rule, { facts: { listeners: [ssh], ipvs: { services: others } } }).verdict).toBe('likely');
  });

  it('missing evidence: the listeners', () => {
    expect(judgeNode(rule, { facts: { capture: capture([refused()]) } }).verdict).toBe('unknown');
  });

  it('missing evidence: without a capture it is likely at most', () => {
    const found = judgeNode(rule, { facts: { listeners: [ssh] } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('there is no packet capture');
  });
});
