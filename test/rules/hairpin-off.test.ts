import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Capture, Facts } from '../../src/model/facts.ts';
import type { ConntrackEntry } from '../../src/model/node-facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { bridgeNfOff } from '../../src/rules/bridge-nf-off.ts';
import { hairpinOff as rule } from '../../src/rules/hairpin-off.ts';
import { at, capture, connection, firewall, firewallRule, judgeNode, link, sysctls } from './facts.ts';

/**
 * Linux 6.18, a pod 10.244.3.7 on cni0 asks 10.96.0.10:1301, which is translated to itself by iptables on the bridge:
 * - off: the port has hairpin off
 * - on: it has hairpin on, and the connect is answered
 * - nomasq: hairpin on, and no MASQUERADE
 */
const read = (name: string, dropped = 0): Capture => {
  const analyser = createCaptureAnalyser({ evidence: `${name}.pcap` });
  analyser.push(readFileSync(path.join(import.meta.dirname, 'hairpin-captures', `${name}.pcap`)));
  return analyser.finish(
    Buffer.from(
      `tcpdump: listening on any, link-type LINUX_SLL2\n9 packets captured\n9 packets received by filter\n${dropped} packets dropped by kernel\n`,
    ),
  );
};
const linksWith = (hairpin?: boolean, flags: readonly string[] = ['UP']): NonNullable<Facts['links']> => [
  link({ name: 'lo', index: 1, flags: ['LOOPBACK', 'UP'] }),
  link({ name: 'cni0', index: 2, type: 'bridge', flags }),
  link({ name: 'veth7', index: 3, type: 'veth', master: 'cni0', ...(hairpin === undefined ? {} : { hairpin }) }),
];
const services = firewall(firewallRule({ table: 'nat', chain: 'KUBE-SERVICES', verdict: 'jump' }));
const bridged = sysctls({ 'net.bridge.bridge-nf-call-iptables': '1' });
const tracked = (values: Partial<ConntrackEntry> = {}): ConntrackEntry => ({
  protocol: 'tcp',
  state: 'SYN_SENT',
  timeoutSec: 116,
  original: { source: '10.244.3.7', destination: '10.96.0.10', sourcePort: 50_880, destinationPort: 1301 },
  reply: { source: '10.244.3.7', destination: '10.244.3.7', sourcePort: 1301, destinationPort: 50_880 },
  unreplied: true,
  assured: false,
  at: at('40-conntrack-list.out', 1),
  ...values,
});

