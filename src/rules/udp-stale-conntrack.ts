import * as z from 'zod';
import type { Capture } from '../model/facts.ts';
import type { ConntrackEntry } from '../model/node-facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because, fileOf } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { clusterText, storyOf } from './cluster-view.ts';
import { endpointText } from './endpoint-text.ts';
import { sameAddress } from './ip-address.ts';
import { ipvsFor, ipvsText, isEndpoint } from './ipvs-service.ts';
import { kubeServiceFor } from './kube-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

const udp = 17;

/** F73: conntrack keeps sending a UDP flow to a pod that the Service no longer has. */
export const udpStaleConntrack = defineNodeRule({
  id: 'udp-stale-conntrack',
  fault: 'F73',
  scope: 'node',
  anyProtocol: true,
  roles: ['client', 'forwarder', 'target'],
  needs: ['conntrackEntries'],
  optional: ['features', 'firewall', 'ipvs', 'capture', 'addresses', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'net/netfilter/nf_conntrack_proto_udp.c (every packet renews the entry), nf_nat_core.c (rules are asked once per flow)',
    'kubernetes pkg/proxy/conntrack/cleanup.go (entries of UDP that kube-proxy clears)',
    'kubernetes#126130, kubernetes#127318, kubernetes#139629; fault catalogue F73',
  ],
  text: {
    en: {
      ...captureText.en,
      ...ipvsText.en,
      ...clusterText.en,
      title: 'UDP packets still go to a pod that the Service no longer has (conntrack remembers the flow)',
      tcp: 'The question is about TCP: a new connection has a new entry there, and an old one ends by itself',
      noEntry: (v: { service: string }) => `no UDP flow to ${v.service} is tracked here`,
      noService: (v: { service: string }) => `neither IPVS nor kube-proxy has a Service ${v.service} here`,
      notRead: 'the rules of kube-proxy were not read, so which pods the Service has is not known',
      noBackends: (v: { service: string }) => `${v.service} has no endpoint at all: see no-endpoints`,
      current: (v: { entries: number; service: string }) =>
        `all ${v.entries} tracked UDP flows to ${v.service} go to endpoints that it has`,
      stale: (v: { client: string; service: string; backend: string; state: string }) =>
        `conntrack sends ${v.client} > ${v.service} to ${v.backend}${v.state}, which is not an endpoint of the Service`,
      untranslated: (v: { client: string; service: string }) =>
        `conntrack has ${v.client} > ${v.service} without translation: the flow began before the Service had an endpoint, and its packets go nowhere`,
      unreplied: ' and never saw an answer',
      endpoints: (v: { backends: string }) => `The Service has: ${v.backends}`,
      more: (v: { flows: number }) => `In all ${v.flows} flows are kept so`,
      silent: (v: { packets: number; client: string }) =>
        `${v.packets} packets of ${v.client} went that way in the window, and none came back`,
      unreachable: (v: { name: string; from: string }) => `${v.from} answered with ICMP ${v.name}`,
      alive: (v: { flows: number }) =>
        `${v.flows} flows go to addresses that are no endpoints, and were answered there`,
      idle: 'No packet of these flows was seen in the window',
      temporary: 'Forgets these flows; the next packet is sent to an endpoint',
      risk: 'Low: changes state of the node; a packet under way may be lost',
      application:
        'Let the client open a new socket (another source port) after a time without answers: each packet of the same flow renews the entry, so it never runs out',
      kubernetes:
        'kube-proxy clears such entries when an endpoint goes; where they stay, see that it runs and is up to date (1.32 and newer look at the whole table at every sync)',
      riskLow: 'Low',
    },
    zh: {
      ...captureText.zh,
      ...ipvsText.zh,
      ...clusterText.zh,
      title: 'UDP 报文仍发往 Service 已经没有的 Pod（conntrack 记住了旧流）',
      tcp: '这次查的是 TCP：TCP 的新连接会有新条目，旧连接会自己结束',
      noEntry: (v) => `这里没有到 ${v.service} 的 UDP 流`,
      noService: (v) => `这里的 IPVS 和 kube-proxy 都没有 Service ${v.service}`,
      notRead: '没有读到 kube-proxy 的规则，不知道该 Service 有哪些 Pod',
      noBackends: (v) => `${v.service} 完全没有端点：见 no-endpoints`,
      current: (v) => `到 ${v.service} 的 ${v.entries} 条 UDP 流都发往它现有的端点`,
      stale: (v) => `conntrack 把 ${v.client} > ${v.service} 发往 ${v.backend}${v.state}，而它不是该 Service 的端点`,
      untranslated: (v) =>
        `conntrack 里 ${v.client} > ${v.service} 没有地址转换：这条流在 Service 有端点之前就开始了，报文无处可去`,
      unreplied: '，并且从未收到应答',
      endpoints: (v) => `该 Service 现有端点：${v.backends}`,
      more: (v) => `这样的流共有 ${v.flows} 条`,
      silent: (v) => `窗口内 ${v.client} 有 ${v.packets} 个报文这样发出，没有任何应答`,
      unreachable: (v) => `${v.from} 回了 ICMP ${v.name}`,
      alive: (v) => `有 ${v.flows} 条流发往不是端点的地址，但在那里得到了应答`,
      idle: '窗口内没有看到这些流的报文',
      temporary: '删除这些流的条目；下一个报文会发往现有端点',
      risk: '低：会改变节点状态；途中的报文可能丢失',
      application: '客户端一段时间没有应答后应重新打开套接字（换源端口）：同一条流的每个报文都会续期条目，永远不会过期',
      kubernetes:
        '端点移除时 kube-proxy 会清理这类条目；如果没有清理，请检查它是否在运行、规则是否最新（1.32 起每次同步都会检查整个表）',
      riskLow: '低',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    if (symptom.protocol !== 'udp') return notApplicable(because(say.tcp, askedAt));
    const service = endpointText(target);
    const table = facts.conntrackEntries;
    const here = ipvsFor(facts, target, 'udp');
    const known = kubeServiceFor(facts, target, 'udp');
    if (known === null) {
      if (here.how === 'unread') return undecided('ipvs', node, say.ipvsNotRead);
      if (facts.firewall === undefined) return undecided('firewall', node, say.notRead);
      return notApplicable(because(say.noService({ service }), fileOf(facts.firewall.rules)));
    }
    const flows = table.filter(
      ({ protocol, original }) =>
        protocol === 'udp' &&
        original.destinationPort === target.port &&
        sameAddress(original.destination, target.address),
    );
    if (flows.length === 0) return ruledOut(because(say.noEntry({ service }), fileOf(table, known.at)));
    const backends = known.backends.filter(({ change }) => change !== 'left');
    if (backends.length === 0) return ruledOut(because(say.noBackends({ service }), known.at));
    const stale = flows.filter((entry) => !backends.some((one) => isEndpoint(one, goesTo(entry))));
    const [first] = stale;
    if (first === undefined)
      return ruledOut(because(say.current({ entries: flows.length, service }), flows[0]?.at ?? known.at));

    const capture = blindness(facts.capture, say) === null ? facts.capture : undefined;
    const seen = stale.map((entry) => ({ entry, ...packetsOf(entry, capture) }));
    const dead = seen.filter(({ back }) => back === 0);
    const [worst] = [...dead].sort((a, b) => b.sent - a.sent);
    if (worst === undefined)
      return ruledOut(because(say.alive({ flows: seen.length }), first.at), because(endpoints(), known.at));

    const { entry } = worst;
    const client = endpointText({ address: entry.original.source, port: entry.original.sourcePort ?? 0 });
    const backend = goesTo(entry);
    const reasons: Because[] = [
      because(
        isEndpoint(backend, target)
          ? say.untranslated({ client, service })
          : say.stale({ client, service, backend: endpointText(backend), state: entry.unreplied ? say.unreplied : '' }),
        entry.at,
      ),
      because(endpoints(), known.at),
      ...storyOf(facts.cluster, backend.address, say),
      ...(dead.length > 1 ? [because(say.more({ flows: dead.length }), fileOf(table))] : []),
    ];
    if (capture === undefined || worst.sent === 0)
      return likely([...reasons, because(say.idle, capture?.at ?? entry.at)], remedies(dead.map((one) => one.entry)));
    const error = capture.icmpErrors.find(
      ({ about }) => about.protocol === udp && sameAddress(about.destination, backend.address),
    );
    return confirmed(
      [
        ...reasons,
        because(say.silent({ packets: worst.sent, client }), capture.at),
        ...(error === undefined ? [] : [because(say.unreachable({ name: error.name, from: error.from }), capture.at)]),
      ],
      remedies(dead.map((one) => one.entry)),
    );

    function endpoints(): string {
      return say.endpoints({ backends: backends.slice(0, 5).map(endpointText).join(', ') });
    }

    function remedies(entries: readonly ConntrackEntry[]): Remedy[] {
      const gone = [...new Set(entries.map((one) => one.reply.source))].slice(0, 5);
      return [
        {
          kind: 'temporary',
          node,
          text: say.temporary,
          commands: gone.map(
            (address) =>
              `conntrack -D -p udp --orig-dst ${target.address} --orig-port-dst ${target.port} --reply-src ${address}`,
          ),
          undo: [],
          risk: say.risk,
        },
        { kind: 'application', text: say.application, commands: [], undo: [], risk: say.riskLow },
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: ['kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy'],
          undo: [],
          risk: say.riskLow,
        },
      ];
    }
  },
});

