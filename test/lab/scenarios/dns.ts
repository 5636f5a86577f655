import type { LabStep } from '../network.ts';
import { onRouter, resolverOf, type Scenario } from '../scenario.ts';
import { dnsService, names, withNames } from '../topologies.ts';

/** The first question of a pair passes, the second is dropped until the first one is answered. */
const dropSecondOfPair = `table ip race {
  set waiting { type ipv4_addr . inet_service; flags timeout; timeout 3s; }
  chain pass {
    type filter hook forward priority 0;
    udp dport 53 ip saddr . udp sport @waiting drop
    udp dport 53 add @waiting { ip saddr . udp sport }
    udp sport 53 delete @waiting { ip daddr . udp dport }
  }
}`;

const clusterDns = '10.96.0.10';
const on12 = (...run: string[]): LabStep => ({ on: 'node-12', run });
const bothServers = ['nameserver 172.16.0.53', 'nameserver 172.16.0.54'];
const firstServer = 'nameserver 172.16.0.53';
/** What pods get: three domains, and every name with fewer than five dots goes through them. */
const ofPods = ['search default.svc.cluster.local svc.cluster.local cluster.local', firstServer, 'options ndots:5'];
const ask = 'node-50 port 1301 from node-12 dns slow';
const askWrong = 'node-50 port 1301 from node-12 resolves to the wrong address';

/** A look-up that has to come back soon. */
const looksUp = (name: string): readonly string[] => ['timeout', '2', 'getent', 'ahosts', name];
const again = (command: string): readonly string[] => ['sh', '-c', `while :; do ${command}; sleep 0.3; done`];
const asksForLarge = `${process.execPath} /run/netcheck-lab/dns-server.mjs ask 172.16.0.53 big.example.com 1000`;
const serves = (on: 'ns-53' | 'ns-54', more: object): readonly LabStep[] => [
  { on, stop: 'dns' },
  { on, start: { ...dnsService, dns: { ...names, ...more } } },
];
const badServer = (node: string) => ({ rule: 'dns-bad-nameserver', node });

