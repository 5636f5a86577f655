import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Capture, Facts } from '../../src/model/facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { ipLink } from '../../src/parsers/ip-link.ts';
import { ipipBlocked } from '../../src/rules/ipip-blocked.ts';
import { pathDrop } from '../../src/rules/path-drop.ts';
import { vxlanBlocked } from '../../src/rules/vxlan-blocked.ts';
import { vxlanCsum63s } from '../../src/rules/vxlan-csum-63s.ts';
import { vxlanFdb } from '../../src/rules/vxlan-fdb.ts';
import { at, counters, judgePath, neighbour, plan, routeVerdict } from './facts.ts';
import { farNode, ping } from './tunnel-facts.ts';
import type { AnyRule } from '../../src/model/rule.ts';

/**
 * Packets and table entries of a real kernel (Linux 6.18): a node 192.168.7.12 asks a pod 10.244.3.7:1301 of the node
 * 192.168.7.50 over flannel.1, with a bridge between the nodes. `-a` and `-b` are what tcpdump -i any saw at both.
 * - blocked: the bridge drops UDP 8472, pings pass
 * - csum: the outer checksum is made wrong on the way out; Udp InCsumErrors of the other node +4
 * - mac: the next hop has a MAC address that the other node does not have
 * - fdb: the next hop's MAC address is not in the forwarding table
 */
const read = (name: string): Capture => {
  const analyser = createCaptureAnalyser({ evidence: `${name}.pcap` });
  analyser.push(readFileSync(path.join(import.meta.dirname, 'tunnel-captures', `${name}.pcap`)));
  return analyser.finish(
    Buffer.from(`tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 160 bytes
8 packets captured
8 packets received by filter
0 packets dropped by kernel
`),
  );
};
const linksOf = (mac: string): NonNullable<Facts['links']> => {
  const text = `2: eth0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\\    link/ether 4e:12:c3:e1:d9:fd brd ff:ff:ff:ff:ff:ff link-netns F promiscuity 0 \\    veth addrgenmode eui64
3: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/ether ${mac} brd ff:ff:ff:ff:ff:ff promiscuity 0 \\    vxlan id 1 local 192.168.7.12 dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300 udpcsum
`;
  const stdout = Buffer.from(text);
  return ipLink.parse({ stdout, stderr: Buffer.alloc(0), argv: [], exitCode: 0, evidence: '07-links.out' }).value ?? [];
};

const pod = '10.244.3.7';
const own = '7a:bc:e4:9c:61:a4';
function ask(rule: AnyRule, name: string, near: Partial<Facts> = {}, there: Partial<Facts> = {}) {
  const base = plan({ targetAddress: pod });
  return judgePath(rule, {
    client: {
      capture: read(`${name}-a`),
      links: linksOf('5e:e3:1d:fa:dd:0b'),
      routeGet: [routeVerdict({ to: pod, device: 'flannel.1', via: '10.244.3.0' })],
      neighbours: [neighbour({ address: '10.244.3.0', device: 'flannel.1', mac: own, state: 'PERMANENT' })],
      fdb: [{ mac: own, device: 'flannel.1', destination: farNode, at: at('08-bridge-fdb.out', 4) }],
      pings: [ping()],
      ...near,
    },
    target: {
      capture: read(`${name}-b`),
      links: linksOf(own),
      addresses: [{ family: 4, device: 'eth0', address: farNode, prefixLength: 24, at: at('02-addresses.out', 2) }],
      counters: counters({ 'Udp.InCsumErrors': name === 'csum' ? 4 : 0 }),
      ...there,
    },
    address: pod,
    plan: base,
  });
}
const foreign = '02:00:00:00:00:01';
const wrongMac = {
  neighbours: [neighbour({ address: '10.244.3.0', device: 'flannel.1', mac: foreign, state: 'PERMANENT' })],
  fdb: [{ mac: foreign, device: 'flannel.1', destination: farNode, at: at('08-bridge-fdb.out', 4) }],
};

