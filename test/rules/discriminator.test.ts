import { describe, expect, it } from 'vitest';
import type { CounterDeltas, Facts } from '../../src/model/facts.ts';
import type { AnyRule } from '../../src/model/rule.ts';
import { rules } from '../../src/rules/index.ts';
import {
  at,
  capture,
  connection,
  counters,
  firewall,
  firewallRule,
  icmp,
  judgeNode,
  judgePath,
  link,
  listener,
  metric,
  neighbour,
  port1301,
  probe,
  refused,
  routeVerdict,
  socket,
  synAck,
  sysctls,
  talk,
} from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';

/**
 * The table "the SYN reaches the server, and there is no SYN+ACK" of the fault catalogue (A.3), walked: one thing moves,
 * and only the rule that it belongs to says so. The node is the worst case for false positives: an old kernel with
 * tcp_tw_recycle=1, syncookies off, ip_forward off, a remembered timestamp, a firewall that drops by default.
 */
const sent = connection({ syn: { tsval: 500 } });
/** Answered at its second SYN. */
const late = () => connection({ tries: 2, handshake: 'complete', synAcks: [synAck({ atMs: 2001 })] });
const calm = {
  'TcpExt.PAWSPassive': 0,
  'TcpExt.ListenOverflows': 0,
  'TcpExt.ListenDrops': 0,
  'TcpExt.TCPReqQFullDrop': 0,
  'TcpExt.TCPReqQFullDoCookies': 0,
  'TcpExt.SyncookiesSent': 0,
  'TcpExt.IPReversePathFilter': 0,
  'TcpExt.TCPChallengeACK': 0,
  'Ip.InAddrErrors': 0,
  'IpExt.InNoRoutes': 0,
  'Tcp.InErrs': 0,
  'Tcp.InCsumErrors': 0,
  'Tcp.OutRsts': 0,
  'rt_cache.in_martian_src': 0,
  'arp_cache.entries': 0,
  'arp_cache.table_fulls': 0,
} as const;
const calmTracking = {
  'conntrack.drop': 0,
  'conntrack.early_drop': 0,
  'conntrack.insert_failed': 0,
  'conntrack.invalid': 0,
} as const;
const settings = {
  'net.ipv4.tcp_tw_recycle': '1',
  'net.ipv4.tcp_timestamps': '1',
  'net.ipv4.tcp_syncookies': '0',
  'net.ipv4.tcp_max_syn_backlog': '128',
  'net.core.somaxconn': '128',
  'net.ipv4.ip_forward': '0',
  'net.ipv4.tcp_abort_on_overflow': '1',
  'net.ipv4.conf.all.rp_filter': '1',
  'net.netfilter.nf_conntrack_max': '65536',
  'net.netfilter.nf_conntrack_count': '40000',
  'net.netfilter.nf_conntrack_tcp_be_liberal': '0',
  'net.ipv4.neigh.default.gc_thresh3': '1024',
} as const;
const letsIn = firewallRule({
  verdict: 'accept',
  match: port1301,
  text: '-A INPUT -p tcp --dport 1301 -j ACCEPT',
  rose: 3,
});
const policy = firewallRule({ isPolicy: true, text: ':INPUT DROP', rose: 25 });
const masquerade = firewallRule({
  table: 'nat',
  chain: 'POSTROUTING',
  verdict: 'other',
  text: '-A POSTROUTING -j MASQUERADE',
  rose: 40,
});
const forwardPolicy = firewallRule({ chain: 'FORWARD', isPolicy: true, text: ':FORWARD DROP', rose: 0 });
const ownAddress = (address: string) => ({
  family: 4 as const,
  device: 'eth0',
  address,
  prefixLength: 24,
  at: at('05-addresses.out', 2),
});
const base: Facts = {
  sysctl: sysctls(settings),
  counters: counters(calm),
  listeners: [listener()],
  sockets: [],
  addresses: [ownAddress('10.51.2.2')],
  conntrackStats: counters(calmTracking),
  firewall: firewall(letsIn, policy, masquerade, forwardPolicy),
  routeGet: [routeVerdict({ verdict: 'local', device: 'lo' })],
  tcpMetrics: [metric('10.12.1.2')],
  capture: capture([sent]),
};
const tracked = (rise: Readonly<Record<string, number>>): Facts => ({
  ...base,
  conntrackStats: counters({ ...calmTracking, ...rise }),
});
const moved = (rise: Readonly<Record<string, number>>): Facts => ({
  ...base,
  counters: counters({ ...calm, ...rise }),
});
const dropsHere = firewallRule({ match: port1301, rose: 3 });
const clientFacts: Facts = {
  capture: capture([sent]),
  probes: [probe()],
  neighbours: [neighbour({ address: '10.12.1.254' })],
  routeGet: [routeVerdict({ via: '10.12.1.254' })],
};

