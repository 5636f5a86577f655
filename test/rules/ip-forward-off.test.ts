import { describe, expect, it } from 'vitest';
import { ipForwardOff as rule } from '../../src/rules/ip-forward-off.ts';
import {
  at,
  answered,
  capture,
  connection,
  counters,
  firewall,
  firewallRule,
  judgeNode,
  routeVerdict,
  sysctls,
  target,
} from './facts.ts';
import { ipvs, service } from './ipvs-facts.ts';

const off = sysctls({ 'net.ipv4.ip_forward': '0' });
const on = sysctls({ 'net.ipv4.ip_forward': '1' });
const discarding = counters({ 'Ip.InAddrErrors': 3 });
const passing = capture([connection()]);
const router = (facts: object, language: 'en' | 'zh' = 'en') => judgeNode(rule, { node: 'router-30', facts, language });

describe('ip-forward-off', () => {
  it('fires: forwarding off, and packets for others are thrown away', () => {
    const found = router({ sysctl: off, counters: discarding, capture: passing });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('net.ipv4.ip_forward = 0');
    expect(found.said).toContain('InAddrErrors +3');
    expect(found.said).toContain('3 SYNs to 10.51.2.2:1301 came in here');
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.ipv4.ip_forward=1'],
      undo: ['sysctl -w net.ipv4.ip_forward=0'],
    });
    expect(found.remedies[0]?.risk).toContain('resets other net.ipv4.conf values');
  });

  it("fires: by the kernel's own verdict", () => {
    const refuses = routeVerdict({ verdict: 'no-route-to-host', from: '10.12.1.2', iif: 'eth1' });
    const found = router({ sysctl: off, routeGet: [refuses], capture: passing });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('ip route get 10.51.2.2 from 10.12.1.2 iif eth1: No route to host');
  });

  it('fires: off on the device that the packets come in by, though on globally', () => {
    const perDevice = sysctls({ 'net.ipv4.ip_forward': '1', 'net.ipv4.conf.eth1.forwarding': '0' });
    const refuses = routeVerdict({ verdict: 'no-route-to-host', from: '10.12.1.2', iif: 'eth1' });
    const found = router({ sysctl: perDevice, routeGet: [refuses], capture: passing });
    expect(found.verdict).toBe('confirmed');
    expect(found.remedies[0]?.commands).toEqual(['sysctl -w net.ipv4.conf.eth1.forwarding=1']);
  });

  it('fires: only likely where nothing of this flow came by, or no effect was seen', () => {
    const idle = router({ sysctl: off, counters: discarding, capture: capture([]) });
    expect(idle.verdict).toBe('likely');
    expect(idle.said).toContain('may not be on the path');
    expect(router({ sysctl: off, counters: counters({ 'Ip.InAddrErrors': 0 }), capture: passing }).verdict).toBe(
      'likely',
    );
    expect(router({ sysctl: off, counters: discarding, capture: capture([answered()]) }).verdict).toBe('likely');
  });

  it('stays silent: on', () => {
    const found = router({ sysctl: on, routeGet: [routeVerdict({ via: '10.30.0.9' })], counters: discarding });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain(
      'net.ipv4.ip_forward = 1, and the kernel would forward to 10.51.2.2 via 10.30.0.9 dev eth0',
    );
  });

  it('stays silent: field report 1, the false lead: the target owns the address', () => {
    const local = routeVerdict({ verdict: 'local', device: 'lo' });
    const found = judgeNode(rule, {
      facts: { sysctl: off, routeGet: [local], counters: discarding, capture: passing },
    });
    expect(found.verdict).toBe('notApplicable');
    expect(found.said).toBe(
      "10.51.2.2 is this node's own address: packets to it are delivered here, not forwarded, so net.ipv4.ip_forward (here 0) does not matter",
    );
    const byAddress = [
      { family: 4, device: 'eth0', address: target.address, prefixLength: 24, at: at('07-addresses.out', 3) },
    ];
    expect(judgeNode(rule, { facts: { sysctl: off, addresses: byAddress } as never }).verdict).toBe('notApplicable');
    expect(router({ sysctl: off, routeGet: [local] }, 'zh').said).toContain('本节点自己的地址');
  });

  const nodePort = firewallRule({
    table: 'nat',
    chain: 'PREROUTING',
    verdict: 'other',
    text: '-A PREROUTING -p tcp --dport 1301 -j DNAT --to-destination 10.244.1.5:8080',
    match: { protocol: 'tcp', destinationPorts: [{ from: 1301, to: 1301 }] },
  });
  const own = routeVerdict({ verdict: 'local', device: 'lo' });

  it("fires: the address is the node's own, and its port is sent on to a pod (NodePort)", () => {
    const refuses = routeVerdict({ to: '10.244.1.5', verdict: 'no-route-to-host', from: '10.12.1.2', iif: 'eth0' });
    const facts = { sysctl: off, routeGet: [own, refuses], capture: passing, firewall: firewall(nodePort) };
    const found = judgeNode(rule, { facts });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('what comes for it is sent on to 10.244.1.5:8080');
    expect(found.said).toContain('ip route get 10.244.1.5 from 10.12.1.2 iif eth0: No route to host');
    const forwards = routeVerdict({ to: '10.244.1.5', device: 'cni0' });
    expect(judgeNode(rule, { facts: { ...facts, sysctl: on, routeGet: [own, forwards] } }).verdict).toBe('ruledOut');
  });

  it('fires: an IPVS service that translates; not one that forwards by routing or tunnel', () => {
    const facts = (forward: string) => ({
      sysctl: off,
      counters: discarding,
      capture: passing,
      routeGet: [own],
      ipvs: ipvs({ services: [service({ servers: [{ forward }] })] }),
    });
    expect(judgeNode(rule, { facts: facts('Masq') }).verdict).toBe('confirmed');
    expect(judgeNode(rule, { facts: facts('Route') }).verdict).toBe('notApplicable');
    expect(judgeNode(rule, { facts: facts('Tunnel') }).verdict).toBe('notApplicable');
  });

  it('stays silent: the port is redirected to another one of the node', () => {
    const redirect = { ...nodePort, text: '-A PREROUTING -p tcp --dport 1301 -j REDIRECT --to-ports 8080' };
    const facts = { sysctl: off, routeGet: [own], capture: passing, firewall: firewall(redirect) };
    expect(judgeNode(rule, { facts }).verdict).toBe('notApplicable');
  });

  it('missing evidence: the setting, or whose address it is', () => {
    expect(router({ routeGet: [routeVerdict()] }).verdict).toBe('unknown');
    expect(router({ sysctl: sysctls({ 'net.ipv4.conf.all.forwarding': '0' }) }).said).toContain(
      'ip_forward was not read',
    );
    const found = judgeNode(rule, { facts: { sysctl: off } });
    expect(found.verdict).toBe('unknown');
    expect(found.missing[0]?.fact).toBe('routeGet');
  });
});
