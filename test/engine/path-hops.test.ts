import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NodeKnowledge } from '../../src/engine/parse.ts';
import { tracePath } from '../../src/engine/trace-path.ts';
import type { Connection, Facts, FirewallRule } from '../../src/model/facts.ts';
import type { PlannedNode } from '../../src/model/plan.ts';
import type { Path } from '../../src/model/report.ts';
import { iptablesSave } from '../../src/parsers/iptables-save.ts';
import {
  answered,
  at,
  capture,
  connection,
  counters,
  firewall,
  firewallRule,
  link,
  plan,
  port1301,
  syn,
} from '../rules/facts.ts';

const client = '10.12.1.2';
const service = { address: '10.96.0.10', port: 1301 };
const server = { address: '10.244.3.7', port: 8080 };
const node = (name: string, roles: PlannedNode['roles'], address: string): PlannedNode =>
  ({ node: { name, address }, roles, address, why: '' }) as unknown as PlannedNode;
const knowing = (facts: Facts): NodeKnowledge => ({ facts, problems: [], whyMissing: (fact) => `no ${fact}` });

/** Four connects of node-12 over r1 to node-50: what each place knows. */
function trace(places: { readonly client?: Facts; readonly r1: Facts; readonly target: Facts }, to = service): Path {
  const made = tracePath(
    plan({
      targetAddress: to.address,
      nodes: [
        node('node-12', ['client'], client),
        node('r1', ['forwarder'], '10.0.0.1'),
        node('node-50', ['target'], '10.51.2.2'),
      ],
    }),
    new Map([
      ['node-12', knowing({ capture: capture(connects(to)), ...places.client })],
      ['r1', knowing(places.r1)],
      ['node-50', knowing(places.target)],
    ]),
    {},
  );
  if (made === undefined) throw new Error('there is no path');
  return made;
}

type Sightings = Connection['syns'][number]['sightings'];
const seen = (interfaceIndex: number, direction: 'in' | 'out') => ({ interfaceIndex, direction });

/** The same four SYNs, as a place has them. */
function connects(
  to: { readonly address: string; readonly port: number },
  sightings: Sightings = [seen(2, 'out')],
  changes: Parameters<typeof connection>[0] = {},
  make: (values: Parameters<typeof connection>[0]) => Connection = connection,
): Connection[] {
  return [1, 2, 3, 4].map((number) =>
    make({
      number,
      client: { address: client, port: 40_000 + number },
      server: to,
      syns: [syn({ sequence: number, tsval: 1000 + number, ipId: number, atMs: number * 10, sightings })],
      ...changes,
    }),
  );
}
const hopOf = (traced: Path, name: string) => {
  const hop = traced.hops.find((one) => one.node === name);
  if (hop === undefined) throw new Error(`no hop ${name}`);
  return hop;
};
const nothing: Facts = { capture: capture([]) };
const links = [
  link({ name: 'eth0', index: 2, mtu: 1500 }),
  link({ name: 'wireguard.cali', index: 3, mtu: 1440, type: 'wireguard' }),
  link({ name: 'genev_sys_6081', index: 4, mtu: 65_000, type: 'geneve' }),
  link({ name: 'veth7', index: 5, mtu: 1450, type: 'veth', master: 'cni0' }),
];
const drop = (values: Parameters<typeof firewallRule>[0] = {}, delta: number | null = 4): FirewallRule =>
  firewallRule({
    chain: 'FORWARD',
    hook: 'forward',
    verdict: 'drop',
    text: '-A FORWARD -p tcp --dport 1301 -j DROP',
    match: { ...port1301, understood: true },
    packets: delta === null ? null : { before: 0, after: delta, delta },
    ...values,
  });
const inside = (rules: readonly FirewallRule[] | undefined, to = service): Path =>
  trace(
    {
      r1: {
        capture: capture(connects(to, [seen(2, 'in')])),
        links,
        ...(rules === undefined ? {} : { firewall: firewall(...rules) }),
      },
      target: nothing,
    },
    to,
  );

