import * as z from 'zod';
import type { Capture } from '../model/facts.ts';
import type { At } from '../model/evidence.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { clusterText, kubeEndpointsOf, kubeNodeOf, serviceKey } from './cluster-view.ts';
import { corednsDrafts, kubeObjectText } from './kube-objects.ts';
import { deviceRises } from './counter-rise.ts';
import { dnsText, dnsWeakness, watchedMs } from './dns-in-capture.ts';
import { groupBy } from './group-by.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

/** What one name server was asked from here, at its busiest. */
interface Asked {
  readonly server: string;
  /** Questions in the busiest second, repeated ones included. */
  readonly peak: number;
  readonly answered: number;
  /** Questions that had time enough and got nothing. */
  readonly lost: number;
}

/** F88: the cloud drops DNS questions of a node that sends more of them per second than it may. */
export const dnsRateLimit = defineNodeRule({
  id: 'dns-rate-limit',
  fault: 'F88',
  scope: 'node',
  anyProtocol: true,
  roles: ['client', 'forwarder'],
  needs: ['counters'],
  optional: ['capture', 'cluster'],
  params: z.strictObject({
    /** Questions in one second from which on a cloud may drop some: the lowest limit that is known, of AWS. */
    limitPerSecond: z.number().int().min(1).default(1024),
    /** Questions without an answer, and packets beyond the allowance, below which nobody notices. */
    minLost: z.number().int().min(1).default(3),
    /** Time that a server has for an answer, milliseconds. */
    answerWithinMs: z.number().positive().default(2000),
  }),
  sources: [
    'AWS: 1024 packets per second for each network interface to the VPC resolver (Amazon VPC User Guide, DNS quotas)',
    'drivers/net/ethernet/amazon/ena/ena_ethtool.c (linklocal_allowance_exceeded)',
    'Huawei Cloud DNS, constraints: 2000 requests per second for one ECS, 600 of them recursive',
    'Alibaba Cloud DNS PrivateZone, limits: 5000 requests per second for one ECS',
  ],
  text: {
    en: {
      ...dnsText.en,
      ...kubeObjectText.en,
      ...clusterText.en,
      title: 'The cloud drops DNS questions: this node asks more per second than it may',
      exceeded: (v: { device: string; rise: number }) =>
        `${v.device}: linklocal_allowance_exceeded +${v.rise} in the window: packets to local services (name server, metadata, time) were dropped by the cloud`,
      flat: (v: { devices: string }) =>
        `linklocal_allowance_exceeded +0 in the window (${v.devices}): the cloud dropped no question`,
      few: (v: { rise: number; limit: number }) =>
        `linklocal_allowance_exceeded +${v.rise} in the window, fewer than ${v.limit}: a short burst`,
      busy: (v: { server: string; peak: number }) => `${v.server} was asked ${v.peak} times within one second`,
      lost: (v: { server: string; lost: number; answered: number }) =>
        `${v.lost} questions to ${v.server} got no answer, and ${v.answered} did, in the same window`,
      limits:
        'Limits that are known: AWS 1024 packets per second for each network interface, Huawei Cloud 2000 requests (600 recursive) and Alibaba Cloud 5000 requests per second for each instance',
      ofAws: (v: { node: string }) =>
        `Kubernetes: node ${v.node} is one of AWS (providerID), whose limit is 1024 packets per second for each network interface`,
      ofOther: (v: { node: string; provider: string }) =>
        `Kubernetes: node ${v.node} is one of ${v.provider} (providerID): its own limit is what counts, ask its documentation`,
      allHere: (v: { service: string; here: number; ready: number }) =>
        `Kubernetes: ${v.here} of ${v.ready} ready pods of Service ${v.service} are on this node: what they ask for all pods of the cluster leaves by its network card`,
      notFelt: 'No loss of questions was seen with it in this window: the packets may be for metadata or time',
      noCounter:
        'The driver here does not count it: what would confirm is the metric of the provider, or fewer losses with fewer questions',
      below: (v: { peak: number; limit: number }) =>
        `at most ${v.peak} questions to one server within one second: below every limit that is known (from ${v.limit} on)`,
      noLoss: (v: { peak: number }) => `${v.peak} questions within one second, and all of them answered`,
      notTold: 'the driver here counts no allowance, and there is no capture of DNS',
      kubernetes:
        'NodeLocal DNSCache answers most questions on the node itself; more CoreDNS pods on other nodes spread the rest over more network interfaces; `ndots: 2` and names with a dot at their end make fewer questions',
      permanent: 'A cache on the node (nscd, systemd-resolved, dnsmasq); the limit itself cannot be raised on AWS',
      riskKubernetes: 'Medium: changes how every pod resolves names',
      riskCache: 'Low: answers may be as old as their TTL',
    },
    zh: {
      ...dnsText.zh,
      ...kubeObjectText.zh,
      ...clusterText.zh,
      title: '云平台丢弃 DNS 查询：节点每秒查询数超过上限',
      exceeded: (v) =>
        `${v.device}：窗口内 linklocal_allowance_exceeded +${v.rise}：发往本地服务（DNS、元数据、时间）的包被云平台丢弃`,
      flat: (v) => `窗口内 linklocal_allowance_exceeded +0（${v.devices}）：云平台没有丢弃查询`,
      few: (v) => `窗口内 linklocal_allowance_exceeded +${v.rise}，不足 ${v.limit}：只是短暂突发`,
      busy: (v) => `一秒内向 ${v.server} 查询了 ${v.peak} 次`,
      lost: (v) => `同一窗口内，向 ${v.server} 的查询有 ${v.lost} 个没有应答，${v.answered} 个有应答`,
      limits:
        '已知的上限：AWS 每块网卡每秒 1024 个包，华为云每台 ECS 每秒 2000 次（递归 600 次），阿里云每台 ECS 每秒 5000 次',
      ofAws: (v) => `Kubernetes：节点 ${v.node} 属于 AWS（providerID），其上限为每块网卡每秒 1024 个包`,
      ofOther: (v) => `Kubernetes：节点 ${v.node} 属于 ${v.provider}（providerID）：以它自己的上限为准，请查其文档`,
      allHere: (v) =>
        `Kubernetes：Service ${v.service} 的 ${v.ready} 个就绪 Pod 中有 ${v.here} 个在本节点上：它们替整个集群发出的查询都经过本节点的网卡`,
      notFelt: '窗口内没有看到查询丢失：这些包也可能是元数据或时间服务的',
      noCounter: '这里的驱动没有相应计数：要坐实，请看云厂商的监控，或减少查询后看丢失是否减少',
      below: (v) => `一秒内对同一台服务器最多 ${v.peak} 次查询：低于所有已知的上限（最低 ${v.limit}）`,
      noLoss: (v) => `一秒内 ${v.peak} 次查询，全部有应答`,
      notTold: '这里的驱动没有配额计数，也没有 DNS 抓包',
      kubernetes:
        'NodeLocal DNSCache 让大部分查询在本节点得到应答；把更多 CoreDNS Pod 分散到其他节点，可分摊到更多网卡；`ndots: 2` 和末尾加点的域名可以减少查询',
      permanent: '在节点上做缓存（nscd、systemd-resolved、dnsmasq）；AWS 的这个上限不能提高',
      riskKubernetes: '中：会改变所有 Pod 的解析路径',
      riskCache: '低：应答最旧可达其 TTL',
    },
  },
  evaluate({ node, facts, plan, params, say }) {
    const crowd = serversHere();
    const placed = [...cloudOf(), ...crowd];
    const { capture } = facts;
    const allowance = deviceRises(
      facts.counters,
      (name, group) => group === 'ethtool' && name === 'linklocal_allowance_exceeded',
    );
    const [counter] = [...allowance].sort((a, b) => b.rise - a.rise);
    const servers = capture === undefined ? [] : serversOf(capture, params.answerWithinMs);
    const [busiest] = [...servers].sort((a, b) => b.peak - a.peak);
    const hurt = servers
      .filter(({ lost, answered, peak }) => lost >= params.minLost && answered > 0 && peak >= params.limitPerSecond / 2)
      .sort((a, b) => b.lost - a.lost)[0];
    const weak = capture === undefined ? null : dnsWeakness(capture, say);

    if (counter !== undefined && counter.rise > 0) {
      if (counter.rise < params.minLost)
        return ruledOut(because(say.few({ rise: counter.rise, limit: params.minLost }), counter.counter.at));
      const { device, rise } = counter;
      const reasons = [because(say.exceeded({ device, rise }), counter.counter.at)];
      if (hurt === undefined || capture === undefined || weak !== null)
        return likely([...reasons, because(weak ?? say.notFelt, counter.counter.at), ...placed], remedies());
      return confirmed([...reasons, ...sentencesOf(hurt, capture), ...placed], remedies());
    }
    if (counter !== undefined) {
      const devices = [...new Set(allowance.map(({ device }) => device))].slice(0, 8).join(', ');
      return ruledOut(because(say.flat({ devices }), counter.counter.at));
    }
    if (capture === undefined) return undecided('capture', node, say.notTold);
    if (busiest === undefined) return notApplicable(because(say.noDns, capture.at));
    if (weak !== null) return undecided('capture', node, weak);
    if (busiest.peak < params.limitPerSecond)
      return ruledOut(because(say.below({ peak: busiest.peak, limit: params.limitPerSecond }), capture.at));
    if (hurt === undefined || hurt.peak < params.limitPerSecond)
      return ruledOut(because(say.noLoss({ peak: busiest.peak }), capture.at));
    return likely([...sentencesOf(hurt, capture), because(say.noCounter, capture.at), ...placed], remedies());

    /** Whose limits count. */
    function cloudOf(): readonly Because[] {
      const { cluster } = facts;
      const own = cluster === undefined ? undefined : kubeNodeOf(cluster, plan, node);
      if (cluster === undefined || own === undefined) return [];
      const { provider, name } = own;
      if (provider === undefined || provider === null) return [];
      return [because(provider === 'aws' ? say.ofAws({ node: name }) : say.ofOther({ node: name, provider }), own.at)];
    }

    /** How many of those who ask for the whole cluster are on this node. */
    function serversHere(): readonly Because[] {
      const name = facts.cluster === undefined ? undefined : kubeNodeOf(facts.cluster, plan, node)?.name;
      const service = facts.cluster?.services?.find(({ selector }) => selector?.['k8s-app'] === 'kube-dns');
      if (facts.cluster === undefined || service === undefined) return [];
      const ready = (kubeEndpointsOf(facts.cluster, service) ?? []).filter((one) => one.ready);
      const here = ready.filter((one) => one.node === name);
      const at: At | undefined = here[0]?.at;
      // one of many is the rule: it is more than its share that makes a node busy
      if (at === undefined || here.length * 2 <= ready.length) return [];
      return [because(say.allHere({ service: serviceKey(service), here: here.length, ready: ready.length }), at)];
    }

    function sentencesOf({ server, peak, lost, answered }: Asked, { at }: Capture): Because[] {
      return [
        because(say.busy({ server, peak }), at),
        because(say.lost({ server, lost, answered }), at),
        because(say.limits, at),
      ];
    }

    function remedies(): Remedy[] {
      return [
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [],
          undo: [],
          risk: say.riskKubernetes,
          ...(crowd.length > 0 ? { objects: [...corednsDrafts(say)] } : {}),
        },
        { kind: 'permanent', node, text: say.permanent, commands: [], undo: [], risk: say.riskCache },
      ];
    }
  },
});

function serversOf(capture: Capture, answerWithinMs: number): readonly Asked[] {
  return [...groupBy(capture.dns, ({ server }) => server.address)].map(([server, exchanges]) => {
    const open = exchanges.filter(
      (exchange) => exchange.answer === null && watchedMs(capture, exchange) >= answerWithinMs,
    );
    return {
      server,
      peak: busiestSecond(exchanges),
      answered: exchanges.filter(({ answer }) => answer !== null).length,
      lost: open.reduce((sum, { queries }) => sum + queries, 0),
    };
  });
}

/** Most questions within any second; they stand in order of time. */
function busiestSecond(exchanges: readonly { readonly atMs: number; readonly queries: number }[]): number {
  let most = 0;
  let within = 0;
  let first = 0;
  for (const { atMs, queries } of exchanges) {
    within += queries;
    for (let old = exchanges[first]; old !== undefined && atMs - old.atMs >= 1000; old = exchanges[++first])
      within -= old.queries;
    most = Math.max(most, within);
  }
  return most;
}
