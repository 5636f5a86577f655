import { describe, expect, it } from 'vitest';
import type { Link, Route } from '../../src/model/facts.ts';
import { cniMtuMismatch as rule } from '../../src/rules/cni-mtu-mismatch.ts';
import { at, capture, counters, icmp, judgeNode, link } from './facts.ts';

const route: Route = { family: 4, destination: 'default', type: 'unicast', device: 'eth0', at: at('08-routes.out', 1) };
const nic = link();
const tunl = (mtu: number, values: Partial<Link> = {}): Link =>
  link({ name: 'tunl0', index: 5, mtu, type: 'ipip', state: 'UNKNOWN', flags: ['NOARP', 'UP'], ...values });
const pod = (mtu: number): Link => link({ name: 'cali0123456789a', index: 9, mtu });
const judge = (links: readonly Link[], more: object = {}, language: 'en' | 'zh' = 'en') =>
  judgeNode(rule, { facts: { links, routes: [route], ...more }, language });

describe('cni-mtu-mismatch', () => {
  it('fires: a tunnel larger than what carries it', () => {
    const found = judge([nic, tunl(1500)]);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('tunl0 (ipip) has MTU 1500, and eth0 below it 1500: at most 1480 fits');
    expect(found.remedies[0]).toMatchObject({
      commands: ['ip link set dev tunl0 mtu 1480'],
      undo: ['ip link set dev tunl0 mtu 1500'],
    });
  });

  it('fires: pods larger than the tunnel, by the name of the device or by its bridge', () => {
    const found = judge([nic, tunl(1440), pod(1450)]);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('(cali0123456789a: 1450) than the tunnel tunl0 (1440)');
    const flannel = link({ name: 'flannel.1', mtu: 1450 });
    expect(judge([nic, flannel, link({ name: 'veth12', mtu: 1500, master: 'cni0' })]).verdict).toBe('likely');
  });

  it('fires: confirmed where packets were refused for it in the window', () => {
    const error = icmp({ code: 4, name: 'frag-needed', mtu: 1440 });
    const seen = capture([], { icmpErrors: [error], packets: 2 });
    const found = judge([nic, tunl(1440), pod(1450)], { counters: counters({ 'Ip.FragFails': 6 }), capture: seen });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Ip FragFails +6');
    expect(found.said).toContain('ICMP "too large" (MTU 1440)');
    const one = judge([nic, tunl(1440), pod(1450)], { counters: counters({ 'Ip.FragFails': 6 }) }, 'zh');
    expect(one.verdict).toBe('likely');
    expect(one.said).toContain('大于隧道');
  });

  it('stays silent: field report 1, a tunnel and pods smaller than they could be', () => {
    const found = judge([nic, tunl(1430), pod(1430)]);
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain(
      'tunl0 (ipip) has MTU 1430 <= 1480 (eth0 1500 less its header): smaller than it could be is not a fault',
    );
    expect(judge([link({ mtu: 9000 }), link({ name: 'vxlan.calico', mtu: 8950 }), pod(8950)]).verdict).toBe('ruledOut');
  });

  it('stays silent: a tunnel that is down, Docker beside the tunnel, Cilium', () => {
    expect(judge([nic, tunl(1480, { flags: ['NOARP'], state: 'DOWN' }), pod(1500)]).verdict).toBe('notApplicable');
    const docker = link({ name: 'veth9', mtu: 1500, master: 'docker0' });
    expect(judge([nic, tunl(1480), docker]).verdict).toBe('ruledOut');
    const cilium = link({ name: 'cilium_vxlan', mtu: 1500, type: 'vxlan' });
    expect(judge([nic, cilium, link({ name: 'lxc1234', mtu: 1500 })]).verdict).toBe('notApplicable');
  });

  it('missing evidence: no devices; without a route the tunnel cannot be compared and nothing is claimed', () => {
    expect(judgeNode(rule, { facts: {} }).verdict).toBe('unknown');
    const found = judge([nic, tunl(1500)], { routes: [] });
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('which device carries it is not known');
  });
});
