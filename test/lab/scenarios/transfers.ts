import { labRoot, type LabDefinition, type LabService, type LabStep } from '../network.ts';
import { onRouter, type Scenario, sysctl, target } from '../scenario.ts';
import { plain } from '../topologies.ts';

/** Other people's connections to node-50, for as long as the scenario lasts. */
const clientOn = (on: string, behaviour: NonNullable<LabService['behaviour']>, more: Partial<LabService> = {}) => ({
  on,
  run: [
    process.execPath,
    `${labRoot}/service.mjs`,
    JSON.stringify({ name: behaviour, address: target, port: 1301, behaviour, ...more }),
  ],
});

const answers: LabService = { name: 'answers', address: '0.0.0.0', port: 1301, behaviour: 'answers' };

/** As `plain`, and node-50 serves an application that takes what is sent and answers it bit by bit. */
const answering: LabDefinition = {
  name: 'answering',
  nodes: plain.nodes.map((node) => (node.name === 'node-50' ? { ...node, services: [answers] } : node)),
};

/** A client that leaves TCP_NODELAY off and writes in pieces. */
const splitWriter: LabService = {
  name: 'split-writer',
  address: target,
  port: 1301,
  behaviour: 'asks-in-two-writes',
};

/** One upload of `bytes`, which must end with the answer of the server. */
const upload = (bytes: number) =>
  [
    'perl',
    '-MSocket',
    '-e',
    `socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(1301, inet_aton("${target}"))) or die; my $t = "x" x ${bytes}; while (length $t) { my $n = syswrite(S, $t) or exit 3; $t = substr($t, $n) } sysread(S, $_, 100) or exit 4; print "answered"`,
  ] as const;

/** Segments on the wire are as large as on a real one: veth devices would hand over 64 kB at a time. */
const offloads = (on: string, device: string, state: 'on' | 'off'): LabStep => ({
  on,
  run: ['ethtool', '-K', device, 'tso', state, 'gso', state, 'gro', state],
  mayFail: true,
});
const noOffloads = [offloads('node-12', 'eth0', 'off'), offloads('r1', 'eth0', 'off'), offloads('r1', 'eth1', 'off')];
const offloadsAgain = [offloads('node-12', 'eth0', 'on'), offloads('r1', 'eth0', 'on'), offloads('r1', 'eth1', 'on')];

/** The router takes TCP options out of the packets that match. */
const strips = (match: string, ...options: readonly string[]): readonly LabStep[] => [
  onRouter('nft', 'add table inet edge'),
  onRouter('nft', 'add chain inet edge normalise { type filter hook forward priority 0; policy accept; }'),
  ...options.map((option) => onRouter('nft', `add rule inet edge normalise ${match} reset tcp option ${option}`)),
];

