import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import type { FdbEntry } from '../../src/model/node-facts.ts';
import { neighFailed } from '../../src/rules/neigh-failed.ts';
import { vxlanBlocked } from '../../src/rules/vxlan-blocked.ts';
import { vxlanFdb as rule } from '../../src/rules/vxlan-fdb.ts';
import {
  answered,
  at,
  capture,
  connection,
  judgeNode,
  judgePath,
  link,
  neighbour,
  probe,
  routeVerdict,
} from './facts.ts';
import { far, farNode, near, ping, tunnelDevice } from './tunnel-facts.ts';

const mac = '82:79:55:65:db:66';
const hop = '10.51.2.0';
const device = 'flannel.1';
const vtep = (values: Partial<FdbEntry> = {}): FdbEntry => ({
  mac,
  device,
  destination: farNode,
  state: 'permanent',
  at: at('08-bridge-fdb.out', 4),
  ...values,
});
const entry = (values = {}) => neighbour({ address: hop, device, mac, state: 'PERMANENT', ...values });
const lost = connection();
const client: Facts = {
  links: [link(), tunnelDevice.vxlan],
  routeGet: [routeVerdict({ device, via: hop })],
  neighbours: [entry(), neighbour({ address: farNode })],
  fdb: [vtep(), vtep({ mac: '33:33:00:00:00:01', device: 'eth0' })],
  capture: capture([lost]),
  probes: [probe()],
};
const target: Facts = {
  links: [link(), { ...tunnelDevice.vxlan, mac }],
  addresses: [{ family: 4, device: 'eth0', address: farNode, prefixLength: 24, at: at('02-addresses.out', 2) }],
  capture: capture([]),
};
const judge = (near: Facts, there: Facts = target) =>
  judgePath(rule, { client: { ...client, ...near }, target: there });

describe('vxlan-fdb', () => {
  it('fires: the forwarding table does not have the MAC address of the next hop', () => {
    const found = judge({ fdb: [vtep({ mac: '82:79:55:65:db:77', destination: '192.168.7.51' })] });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('the forwarding table of flannel.1 on node-12 does not have 82:79:55:65:db:66');
    expect(found.said).toContain('1 connects got no answer');
    expect(found.remedies.find(({ kind }) => kind === 'kubernetes')?.commands).toEqual([
      'kubectl -n kube-flannel delete pod -l app=flannel --field-selector spec.nodeName=node-12',
    ]);
    expect(judgePath(rule, { client: { ...client, fdb: [] }, target, language: 'zh' }).said).toContain(
      'node-12 上 flannel.1 的转发表里没有',
    );
  });

  it('fires: the next hop has no MAC address', () => {
    for (const state of ['FAILED', 'INCOMPLETE']) {
      const found = judge({ neighbours: [entry({ state, mac: undefined })] });
      expect(found.verdict).toBe('confirmed');
      expect(found.said).toContain(`no MAC address for the next hop 10.51.2.0 on flannel.1 (${state})`);
      // the general rule leaves it to this one
      const general = judgeNode(neighFailed, {
        node: 'node-12',
        facts: { ...client, neighbours: [entry({ state, mac: undefined })] },
      });
      expect(general.verdict).toBe('likely');
      expect(general.said).toContain('see vxlan-fdb');
    }
    expect(judge({ neighbours: [neighbour({ address: farNode })] }).verdict).toBe('confirmed');
  });

  it('fires: it sends to an address that the node no longer has, and nobody is there', () => {
    const stale = { fdb: [vtep({ destination: '192.168.7.99' })] };
    const found = judge({ ...stale, pings: [ping({ target: '192.168.7.99', received: 0 })] });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      'sends packets for 82:79:55:65:db:66 to 192.168.7.99, which is not an address of node-50',
    );
    expect(
      judge({ ...stale, neighbours: [entry(), neighbour({ address: '192.168.7.99', state: 'FAILED' })] }).verdict,
    ).toBe('confirmed');
    // it may be translated on the way
    expect(judge(stale).verdict).toBe('likely');
    expect(judge({ ...stale, pings: [ping({ target: '192.168.7.99' })] }).verdict).toBe('likely');
  });

  it('fires: the device of the other node was made anew and has another MAC address', () => {
    const other = { ...target, links: [link(), { ...tunnelDevice.vxlan, mac: '02:00:00:00:00:01' }] };
    const found = judge({}, other);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('flannel.1 of node-50 has 02:00:00:00:00:01');
    expect(found.remedies[0]?.commands).toEqual([
      'ip neigh replace 10.51.2.0 lladdr 02:00:00:00:00:01 dev flannel.1 nud permanent',
      'bridge fdb replace 02:00:00:00:00:01 dev flannel.1 dst 192.168.7.50',
    ]);
    // its node sees the frames as somebody else's, and the fabric is not to blame
    const foreign = { ...lost, ...far('vxlan') };
    const refused = foreign.places?.map((place) =>
      place.tunnel === null ? { ...place, direction: 'other' as const } : place,
    );
    const seen = { ...other, capture: capture([{ ...foreign, places: refused ?? [] }]) };
    expect(judge({}, seen).verdict).toBe('confirmed');
    const sent = { ...lost, ...near('vxlan') };
    const fabric = judgePath(vxlanBlocked, { client: { ...client, capture: capture([sent]) }, target: seen });
    expect(fabric.verdict).toBe('ruledOut');
  });

  it('fires: only likely where the kernel may learn by itself, or no connect was seen', () => {
    const learning = {
      links: [link(), { ...tunnelDevice.vxlan, name: 'vxlan100' }],
      routeGet: [routeVerdict({ device: 'vxlan100', via: hop })],
    };
    expect(judge({ ...learning, neighbours: [], fdb: [] }).verdict).toBe('likely');
    const { capture: own, probes, ...quiet } = client;
    expect(own?.connections).toHaveLength(1);
    expect(probes).toHaveLength(1);
    expect(judgePath(rule, { client: { ...quiet, fdb: [] }, target }).verdict).toBe('likely');
    expect(judgePath(rule, { client: { ...quiet, fdb: [], probes: [probe()] }, target }).verdict).toBe('confirmed');
  });

  it('stays silent: the tables lead there, connects are answered or arrive, or there are no tables', () => {
    expect(judge({}).said).toContain('10.51.2.0 is 82:79:55:65:db:66, and 82:79:55:65:db:66 is behind 192.168.7.50');
    expect(judge({}).verdict).toBe('ruledOut');
    expect(judge({ fdb: [], capture: capture([answered()]) }).verdict).toBe('ruledOut');
    const came = judge({ fdb: [] }, { ...target, capture: capture([{ ...lost, ...far('vxlan') }]) });
    expect(came.said).toContain('the connects were seen at node-50');
    expect(judge({ fdb: [vtep({ mac: '00:00:00:00:00:00', destination: '239.1.1.1' })] }).verdict).toBe('ruledOut');
    expect(judge({ routeGet: [routeVerdict()] }).verdict).toBe('notApplicable');
    expect(judge({ routeGet: [routeVerdict({ device: 'cilium_vxlan' })] }).verdict).toBe('notApplicable');
  });

  it('missing evidence: route, tables', () => {
    const without = (name: keyof Facts): Facts =>
      Object.fromEntries(Object.entries(client).filter(([key]) => key !== name));
    for (const [name, fact] of [
      ['routeGet', 'routeGet'],
      ['neighbours', 'neighbours'],
      ['fdb', 'fdb'],
    ] as const) {
      const found = judgePath(rule, { client: without(name), target });
      expect(found.verdict).toBe('unknown');
      expect(found.missing[0]?.fact).toBe(fact);
    }
  });
});