describe('hairpin-off', () => {
  it('fires: the connect goes to the bridge and not back to the port, which has hairpin off', () => {
    const facts = { links: linksWith(false), capture: read('off') };
    const found = judgeNode(rule, { facts });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('1 connects of 10.244.3.7 to 10.96.0.10:1301 were given 10.244.3.7 itself as backend');
    expect(found.said).toContain('the port veth7 of cni0 has hairpin off');
    expect(found.remedies[0]?.commands).toEqual(['bridge link set dev veth7 hairpin on']);
    expect(judgeNode(rule, { facts, language: 'zh' }).said).toContain('关闭了 hairpin');
    // its neighbour among the faults of bridges needs an answer that comes from somebody else
    expect(judgeNode(bridgeNfOff, { facts: { ...facts, sysctl: bridged, firewall: services } }).verdict).toBe(
      'ruledOut',
    );
  });

  it("fires: which port is the pod's was not told, and all have hairpin off", () => {
    const untold = (hairpin: boolean) =>
      [...linksWith(false), link({ name: 'veth8', index: 4, type: 'veth', master: 'cni0', hairpin })].map((one) =>
        one.name === 'veth7' ? { ...one, index: 33 } : one,
      );
    const found = judgeNode(rule, { facts: { links: untold(false), capture: read('off') } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('all 2 ports of cni0 have hairpin off');
    expect(judgeNode(rule, { facts: { links: untold(true), capture: read('off') } }).verdict).toBe('likely');
  });

  it('fires: the bridge knows where the pod is, so that the connect is seen coming in and never again', () => {
    const toItself = (...pods: readonly string[]) =>
      firewall(
        ...pods.map((pod) =>
          firewallRule({
            table: 'nat',
            hook: 'prerouting',
            verdict: 'other',
            text: `-A PREROUTING -d 10.51.2.2/32 -p tcp --dport 1301 -j DNAT --to-destination ${pod}:8080`,
            match: { protocol: 'tcp', destinations: ['10.51.2.2/32'], destinationPorts: [{ from: 1301, to: 1301 }] },
          }),
        ),
      );
    const cameIn = connection({
      from: '10.244.3.7',
      places: [{ interfaceIndex: 3, direction: 'other', tunnel: null, client: 3, server: 0 }],
    });
    const facts = {
      links: linksWith(false),
      capture: capture([cameIn]),
      firewall: toItself('10.244.3.7'),
      sysctl: bridged,
    };
    const found = judgeNode(rule, { facts });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('1 connects of 10.244.3.7 to 10.51.2.2:1301 came in at veth7');
    expect(found.remedies[0]?.commands).toEqual(['bridge link set dev veth7 hairpin on']);
    // it went on, translated; another pod may be meant; hairpin is on; bridged packets do not pass iptables
    const wentOn = {
      ...cameIn,
      server: { address: '10.244.3.7', port: 8080 },
      client: { address: '10.1.1.1', port: 9 },
    };
    for (const other of [
      { capture: capture([cameIn, wentOn]) },
      { firewall: toItself('10.244.3.7', '10.244.3.8') },
      { links: linksWith(true) },
      { sysctl: sysctls({ 'net.bridge.bridge-nf-call-iptables': '0' }) },
    ])
      expect(judgeNode(rule, { facts: { ...facts, ...other } }).verdict).toBe('ruledOut');
  });

  it('fires: it comes back with its own address as source', () => {
    const found = judgeNode(rule, { facts: { links: linksWith(true), capture: read('nomasq') } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('came back to it on veth7 with its own address as source');
    expect(found.remedies[0]?.commands).toEqual([
      'iptables -t nat -I POSTROUTING -s 10.244.3.7/32 -d 10.244.3.7/32 -j MASQUERADE',
    ]);
  });

  it('fires: only likely from the table of connections, from the settings, or where the mode was not told', () => {
    const quiet = { links: linksWith(true), capture: capture([]) };
    expect(judgeNode(rule, { facts: { ...quiet, conntrackEntries: [tracked()] } }).verdict).toBe('likely');
    const risky = { links: linksWith(false), capture: capture([]), firewall: services, sysctl: bridged };
    const found = judgeNode(rule, { facts: risky });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('1 ports of cni0 have hairpin off');
    expect(judgeNode(rule, { facts: { links: linksWith(), capture: read('off') } }).verdict).toBe('likely');
  });

  it('stays silent: it is answered, hairpin is on, the bridge is promiscuous, nothing needs it, no pods', () => {
    const answered = judgeNode(rule, { facts: { links: linksWith(true), capture: read('on') } });
    expect(answered.verdict).toBe('ruledOut');
    expect(answered.said).toContain('1 connects of 10.244.3.7 to itself through a Service were answered');
    expect(judgeNode(rule, { facts: { links: linksWith(true), capture: read('off') } }).verdict).toBe('ruledOut');
    const promiscuous = linksWith(false, ['UP', 'PROMISC']);
    expect(judgeNode(rule, { facts: { links: promiscuous, capture: read('off') } }).verdict).toBe('ruledOut');
    const unneeded = { links: linksWith(false), capture: capture([]), firewall: firewall(), sysctl: bridged };
    expect(judgeNode(rule, { facts: unneeded }).verdict).toBe('ruledOut');
    expect(judgeNode(rule, { facts: { links: [link()], capture: capture([]) } }).verdict).toBe('notApplicable');
    // answered, or translated back properly
    const masqueraded = tracked({ reply: { ...tracked().reply, destination: '10.244.3.1' } });
    const others = {
      links: linksWith(true),
      capture: capture([]),
      conntrackEntries: [masqueraded, tracked({ unreplied: false })],
    };
    expect(judgeNode(rule, { facts: others }).verdict).toBe('ruledOut');
    // a node that asks itself, over lo
    const own = connection({
      from: '10.51.2.2',
      places: [{ interfaceIndex: 1, direction: 'out', tunnel: null, client: 3, server: 0 }],
    });
    expect(judgeNode(rule, { facts: { links: [link(), ...linksWith(true)], capture: capture([own]) } }).verdict).toBe(
      'ruledOut',
    );
  });

  it('missing evidence: devices, packets, the hairpin mode', () => {
    expect(judgeNode(rule, { facts: { capture: read('off') } }).missing[0]?.fact).toBe('links');
    expect(judgeNode(rule, { facts: { links: linksWith(false) } }).missing[0]?.fact).toBe('capture');
    const lossy = judgeNode(rule, { facts: { links: linksWith(false), capture: read('off', 3) } });
    expect(lossy.missing[0]?.fact).toBe('capture');
    expect(judgeNode(rule, { facts: { links: linksWith(), capture: capture([]) } }).missing[0]?.fact).toBe('links');
  });
});
