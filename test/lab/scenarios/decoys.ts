import type { LabDefinition, LabStep } from '../network.ts';
import { connectMany, fillQueue, on50, type Scenario, sysctl, target } from '../scenario.ts';
import { http, plain, reportZero, shortQueue } from '../topologies.ts';

/** An imitated 4.9 kernel with tcp_tw_recycle=1 whose memory holds nobody who asks: nothing is dropped. */
const oldButHealthy: LabDefinition = {
  name: 'old-but-healthy',
  nodes: reportZero.nodes.map((node) =>
    node.oldKernel === undefined ? node : { ...node, oldKernel: { remembers: ['198.51.100.7'] } },
  ),
};

const nothing = { verdict: 'clear', confirmed: [] } as const;
/** Somebody else's connects fail for good reason: that may be told, but is not the cause that was asked for. */
const ofOthers = { verdict: 'found', confirmed: [] } as const;
const works = { from: 'node-12', to: target, port: 1301, as: 'connected' } as const;

/** Tries a port over and over; each try lasts for a moment only. */
const knock = (on: string, port: number, to = target) =>
  ({
    on,
    run: [
      'sh',
      '-c',
      `while :; do timeout 1.5 bash -c 'exec 3<>/dev/tcp/${to}/${port}' >/dev/null 2>&1 & sleep 0.2; done`,
    ],
  }) as const;

/** One request after the other from node-51, a connection each. */
const busy = {
  on: 'node-51',
  run: [
    'sh',
    '-c',
    `while :; do bash -c 'exec 3<>/dev/tcp/${target}/1301; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3' >/dev/null 2>&1; done`,
  ],
} as const;

/** Of every kind of question but those of names: nobody answers them here. */
const everyPlaybook = [
  'intermittent',
  'large-transfers-hang',
  'node-audit',
  'packet-loss',
  'reset-after-idle',
  'rollout-errors',
  'service-check',
  'slow-connect',
  'tunnel-check',
];

/** A device of node-50 that leads nowhere, and the way to a foreign network. */
const otherWay: readonly LabStep[] = [
  on50('ip', 'link', 'add', 'way0', 'type', 'veth', 'peer', 'name', 'way1'),
  on50('ip', 'link', 'set', 'way0', 'up'),
  on50('ip', 'link', 'set', 'way1', 'up'),
  on50('ip', 'route', 'add', '10.66.0.0/16', 'dev', 'way0'),
];

