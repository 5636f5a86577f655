import type { LabStep } from '../network.ts';
import type { Scenario } from '../scenario.ts';
import { sh, talk } from '../scenarios/guest-cluster.ts';
import { apiAsBefore, apiSays, apiSlow, apiTrouble } from './api-handle.ts';
import { containerId, netnsOf, plainNetnsOf, serveAgain } from './containers.ts';
import { iptablesRules } from './kube-proxy.ts';
import { podObject, sliceObject } from './objects.ts';
import { podLab } from './pod-lab.ts';
import {
  asked,
  batch,
  clientA,
  clientB,
  type ClusterPod,
  type ClusterService,
  gatewayService,
  hermod,
  placed,
  podsBehind,
  web,
  webService,
} from './pods.ts';
import { clamp } from './topology.ts';

const within = (pod: ClusterPod): readonly string[] => [
  ...'ip netns exec'.split(' '),
  pod === batch ? plainNetnsOf(pod) : netnsOf(pod),
];
/** One request of a pod to a Service, as its application feels it. */
const request = (pod: ClusterPod, { address, port }: ClusterService, ...steps: readonly string[]) => [
  ...within(pod),
  ...talk(address, port, ...steps),
];
const recycle = (value: '0' | '1'): LabStep => ({
  on: 'node-50',
  run: ['sysctl', '-qw', `net.ipv4.tcp_tw_recycle=${value}`],
});
const feltOutside: Scenario['felt'] = {
  from: clientB.node,
  run: [...within(clientB), 'timeout', '2', 'bash', '-c', 'exec 3<>/dev/tcp/172.16.0.50/1301'],
  broken: { exit: 124 },
};
const withoutServers = (what: 'none' | 'all'): LabStep =>
  sh(
    'node-2',
    podsBehind(webService)
      .map(({ address }) => {
        const at = `${webService.address}:${webService.port}`;
        const server = `-r ${address}:${webService.targetPort}`;
        return what === 'none' ? `ipvsadm -d -t ${at} ${server}` : `ipvsadm -a -t ${at} ${server} -m`;
      })
      .join('\n'),
  );
const feltRefused: Scenario['felt'] = {
  from: clientA.node,
  run: request(clientA, webService, 'get'),
  broken: { exit: 111, says: /Connection refused/ },
};
/** kube-proxy of the node in iptables mode writes everything anew; for one Service that it has no endpoints. */
const rulesWithout = (service?: ClusterService): LabStep => ({
  on: batch.node,
  run: [
    'sh',
    '-ec',
    'iptables -t nat -F; iptables -F; printf %s "$0" | iptables-restore --noflush',
    iptablesRules(service),
  ],
});
const feltFromBatch: Scenario['felt'] = {
  from: batch.node,
  run: [...within(batch), 'timeout', '2', 'bash', '-c', `exec 3<>/dev/tcp/${webService.address}/80`],
  broken: { exit: 1, says: /Connection refused/ },
};
const web1 = `${webService.address}:${webService.port}`;
const idle = (seconds: number): LabStep =>
  sh('node-2', `ipvsadm --set ${seconds} ${seconds > 100 ? '120 300' : '5 5'}`);
const runtime = (verb: string, pod: ClusterPod): LabStep =>
  sh(pod.node, `ctr -n k8s.io task ${verb} ${containerId(pod)}`);
/** `count` connects of a pod that are begun at once and kept open by one process. */
const hold = (pod: ClusterPod, to: string, port: number, count: number): LabStep =>
  sh(
    pod.node,
    `${within(pod).join(' ')} perl -MSocket -MFcntl -e 'for (1 .. ${count}) { socket(my $s, PF_INET, SOCK_STREAM, 0); fcntl($s, F_SETFL, O_NONBLOCK); connect($s, sockaddr_in(${port}, inet_aton("${to}"))); push @s, $s; select undef, undef, undef, 0.002 } sleep 240' >/dev/null 2>&1 </dev/null & echo $! > /tmp/hold.pid; sleep 2`,
  );
const letGo = (pod: ClusterPod): LabStep => sh(pod.node, 'kill $(cat /tmp/hold.pid) 2>/dev/null || true');
/** The limit of the pod's own network namespace, and the server started again in its container: it counts from listen(2) on. */
const backlog = (value: string): LabStep =>
  sh(web.node, `ip netns exec ${netnsOf(web)} sysctl -qw net.core.somaxconn=${value}\n${serveAgain(web)}`);

