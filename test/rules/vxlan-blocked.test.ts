import { describe, expect, it } from 'vitest';
import { vxlanBlocked as rule } from '../../src/rules/vxlan-blocked.ts';
import { answered, at, capture, connection, judgePath, link, routeVerdict, symptom, synAck } from './facts.ts';
import { far, farNode, near, ping, sentIn, throughTunnel, tunnelDevice } from './tunnel-facts.ts';

const kind = 'vxlan';
const sent = sentIn(kind);
const links = [link(), tunnelDevice[kind]];
const addresses = (address: string) => [
  { family: 4, device: 'eth0', address, prefixLength: 24, at: at('02-addresses.out', 2) } as const,
];
const client = { capture: capture([sent]), links, routeGet: [throughTunnel(kind)], pings: [ping()] };
const target = { capture: capture([]), addresses: addresses(farNode) };

describe('vxlan-blocked', () => {
  it('fires: packets of the tunnel leave one node, never come in at the other, and pings outside of it do', () => {
    const found = judgePath(rule, { client, target });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('3 SYNs of 1 connects left node-12 in VXLAN packets (192.168.7.12 to 192.168.7.50)');
    expect(found.said).toContain('the VXLAN packets of 1 connects never came in at node-50');
    expect(found.said).toContain('3 of 3 pings from node-12 to 192.168.7.50');
    expect(found.remedies[0]?.text).toContain('Let UDP pass between 192.168.7.12 and 192.168.7.50');
    expect(judgePath(rule, { client, target, language: 'zh' }).said).toContain('从未到达 node-50');
  });

  it('fires: what VMware does is only named where the card may be one of VMware', () => {
    const remedies = (driver: string) =>
      judgePath(rule, {
        client: { ...client, nics: [{ device: 'eth0', driver: { driver, at: at('30-ethtool-i.out', 1) } }] },
        target,
      }).remedies.map(({ kind }) => kind);
    expect(remedies('virtio_net')).toEqual(['permanent']);
    expect(remedies('vmxnet3')).toEqual(['permanent', 'temporary']);
  });

  it('fires: the answers are lost in the tunnel', () => {
    const there = {
      ...sent,
      ...far(kind, { server: 3 }),
      synAcks: [1000, 2000, 4000].map((atMs) => synAck({ atMs })),
    };
    const found = judgePath(rule, { client, target: { ...target, capture: capture([there]) } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('left node-50 in VXLAN packets and never came in at node-12');
  });

  it('fires: seen from a pod, by the nodes of both pods', () => {
    const inside = connection();
    const outside = { ...inside, ...near(kind) };
    const found = judgePath(rule, {
      client: { capture: capture([inside]), links: [link()], routeGet: [routeVerdict()] },
      target: { capture: capture([]) },
      forwarders: [
        { node: 'node-13', facts: { ...client, capture: capture([outside]) } },
        { node: 'node-51', facts: target },
      ],
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('left node-13');
    expect(found.said).toContain('never came in at node-51');
  });

  it('fires: only likely where nobody pinged, or too little was lost', () => {
    const { pings, ...unpinged } = client;
    expect(pings).toHaveLength(1);
    const found = judgePath(rule, { client: unpinged, target });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('outside of the tunnel was not tried');
    const two = connection({ ...near(kind), tries: 2 });
    expect(judgePath(rule, { client: { ...client, capture: capture([two]) }, target }).verdict).toBe('likely');
  });

  it('stays silent: a connect was answered, the packets came in, there is no tunnel, or the way is another one', () => {
    const passed = capture([sent, answered(near(kind, { server: 1 }))]);
    expect(judgePath(rule, { client: { ...client, capture: passed }, target }).verdict).toBe('ruledOut');
    const came = judgePath(rule, { client, target: { ...target, capture: capture([{ ...sent, ...far(kind) }]) } });
    expect(came.verdict).toBe('ruledOut');
    expect(came.said).toContain('the fabric lets them pass');
    const eaten = { ...sent, ...far(kind, { bare: false }) };
    expect(judgePath(rule, { client, target: { ...target, capture: capture([eaten]) } }).said).toContain(
      'node-50 did not unpack them',
    );
    expect(judgePath(rule, { client: { ...client, links: [link()] }, target }).verdict).toBe('notApplicable');
    const direct = { ...client, capture: capture([connection()]), routeGet: [routeVerdict()] };
    expect(judgePath(rule, { client: direct, target }).verdict).toBe('notApplicable');
    expect(judgePath(rule, { client: { ...client, links: [tunnelDevice.ipip] }, target }).verdict).toBe(
      'notApplicable',
    );
  });

  it('stays silent: the node that has the tunnel did not even put them into it', () => {
    const inside = connection();
    const came = {
      ...inside,
      places: [{ interfaceIndex: 7, direction: 'in' as const, tunnel: null, client: 3, server: 0 }],
    };
    const judge = (seen: ReturnType<typeof capture>) =>
      judgePath(rule, {
        client: { capture: capture([inside]), links: [link()], routeGet: [routeVerdict()] },
        target: { capture: capture([]) },
        forwarders: [{ node: 'node-13', facts: { ...client, capture: seen } }],
      });
    const found = judge(capture([came]));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('1 connects came in at node-13 and did not go out');
    expect(judge(capture([came], { droppedByKernel: 2 })).verdict).toBe('unknown');
    const out = { ...came, places: [...came.places, { ...came.places[0], direction: 'out' as const }] };
    expect(judge(capture([out as typeof came])).verdict).toBe('unknown');
  });

  it('missing evidence: the other end was not watched, was not asked about, or lost packets; the whole way may be dead', () => {
    const weak = capture([], { droppedByKernel: 4 });
    for (const there of [{ ...target, capture: weak }, { addresses: addresses(farNode) }, { capture: capture([]) }])
      expect(judgePath(rule, { client, target: there }).verdict).toBe('unknown');
    const dead = judgePath(rule, { client: { ...client, pings: [ping({ received: 0 })] }, target });
    expect(dead.verdict).toBe('unknown');
    expect(dead.said).toContain('more than the tunnel may be dead');
    const unseen = judgePath(rule, { client: { ...client, capture: capture([connection()]) }, target });
    expect(unseen.said).toContain('has no packet of it');
    expect(judgePath(rule, { client: {}, target }).missing[0]?.fact).toBe('links');
    expect(judgePath(rule, { client: { links }, target }).missing[0]?.fact).toBe('capture');
    expect(judgePath(rule, { client: { ...client, capture: capture([]) }, target }).verdict).toBe('unknown');
    expect(judgePath(rule, { client, target, symptom: symptom({ protocol: 'udp' }) }).verdict).toBe('unknown');
  });
});