/** Everything that says confirmed or likely, over the target, the client, and the path between them. */
const auditsOnly: readonly string[] = [
  'forwarding-needed',
  'rp-filter-strict',
  'backlog-capped',
  'keepalive-too-late',
  'rose-since-audit',
  'rx-ring-short',
  'lro-forwarding',
  'vxlan-csum-risk',
];

function accused(target: Facts, client: Facts): Readonly<Record<string, string>> {
  const findings: [string, string][] = [];
  for (const rule of rules.values()) {
    // a run never asks these: they look at nodes without a question, where the same trouble has no port
    if (rule.id === 'expect' || auditsOnly.includes(rule.id)) continue;
    for (const verdict of verdictsOf(rule, target, client)) {
      if (verdict === 'confirmed' || verdict === 'likely') findings.push([rule.id, verdict]);
    }
  }
  return Object.fromEntries(findings);
}

function verdictsOf(rule: AnyRule, target: Facts, client: Facts): readonly string[] {
  if (rule.scope === 'path') return [judgePath(rule, { client, target }).verdict];
  if (rule.scope === 'capture') return [];
  return [
    ...(rule.roles.includes('target') ? [judgeNode(rule, { facts: target }).verdict] : []),
    ...(rule.roles.includes('client') ? [judgeNode(rule, { node: 'node-12', facts: client }).verdict] : []),
  ];
}

interface Row {
  readonly moves: string;
  readonly target: Facts;
  readonly client?: Facts;
  readonly accuses: Readonly<Record<string, string>>;
}

const halfOpen = Array.from({ length: 100 }, () =>
  socket({ state: 'SYN-RECV', local: { address: '10.51.2.2', port: 1301 } }),
);
const rejectedSyn = connection({ handshake: 'icmpError', tries: 1 });
const refusedSyn = refused();

const sentAgain = talk({ retransmitted: { client: 2, server: 3 } });
const talkingClient: Facts = {
  ...clientFacts,
  capture: capture([sentAgain]),
  probes: [probe({ outcome: 'connected', tookMs: 1 })],
};
/** A counter inside the node, beside packets of this question that were sent again. */
const inside = (rise: Readonly<Record<string, number>>): Facts => ({
  ...base,
  counters: counters({ ...calm, ...quiet, ...rise }),
  capture: capture([sentAgain]),
  sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }),
});
const quiet = {
  'dev.eth0.rx_packets': 5000,
  'dev.eth0.rx_fifo': 0,
  'dev.eth0.rx_frame': 0,
  'dev.eth0.tx_carrier': 0,
  'ethtool.eth0.rx_missed_errors': 0,
  'ethtool.eth0.rx_crc_errors': 0,
  'ethtool.eth0.pps_allowance_exceeded': 0,
  'softnet.processed': 5000,
  'softnet.dropped': 0,
  'softnet.time_squeeze': 0,
  'TcpExt.TCPRcvQDrop': 0,
  'Tcp.InSegs': 5000,
} as const;