/** Where conntrack sends the packets of a flow: who it expects the answer from. */
function goesTo({ reply }: ConntrackEntry): { readonly address: string; readonly port: number } {
  return endpoint(reply.source, reply.sourcePort);
}

/**
 * Packets of the flow in the window, whichever side of the translation the capture saw them on. Of UDP a capture cannot
 * tell who is the client, so both ways of naming the ends are looked at.
 */
function packetsOf(entry: ConntrackEntry, capture: Capture | undefined): { sent: number; back: number } {
  const { original, reply } = entry;
  const before = [
    endpoint(original.source, original.sourcePort),
    endpoint(original.destination, original.destinationPort),
  ];
  const behind = [endpoint(reply.destination, reply.destinationPort), goesTo(entry)];
  const own = (capture?.udp ?? []).flatMap(({ client, server, packets }) =>
    [before, behind].flatMap(([from, to]) => {
      if (from === undefined || to === undefined) return [];
      if (isEndpoint(client, from) && isEndpoint(server, to)) return [{ sent: packets.client, back: packets.server }];
      if (isEndpoint(server, from) && isEndpoint(client, to)) return [{ sent: packets.server, back: packets.client }];
      return [];
    }),
  );
  return {
    sent: Math.max(0, ...own.map(({ sent }) => sent)),
    back: Math.max(0, ...own.map(({ back }) => back)),
  };
}

function endpoint(address: string, port: number | null): { readonly address: string; readonly port: number } {
  return { address, port: port ?? 0 };
}