/** Names that resolve slowly, wrongly, or not at all. Resolver (glibc) and packets are real, the name servers our own. */
export const dnsScenarios: readonly Scenario[] = [
  {
    id: 'dns-healthy',
    inTests: true,
    fault: 'none',
    about: 'Two name servers that answer; pods would ask in the same way.',
    definition: withNames,
    break: [resolverOf('node-12', ...bothServers)],
    ask,
    felt: { from: 'node-12', run: looksUp('www.example.com'), broken: { exit: 0 } },
    expect: { verdict: 'clear', confirmed: [] },
    mend: [],
  },
  {
    id: 'dns-dead-first-server',
    inTests: true,
    fault: 'F81',
    about: 'The first name server of resolv.conf has stopped reading (its process is frozen), the second one answers.',
    definition: withNames,
    break: [resolverOf('node-12', ...bothServers), { on: 'ns-53', freeze: 'dns' }],
    ask,
    felt: { from: 'node-12', run: looksUp('www.example.com'), broken: { exit: 124 } },
    expect: { verdict: 'found', confirmed: [badServer('node-12')], mayBeLikely: [] },
    mend: [{ on: 'ns-53', thaw: 'dns' }],
  },
  {
    id: 'dns-dead-server-by-port',
    fault: 'F81',
    about: 'The same, asked about the name server itself, over UDP.',
    definition: withNames,
    break: [resolverOf('node-12', ...bothServers), { on: 'ns-53', freeze: 'dns' }],
    ask: 'ns-53 port 53 udp from node-12 dns timeouts',
    felt: { from: 'node-12', run: looksUp('www.example.com'), broken: { exit: 124 } },
    expect: { verdict: 'found', confirmed: [badServer('node-12')], mayBeLikely: [badServer('ns-53')] },
    mend: [{ on: 'ns-53', thaw: 'dns' }],
  },
  {
    id: 'dns-5s',
    fault: 'F80',
    about:
      'Of A and AAAA sent together one is lost before the name server. The loss is an nftables rule on the router: it stands in for the race in connection tracking, which no test can win at will.',
    definition: withNames,
    break: [resolverOf('node-12', firstServer), onRouter('nft', dropSecondOfPair)],
    ask,
    felt: { from: 'node-12', run: looksUp('www.example.com'), broken: { exit: 124 } },
    expect: { verdict: 'found', confirmed: [], likely: [{ rule: 'dns-5s', node: 'node-12' }], mayBeLikely: [] },
    mend: [onRouter('nft', 'delete table ip race')],
  },
  {
    id: 'dns-search-hijack',
    fault: 'F82, field report 1',
    about: 'resolv.conf of node-12 has a search domain with a wildcard: the name of node-50 leads to another cluster.',
    definition: withNames,
    break: [resolverOf('node-12', 'search guoyutec.com', firstServer)],
    ask: askWrong,
    felt: {
      from: 'node-12',
      run: ['sh', '-c', 'getent ahosts node-50 | grep -q 172.16.0.50'],
      broken: { exit: 1 },
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'dns-name-elsewhere', path: { from: 'node-12', to: 'node-50' } }],
    },
    mend: [resolverOf('node-12', firstServer)],
  },
  {
    id: 'dns-ndots',
    fault: 'F83',
    about: 'resolv.conf as pods have it, outside names looked up all the time, and a name server that needs 60 ms.',
    definition: withNames,
    break: [resolverOf('node-12', ...ofPods), ...serves('ns-53', { delayMs: 60 })],
    traffic: [{ on: 'node-12', run: again('for n in www api cdn; do getent ahosts $n.example.com >/dev/null; done') }],
    ask,
    expect: { verdict: 'found', confirmed: [{ rule: 'dns-ndots', node: 'node-12' }], mayBeLikely: [] },
    mend: [resolverOf('node-12', firstServer), ...serves('ns-53', {})],
  },
  {
    id: 'dns-ndots-cheap',
    fault: 'none (F83 as every pod has it)',
    about: 'The same resolv.conf, and answers within a millisecond: nobody waits for the names that do not exist.',
    definition: withNames,
    break: [resolverOf('node-12', ...ofPods)],
    traffic: [{ on: 'node-12', run: again('for n in www api cdn; do getent ahosts $n.example.com >/dev/null; done') }],
    ask,
    expect: { verdict: 'clear', confirmed: [] },
    mend: [resolverOf('node-12', firstServer)],
  },
  {
    id: 'dns-fragments-lost',
    fault: 'F43',
    about: 'Answers of 3 kB come in fragments, and the router drops all but the first, as many firewalls do.',
    definition: withNames,
    break: [
      resolverOf('node-12', firstServer),
      onRouter(
        'nft',
        'table ip edge { chain pass { type filter hook prerouting priority -450; ip frag-off & 0x1fff != 0 drop; }; }',
      ),
    ],
    traffic: [{ on: 'node-12', run: again(`${asksForLarge} >/dev/null 2>&1`) }],
    ask,
    felt: { from: 'node-12', run: asksForLarge.split(' '), broken: { exit: 1, says: /no answer about big/ } },
    expect: { verdict: 'found', confirmed: [{ rule: 'frag-drop', node: 'node-12' }], mayBeLikely: [] },
    mend: [onRouter('nft', 'delete table ip edge')],
  },
  {
    id: 'dns-tcp-blocked',
    fault: 'F85',
    about: 'An answer is too long for UDP without EDNS, and the router drops TCP port 53.',
    definition: withNames,
    break: [
      resolverOf('node-12', firstServer),
      onRouter('nft', 'table ip edge { chain pass { type filter hook forward priority 0; tcp dport 53 drop; }; }'),
    ],
    traffic: [{ on: 'node-12', run: again('timeout 3 getent ahosts big.example.com >/dev/null') }],
    ask,
    felt: { from: 'node-12', run: looksUp('big.example.com'), broken: { exit: 124 } },
    expect: { verdict: 'found', confirmed: [{ rule: 'dns-musl', node: 'node-12' }], mayBeLikely: [] },
    mend: [onRouter('nft', 'delete table ip edge')],
  },
  {
    id: 'dns-servfail',
    fault: 'F81',
    about: 'The first name server answers SERVFAIL to everything, the second one knows the names.',
    definition: withNames,
    break: [resolverOf('node-12', ...bothServers), ...serves('ns-53', { always: 'SERVFAIL' })],
    ask,
    expect: { verdict: 'found', confirmed: [badServer('node-12')], mayBeLikely: [] },
    mend: [...serves('ns-53', {})],
  },
  {
    id: 'dns-refused',
    fault: 'F81',
    about: 'The only name server refuses every question: no other can tell that the names exist, so it is likely only.',
    definition: withNames,
    break: [resolverOf('node-12', firstServer), ...serves('ns-53', { always: 'REFUSED' })],
    ask: 'node-50 port 1301 from node-12 could not resolve host',
    felt: { from: 'node-12', run: looksUp('www.example.com'), broken: { exit: 2 } },
    expect: { verdict: 'found', confirmed: [], likely: [badServer('node-12')], mayBeLikely: [] },
    mend: [...serves('ns-53', {})],
  },
  {
    id: 'dns-cluster-down',
    fault: 'F87',
    about:
      'No pod of the DNS of the cluster is ready: the rule that kube-proxy then writes turns the questions of pod-a down. Rule, refusal and questions are real, kube-proxy itself is not there.',
    definition: withNames,
    break: [
      resolverOf('node-12', firstServer),
      resolverOf(
        'pod-a',
        `nameserver ${clusterDns}`,
        'search default.svc.cluster.local svc.cluster.local cluster.local',
      ),
      on12('iptables', '-N', 'KUBE-SERVICES'),
      on12('iptables', '-A', 'FORWARD', '-j', 'KUBE-SERVICES'),
      on12('iptables', '-A', 'OUTPUT', '-j', 'KUBE-SERVICES'),
      on12(
        ...`iptables -A KUBE-SERVICES -d ${clusterDns}/32 -p udp -m comment --comment`.split(' '),
        'kube-system/kube-dns:dns has no endpoints',
        ...'-m udp --dport 53 -j REJECT --reject-with icmp-port-unreachable'.split(' '),
      ),
    ],
    traffic: [{ on: 'pod-a', run: again('getent ahosts www.example.com') }],
    ask,
    // refused at once, or not answered where the kernel limits its ICMP errors
    felt: {
      from: 'pod-a',
      run: ['sh', '-c', `${looksUp('www.example.com').join(' ')} || exit 1`],
      broken: { exit: 1 },
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'dns-cluster-down', path: { from: 'node-12', to: 'node-50' } }],
      mayBeLikely: [badServer('node-12')],
      headline: /DNS of the cluster does not answer/,
    },
    mend: [on12('iptables', '-F'), on12('iptables', '-X', 'KUBE-SERVICES'), resolverOf('pod-a', firstServer)],
  },
];