const rows: readonly Row[] = [
  {
    moves: 'TcpExt PAWSPassive',
    target: {
      ...moved({ 'TcpExt.PAWSPassive': 3, 'TcpExt.ListenDrops': 3 }),
      tcpMetrics: [metric('10.12.1.2', { value: 900_000, ageSec: 20 })],
    },
    accuses: { 'tw-recycle': 'confirmed' },
  },
  {
    moves: 'TcpExt ListenOverflows = ListenDrops',
    target: {
      ...moved({ 'TcpExt.ListenOverflows': 15, 'TcpExt.ListenDrops': 15 }),
      listeners: [listener({ recvq: 129, sendq: 128 })],
    },
    accuses: { 'accept-queue-overflow': 'confirmed' },
  },
  {
    moves: 'TcpExt ListenDrops only',
    target: { ...moved({ 'TcpExt.ListenDrops': 3 }), sockets: halfOpen },
    accuses: { 'syn-queue-overflow': 'confirmed' },
  },
  {
    moves: 'TcpExt TCPReqQFullDrop',
    target: { ...moved({ 'TcpExt.TCPReqQFullDrop': 3, 'TcpExt.ListenDrops': 3 }), sockets: halfOpen },
    accuses: { 'syn-queue-overflow': 'confirmed' },
  },
  {
    moves: 'TcpExt TCPReqQFullDoCookies and SyncookiesSent (full, not lossy)',
    target: {
      ...moved({ 'TcpExt.TCPReqQFullDoCookies': 7, 'TcpExt.SyncookiesSent': 7 }),
      sysctl: sysctls({ ...settings, 'net.ipv4.tcp_syncookies': '1' }),
      sockets: halfOpen,
    },
    accuses: {},
  },
  {
    moves: 'TcpExt IPReversePathFilter',
    target: moved({ 'TcpExt.IPReversePathFilter': 3, 'rt_cache.in_martian_src': 3 }),
    accuses: { 'rp-filter-drop': 'confirmed' },
  },
  {
    moves: 'rt_cache in_martian_src, and the source is an address of the node',
    target: { ...moved({ 'rt_cache.in_martian_src': 3 }), addresses: [ownAddress('10.12.1.2')] },
    accuses: { 'martian-local-source': 'confirmed' },
  },
  {
    moves: 'rt_cache in_martian_src (one for all namespaces), and the source is somebody else',
    target: moved({ 'rt_cache.in_martian_src': 3 }),
    accuses: {},
  },
  { moves: 'Ip InAddrErrors on a node that owns the address', target: moved({ 'Ip.InAddrErrors': 3 }), accuses: {} },
  {
    moves: 'IpExt InNoRoutes, while every route that was asked for is there',
    target: moved({ 'IpExt.InNoRoutes': 3 }),
    accuses: {},
  },
  {
    moves: 'Ip OutNoRoutes, and no route back to the client',
    target: {
      ...moved({ 'Ip.OutNoRoutes': 3 }),
      routeGet: [
        routeVerdict({ verdict: 'local', device: 'lo' }),
        routeVerdict({ to: '10.12.1.2', verdict: 'network-unreachable' }),
      ],
    },
    accuses: { 'no-route': 'confirmed' },
  },
  {
    moves: 'TcpExt IPReversePathFilter, because there is no route back at all',
    target: {
      ...moved({ 'TcpExt.IPReversePathFilter': 3, 'rt_cache.in_martian_src': 3 }),
      routeGet: [
        routeVerdict({ verdict: 'local', device: 'lo' }),
        routeVerdict({ to: '10.12.1.2', verdict: 'network-unreachable' }),
      ],
    },
    accuses: { 'no-route': 'confirmed' },
  },
  {
    moves: 'Tcp InCsumErrors and InErrs',
    target: moved({ 'Tcp.InCsumErrors': 3, 'Tcp.InErrs': 3 }),
    accuses: { 'bad-checksum': 'confirmed' },
  },
  {
    moves: 'conntrack drop, in a full table',
    target: {
      ...tracked({ 'conntrack.drop': 10 }),
      sysctl: sysctls({ ...settings, 'net.netfilter.nf_conntrack_count': '65536' }),
    },
    accuses: { 'conntrack-full': 'confirmed' },
  },
  {
    moves: 'conntrack insert_failed (and drop with it)',
    target: {
      ...tracked({ 'conntrack.drop': 3, 'conntrack.insert_failed': 3 }),
      sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }),
      capture: capture([late(), late(), late()]),
    },
    client: { ...clientFacts, capture: capture([late()]), probes: [probe({ outcome: 'connected', tookMs: 1010 })] },
    accuses: { 'conntrack-insert-race': 'confirmed' },
  },
  {
    moves: 'conntrack insert_failed (DNS), while no SYN at all is answered',
    target: tracked({ 'conntrack.drop': 3, 'conntrack.insert_failed': 3 }),
    accuses: {},
  },
  { moves: 'conntrack invalid', target: tracked({ 'conntrack.invalid': 3 }), accuses: {} },
  {
    moves: 'arp_cache table_fulls',
    target: moved({ 'arp_cache.table_fulls': 3 }),
    accuses: { 'arp-overflow': 'confirmed' },
  },
  {
    moves: "the drop rule of the client's OUTPUT chain",
    target: { ...base, sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }), capture: capture([]) },
    client: {
      ...clientFacts,
      capture: capture([]),
      firewall: firewall(firewallRule({ chain: 'OUTPUT', match: port1301, rose: 3 })),
    },
    accuses: { 'fw-output-drop': 'confirmed' },
  },
  {
    moves: "a drop rule's packet count",
    target: { ...base, firewall: firewall(dropsHere, policy) },
    accuses: { 'fw-input-drop': 'confirmed' },
  },
  {
    moves: 'TcpExt TCPChallengeACK (challenge-ack)',
    target: { ...moved({ 'TcpExt.TCPChallengeACK': 1 }), capture: capture([{ ...sent, handshake: 'challengeAck' }]) },
    client: { ...clientFacts, capture: capture([{ ...sent, handshake: 'challengeAck' }]) },
    // nothing unanswered is left for the setting to be cleared by: it stays a risk
    accuses: { 'tw-recycle': 'likely' },
  },
  { moves: 'nothing at all, and the SYN is in the capture', target: base, accuses: {} },
  {
    moves: "a reject rule's packet count, and ICMP host-prohibited",
    target: {
      ...base,
      sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }),
      firewall: firewall(firewallRule({ verdict: 'reject', text: '-A INPUT -j REJECT', rose: 1 })),
      capture: capture([rejectedSyn], { icmpErrors: [icmp({ about: { sourcePort: rejectedSyn.client.port } })] }),
    },
    client: {
      ...clientFacts,
      capture: capture([rejectedSyn], { icmpErrors: [icmp({ about: { sourcePort: rejectedSyn.client.port } })] }),
      probes: [probe({ outcome: 'noRoute', tookMs: 1 })],
    },
    accuses: { 'fw-reject': 'confirmed' },
  },
  {
    moves: 'Tcp OutRsts, and nothing listens',
    target: {
      ...moved({ 'Tcp.OutRsts': 1 }),
      sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }),
      listeners: [],
      capture: capture([refusedSyn]),
    },
    client: { ...clientFacts, capture: capture([refusedSyn]), probes: [probe({ outcome: 'refused', tookMs: 1 })] },
    accuses: { 'port-closed': 'confirmed' },
  },
  {
    moves: 'Tcp OutRsts, and the listener is on loopback',
    target: {
      ...moved({ 'Tcp.OutRsts': 1 }),
      sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }),
      listeners: [listener({ address: '127.0.0.1' })],
      capture: capture([refusedSyn]),
    },
    client: { ...clientFacts, capture: capture([refusedSyn]), probes: [probe({ outcome: 'refused', tookMs: 1 })] },
    accuses: { 'loopback-only': 'confirmed' },
  },
  {
    moves: 'nothing on the target, and the SYN is not in its capture',
    target: { ...base, sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }), capture: capture([]) },
    accuses: { 'path-drop': 'confirmed' },
  },
  {
    moves: "the client's neighbour table",
    target: { ...base, sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }), capture: capture([]) },
    client: {
      ...clientFacts,
      capture: capture([]),
      neighbours: [neighbour({ address: '10.12.1.254', state: 'FAILED' })],
      probes: [probe({ outcome: 'noRoute', tookMs: 3060 })],
    },
    accuses: { 'neigh-failed': 'confirmed' },
  },
  {
    moves: 'nothing, and IPVS has no server behind the address',
    target: {
      ...base,
      sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }),
      features: features(),
      ipvs: ipvs({ services: [service({ servers: [] })] }),
      addresses: [{ ...ownAddress('10.51.2.2'), device: 'kube-ipvs0' }],
    },
    accuses: { 'no-endpoints': 'confirmed' },
  },
  {
    moves: 'nothing, and IPVS has no server behind a NodePort: no pod at all, or none on this node',
    target: {
      ...base,
      sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }),
      features: features(),
      ipvs: ipvs({ services: [service({ servers: [] })] }),
    },
    accuses: { 'no-endpoints': 'likely', 'etp-local-no-endpoint': 'likely' },
  },
  {
    moves: 'nothing, and a server that IPVS has with weight 0 drains',
    target: {
      ...base,
      sysctl: sysctls({
        ...settings,
        'net.ipv4.tcp_tw_recycle': '0',
        // it translates addresses, so it has to forward
        'net.ipv4.ip_forward': '1',
        'net.ipv4.vs.conn_reuse_mode': '0',
        'net.ipv4.vs.conntrack': '1',
      }),
      features: features(),
      ipvs: ipvs({ services: [service({ servers: [{}, { address: '10.244.3.9', weight: 0 }] })] }),
    },
    accuses: {},
  },
  {
    moves: "the carrier of the client's device",
    target: { ...base, sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }), capture: capture([]) },
    client: {
      ...clientFacts,
      capture: capture([]),
      links: [link({ state: 'DOWN', flags: ['NO-CARRIER', 'UP'] })],
    },
    accuses: { 'netdev-down': 'confirmed' },
  },
  {
    moves: 'the ring of the card (and not the backlog of a CPU, not the frames)',
    target: inside({ 'ethtool.eth0.rx_missed_errors': 90 }),
    client: talkingClient,
    accuses: { 'rx-ring-overflow': 'confirmed' },
  },
  {
    moves: 'the backlog of a CPU (and not the ring)',
    target: inside({ 'softnet.dropped': 90 }),
    client: talkingClient,
    accuses: { 'softirq-starved': 'confirmed' },
  },
  {
    moves: 'damaged frames',
    target: inside({ 'ethtool.eth0.rx_crc_errors': 90, 'dev.eth0.rx_frame': 90, 'dev.eth0.rx_errs': 90 }),
    client: talkingClient,
    accuses: { 'link-errors': 'confirmed' },
  },
  {
    moves: "the provider's allowance of packets per second",
    target: inside({ 'ethtool.eth0.pps_allowance_exceeded': 90 }),
    client: talkingClient,
    accuses: { 'cloud-allowance': 'confirmed' },
  },
  {
    moves: 'the buffer of a TCP socket',
    target: inside({ 'TcpExt.TCPRcvQDrop': 90 }),
    client: talkingClient,
    accuses: { 'rcvbuf-drop': 'confirmed' },
  },
  {
    moves: 'the open files of the process, while the accept queue does not overflow',
    target: {
      ...base,
      listeners: [listener({ recvq: 20 })],
      listenerProcesses: [
        {
          pid: 4711,
          openFiles: { count: 1024, at: { evidence: 'fd' } },
          limits: { 'Max open files': { soft: 1024, hard: 4096, at: { evidence: 'limits' } } },
        },
      ],
    },
    accuses: { 'fd-exhaustion': 'confirmed' },
  },
  {
    moves: 'nothing on the wire: the client has no source port left',
    target: { ...base, sysctl: sysctls({ ...settings, 'net.ipv4.tcp_tw_recycle': '0' }), capture: capture([]) },
    client: {
      ...clientFacts,
      capture: capture([]),
      sysctl: sysctls({ 'net.ipv4.ip_local_port_range': '40000 40000' }),
      sockets: [socket({ local: { address: '10.12.1.2', port: 40_000 }, peer: { address: '10.51.2.2', port: 1301 } })],
      probes: [probe({ outcome: 'other', tookMs: 2, message: 'bash: connect: Cannot assign requested address' })],
    },
    accuses: { 'ephemeral-exhaustion': 'confirmed' },
  },
];