describe('the firewall of a hop', () => {
  it.each([
    ['counted as many as came', drop(), 'drops'],
    ['counted none', drop({}, 0), 'accepts'],
    ['has no counter', drop({}, null), 'mayDrop'],
    ['counted fewer than came', drop({}, 1), 'mayDrop'],
    ['rejects', drop({ verdict: 'reject', rejectWith: 'tcp-reset' }), 'rejects'],
    [
      'is for another port',
      drop({ match: { protocol: 'tcp', destinationPorts: [{ from: 1, to: 2 }], understood: true } }),
      'accepts',
    ],
    [
      'asks for more than is understood, and counted others as well',
      drop({ match: { protocol: 'tcp', understood: false } }, 90),
      'mayDrop',
    ],
  ] as const)('a rule that %s', (_, rule, verdict) => {
    expect(hopOf(inside([rule]), 'r1').firewall).toMatchObject({ verdict, of: 'connects', by: 'rules' });
  });

  it('is not seen where its rules were not read, with the reason', () => {
    expect(hopOf(inside(undefined), 'r1').firewall).toEqual({ verdict: 'notSeen', of: 'connects', why: 'no firewall' });
  });

  it('lets through what was seen behind it, whether its rules were read or not', () => {
    const passed = { capture: capture(connects(service, [seen(2, 'in'), seen(5, 'out')])), links };
    for (const rules of [undefined, firewall(drop())]) {
      const traced = trace({ r1: { ...passed, ...(rules === undefined ? {} : { firewall: rules }) }, target: nothing });
      expect(hopOf(traced, 'r1').firewall).toMatchObject({ verdict: 'accepts', by: 'packets' });
      expect(traced.endsAt).toEqual({ node: 'node-50', how: 'before' });
    }
  });

  it('names the chain of Calico that drops what no policy lets in (recorded on Linux 6.18)', () => {
    const read = (when: string): readonly FirewallRule[] =>
      iptablesSave.parse({
        stdout: readFileSync(path.join(import.meta.dirname, `../rules/policy-records/calico-${when}.txt`)),
        stderr: Buffer.alloc(0),
        argv: [],
        exitCode: 0,
        evidence: 'x.out',
      }).value ?? [];
    const before = new Map(read('before').map((one) => [one.id, one.packets?.after ?? 0]));
    const rules = read('after').map((one) => {
      const [first, after] = [before.get(one.id) ?? 0, one.packets?.after ?? 0];
      return { ...one, packets: { before: first, after, delta: after - first } };
    });
    const to = { address: '10.244.3.7', port: 1301 };
    const { firewall: said } = hopOf(inside(rules, to), 'r1');
    expect(said?.verdict).toMatch(/drops|mayDrop/i);
    expect(said?.chain).toMatch(/^cali-tw-/);
  });

  it('takes a drop of kube-proxy for what it is', () => {
    const text = '-A KUBE-FIREWALL -p tcp --dport 1301 -j DROP';
    const rules = [
      drop({
        verdict: 'jump',
        jumpTo: 'KUBE-FIREWALL',
        text: '-A FORWARD -j KUBE-FIREWALL',
        match: { understood: true },
      }),
      firewallRule({ ...drop({ text, chain: 'KUBE-FIREWALL' }), hook: undefined } as never),
    ];
    expect(hopOf(inside(rules), 'r1').firewall).toMatchObject({ verdict: 'drops', chain: 'KUBE-FIREWALL', rule: text });
  });
});