/** F34, F40, F41, F95, F97, F96, F99: the connection opens, and what is sent in it does not get through as it should. */
export const transferScenarios: readonly Scenario[] = [
  {
    id: 'mtu-black-hole',
    fault: 'F40, F41',
    about:
      'The router sends on by a device with MTU 1440 and its ICMP "fragmentation needed" is dropped: 1460-byte segments never arrive.',
    definition: answering,
    break: [
      ...noOffloads,
      onRouter('ip', 'link', 'set', 'eth1', 'mtu', '1440'),
      onRouter(...'iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP'.split(' ')),
    ],
    traffic: [clientOn('node-12', 'uploads', { bytes: 2160, lastsMs: 2500 })],
    ask: 'node-50 port 1301 from node-12 via r1 for 5s small requests work, uploads hang',
    felt: {
      from: 'node-12',
      run: upload(20_000),
      broken: { exit: 124 },
      mended: { exit: 0, says: /answered/ },
      limitSec: 2,
    },
    expect: { verdict: 'found', confirmed: [{ rule: 'mtu-too-small', node: 'r1' }] },
    mend: [
      onRouter('ip', 'link', 'set', 'eth1', 'mtu', '1500'),
      onRouter('iptables', '-F', 'OUTPUT'),
      ...offloadsAgain,
    ],
  },
  {
    id: 'frag-needed-ignored',
    fault: 'F41',
    about:
      'The router says "fragmentation needed" and the firewall of node-12 drops it: the sender goes on with segments that are too large.',
    definition: answering,
    break: [
      ...noOffloads,
      onRouter('ip', 'link', 'set', 'eth1', 'mtu', '1440'),
      { on: 'node-12', run: 'iptables -A INPUT -p icmp --icmp-type fragmentation-needed -j DROP'.split(' ') },
    ],
    traffic: [clientOn('node-12', 'uploads', { bytes: 2160, lastsMs: 4000 })],
    ask: 'node-50 port 1301 from node-12 via r1 for 5s upload hangs',
    felt: {
      from: 'node-12',
      run: upload(20_000),
      broken: { exit: 124 },
      mended: { exit: 0, says: /answered/ },
      limitSec: 2,
    },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'mtu-too-small', node: 'r1' },
        { rule: 'mtu-blackhole', node: 'r1' },
        { rule: 'mtu-blackhole', node: 'node-12' },
        { rule: 'frag-needed-ignored', node: 'r1' },
        { rule: 'frag-needed-ignored', node: 'node-12' },
      ],
    },
    mend: [
      onRouter('ip', 'link', 'set', 'eth1', 'mtu', '1500'),
      { on: 'node-12', run: ['iptables', '-F', 'INPUT'] },
      ...offloadsAgain,
    ],
  },
  {
    id: 'mtu-predicted',
    fault: 'F40',
    about: 'The same small MTU, and nobody sends anything large yet: the handshake alone tells what will happen.',
    definition: answering,
    break: [
      onRouter('ip', 'link', 'set', 'eth1', 'mtu', '1440'),
      onRouter(...'iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP'.split(' ')),
    ],
    ask: 'node-50 port 1301 from node-12 via r1 mtu',
    felt: { from: 'node-12', to: target, port: 1301, as: 'connected' },
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'mtu-too-small', node: 'r1' }] },
    mend: [onRouter('ip', 'link', 'set', 'eth1', 'mtu', '1500'), onRouter('iptables', '-F', 'OUTPUT')],
  },
  {
    id: 'zero-window',
    fault: 'F34',
    about: 'The server on node-50 has stopped (SIGSTOP); what node-12 sends fills its buffer.',
    definition: answering,
    break: [{ on: 'node-50', freeze: answers.name }],
    traffic: [clientOn('node-12', 'uploads', { bytes: 400_000, lastsMs: 3500, connections: 2 })],
    ask: 'node-50 port 1301 from node-12 for 5s transfer stalls',
    felt: {
      from: 'node-12',
      run: upload(8_000_000),
      broken: { exit: 124 },
      mended: { exit: 0, says: /answered/ },
      limitSec: 2,
    },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'zero-window', node: 'node-12' },
        { rule: 'zero-window', node: 'node-50' },
      ],
    },
    mend: [{ on: 'node-50', thaw: answers.name }],
  },
  {
    id: 'zero-window-older',
    fault: 'F34',
    about:
      'The same stopped server, and the clients have sent all that they may before netcheck looks: their connections are older than the capture, which sees only questions for room and answers with window 0.',
    definition: answering,
    break: [
      { on: 'node-50', freeze: answers.name },
      {
        on: 'node-12',
        run: [
          'sh',
          '-c',
          `for i in 1 2 3 4 5 6; do timeout 25 perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(1301, inet_aton("${target}"))) or die; my $t = "x" x 60000; while (1) { syswrite(S, $t) or exit }' >/dev/null 2>&1 & sleep 0.5; done`,
        ],
      },
    ],
    ask: 'node-50 port 1301 from node-12 for 7s transfer stalls',
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'zero-window', node: 'node-12' },
        { rule: 'zero-window', node: 'node-50' },
      ],
    },
    mend: [{ on: 'node-50', thaw: answers.name }],
  },
  {
    id: 'options-stripped',
    fault: 'F97',
    about:
      'A firewall on the way (the router) takes SACK and timestamps out of every SYN: it works, and loss hurts more.',
    definition: answering,
    break: strips('tcp dport 1301 tcp flags syn', 'sack-perm', 'timestamp'),
    traffic: [clientOn('node-12', 'uploads', { bytes: 4000, lastsMs: 1000 })],
    ask: 'node-50 port 1301 from node-12 retransmissions for 3s',
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'middlebox-options', path: { from: 'node-12', to: 'node-50' } }],
      mayBeLikely: [],
    },
    mend: [onRouter('nft', 'delete table inet edge')],
  },
  {
    id: 'window-scale-one-way',
    fault: 'F97',
    about:
      'The firewall on the way takes window scaling out of the answer only: the server counts with it, the client does not, and each segment carries a few hundred bytes.',
    definition: answering,
    break: strips('tcp sport 1301 tcp flags & (syn|ack) == syn|ack', 'window'),
    traffic: [clientOn('node-12', 'uploads', { bytes: 40_000, lastsMs: 1500 })],
    ask: 'node-50 port 1301 from node-12 large transfers hang for 3s',
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'middlebox-options', path: { from: 'node-12', to: 'node-50' } }],
      mayBeLikely: [],
    },
    mend: [onRouter('nft', 'delete table inet edge')],
  },
  {
    id: 'random-loss',
    fault: 'F95',
    about: 'The router loses 3 % of what clients send to the port, whatever it is.',
    definition: answering,
    break: [
      ...noOffloads,
      onRouter('nft', 'add table inet fabric'),
      onRouter('nft', 'add chain inet fabric forward { type filter hook forward priority 0; policy accept; }'),
      onRouter('nft', 'add rule inet fabric forward tcp dport 1301 numgen random mod 100 < 3 drop'),
    ],
    traffic: [
      clientOn('node-12', 'uploads', { bytes: 60_000, lastsMs: 3000, connections: 8 }),
      clientOn('node-12', 'asks', { bytes: 100, everyMs: 400, lastsMs: 10_000, connections: 40 }),
    ],
    ask: 'node-50 port 1301 from node-12 for 5s packet loss',
    felt: {
      from: 'node-12',
      run: [
        'sh',
        '-c',
        'sleep 1; nstat -asz TcpRetransSegs | grep -q "TcpRetransSegs *0 " || { echo retransmits; exit 3; }',
      ],
      broken: { exit: 3, says: /retransmits/ },
      mended: { exit: 3 },
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'path-loss', node: 'node-12' }],
    },
    mend: [onRouter('nft', 'delete table inet fabric'), ...offloadsAgain],
  },
  {
    id: 'nagle-delayed-ack',
    fault: 'F96',
    about: 'A client writes each request in two small pieces without TCP_NODELAY: the second waits for a delayed ACK.',
    definition: answering,
    break: [{ on: 'node-12', start: splitWriter }],
    ask: 'node-50 port 1301 from node-12 for 4s jitter',
    felt: {
      from: 'node-12',
      run: [
        'perl',
        '-MSocket',
        '-MTime::HiRes=time',
        '-e',
        `socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(1301, inet_aton("${target}"))) or die; my $t = time; for (1 .. 30) { syswrite(S, "x" x 60); syswrite(S, "x" x 40); sysread(S, $_, 1) } exit(time - $t > 0.4 ? 3 : 0)`,
      ],
      broken: { exit: 3 },
      // this program is no better than the one that is mended
      mended: { exit: 3 },
    },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'nagle-delack', node: 'node-12' },
        { rule: 'nagle-delack', node: 'node-50' },
      ],
    },
    mend: [{ on: 'node-12', stop: splitWriter.name }],
  },
  {
    id: 'reset-on-close',
    fault: 'F99',
    about: 'The server on node-50 closes with unread data in its buffer: the kernel says RST.',
    definition: answering,
    break: [
      { on: 'node-50', stop: answers.name },
      { on: 'node-50', start: { ...answers, name: 'hangs-up', behaviour: 'hangs-up' } },
    ],
    traffic: [clientOn('node-12', 'uploads', { bytes: 3000, everyMs: 100, lastsMs: 3000 })],
    ask: 'node-50 port 1301 from node-12 for 4s connection reset by peer',
    felt: { from: 'node-12', run: upload(3000), broken: { exit: 4 }, mended: { exit: 0, says: /answered/ } },
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [
        { rule: 'rst-on-close', node: 'node-12' },
        { rule: 'rst-on-close', node: 'node-50' },
      ],
    },
    mend: [
      { on: 'node-50', stop: 'hangs-up' },
      { on: 'node-50', start: answers },
    ],
  },
  {
    id: 'rst-injected',
    fault: 'F100',
    about:
      'The router lets connections open, and answers the first large packet of each with a RST in the name of node-50.',
    definition: answering,
    break: [
      onRouter(
        ...'iptables -A FORWARD -p tcp --dport 1301 -m length --length 1000:65535 -j REJECT --reject-with tcp-reset'.split(
          ' ',
        ),
      ),
    ],
    traffic: [clientOn('node-12', 'uploads', { bytes: 1400, everyMs: 200, lastsMs: 3000 })],
    ask: 'node-50 port 1301 from node-12 for 4s connection reset by peer',
    felt: { from: 'node-12', run: upload(1400), broken: { exit: 4 }, mended: { exit: 0, says: /answered/ } },
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'rst-injected', node: 'node-12' }] },
    mend: [onRouter('iptables', '-F', 'FORWARD')],
  },
  {
    id: 'idle-reset-router',
    fault: 'F61',
    about: 'The router tracks connections, forgets them after 2 s of silence, and resets what it does not know.',
    definition: answering,
    break: [
      sysctl('r1', 'net.netfilter.nf_conntrack_tcp_loose=0'),
      sysctl('r1', 'net.netfilter.nf_conntrack_tcp_timeout_established=2'),
      onRouter(
        ...'iptables -A FORWARD -p tcp --dport 1301 -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset'.split(
          ' ',
        ),
      ),
    ],
    traffic: [
      clientOn('node-12', 'asks', { bytes: 100, everyMs: 11_000, lastsMs: 12_000, connections: 8 }),
      clientOn('node-51', 'asks', { bytes: 100, everyMs: 300, lastsMs: 30_000, connections: 1 }),
    ],
    ask: 'node-50 port 1301 from node-12 for 15s connection reset after being idle',
    felt: { from: 'node-12', to: target, port: 1301, as: 'connected' },
    // a silence counts as an idle time-out from a minute on; what is sure already is that the RST is a stranger's
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'rst-injected', node: 'node-12' }] },
    mend: [
      onRouter('iptables', '-F', 'FORWARD'),
      sysctl('r1', 'net.netfilter.nf_conntrack_tcp_loose=1'),
      sysctl('r1', 'net.netfilter.nf_conntrack_tcp_timeout_established=432000'),
    ],
  },
];
