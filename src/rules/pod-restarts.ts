import * as z from 'zod';
import type { Cluster } from '../model/cluster-facts.ts';
import type { KubePod } from '../model/cluster-objects.ts';
import type { At } from '../model/evidence.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { clusterLack, clusterText, kubeBehind, kubePodAt, restartsOf, speakerOf } from './cluster-view.ts';
import { handshakesOf } from './handshakes.ts';
import { sameAddress } from './ip-address.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

type Pod = KubePod & { readonly at: At };

/** What ended so long before the run may still explain a connect of the run, milliseconds. */
const atTheTimeMs = 120_000;
/** A probe that fails once is no flapping. */
const mostFailedProbes = 3;

/** A pod behind the target ends and is started again, or comes and goes in readiness, at the time of the question. */
export const podRestarts = defineNodeRule({
  id: 'pod-restarts',
  fault: 'F70',
  scope: 'node',
  anyProtocol: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['cluster'],
  optional: ['capture'],
  params: z.strictObject({}),
  sources: [
    'kubernetes.io Pod Lifecycle (container states, restart policy, lastState)',
    'kubernetes.io Configure Liveness, Readiness and Startup Probes',
    'fault catalogue F69, F70',
  ],
  text: {
    en: {
      ...captureText.en,
      ...clusterText.en,
      title: 'A pod behind the target is restarted, or becomes ready and unready again and again',
      none: 'no pod is behind the target, as far as Kubernetes knows',
      elsewhere: 'the pods of the target are on other nodes, and are told there',
      calm: (v: { pods: number }) =>
        `${v.pods} pods behind the target: no container has failed in the last ten minutes, and none changed its readiness in the run`,
      flapped: (v: { pod: string; from: string; to: string }) =>
        `Pod ${v.pod} was ${v.from} at the beginning of the run, and ${v.to} at its end`,
      ready: 'ready',
      notReady: 'not ready',
      probesFail: (v: { pod: string; count: number; message: string }) =>
        `The readiness of pod ${v.pod} was refused ${v.count} times in the last hour: ${v.message}`,
      failed: (v: { connects: number }) => `${v.connects} connects to it failed in the window`,
      noneFailed: 'No connect to it failed in the window: what people saw may have been then',
      logs: 'Shows how it ended: the log of the container before, and the events of the pod',
      memory: 'Ended by the kernel for want of memory (OOMKilled): raise limits.memory, or find what grows',
      probe:
        'Probes that fail under load take a pod out that could serve: give readinessProbe a longer timeoutSeconds and failureThreshold',
      risk: 'None: it only looks',
      riskChange: 'Low: the pods are made again',
    },
    zh: {
      ...captureText.zh,
      ...clusterText.zh,
      title: '目标后面的 Pod 被重启，或反复在就绪与未就绪之间变化',
      none: '就 Kubernetes 所知，目标后面没有 Pod',
      elsewhere: '目标的 Pod 在其他节点上，在那里说明',
      calm: (v) => `目标后面有 ${v.pods} 个 Pod：最近十分钟没有容器失败，检查期间就绪状态也没有变化`,
      flapped: (v) => `Pod ${v.pod} 在检查开始时${v.from}，结束时${v.to}`,
      ready: '就绪',
      notReady: '未就绪',
      probesFail: (v) => `最近一小时 Pod ${v.pod} 的就绪探测失败 ${v.count} 次：${v.message}`,
      failed: (v) => `窗口内到它的连接失败了 ${v.connects} 次`,
      noneFailed: '窗口内到它的连接没有失败：人们看到的可能发生在那时',
      logs: '查看它如何结束：上一个容器的日志，以及 Pod 的事件',
      memory: '因内存不足被内核结束（OOMKilled）：提高 limits.memory，或找出是什么在增长',
      probe: '高负载下失败的探测会把还能服务的 Pod 摘掉：增大 readinessProbe 的 timeoutSeconds 和 failureThreshold',
      risk: '无：只是查看',
      riskChange: '低：Pod 会重建',
    },
  },
  evaluate({ node, facts, plan, say }) {
    const { cluster, capture } = facts;
    const { symptom, targetAddress } = plan;
    const asked = { address: targetAddress, port: symptom.port };
    const kube = kubeBehind(cluster, asked, symptom.protocol);
    const lack = clusterLack(cluster, say, 'services', 'endpoints', 'pods');
    const all = podsOf(cluster, kube?.endpoints.map(({ address }) => address) ?? [targetAddress]);
    if (all.length === 0)
      return lack === null ? notApplicable(because(say.none, cluster.at)) : undecided('cluster', node, lack);
    const pods = all.filter((pod) => speakerOf(cluster, plan, pod) === node);
    if (pods.length === 0) return notApplicable(because(say.elsewhere, cluster.at));

    const told = pods.flatMap((pod) => {
      const restarts = hasFailed(cluster, pod) ? restartsOf(cluster, pod, say) : [];
      const reasons = [...restarts, ...flapping(pod)];
      return reasons.length === 0 ? [] : [{ pod, reasons }];
    });
    const [first] = told;
    if (first === undefined)
      return lack === null
        ? ruledOut(because(say.calm({ pods: pods.length }), pods[0]?.at ?? askedAt))
        : undecided('cluster', node, lack);

    const reasons = told.slice(0, 3).flatMap((one) => one.reasons);
    const addresses = told.flatMap(({ pod }) => pod.addresses);
    const failing = connectsThatFail(addresses);
    if (capture === undefined || failing === 0) {
      const quiet = failing === 0 && capture !== undefined ? [because(say.noneFailed, capture.at)] : [];
      return likely([...reasons, ...quiet], remedies(first.pod));
    }
    const effect = because(say.failed({ connects: failing }), capture.at);
    return told.some(({ pod }) => isAtTheTime(pod))
      ? confirmed([...reasons, effect], remedies(first.pod))
      : likely([...reasons, effect], remedies(first.pod));

    function flapping(pod: Pod): readonly Because[] {
      const name = nameOf(pod);
      const before = cluster.earlier?.pods?.find((one) => nameOf(one) === name);
      const word = (ready: boolean): string => (ready ? say.ready : say.notReady);
      const changed =
        before !== undefined && before.ready !== pod.ready
          ? [because(say.flapped({ pod: name, from: word(before.ready), to: word(pod.ready) }), pod.at)]
          : [];
      const probes = cluster.events?.findLast(
        ({ pod: of, reason, message, count }) =>
          of === name && reason === 'Unhealthy' && /^Readiness/i.test(message) && count >= mostFailedProbes,
      );
      const isBack = pod.ready && probes !== undefined;
      return isBack
        ? [...changed, because(say.probesFail({ pod: name, count: probes.count, message: probes.message }), probes.at)]
        : changed;
    }

    function connectsThatFail(servers: readonly string[]): number {
      if (capture === undefined || blindness(capture, say) !== null) return 0;
      const { unanswered, refused } = handshakesOf(
        capture,
        ({ server }) => servers.some((one) => sameAddress(one, server.address)),
        1000,
      );
      return unanswered.length + refused.length;
    }

    function isAtTheTime(pod: Pod): boolean {
      const before = cluster.earlier?.pods?.find((one) => nameOf(one) === nameOf(pod));
      const since = cluster.readAtMs - atTheTimeMs;
      return (
        (before !== undefined && before.ready !== pod.ready) ||
        (hasFailed(cluster, pod) && pod.containers.some(({ last }) => (last?.finishedAtMs ?? 0) > since))
      );
    }

    function remedies({ namespace, name, containers }: Pod): Remedy[] {
      const isOutOfMemory = containers.some(({ last }) => last?.reason === 'OOMKilled');
      const [container] = containers.filter(({ last }) => last !== null);
      return [
        {
          kind: 'kubernetes',
          text: say.logs,
          commands: [
            `kubectl -n ${namespace} logs ${name}${container === undefined ? '' : ` -c ${container.name}`} --previous --tail=100`,
            `kubectl -n ${namespace} describe pod ${name}`,
          ],
          undo: [],
          risk: say.risk,
        },
        ...(isOutOfMemory
          ? [{ kind: 'kubernetes' as const, text: say.memory, commands: [], undo: [], risk: say.riskChange }]
          : []),
        { kind: 'kubernetes', text: say.probe, commands: [], undo: [], risk: say.riskChange },
      ];
    }
  },
});

function nameOf({ namespace, name }: Pick<KubePod, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

function podsOf(cluster: Cluster, addresses: readonly string[]): readonly Pod[] {
  const found = addresses.flatMap((address) => kubePodAt(cluster, address) ?? []);
  return [...new Set(found)];
}

/** A container that came to its end in order (a job, an update of its image) tells nothing. */
function hasFailed({ readAtMs }: Cluster, { containers }: KubePod): boolean {
  return containers.some(
    ({ last }) => last !== null && last.exitCode !== 0 && readAtMs - (last.finishedAtMs ?? 0) < 600_000,
  );
}