describe('one thing moves, one rule says so', () => {
  it.each(rows)('$moves', ({ target, client = clientFacts, accuses }) => {
    expect(accused(target, client)).toEqual(accuses);
  });

  it('on a forwarder: Ip InAddrErrors', () => {
    const facts: Facts = {
      sysctl: sysctls({ 'net.ipv4.ip_forward': '0' }),
      counters: counters({ ...calm, 'Ip.InAddrErrors': 3 }),
      routeGet: [routeVerdict()],
      neighbours: [neighbour()],
      capture: capture([sent]),
      firewall: firewall(),
    };
    const verdicts = [...rules.values()].flatMap((rule) =>
      rule.scope === 'node' && rule.roles.includes('forwarder') && rule.id !== 'expect'
        ? [[rule.id, judgeNode(rule, { node: 'router-30', facts }).verdict]]
        : [],
    );
    expect(Object.fromEntries(verdicts)).toMatchObject({ 'ip-forward-off': 'confirmed', 'neigh-failed': 'ruledOut' });
  });
});

/** Both changes of a node that is otherwise the same; null where they are about the same fact in ways that exclude each other. */
function bothOf(one: Facts, other: Facts): Facts | null {
  const facts: Record<string, unknown> = { ...base };
  for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const [was, a, b] = [base, one, other].map((from) => (from as Record<string, unknown>)[name]);
    const isCounters = name === 'counters' || name === 'conntrackStats';
    if (a === b || b === was) facts[name] = a;
    else if (a === was) facts[name] = b;
    else if (isCounters) facts[name] = moreOf(a as CounterDeltas, b as CounterDeltas);
    else return null;
  }
  return facts;
}

