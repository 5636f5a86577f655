import { describe, expect, it } from 'vitest';
import { ephemeralExhaustion as rule } from '../../src/rules/ephemeral-exhaustion.ts';
import { at, clientAddress, judgeNode, probe, socket, sysctls, target } from './facts.ts';

const range = { 'net.ipv4.ip_local_port_range': '40000 40009', 'net.ipv4.ip_local_reserved_ports': '' };
const sysctl = sysctls(range);
const taken = (count: number, state = 'ESTAB', address = clientAddress) =>
  Array.from({ length: count }, (_, i) =>
    socket({ state, local: { address, port: 40_000 + i }, peer: target, at: at('06-sockets.out', i + 2) }),
  );
const refusing = [
  probe(),
  probe({
    outcome: 'other',
    tookMs: 3,
    message: 'bash: line 1: /dev/tcp/10.51.2.2/1301: Cannot assign requested address',
  }),
];
const node = 'node-12';

describe('ephemeral-exhaustion', () => {
  it('fires: connects fail with EADDRNOTAVAIL, and the range is used up towards the target', () => {
    const found = judgeNode(rule, { node, facts: { sysctl, sockets: taken(10), probes: refusing } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('1 of 2 connects failed before a packet was sent');
    expect(found.said).toContain('10 of the 10 source ports 40000-40009 are in use towards 10.51.2.2:1301');
    expect(found.remedies[0]).toMatchObject({
      commands: ["sysctl -w net.ipv4.ip_local_port_range='1024 65535'"],
      undo: ["sysctl -w net.ipv4.ip_local_port_range='40000 40009'"],
    });
  });
  it('fires: the same in Chinese words, and where TIME-WAIT holds the ports tw_reuse is offered', () => {
    const probes = [probe({ outcome: 'other', message: 'bash: connect: 无法分配请求的地址' })];
    const facts = {
      sysctl: sysctls({ ...range, 'net.ipv4.tcp_tw_reuse': '0' }),
      sockets: taken(10, 'TIME-WAIT'),
      probes,
    };
    const found = judgeNode(rule, { node, facts });
    expect(found.verdict).toBe('confirmed');
    expect(found.remedies[0]?.commands).toContain('sysctl -w net.ipv4.tcp_tw_reuse=1');
  });
  it('fires: only likely with one of the two', () => {
    expect(judgeNode(rule, { node, facts: { sysctl, sockets: taken(9), probes: [probe()] } }).verdict).toBe('likely');
    expect(judgeNode(rule, { node, facts: { sysctl, sockets: taken(2), probes: refusing } }).verdict).toBe('likely');
    // reserved ports are not there to be taken
    const reserved = sysctls({ ...range, 'net.ipv4.ip_local_reserved_ports': '40005-40009,50000' });
    expect(judgeNode(rule, { node, facts: { sysctl: reserved, sockets: taken(5) } }).verdict).toBe('likely');
  });
  it('stays silent: ports are left, belong to two addresses, were read twice, or can be reused', () => {
    const silent = (sockets: ReturnType<typeof taken>, settings = sysctl) =>
      judgeNode(rule, { node, facts: { sysctl: settings, sockets, probes: [probe()] } }).verdict;
    expect(silent(taken(8))).toBe('ruledOut');
    expect(silent([...taken(6), ...taken(6, 'ESTAB', '10.12.1.9')])).toBe('ruledOut');
    const again = taken(6).map((s, i) => ({
      ...s,
      local: { ...s.local, port: 40_005 + (i % 5) },
      at: at('19-sockets.out', 2),
    }));
    expect(silent([...taken(6), ...again])).toBe('ruledOut');
    expect(silent(taken(10, 'TIME-WAIT'), sysctls({ ...range, 'net.ipv4.tcp_tw_reuse': '1' }))).toBe('ruledOut');
    const elsewhere = taken(10).map((s) => ({ ...s, peer: { address: '10.51.2.3', port: 1301 } }));
    expect(silent(elsewhere)).toBe('ruledOut');
    // taken before the range was narrowed
    const outside = taken(10).map((s, i) => ({ ...s, local: { ...s.local, port: 50_000 + i } }));
    expect(silent(outside)).toBe('ruledOut');
  });
  it('missing evidence: the range, or everything that would show it', () => {
    expect(judgeNode(rule, { node, facts: { sysctl: sysctls({}), sockets: taken(10) } }).verdict).toBe('unknown');
    expect(judgeNode(rule, { node, facts: { sysctl } }).verdict).toBe('unknown');
  });
});