describe('what a hop translates', () => {
  const through = (facts: Facts): Path =>
    trace({
      r1: {
        links,
        capture: capture([
          ...connects(service, [seen(2, 'in')]),
          ...connects(server, [seen(3, 'out')], { client: { address: '10.0.0.1', port: 50_000 } }),
        ]),
        ...facts,
      },
      target: {
        capture: capture(connects(server, [seen(2, 'in')], { client: { address: '10.0.0.1', port: 50_000 } })),
        links,
      },
    });

  it('is seen on both sides, and not told again of the next hop', () => {
    const traced = through({});
    expect(hopOf(traced, 'r1').translations).toEqual([
      { what: 'destination', from: '10.96.0.10:1301', to: ['10.244.3.7:8080'], seen: true },
      { what: 'source', from: client, to: ['10.0.0.1'], seen: true },
    ]);
    expect(hopOf(traced, 'node-50').translations).toBeUndefined();
    expect(hopOf(traced, 'node-50').translatedTo).toBe('10.244.3.7:8080');
  });

  it('is the work of kube-proxy in nftables mode, by its maps and chains', () => {
    const chain = 'service-ABCDEFGH-shop/cart/tcp/http';
    const endpoint = 'endpoint-ABCDEFGH-shop/cart/tcp/http__10.244.3.7/8080';
    const nft = { tool: 'nft', family: 4, table: 'kube-proxy', isPolicy: false, packets: null } as const;
    const rules = [
      firewallRule({
        ...nft,
        chain: 'map service-ips',
        verdict: 'jump',
        jumpTo: chain,
        text: 'x',
        match: {
          protocol: 'tcp',
          destinations: ['10.96.0.10'],
          destinationPorts: [{ from: 1301, to: 1301 }],
          understood: true,
        },
      }),
      firewallRule({
        ...nft,
        chain: endpoint,
        verdict: 'other',
        text: 'meta l4proto tcp dnat to 10.244.3.7:8080',
        match: { understood: true },
      }),
    ];
    expect(hopOf(through({ firewall: firewall(...rules) }), 'r1').translations?.[0]).toMatchObject({
      by: 'nftables',
      service: 'shop/cart/tcp/http',
      to: ['10.244.3.7:8080'],
    });
  });

  it('is told by connection tracking where no rule does', () => {
    const entry = {
      protocol: 'tcp',
      timeoutSec: 60,
      unreplied: true,
      assured: false,
      original: { source: client, destination: service.address, sourcePort: 40_001, destinationPort: service.port },
      reply: { source: server.address, destination: '10.0.0.1', sourcePort: server.port, destinationPort: 50_000 },
      at: at('conntrack', 3),
    };
    expect(hopOf(through({ conntrackEntries: [entry] }), 'r1').translations).toMatchObject([
      { what: 'destination', by: 'conntrack', line: 3 },
      { what: 'source', by: 'conntrack', line: 3 },
    ]);
  });

  it('is what its tables say where no packet with another address was seen', () => {
    const ipvs = {
      services: [{ protocol: 'tcp' as const, ...service, scheduler: 'rr', servers: [], at: at('ipvs') }],
    };
    const stuck = trace({ r1: { links, ipvs, capture: capture(connects(service, [seen(2, 'in')])) }, target: nothing });
    expect(hopOf(stuck, 'r1').translations).toMatchObject([{ what: 'destination', to: [], by: 'ipvs', seen: false }]);
  });
});

describe('the devices and counters of a hop', () => {
  it.each([
    [3, { device: 'wireguard.cali', mtu: 1440, tunnel: { kind: 'wireguard' } }],
    [4, { device: 'genev_sys_6081', mtu: 65_000, tunnel: { kind: 'geneve' } }],
    [5, { device: 'veth7', mtu: 1450, type: 'veth', bridge: 'cni0' }],
  ] as const)('device %i', (index, out) => {
    const traced = trace({
      r1: { links, capture: capture(connects(service, [seen(2, 'in'), seen(index, 'out')])) },
      target: nothing,
    });
    expect(hopOf(traced, 'r1').out).toMatchObject(out);
  });

  it('are the losses that rose, of the node and of the devices on the way, and no others', () => {
    const moved = counters({
      'Ip.InAddrErrors': 32,
      'Ip.InReceives': 900,
      'TcpExt.ListenDrops': 0,
      'softnet.dropped': 7,
      'conntrack.insert_failed': 3,
      'dev.eth0.rx_drop': 5,
      'dev.eth0.rx_errs': 2,
      'dev.eth9.rx_drop': 99,
    });
    const traced = trace({
      r1: { links, counters: moved, capture: capture(connects(service, [seen(2, 'in')])) },
      target: nothing,
    });
    expect(hopOf(traced, 'r1').counters?.map(({ name, by }) => [name, by])).toEqual([
      ['Ip.InAddrErrors', 32],
      ['softnet.dropped', 7],
      ['eth0 rx_drop', 5],
      ['conntrack.insert_failed', 3],
    ]);
  });

  it('say of a way that works what it is as well', () => {
    const ok = (sightings: Sightings) => capture(connects(service, sightings, {}, answered));
    const traced = trace({
      client: { capture: ok([seen(2, 'out')]) },
      r1: { links, capture: ok([seen(2, 'in'), seen(5, 'out')]) },
      target: { links, capture: ok([seen(2, 'in')]) },
    });
    expect(traced.failed).toBe(false);
    expect(traced.endsAt).toBeUndefined();
    expect(traced.hops.map((hop) => [hop.connects, hop.answers, hop.firewall?.verdict])).toEqual([
      [4, 4, 'accepts'],
      [4, 4, 'accepts'],
      [4, 4, 'accepts'],
    ]);
  });
});