/** What both moved, together. */
function moreOf(one: CounterDeltas, other: CounterDeltas): CounterDeltas {
  const rises = Object.keys({ ...one, ...other }).map(
    (name) => [name, (one[name]?.delta ?? 0) + (other[name]?.delta ?? 0)] as const,
  );
  return counters(Object.fromEntries(rises));
}

/**
 * Faults that take packets of their own: of six SYNs each took three. The others explain one packet in two ways, and
 * bad-checksum accuses only where it explains every lost SYN: its counter is the node's, not the port's.
 */
const independent = [
  'TcpExt PAWSPassive',
  'TcpExt ListenOverflows = ListenDrops',
  'TcpExt TCPReqQFullDrop',
  'TcpExt IPReversePathFilter',
  'conntrack drop, in a full table',
  "a drop rule's packet count",
  'arp_cache table_fulls',
];
const single = rows.filter(({ moves }) => independent.includes(moves));
const arrived = capture([sent, connection({ syn: { tsval: 500 } })]);
const pairs = single.flatMap((one, at) =>
  single.slice(at + 1).flatMap((other) => {
    const target = bothOf(one.target, other.target);
    return target === null
      ? []
      : [
          {
            one: one.moves,
            other: other.moves,
            target: { ...target, capture: arrived },
            rules: [...Object.keys(one.accuses), ...Object.keys(other.accuses)],
          },
        ];
  }),
);

describe('two things move, both rules say so', () => {
  it('are all there', () => {
    expect(single).toHaveLength(independent.length);
    expect(pairs.length).toBeGreaterThan(15);
  });
  it.each(pairs)('$one, and $other', ({ target, rules: both }) => {
    expect(Object.keys(accused(target, { ...clientFacts, capture: arrived })).toSorted()).toEqual(both.toSorted());
  });
});
