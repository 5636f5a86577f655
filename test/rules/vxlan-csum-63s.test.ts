import { describe, expect, it } from 'vitest';
import type { Connection, Facts } from '../../src/model/facts.ts';
import { badChecksum } from '../../src/rules/bad-checksum.ts';
import { vxlanBlocked } from '../../src/rules/vxlan-blocked.ts';
import { vxlanCsum63s as rule } from '../../src/rules/vxlan-csum-63s.ts';
import {
  answered,
  at,
  capture,
  connection,
  counters,
  firewall,
  firewallRule,
  judgeNode,
  judgePath,
  link,
  symptom,
} from './facts.ts';
import { far, farNode, ping, sentIn, throughTunnel, tunnelDevice } from './tunnel-facts.ts';

const sent = sentIn('vxlan');
/** It came in at the card of the other node, and not out of the tunnel. */
const thrown: Connection = { ...sent, ...far('vxlan', { bare: false }) };
const offload = (on: boolean): NonNullable<Facts['nics']> => [
  { device: 'flannel.1', features: { 'tx-checksum-ip-generic': { on, fixed: false, at: at('30-ethtool-k.out', 4) } } },
];
const links = [link(), tunnelDevice.vxlan];
const client: Facts = { capture: capture([sent]), links, nics: offload(true) };
const target: Facts = {
  capture: capture([thrown]),
  links,
  counters: counters({ 'Udp.InCsumErrors': 3, 'Tcp.InCsumErrors': 0 }),
};
const random = firewallRule({
  table: 'nat',
  chain: 'KUBE-POSTROUTING',
  text: '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
  verdict: 'other',
});
const kernel = (release: string): NonNullable<Facts['kernel']> => ({ release, at: at('01-uname.out', 1) });

describe('vxlan-csum-63s', () => {
  it('fires: SYNs come in inside VXLAN and not out of it, and as many wrong UDP checksums were counted', () => {
    const found = judgePath(rule, { client, target });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      '3 SYNs of 1 connects came in at node-50 inside VXLAN, and not out of the tunnel there',
    );
    expect(found.said).toContain('Udp InCsumErrors of node-50 +3');
    expect(found.said).toContain('flannel.1 of node-12 leaves checksums to the card (tx-checksum-ip-generic: on)');
    expect(found.remedies[0]?.commands).toEqual(['ethtool -K flannel.1 tx-checksum-ip-generic off']);
    expect(found.remedies.map(({ node }) => node)).not.toContain('node-50');
    expect(judgePath(rule, { client, target, language: 'zh' }).said).toContain('没有在那里从隧道出来');
  });

  it('fires: a connect that only its third SYN opened', () => {
    const late = answered({
      ...sent,
      handshake: 'complete',
      synAcks: [{ atMs: 4001, frame: 9, sequence: 1, ttl: 64, tsval: null }],
    });
    const there: Connection = {
      ...late,
      places: [
        { interfaceIndex: 2, direction: 'in', tunnel: 'vxlan', client: 4, server: 0 },
        { interfaceIndex: 9, direction: 'in', tunnel: null, client: 2, server: 0 },
      ],
    };
    const found = judgePath(rule, {
      client: { ...client, capture: capture([late]) },
      target: { ...target, capture: capture([there]), counters: counters({ 'Udp.InCsumErrors': 2 }) },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('2 SYNs of 1 connects came in');
  });

  it('fires: only likely where the packets were not seen, or there is nothing but the settings', () => {
    const { capture: unseen, ...counted } = target;
    expect(unseen?.connections).toHaveLength(1);
    expect(judgePath(rule, { client, target: counted }).verdict).toBe('likely');
    expect(judgePath(rule, { client, target: { ...target, capture: capture([]) } }).verdict).toBe('likely');
    const risky = { ...client, capture: capture([]), firewall: firewall(random), kernel: kernel('3.10.0-1160.el7') };
    const found = judgePath(rule, { client: risky, target });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('MASQUERADE --random-fully');
    expect(judgePath(rule, { client: { ...risky, kernel: kernel('6.1.0') }, target }).verdict).toBe('unknown');
    // the device computes them itself: then it is the card, and turning it off there helps nobody
    const software = judgePath(rule, { client: { ...client, nics: offload(false) }, target });
    expect(software.said).toContain('the card or its driver makes them wrong');
    expect(software.remedies.flatMap(({ commands }) => commands)).toEqual([]);
  });

  it('is told apart from bad-checksum (the packet inside) and from vxlan-blocked (the fabric)', () => {
    const inner = judgeNode(badChecksum, { facts: { ...target, capture: capture([connection()]) } });
    expect(inner.verdict).toBe('ruledOut');
    const fabric = judgePath(vxlanBlocked, {
      client: { ...client, routeGet: [throughTunnel('vxlan')], pings: [ping()] },
      target: {
        ...target,
        addresses: [{ family: 4, device: 'eth0', address: farNode, prefixLength: 24, at: at('02-addresses.out', 2) }],
      },
    });
    expect(fabric.verdict).toBe('ruledOut');
    expect(fabric.said).toContain('node-50 did not unpack them');
  });

  it('stays silent: no wrong checksum, fewer than were lost, every connect fine, no VXLAN', () => {
    const flat = { ...target, counters: counters({ 'Udp.InCsumErrors': 0 }) };
    expect(judgePath(rule, { client, target: flat }).verdict).toBe('ruledOut');
    const fewer = { ...target, counters: counters({ 'Udp.InCsumErrors': 1 }) };
    expect(judgePath(rule, { client, target: fewer }).verdict).toBe('ruledOut');
    const fine = { ...client, capture: capture([answered()]), firewall: firewall(random), kernel: kernel('4.18.0') };
    expect(judgePath(rule, { client: fine, target }).verdict).toBe('ruledOut');
    const none = { client: { ...client, links: [link()] }, target: { ...target, links: [link()] } };
    expect(judgePath(rule, none).verdict).toBe('notApplicable');
  });

  it('missing evidence: links, packets of the client, the counter, UDP', () => {
    expect(judgePath(rule, { client: {}, target: {} }).missing[0]?.fact).toBe('links');
    expect(judgePath(rule, { client: { links }, target }).missing[0]?.fact).toBe('capture');
    expect(judgePath(rule, { client: { ...client, capture: capture([]) }, target }).missing[0]?.fact).toBe('capture');
    const { counters: read, ...uncounted } = target;
    expect(read).toBeDefined();
    expect(judgePath(rule, { client, target: uncounted }).missing[0]?.fact).toBe('counters');
    expect(judgePath(rule, { client, target, symptom: symptom({ protocol: 'udp' }) }).verdict).toBe('unknown');
  });
});