/** The field reports in a cluster: asked with the names of pods and Services, as people do. */
export const podScenarios: readonly Scenario[] = [
  {
    id: 'k8s-report-0',
    fault: 'field report 0',
    about:
      'Pod B of two on a node cannot reach nginx outside of the cluster; both show the address of the node. containerd, runc, NAT and timestamps are real; the 4.9 kernel of node-50 is imitated, see tw-recycle.',
    definition: podLab,
    break: [recycle('1')],
    ask: `node-50 port 1301 from ${asked(clientB)}`,
    felt: feltOutside,
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'tw-recycle', node: 'node-50' }],
      mayBeLikely: [],
      headline: /^node-50: tcp_tw_recycle throws SYNs away/,
      resolved: [/^pod shop\/client-6d5f8c7b9-b8wzt is 10\.244\.2\.6 on node-2$/],
      remedy: { node: 'node-50', command: 'sysctl -w net.ipv4.tcp_tw_recycle=0' },
    },
    inTests: true,
    mend: [recycle('0'), apiAsBefore],
  },
  // Before the scenarios whose traffic leaves hundreds of connections in IPVS: where a direct connect to the pod has the
  // port of one of them, IPVS takes its answer for that one's.
  {
    id: 'k8s-report-3a',
    fault: 'field report 3a, F02',
    about:
      'The only pod behind the Service has stopped accepting, as with files on a dead NFS: 140 connects wait in a queue that its network namespace limits to 128. Asked with the names of both pods.',
    definition: podLab,
    break: [backlog('128'), runtime('pause', web), hold(hermod, web.address, 8080, 140)],
    ask: `${asked(web)} port ${web.port} from ${asked(clientA)} times out`,
    felt: {
      from: clientA.node,
      run: request(clientA, webService, 'get'),
      broken: { exit: 110, says: /timed out/ },
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'accept-queue-overflow', node: placed(web) }],
    },
    mend: [letGo(hermod), runtime('resume', web), backlog('4096'), apiAsBefore],
  },
  {
    id: 'k8s-report-3a-svc',
    fault: 'field report 3a, F02',
    about: 'The same, asked with the name of the Service: the pod behind it is found, and judged in its own namespace.',
    definition: podLab,
    break: [backlog('128'), runtime('pause', web), hold(hermod, web.address, 8080, 140)],
    ask: `svc shop/web port 80 from ${asked(clientA)} times out`,
    felt: {
      from: clientA.node,
      run: request(clientA, webService, 'get'),
      broken: { exit: 110, says: /timed out/ },
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'accept-queue-overflow', node: placed(web) }],
    },
    mend: [letGo(hermod), runtime('resume', web), backlog('4096'), apiAsBefore],
  },
  {
    id: 'k8s-report-2',
    fault: 'field report 2, F40, F41',
    about:
      'NodePort 30170 through IPVS and tunl0 (MTU 1440) to a pod of containerd with an MTU of 1450: packets of 1450 bytes die between eth0 and tunl0, and the network drops what the node says about it. All of it real.',
    definition: podLab,
    break: [sh('node-2', clamp('-D'))],
    traffic: [
      {
        on: 'front',
        run: [
          'sh',
          '-c',
          `while :; do ${talk('172.16.0.2', 30170, 'get', 'upload', '4,2705').join(' ')}; sleep 1; done`,
        ],
      },
    ],
    ask: 'nodeport 30170 from front small requests work, large uploads hang for 4s',
    felt: {
      from: 'front',
      run: talk('172.16.0.2', 30170, 'get', 'upload', '4,2705'),
      broken: { exit: 4, says: /no answer/ },
    },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'mtu-too-small', node: 'node-2' },
        { rule: 'mtu-blackhole', node: 'node-2' },
        { rule: 'frag-needed-ignored', node: 'node-2' },
      ],
      headline: /A device on the way has a smaller MTU/,
      resolved: [/^nodeport 30170 \(svc shop\/web\) is asked at node-2$/],
      remedy: { node: 'node-2', command: clamp('-A') },
    },
    mend: [sh('node-2', clamp('-A')), apiAsBefore],
  },
  {
    id: 'k8s-report-2-pod',
    fault: 'field report 2, F41',
    about:
      'The same tunnel from a pod to a Service, and the node says nothing to its pods about packets that are too large (a firewall without ICMP).',
    definition: podLab,
    break: [sh('node-2', `${clamp('-D')}\niptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP`)],
    traffic: [
      {
        on: clientA.node,
        run: [
          'sh',
          '-c',
          `while :; do ${request(clientA, webService, 'get', 'upload', '4,2705').join(' ')}; sleep 1; done`,
        ],
      },
    ],
    ask: `svc shop/web port 80 from ${asked(clientA)} small requests work, large uploads hang for 4s`,
    felt: {
      from: clientA.node,
      run: request(clientA, webService, 'get', 'upload', '4,2705'),
      broken: { exit: 4, says: /no answer/ },
    },
    // the device is the cause; that large segments vanish says as much where an ICMP error proves it, and here is none
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'mtu-too-small', node: 'node-2' }],
      likely: [{ rule: 'mtu-blackhole', node: 'node-2' }],
      headline: /A device on the way has a smaller MTU/,
    },
    mend: [
      sh('node-2', `iptables -D OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP\n${clamp('-A')}`),
      apiAsBefore,
    ],
  },
  {
    id: 'k8s-report-4',
    fault: 'field report 4, F60',
    about:
      'IPVS forgets connections after 6 s instead of 900; hermod says nothing for 7 s and has no SO_KEEPALIVE. The server hears nothing of it. All of it real.',
    definition: podLab,
    break: [idle(6)],
    traffic: [
      {
        on: hermod.node,
        run: [
          ...within(hermod),
          'sh',
          '-c',
          `for i in 1 2 3 4 5 6 7 8; do (while :; do ${talk(gatewayService.address, 80, 'apart', 'get', 'sleep', '7', 'get').join(' ')}; sleep 0.2; done) >/dev/null 2>&1 & sleep 0.9; done; wait`,
        ],
      },
    ],
    ask: `svc shop/gateway port 80 from ${asked(hermod)} connection reset after idle for 9s`,
    felt: {
      from: hermod.node,
      run: request(hermod, gatewayService, 'get', 'sleep', '7.5', 'get'),
      broken: { exit: 104, says: /Connection reset by peer/ },
      limitSec: 20,
    },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'ipvs-idle-timeout', path: { from: placed(hermod), to: gatewayService.address } }],
      headline: /IPVS forgets connections/,
      remedy: { node: 'node-2', command: 'ipvsadm --set 7200 0 0' },
    },
    // nobody is silent for 900 s while netcheck watches, and nobody is protected either
    mended: 'inconclusive',
    mend: [idle(900), apiAsBefore],
  },
  {
    id: 'k8s-iptables-empty',
    fault: 'F66',
    about:
      'A pod on a node with kube-proxy in iptables mode asks for a Service without endpoints: Kubernetes says so, and kube-proxy has written it.',
    definition: podLab,
    break: [apiSays(sliceObject(webService, [])), rulesWithout(webService)],
    ask: `svc shop/web port 80 from ${asked(batch)} refused`,
    felt: feltFromBatch,
    expect: {
      verdict: 'found',
      // the pod as well: Kubernetes says why its own connects failed
      confirmed: [
        { rule: 'no-endpoints', node: batch.node },
        { rule: 'no-endpoints', node: placed(batch) },
      ],
    },
    mend: [rulesWithout(), apiAsBefore],
  },
  {
    id: 'k8s-iptables-stale',
    fault: 'F67',
    about:
      'The same rules, and Kubernetes has a ready endpoint: kube-proxy of that node is behind. Which of the two is old cannot be proven from here.',
    definition: podLab,
    break: [rulesWithout(webService)],
    ask: `svc shop/web port 80 from ${asked(batch)} refused`,
    felt: feltFromBatch,
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'kube-proxy-stale', node: batch.node }],
      // the ICMP error of that node
      mayBeLikely: [{ rule: 'path-drop', path: { from: placed(batch), to: webService.address } }],
    },
    mend: [rulesWithout(), apiAsBefore],
  },
  {
    id: 'k8s-api-down',
    fault: 'field report 0, without the API',
    about: 'The API server cuts every connection: the pod is found by what the kubelet has left on the nodes.',
    definition: podLab,
    break: [apiTrouble('cut'), recycle('1')],
    ask: `node-50 port 1301 from ${asked(clientB)}`,
    felt: feltOutside,
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'tw-recycle', node: 'node-50' }],
      mayBeLikely: [],
      resolved: [
        /^pod shop\/client-6d5f8c7b9-b8wzt is 10\.244\.2\.6 on node-2, as the node itself says; Kubernetes could not be asked: /,
      ],
    },
    mend: [recycle('0'), apiAsBefore],
  },
  {
    id: 'k8s-api-silent',
    fault: 'F66, without the API',
    about:
      'The API server takes connections and never answers; the Service is asked for by its address, and IPVS has no server for it.',
    definition: podLab,
    break: [apiTrouble('silent'), withoutServers('none')],
    ask: `${webService.address} port 80 from ${asked(clientA)} refused`,
    felt: feltRefused,
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'no-endpoints', node: 'node-2' }],
      resolved: [/Kubernetes could not be asked: /],
    },
    mend: [withoutServers('all'), apiAsBefore],
  },
  {
    id: 'k8s-api-slow',
    fault: 'F66, slow API',
    about: 'Every answer of the API server takes a second: netcheck waits, and says the same.',
    definition: podLab,
    break: [apiSlow(1000), withoutServers('none')],
    ask: `svc shop/web port 80 from ${asked(clientA)} refused`,
    felt: feltRefused,
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'no-endpoints', node: 'node-2' }],
      resolved: [/^svc shop\/web is 10\.96\.0\.44/, /^pod shop\/client-6d5f8c7b9-a4xkq is 10\.244\.2\.5 on node-2$/],
    },
    mend: [withoutServers('all'), apiAsBefore],
  },
  {
    id: 'k8s-api-forbidden',
    fault: 'field report 0, without rights',
    about: 'The API server knows the token and allows it nothing.',
    definition: podLab,
    break: [apiTrouble('forbidden'), recycle('1')],
    ask: `node-50 port 1301 from ${asked(clientB)}`,
    felt: feltOutside,
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'tw-recycle', node: 'node-50' }],
      mayBeLikely: [],
      resolved: [/Kubernetes could not be asked: .*(?:forbidden|not allowed|may not)/],
    },
    mend: [recycle('0'), apiAsBefore],
  },
  {
    id: 'k8s-api-stale-pod',
    fault: 'field report 0, stale API',
    about: 'The object of the pod says another node than the one that it runs on, as after a failover of etcd.',
    definition: podLab,
    break: [apiSays(podObject({ ...clientB, node: 'node-3' })), recycle('1')],
    ask: `node-50 port 1301 from ${asked(clientB)}`,
    felt: feltOutside,
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'tw-recycle', node: 'node-50' }],
      mayBeLikely: [],
      resolved: [
        /^pod shop\/client-6d5f8c7b9-b8wzt is 10\.244\.2\.6 on node-2, as the node itself says; Kubernetes says node-3/,
      ],
    },
    mend: [recycle('0'), apiAsBefore],
  },
  {
    id: 'k8s-api-stale-endpoint',
    fault: 'F67, a stale object',
    about: `The slice of the Service still lists a pod that is gone (10.244.3.99); the rules of the nodes (${web1}) do not, and everything works.`,
    definition: podLab,
    break: [
      apiSays(
        sliceObject(webService, [
          {
            ...web,
            name: 'web-7c9d5b6f4-gone1',
            uid: web.uid.replace('d4', 'd9'),
            address: '10.244.3.99',
          },
          ...podsBehind(webService),
        ]),
      ),
    ],
    ask: `svc shop/web port 80 from ${asked(clientA)}`,
    felt: { from: clientA.node, run: request(clientA, webService, 'get'), broken: { exit: 0 } },
    // which of the two is old cannot be told from here: the API is what nodes have to follow
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'kube-proxy-stale', node: 'node-2' }],
      mayBeLikely: [{ rule: 'kube-proxy-stale', node: 'node-3' }],
    },
    mend: [apiAsBefore],
  },
];
