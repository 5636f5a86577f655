import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { attemptsByBackend, type BackendAttempts } from './backend-attempts.ts';
import { askedAt, because, fileOf } from './because.ts';
import { clusterLack, clusterText, kubeHasLeft, kubePodAt, kubeServiceOf, storyOf } from './cluster-view.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { sameAddress } from './ip-address.ts';
import { ipvsFor, ipvsText } from './ipvs-service.ts';
import { type Backend, kubeServiceFor } from './kube-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { tcpOnlyText } from './transport.ts';
import { gracefulDraft, kubeObjectText } from './kube-objects.ts';

type Attempts = BackendAttempts<Backend>;

/** timeoutSeconds where a Service does not set it (core/v1 ClientIPConfig). */
const defaultAffinitySec = 10_800;

/** F69: the Service still, or already, sends connections to a pod that is gone, or that does not listen yet. */
export const rolloutEndpointLag = defineNodeRule({
  id: 'rollout-endpoint-lag',
  fault: 'F69',
  scope: 'node',
  roles: ['client', 'forwarder', 'target'],
  needs: ['features'],
  optional: ['firewall', 'ipvs', 'capture', 'conntrackEntries', 'addresses', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'kubernetes.io Pod lifecycle, termination of Pods (the endpoint is removed while the pod already ends)',
    'kubernetes pkg/proxy/iptables/proxier.go (KUBE-SEP chains)',
    'fault catalogue F69; field report 3b; imroc graceful-shutdown',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...captureText.en,
      ...ipvsText.en,
      ...tcpOnlyText.en,
      ...clusterText.en,
      title: 'The Service sends connections to a backend that is gone, or not ready yet',
      neither: 'neither IPVS nor kube-proxy handles this address and port here',
      notRead: 'the rules of kube-proxy were not read',
      noBackends: 'the Service has no endpoint at all: see no-endpoints',
      noAttempt: (v: { service: string; backends: number }) =>
        `no connect of the window could be told to go to one of the ${v.backends} backends of ${v.service}`,
      well: (v: { service: string; answered: number; backends: number }) =>
        `${v.answered} connects to ${v.backends} backends of ${v.service} were all answered`,
      refused: (v: { backend: string; connects: number; first: string }) =>
        `${v.backend} refused ${v.connects} connects (RST; first: ${v.first}): nothing listens there, any more or not yet. The application sees "Connection refused"`,
      unreachable: (v: { backend: string; connects: number; first: string }) =>
        `${v.connects} connects to ${v.backend} were answered by ICMP host unreachable (first: ${v.first}): the pod's address is gone. The application sees "No route to host"`,
      silent: (v: { backend: string; connects: number; first: string }) =>
        `${v.connects} connects to ${v.backend} got no answer (first: ${v.first}): the pod or its node is gone without a word, or something drops them. The application sees "Connection timed out"`,
      listed: (v: { backend: string; by: string }) => `${v.backend} is among the backends (${v.by})`,
      left: (v: { backend: string }) => `kube-proxy took ${v.backend} out of the Service in the window`,
      joined: (v: { backend: string }) => `kube-proxy put ${v.backend} into the Service in the window`,
      others: (v: { answered: number; backends: number }) =>
        `${v.answered} connects to ${v.backends} other backends of the Service were answered: only some backends are concerned`,
      alone: 'No other backend was seen to answer, so it need not be a matter of single backends',
      steady: (v: { pod: string; backend: string }) =>
        `Kubernetes: pod ${v.pod} (${v.backend}) was a ready endpoint at the beginning and at the end of the run, does not end, and was not started of late: that it does not answer is no matter of a rollout`,
      affinity: (v: { seconds: number }) =>
        `The Service has sessionAffinity ClientIP: who was sent to a backend is sent there again for ${v.seconds} s`,
      kubernetesObjects: 'Which pods were ending or starting then, only Kubernetes tells (EndpointSlices, events)',
      graceful:
        'Let pods end later than their endpoint: preStop sleep 10 to 30 s, and an application that finishes what it has on SIGTERM',
      ready:
        'Let pods join only when they serve: a readinessProbe on the port itself; maxUnavailable 0, minReadySeconds',
      look: 'Shows which pods are ready, ending or gone',
      retry: 'Let clients retry connects that fail; keep connect time-outs short',
      risk: 'Low: rollouts take longer',
      riskRead: 'None: it only looks',
      riskLow: 'Low',
    },
    zh: {
      ...kubeObjectText.zh,
      ...captureText.zh,
      ...ipvsText.zh,
      ...tcpOnlyText.zh,
      ...clusterText.zh,
      title: 'Service 把连接发给了已经消失或尚未就绪的后端',
      neither: '这里的 IPVS 和 kube-proxy 都不处理这个地址和端口',
      notRead: '没有读到 kube-proxy 的规则',
      noBackends: '该 Service 完全没有端点：见 no-endpoints',
      noAttempt: (v) => `看不出窗口内有连接发往 ${v.service} 的 ${v.backends} 个后端`,
      well: (v) => `发往 ${v.service} 的 ${v.backends} 个后端的 ${v.answered} 次连接都有应答`,
      refused: (v) =>
        `${v.backend} 拒绝了 ${v.connects} 次连接（RST；第一个：${v.first}）：那里已经或尚未有进程监听。应用看到“Connection refused”`,
      unreachable: (v) =>
        `到 ${v.backend} 的 ${v.connects} 次连接得到 ICMP host unreachable（第一个：${v.first}）：Pod 的地址已不存在。应用看到“No route to host”`,
      silent: (v) =>
        `到 ${v.backend} 的 ${v.connects} 次连接没有应答（第一个：${v.first}）：Pod 或其节点突然消失，或报文被丢弃。应用看到“Connection timed out”`,
      listed: (v) => `${v.backend} 在后端列表中（${v.by}）`,
      left: (v) => `窗口内 kube-proxy 把 ${v.backend} 从 Service 中移除`,
      joined: (v) => `窗口内 kube-proxy 把 ${v.backend} 加入了 Service`,
      others: (v) => `发往该 Service 另外 ${v.backends} 个后端的 ${v.answered} 次连接有应答：只涉及部分后端`,
      alone: '没有看到其他后端应答，所以不一定是个别后端的问题',
      steady: (v) =>
        `Kubernetes：Pod ${v.pod}（${v.backend}）在检查开始和结束时都是就绪端点，没有在结束，最近也没有启动：它不应答与滚动更新无关`,
      affinity: (v) => `该 Service 设置了 sessionAffinity ClientIP：同一客户端 ${v.seconds} 秒内都会被发往同一个后端`,
      kubernetesObjects: '当时哪些 Pod 正在结束或启动，只有 Kubernetes 知道（EndpointSlice、事件）',
      graceful: '让 Pod 比它的端点更晚结束：preStop 休眠 10 到 30 秒，应用收到 SIGTERM 后处理完已有请求',
      ready: '让 Pod 真正可服务后才加入：对该端口配置 readinessProbe；maxUnavailable 0、minReadySeconds',
      look: '查看哪些 Pod 就绪、正在结束或已消失',
      retry: '让客户端重试失败的连接；连接超时设短一些',
      risk: '低：滚动更新会更慢',
      riskRead: '无：只是查看',
      riskLow: '低',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const known = kubeServiceFor(facts, target, 'tcp');
    if (known === null) {
      const here = ipvsFor(facts, target, 'tcp');
      if (here.how === 'unread') return undecided('ipvs', node, say.ipvsNotRead);
      if (facts.firewall === undefined) return undecided('firewall', node, say.notRead);
      return notApplicable(because(say.neither, fileOf(facts.firewall.rules, facts.features.at)));
    }
    // what IPVS still sends to a server with weight 0 is ipvs-stale-rs
    const backends = known.backends.filter(({ weight }) => weight !== 0);
    if (backends.length === 0) return notApplicable(because(say.noBackends, known.at));
    const { capture } = facts;
    const blind = blindness(capture, say);
    if (capture === undefined || blind !== null) return undecided('capture', node, blind ?? say.noCapture);

    const service = endpointText(target);
    const attempts = attemptsByBackend(capture, target, backends, facts.conntrackEntries ?? []);
    const failing = attempts.filter((one) => failuresOf(one) > 0);
    const answering = attempts.filter(({ answered }) => answered.length > 0);
    const answered = answering.reduce((sum, one) => sum + one.answered.length, 0);
    const [worst] = [...failing].sort((a, b) => score(b) - score(a));
    if (worst === undefined) {
      const weak = weakness(capture, say);
      if (answered > 0 && weak === null)
        return ruledOut(because(say.well({ service, answered, backends: answering.length }), capture.at));
      return undecided('capture', node, weak ?? say.noAttempt({ service, backends: backends.length }));
    }

    const story = storyOf(facts.cluster, worst.backend.address, say);
    const others = answering.filter(({ backend }) => backend !== worst.backend);
    const reasons: Because[] = [
      ...failing.slice(0, 3).flatMap((one) => [...effects(one), because(listing(one.backend), one.backend.at)]),
      others.length > 0
        ? because(
            say.others({
              answered: others.reduce((sum, one) => sum + one.answered.length, 0),
              backends: others.length,
            }),
            capture.at,
          )
        : because(say.alone, capture.at),
      ...affinity(),
      ...(story.length > 0 ? story : [because(say.kubernetesObjects, known.at)]),
    ];
    const spoken = worst.refused.length + worst.unreachable.length > 0;
    const steady = spoken || worst.backend.change !== 'none' || story.length > 0 ? undefined : steadyPod(worst.backend);
    if (steady !== undefined) {
      const shown = { pod: `${steady.namespace}/${steady.name}`, backend: worst.backend.address };
      const [seen] = effects(worst);
      return ruledOut(because(say.steady(shown), steady.at), ...(seen === undefined ? [] : [seen]));
    }
    const isSure =
      worst.backend.change !== 'none' ||
      (spoken && others.length > 0) ||
      kubeHasLeft(facts.cluster, worst.backend.address);
    return isSure ? confirmed(reasons, remedies()) : likely(reasons, remedies());

    function effects({ backend, refused, unreachable, silent }: Attempts): Because[] {
      const shown = endpointText(backend);
      return (['refused', 'unreachable', 'silent'] as const).flatMap((kind) => {
        const connections = { refused, unreachable, silent }[kind];
        const [first] = connections;
        return first === undefined || capture === undefined
          ? []
          : [
              because(
                say[kind]({ backend: shown, connects: connections.length, first: connectionText(first) }),
                capture.at,
              ),
            ];
      });
    }

    /** The pod of a backend that was ready all the time, where both readings say so. */
    function steadyPod({ address }: Backend): ReturnType<typeof kubePodAt> {
      const { cluster } = facts;
      if (cluster === undefined || clusterLack(cluster, say, 'endpoints', 'pods') !== null) return undefined;
      const readings = [cluster.endpoints, cluster.earlier?.endpoints];
      const isReady = readings.every((all) =>
        all?.some((one) => one.ready && !one.terminating && sameAddress(one.address, address)),
      );
      const pod = kubePodAt(cluster, address);
      return isReady && pod?.ready === true && pod.deletedAtMs === null ? pod : undefined;
    }

    /** With it a client that was sent to this backend once stays there. */
    function affinity(): readonly Because[] {
      const object = kubeServiceOf(facts.cluster, target, 'tcp')?.service;
      return object?.sessionAffinity === 'ClientIP'
        ? [because(say.affinity({ seconds: object.affinityTimeoutSec ?? defaultAffinitySec }), object.at)]
        : [];
    }

    function listing(backend: Backend): string {
      const shown = endpointText(backend);
      if (backend.change === 'left') return say.left({ backend: shown });
      if (backend.change === 'joined') return say.joined({ backend: shown });
      return say.listed({ backend: shown, by: known?.by ?? '' });
    }

    function remedies(): Remedy[] {
      const [namespace, name] = known?.name?.split(/[:/]/) ?? [];
      const step = (text: string): Remedy => ({ kind: 'kubernetes', text, commands: [], undo: [], risk: say.risk });
      return [
        {
          kind: 'kubernetes',
          text: say.look,
          commands: [
            `kubectl -n ${namespace ?? 'NAMESPACE'} get endpointslices -l kubernetes.io/service-name=${name ?? 'NAME'} -o yaml`,
            `kubectl get pods -A -o wide --field-selector status.podIP=${worst?.backend.address ?? ''}`,
          ],
          undo: [],
          risk: say.riskRead,
        },
        { ...step(say.graceful), objects: [gracefulDraft({ port: worst?.backend.port ?? null, namespace }, say)] },
        step(say.ready),
        { kind: 'application', text: say.retry, commands: [], undo: [], risk: say.riskLow },
      ];
    }
  },
});

function failuresOf({ refused, unreachable, silent }: Attempts): number {
  return refused.length + unreachable.length + silent.length;
}

/** What proves most comes first: a backend that came or went, then one that is said to be gone. */
function score(one: Attempts): number {
  const told = one.refused.length + one.unreachable.length;
  return (one.backend.change === 'none' ? 0 : 1e6) + told * 1000 + one.silent.length;
}
