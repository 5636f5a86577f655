import * as z from 'zod';
import type { Because } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { codeRiskText } from './code-risk.ts';
import { because, fileOf } from './because.ts';
import { listenersFor } from './listeners.ts';
import { kubePodAt } from './cluster-view.ts';
import { cpuLimitDraft, kubeObjectText } from './kube-objects.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { percentText } from './seconds-text.ts';

/** F92: the cgroup of the process behind the port is stopped until its next period, again and again. */
export const cpuThrottle = defineNodeRule({
  id: 'cpu-throttle',
  fault: 'F92',
  scope: 'node',
  roles: ['target'],
  needs: ['listeners'],
  optional: ['listenerProcesses', 'cluster'],
  params: z.strictObject({
    /** Share of the periods in which it was stopped: below it requests seldom notice. */
    maxShare: z.number().min(0).max(1).default(0.1),
    /** Periods (of 100 ms as a rule) below which no share is told. */
    minPeriods: z.number().int().min(1).default(300),
  }),
  sources: [
    'Documentation/scheduler/sched-bwc.rst (nr_periods, nr_throttled, throttled_time)',
    'Documentation/admin-guide/cgroup-v2.rst (cpu.stat, cpu.max)',
    'imroc kubernetes-guide, timeout',
  ],
  text: {
    en: {
      ...codeRiskText.en,
      ...kubeObjectText.en,
      title: 'The process behind the port is throttled by its CPU limit',
      nothingListens: (v: { port: number }) =>
        `nothing listens on port ${v.port} here, so there is no process to look at`,
      notRead: (v: { port: number }) => `cpu.stat of the process behind port ${v.port} was not read`,
      noLimit: (v: { pid: number }) => `the cgroup of process ${v.pid} has no CPU limit, so it is never throttled`,
      throttled: (v: { pid: number; throttled: number; periods: number; share: string; seconds: string }) =>
        `the cgroup of process ${v.pid} was stopped in ${v.throttled} of ${v.periods} periods (${v.share})${v.seconds}`,
      stopped: (v: { sec: number }) => `, ${v.sec} s altogether`,
      sinceStart: 'These counts are since the cgroup began: that it happened in this very window is not proven',
      inWindow: (v: { throttled: number; periods: number }) =>
        `In this window it was stopped in ${v.throttled} of ${v.periods} periods`,
      limit: (v: { pod: string; limits: string }) => `Kubernetes: CPU limits of pod ${v.pod}: ${v.limits}`,
      tooFew: (v: { pid: number; periods: number }) =>
        `the cgroup of process ${v.pid} has run for ${v.periods} periods only: too few to tell a share`,
      fine: (v: { pid: number; throttled: number; periods: number }) =>
        `the cgroup of process ${v.pid} was stopped in ${v.throttled} of ${v.periods} periods: next to never`,
      kubernetes:
        'Raise resources.limits.cpu of the container, or leave it out and keep the request; more replicas help as well',
      application:
        'Fewer threads than the limit has CPUs (GOMAXPROCS, worker_processes, the JVM sees the limit by itself): many threads use up a period within milliseconds',
      risk: 'A change of the limit restarts the pod, and the node must have the CPU time',
    },
    zh: {
      ...codeRiskText.zh,
      ...kubeObjectText.zh,
      title: '端口对应的进程被 CPU 限额限流（throttle）',
      nothingListens: (v) => `这里没有进程监听端口 ${v.port}，无从检查`,
      notRead: (v) => `没有读到端口 ${v.port} 对应进程的 cpu.stat`,
      noLimit: (v) => `进程 ${v.pid} 的 cgroup 没有 CPU 限额，不会被限流`,
      throttled: (v) =>
        `进程 ${v.pid} 的 cgroup 在 ${v.periods} 个周期中有 ${v.throttled} 个被暂停（${v.share}）${v.seconds}`,
      stopped: (v) => `，合计 ${v.sec} 秒`,
      sinceStart: '这是 cgroup 建立以来的累计：不能证明就发生在本次窗口内',
      inWindow: (v) => `本次窗口内 ${v.periods} 个周期中有 ${v.throttled} 个被暂停`,
      limit: (v) => `Kubernetes：Pod ${v.pod} 的 CPU 限额：${v.limits}`,
      tooFew: (v) => `进程 ${v.pid} 的 cgroup 只运行了 ${v.periods} 个周期：太少，看不出比例`,
      fine: (v) => `进程 ${v.pid} 的 cgroup 在 ${v.periods} 个周期中只有 ${v.throttled} 个被暂停：可以忽略`,
      kubernetes: '调大容器的 resources.limits.cpu，或去掉 limit 只保留 request；增加副本也有帮助',
      application:
        '线程数不要多于限额的 CPU 数（GOMAXPROCS、worker_processes，JVM 会自己识别）：线程多时几毫秒就用完一个周期',
      risk: '改限额会重启 Pod，节点也要有足够的 CPU',
    },
  },
  evaluate({ node, facts, symptom, target, plan, params, say }) {
    const { port } = target;
    if (listenersFor(facts.listeners, symptom.protocol, target).onPort.length === 0) {
      return notApplicable(because(say.nothingListens({ port }), fileOf(facts.listeners)));
    }
    const known = (facts.listenerProcesses ?? []).flatMap(({ pid, cpu }) => (cpu === undefined ? [] : [{ pid, cpu }]));
    const worst = known
      .map(({ pid, cpu }) => {
        const periods = cpu.periods ?? 0;
        const throttled = cpu.throttledPeriods ?? 0;
        return { pid, cpu, periods, throttled, share: periods === 0 ? 0 : throttled / periods };
      })
      .sort((a, b) => b.share - a.share)[0];
    if (worst === undefined) return undecided('listenerProcesses', node, say.notRead({ port }));
    const { pid, cpu, periods, throttled, share } = worst;
    if (periods === 0) return ruledOut(because(say.noLimit({ pid }), cpu.at));
    if (share < params.maxShare) return ruledOut(because(say.fine({ pid, throttled, periods }), cpu.at));
    if (periods < params.minPeriods) return undecided('listenerProcesses', node, say.tooFew({ pid, periods }));
    const sec = Math.round((cpu.throttledUsec ?? 0) / 1e6);
    const limited = limitOf();
    const seconds = sec === 0 ? '' : say.stopped({ sec });
    return likely(
      [
        because(say.throttled({ pid, throttled, periods, share: `${percentText(share)} %`, seconds }), cpu.at),
        because(
          cpu.moved === undefined
            ? say.sinceStart
            : say.inWindow({ throttled: cpu.moved.throttledPeriods, periods: cpu.moved.periods }),
          cpu.at,
        ),
        ...limited.reasons,
      ],
      [
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [],
          undo: [],
          risk: say.risk,
          ...(limited.doubled?.cpu
            ? { objects: [cpuLimitDraft(limited.doubled.container, limited.doubled.cpu, say)] }
            : {}),
        },
        { kind: 'application', node, text: say.application, commands: [], undo: [], risk: say.codeRisk },
      ],
    );

    /** What the pod is allowed, and twice of it for the container that has the port. */
    function limitOf(): {
      readonly reasons: readonly Because[];
      readonly doubled: { readonly container: string; readonly cpu: string | null } | null;
    } {
      const addresses = plan.nodes.filter((one) => one.node.name === node).map(({ address }) => address);
      const { cluster } = facts;
      const pod = cluster && addresses.map((one) => kubePodAt(cluster, one)).find((one) => one !== undefined);
      if (pod === undefined) return { reasons: [], doubled: null };
      const known = pod.containers.flatMap(({ name, cpuLimit, ports }) =>
        cpuLimit === undefined || cpuLimit === null ? [] : [{ name, cpuLimit, ports }],
      );
      if (known.length === 0) return { reasons: [], doubled: null };
      const limits = known.slice(0, 4).map(({ name, cpuLimit }) => `${name} ${cpuLimit}`);
      const serving = known.find(({ ports }) => ports.some((one) => one.port === port));
      const one = serving ?? (pod.containers.length === 1 ? known[0] : undefined);
      return {
        reasons: [because(say.limit({ pod: `${pod.namespace}/${pod.name}`, limits: limits.join(', ') }), pod.at)],
        doubled: one === undefined ? null : { container: one.name, cpu: twice(one.cpuLimit) },
      };
    }
  },
});

/** `500m` -> `1000m`, `2` -> `4`; null for what is written in another way. */
function twice(quantity: string): string | null {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(m?)$/.exec(quantity) ?? [];
  return number === undefined ? null : `${Number(number) * 2}${unit}`;
}