/** Healthy networks with settings and figures that look alarming: nothing may be confirmed. */
export const decoyScenarios: readonly Scenario[] = [
  {
    id: 'decoy-tw-recycle-without-nat',
    fault: 'none, looks like F01',
    about: 'node-50 (an imitated 4.9 kernel) has tcp_tw_recycle=1, but remembers nobody who asks, and drops nothing.',
    definition: oldButHealthy,
    inTests: true,
    break: [],
    ask: 'node-50 port 1301 from node-51',
    felt: { ...works, from: 'node-51' },
    // the setting is a risk, and is called that
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'tw-recycle', node: 'node-50' }], mayBeLikely: [] },
    mend: [sysctl('node-50', 'net.ipv4.tcp_tw_recycle=0')],
  },
  {
    id: 'decoy-mtu-1430-fits',
    fault: 'none, looks like F40',
    about: 'node-50 has MTU 1430, as an overlay leaves it; both ends agree on segments that fit.',
    definition: plain,
    inTests: true,
    break: [on50('ip', 'link', 'set', 'eth0', 'mtu', '1430')],
    ask: 'node-50 port 1301 from node-12 large transfers hang',
    felt: works,
    expect: nothing,
    mend: [on50('ip', 'link', 'set', 'eth0', 'mtu', '1500')],
  },
  {
    id: 'decoy-forwarding-off-strict-filter',
    fault: 'none, looks like F05, F07',
    about: 'node-50 does not forward and checks sources strictly: the destination is local and routes are symmetrical.',
    definition: plain,
    break: [
      sysctl('node-50', 'net.ipv4.ip_forward=0'),
      sysctl('node-50', 'net.ipv4.conf.all.rp_filter=1'),
      sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=1'),
      sysctl('node-50', 'net.ipv4.conf.all.log_martians=1'),
    ],
    ask: 'node-50 port 1301 from node-12 times out',
    felt: works,
    expect: nothing,
    mend: [sysctl('node-50', 'net.ipv4.conf.all.rp_filter=0'), sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=0')],
  },
  {
    id: 'decoy-old-overflows',
    fault: 'none, looks like F02',
    about: 'The queue of port 1302 overflowed many times, an hour ago so to speak; now it is empty.',
    definition: plain,
    inTests: true,
    break: [
      { on: 'node-50', freeze: shortQueue.name },
      connectMany('node-51', 1302, 30, 2),
      { on: 'node-51', run: ['sleep', '2.5'] },
      { on: 'node-50', thaw: shortQueue.name },
      { on: 'node-51', run: ['sleep', '1'] },
    ],
    ask: 'node-50 port 1302 from node-12',
    felt: { ...works, port: 1302 },
    expect: nothing,
    mend: [],
  },
  {
    id: 'decoy-other-queue-full',
    fault: 'none, looks like F02',
    about: 'The queue of port 1302 overflows all the time (ListenOverflows moves); the question is about port 1301.',
    definition: plain,
    inTests: true,
    break: [{ on: 'node-50', freeze: shortQueue.name }, fillQueue('node-51', 1302)],
    traffic: [knock('node-51', 1302)],
    ask: 'node-50 port 1301 from node-12',
    felt: works,
    expect: nothing,
    mend: [{ on: 'node-50', thaw: shortQueue.name }],
  },
  {
    id: 'decoy-other-close-wait',
    fault: 'none, looks like F33',
    about: 'Another server on node-50 (port 1303) holds 130 connections in CLOSE-WAIT; that of port 1301 is well.',
    definition: plain,
    break: [
      on50(
        'sh',
        '-c',
        `perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); bind(S, sockaddr_in(1303, INADDR_ANY)) or die; listen(S, 511); while (1) { my $c; if (accept($c, S)) { push @c, $c } }' >/dev/null 2>&1 & echo $! > /tmp/leaks.pid; sleep 0.3`,
      ),
      {
        on: 'node-51',
        run: ['bash', '-c', `for i in $(seq 130); do (exec 3<>/dev/tcp/${target}/1303); done; sleep 0.3`],
      },
    ],
    ask: 'node-50 port 1301 from node-12 connection slow under load',
    felt: works,
    expect: nothing,
    mend: [on50('sh', '-c', 'kill $(cat /tmp/leaks.pid)')],
  },
  {
    id: 'decoy-firewall-drops-others',
    fault: 'none, looks like F08',
    about: 'node-50 drops port 1302 and one foreign network (counters move); port 1301 is open for node-12.',
    definition: plain,
    inTests: true,
    break: [
      on50(...'iptables -A INPUT -p tcp --dport 1302 -j DROP'.split(' ')),
      on50(...'iptables -A INPUT -s 192.0.2.0/24 -p tcp --dport 1301 -j DROP'.split(' ')),
    ],
    traffic: [knock('node-51', 1302)],
    ask: 'node-50 port 1301 from node-12',
    felt: works,
    expect: nothing,
    mend: [on50('iptables', '-F', 'INPUT')],
  },
  {
    id: 'decoy-foreign-rp-filter-drops',
    fault: 'none, looks like F05',
    about:
      'node-50 drops packets of a foreign network by its strict source check all the time (IPReversePathFilter moves); those of node-12 come the right way.',
    definition: plain,
    break: [
      sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=1'),
      ...otherWay,
      { on: 'node-51', run: ['ip', 'addr', 'add', '10.66.0.1/32', 'dev', 'lo'] },
    ],
    traffic: [{ on: 'node-51', run: ['ping', '-i', '0.2', '-I', '10.66.0.1', target] }],
    ask: 'node-50 port 1301 from node-12',
    felt: works,
    expect: nothing,
    mend: [
      on50('ip', 'link', 'del', 'way0'),
      sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=0'),
      { on: 'node-51', run: ['ip', 'addr', 'del', '10.66.0.1/32', 'dev', 'lo'] },
    ],
  },
  {
    id: 'decoy-dead-neighbours',
    fault: 'none, looks like F23',
    about: 'node-51 and the router keep asking for hosts that do not exist (FAILED neighbours); node-50 answers.',
    definition: plain,
    break: [],
    traffic: [
      { on: 'r1', run: ['sh', '-c', 'while :; do ping -c 1 -W 1 172.16.0.99; done'] },
      { on: 'node-12', run: ['sh', '-c', 'while :; do ping -c 1 -W 1 10.0.12.99; done'] },
    ],
    ask: 'node-50 port 1301 from node-12 via r1 no route to host',
    felt: works,
    expect: nothing,
    mend: [],
  },
  {
    id: 'decoy-other-retransmissions',
    fault: 'none, looks like F12, F91',
    about: 'node-12 retransmits all the time to a port of node-51 that is dropped there; node-50 answers at once.',
    definition: plain,
    inTests: true,
    break: [{ on: 'node-51', run: 'iptables -A INPUT -p tcp --dport 1309 -j DROP'.split(' ') }],
    traffic: [knock('node-12', 1309, '172.16.0.51')],
    ask: 'node-50 port 1301 from node-12 packet loss',
    felt: works,
    expect: nothing,
    mend: [{ on: 'node-51', run: ['iptables', '-F', 'INPUT'] }],
  },
  {
    id: 'decoy-risky-settings',
    fault: 'none, looks like F02, F03, F30',
    about:
      'node-50: no SYN cookies, tiny backlogs, RST on overflow; node-12: 100 source ports. Nothing of it is used up.',
    definition: plain,
    inTests: true,
    break: [
      sysctl('node-50', 'net.ipv4.tcp_syncookies=0'),
      sysctl('node-50', 'net.ipv4.tcp_max_syn_backlog=16'),
      sysctl('node-50', 'net.core.somaxconn=16'),
      sysctl('node-50', 'net.ipv4.tcp_abort_on_overflow=1'),
      sysctl('node-12', 'net.ipv4.ip_local_port_range=40000 40099'),
    ],
    ask: 'node-50 port 1301 from node-12',
    felt: works,
    expect: nothing,
    mend: [
      sysctl('node-50', 'net.ipv4.tcp_syncookies=1'),
      sysctl('node-50', 'net.ipv4.tcp_max_syn_backlog=512'),
      sysctl('node-50', 'net.core.somaxconn=4096'),
      sysctl('node-50', 'net.ipv4.tcp_abort_on_overflow=0'),
      sysctl('node-12', 'net.ipv4.ip_local_port_range=32768 60999'),
    ],
  },
  {
    id: 'decoy-docker-forward-drop',
    fault: 'none, looks like F10',
    about:
      'dockerd has left node-50 with the FORWARD policy DROP; the destination is local. Its blackholes are for others.',
    definition: plain,
    break: [
      on50('iptables', '-P', 'FORWARD', 'DROP'),
      on50('ip', 'route', 'add', 'blackhole', '10.244.0.0/16'),
      { on: 'node-12', run: ['ip', 'route', 'add', 'unreachable', '172.17.0.0/16'] },
    ],
    ask: 'node-50 port 1301 from node-12 unreachable',
    felt: works,
    expect: nothing,
    mend: [
      on50('iptables', '-P', 'FORWARD', 'ACCEPT'),
      on50('ip', 'route', 'del', 'blackhole', '10.244.0.0/16'),
      { on: 'node-12', run: ['ip', 'route', 'del', 'unreachable', '172.17.0.0/16'] },
    ],
  },
  {
    id: 'decoy-asymmetric-but-works',
    fault: 'none, looks like F05, F06, F96',
    about: 'Answers to node-12 take another way than its packets came, and nobody minds: no strict filter, no state.',
    definition: plain,
    break: [
      { on: 'node-51', run: ['sysctl', '-qw', 'net.ipv4.ip_forward=1'] },
      { on: 'node-51', run: ['sysctl', '-qw', 'net.ipv4.conf.all.send_redirects=0'] },
      { on: 'node-51', run: ['sysctl', '-qw', 'net.ipv4.conf.eth0.send_redirects=0'] },
      on50('ip', 'route', 'add', '10.0.12.0/24', 'via', '172.16.0.51'),
    ],
    ask: 'node-50 port 1301 from node-12 intermittent timeouts',
    felt: works,
    expect: nothing,
    mend: [
      on50('ip', 'route', 'del', '10.0.12.0/24'),
      { on: 'node-51', run: ['sysctl', '-qw', 'net.ipv4.ip_forward=0'] },
    ],
  },
  {
    id: 'decoy-busy-server',
    fault: 'none, looks like F30, F82',
    about: 'Hundreds of connections come and go at port 1301 (TIME-WAIT on node-50, which closes first) while asked.',
    definition: plain,
    break: [],
    traffic: [busy],
    ask: 'node-50 port 1301 from node-12 now and then slow under load',
    felt: works,
    expect: nothing,
    mend: [],
  },
  {
    id: 'decoy-refused-elsewhere',
    fault: 'none, looks like F25, F26',
    about: 'Somebody tries a closed port of node-50 all the time, and port 1304 listens on 127.0.0.1 only.',
    definition: plain,
    break: [{ on: 'node-50', start: { ...http, name: 'local-only', address: '127.0.0.1', port: 1304 } }],
    traffic: [knock('node-12', 1399), knock('node-51', 1304)],
    ask: 'node-50 port 1301 from node-12 refused',
    felt: works,
    expect: nothing,
    mend: [{ on: 'node-50', stop: 'local-only' }],
  },
  {
    id: 'decoy-others-dropped',
    fault: 'none, looks like F08',
    about: 'node-50 drops port 1301 for node-51 only, which keeps trying; node-12, which was asked about, is let in.',
    definition: plain,
    break: [on50(...'iptables -A INPUT -s 172.16.0.51 -p tcp --dport 1301 -j DROP'.split(' '))],
    traffic: [knock('node-51', 1301)],
    ask: 'node-50 port 1301 from node-12',
    felt: works,
    expect: ofOthers,
    mend: [on50('iptables', '-F', 'INPUT')],
  },
  {
    id: 'decoy-others-rejected',
    fault: 'none, looks like F09',
    about: 'node-50 rejects port 1301 for node-51 only, which keeps trying; node-12, which was asked about, is let in.',
    definition: plain,
    break: [on50(...'iptables -A INPUT -s 172.16.0.51 -p tcp --dport 1301 -j REJECT'.split(' '))],
    traffic: [knock('node-51', 1301)],
    ask: 'node-50 port 1301 from node-12',
    felt: works,
    expect: ofOthers,
    mend: [on50('iptables', '-F', 'INPUT')],
  },
  {
    id: 'decoy-others-rp-filter',
    fault: 'none, looks like F05',
    about:
      'SYNs to port 1301 come from a network that node-50 would reach by another device, and its strict check drops them; node-12 comes the right way.',
    definition: plain,
    break: [
      { on: 'node-51', run: ['ip', 'addr', 'add', '10.66.0.1/32', 'dev', 'lo'] },
      { on: 'node-51', run: ['ip', 'route', 'add', `${target}/32`, 'dev', 'eth0', 'src', '10.66.0.1'] },
      sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=1'),
      ...otherWay,
    ],
    traffic: [knock('node-51', 1301)],
    ask: 'node-50 port 1301 from node-12',
    felt: works,
    expect: ofOthers,
    mend: [
      { on: 'node-51', run: ['ip', 'route', 'del', `${target}/32`] },
      { on: 'node-51', run: ['ip', 'addr', 'del', '10.66.0.1/32', 'dev', 'lo'] },
      on50('ip', 'link', 'del', 'way0'),
      sysctl('node-50', 'net.ipv4.conf.eth0.rp_filter=0'),
    ],
  },
  {
    id: 'decoy-others-martian',
    fault: 'none, looks like F06',
    about: 'SYNs to port 1301 come with an address that node-50 has itself; those of node-12 do not.',
    definition: plain,
    break: [
      { on: 'node-51', run: ['ip', 'addr', 'add', '10.66.0.1/32', 'dev', 'lo'] },
      { on: 'node-51', run: ['ip', 'route', 'add', `${target}/32`, 'dev', 'eth0', 'src', '10.66.0.1'] },
      on50('ip', 'addr', 'add', '10.66.0.1/32', 'dev', 'lo'),
    ],
    traffic: [knock('node-51', 1301)],
    ask: 'node-50 port 1301 from node-12',
    felt: works,
    expect: ofOthers,
    mend: [
      { on: 'node-51', run: ['ip', 'route', 'del', `${target}/32`] },
      { on: 'node-51', run: ['ip', 'addr', 'del', '10.66.0.1/32', 'dev', 'lo'] },
      on50('ip', 'addr', 'del', '10.66.0.1/32', 'dev', 'lo'),
    ],
  },
  {
    id: 'decoy-others-no-route-back',
    fault: 'none, looks like F24',
    about: 'SYNs to port 1301 come from a network that node-50 has no route to; node-12 is answered.',
    definition: plain,
    break: [
      { on: 'node-51', run: ['ip', 'addr', 'add', '10.66.0.1/32', 'dev', 'lo'] },
      { on: 'node-51', run: ['ip', 'route', 'add', `${target}/32`, 'dev', 'eth0', 'src', '10.66.0.1'] },
      on50('ip', 'route', 'add', 'unreachable', '10.66.0.0/16'),
    ],
    traffic: [knock('node-51', 1301)],
    ask: 'node-50 port 1301 from node-12',
    felt: works,
    expect: nothing,
    mend: [
      { on: 'node-51', run: ['ip', 'route', 'del', `${target}/32`] },
      { on: 'node-51', run: ['ip', 'addr', 'del', '10.66.0.1/32', 'dev', 'lo'] },
      on50('ip', 'route', 'del', 'unreachable', '10.66.0.0/16'),
    ],
  },
  ...everyPlaybook.map(
    (playbook): Scenario => ({
      id: `healthy-${playbook}`,
      fault: 'none',
      about: `Nothing is broken, and others use the port meanwhile; judged by the playbook ${playbook}.`,
      definition: plain,
      break: [],
      traffic: [busy],
      ask: `node-50 port 1301 from node-12 via r1 playbook ${playbook}`,
      felt: works,
      expect: nothing,
      mend: [],
    }),
  ),
];