describe('VXLAN of a real kernel', () => {
  it('tells where a SYN was seen inside of another packet', () => {
    const sightings = (name: string) => read(name).connections[0]?.syns[0]?.sightings;
    expect(sightings('blocked-a')).toEqual([
      { interfaceIndex: 3, direction: 'out' },
      { interfaceIndex: 2, direction: 'out', inTunnel: true },
    ]);
    expect(sightings('csum-b')).toEqual([{ interfaceIndex: 2, direction: 'in', inTunnel: true }]);
  });

  it('blocked on the way: vxlan-blocked, and nobody else is sure', () => {
    expect(ask(vxlanBlocked, 'blocked').verdict).toBe('confirmed');
    expect(ask(vxlanBlocked, 'blocked').said).toContain(
      '4 SYNs of 1 connects left node-12 in VXLAN packets (192.168.7.12 to 192.168.7.50)',
    );
    expect(ask(pathDrop, 'blocked').verdict).toBe('likely');
    expect(ask(vxlanCsum63s, 'blocked').verdict).toBe('ruledOut');
    expect(ask(vxlanFdb, 'blocked').verdict).toBe('ruledOut');
  });

  it('a wrong outer checksum: vxlan-csum-63s, and nobody else is sure', () => {
    expect(ask(vxlanCsum63s, 'csum').verdict).toBe('confirmed');
    expect(ask(vxlanCsum63s, 'csum').said).toContain('4 SYNs of 1 connects came in at node-50 inside VXLAN');
    expect(ask(vxlanBlocked, 'csum').verdict).toBe('ruledOut');
    expect(ask(pathDrop, 'csum').verdict).toBe('ruledOut');
    expect(ask(vxlanFdb, 'csum').verdict).toBe('ruledOut');
  });

  it('a foreign MAC address: vxlan-fdb, and nobody else is sure', () => {
    const found = ask(vxlanFdb, 'mac', wrongMac);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(`flannel.1 of node-50 has ${own}`);
    expect(ask(vxlanBlocked, 'mac', wrongMac).verdict).toBe('ruledOut');
    expect(ask(vxlanCsum63s, 'mac', wrongMac).verdict).toBe('ruledOut');
    expect(ask(pathDrop, 'mac', wrongMac).verdict).toBe('ruledOut');
  });

  it('a MAC address that the forwarding table does not have: vxlan-fdb', () => {
    const missing = {
      ...wrongMac,
      fdb: [{ mac: own, device: 'flannel.1', destination: farNode, at: at('08-bridge-fdb.out', 4) }],
    };
    expect(ask(vxlanFdb, 'fdb', missing).verdict).toBe('confirmed');
    expect(ask(vxlanBlocked, 'fdb', missing).verdict).toBe('unknown');
    // it never left the node, whatever the tunnel device shows
    expect(ask(pathDrop, 'fdb', missing).verdict).toBe('likely');
    expect(ask(pathDrop, 'fdb', missing).said).toContain('went into the tunnel device flannel.1 of node-12');
  });
});

/**
 * Linux 6.1 (two guests): 192.168.7.12 asks 10.244.50.0:1301 of 192.168.7.50 over tunl0; the switch between them passes
 * everything, or drops IP protocol 4.
 */
describe('IP in IP of a real kernel', () => {
  const overlay = '10.244.50.0';
  const text = (index: number) =>
    `${index}: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/ipip 0.0.0.0 brd 0.0.0.0 promiscuity 0  allmulti 0 minmtu 0 maxmtu 0 \\    ipip any remote any local any ttl inherit nopmtudisc numtxqueues 1\n`;
  const links =
    ipLink.parse({
      stdout: Buffer.from(text(3)),
      stderr: Buffer.alloc(0),
      argv: [],
      exitCode: 0,
      evidence: '07-links.out',
    }).value ?? [];
  const judge = (rule: AnyRule, name: string) =>
    judgePath(rule, {
      client: {
        capture: read(`ipip-${name}-a`),
        links,
        routeGet: [routeVerdict({ to: overlay, device: 'tunl0', via: farNode })],
        pings: [ping()],
      },
      target: {
        capture: read(`ipip-${name}-b`),
        links,
        addresses: [{ family: 4, device: 'eth0', address: farNode, prefixLength: 24, at: at('02-addresses.out', 2) }],
      },
      address: overlay,
      plan: plan({ targetAddress: overlay }),
    });

  it('blocked on the way: ipip-blocked, and nobody else is sure', () => {
    const found = judge(ipipBlocked, 'blocked');
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      '3 SYNs of 1 connects left node-12 in IP in IP packets (192.168.7.12 to 192.168.7.50)',
    );
    expect(judge(vxlanBlocked, 'blocked').verdict).toBe('notApplicable');
    expect(judge(pathDrop, 'blocked').verdict).toBe('likely');
  });

  it('passes: everybody is silent', () => {
    for (const rule of [ipipBlocked, pathDrop]) expect(judge(rule, 'passes').verdict).toBe('ruledOut');
  });
});
