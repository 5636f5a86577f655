import * as z from 'zod';
import type { Listener } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because, fileOf } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { handshakesTo } from './handshakes.ts';
import { isOlderThan } from './kernel-release.ts';
import { listenersFor } from './listeners.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { podSysctls, podSysctlText } from './pod-sysctls.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';

const somaxconnKey = 'net.core.somaxconn';
const overflowsName = 'TcpExt.ListenOverflows';

/** `ss` shows Send-Q+1 connections in a full queue: the kernel compares with `>`. */
const isFull = (listener: Listener): boolean => listener.sendq !== null && listener.recvq > listener.sendq;

/** F02: the application does not accept() as fast as connections come, and the queue for it is full. */
export const acceptQueueOverflow = defineNodeRule({
  id: 'accept-queue-overflow',
  fault: 'F02',
  scope: 'node',
  roles: ['target'],
  needs: ['counters'],
  optional: ['listeners', 'sysctl', 'capture', 'kernel'],
  params: z.strictObject({}),
  sources: [
    'Documentation/networking/snmp_counter.rst (TcpExtListenOverflows, TcpExtListenDrops)',
    'include/net/sock.h sk_acceptq_is_full',
    'listen(2); net/core somaxconn (4096 since Linux 5.4, 128 before)',
    'field report 3 (a)',
  ],
  text: {
    en: {
      ...captureText.en,
      ...tcpOnlyText.en,
      ...podSysctlText.en,
      title: 'The accept queue of the listener overflows',
      notRead: (v: { name: string }) => `${v.name} is not in both readings of the counters`,
      flat: 'ListenOverflows +0 in the window: no connection met a full accept queue',
      flatWithSyns: (v: { syns: number; port: number }) =>
        `ListenOverflows +0 while ${v.syns} SYNs to port ${v.port} came: none of them met a full accept queue`,
      queue: (v: { address: string; port: number; recvq: number; sendq: string; process: string }) =>
        `listener ${v.address}:${v.port}${v.process}: Recv-Q ${v.recvq} of Send-Q ${v.sendq} connections wait for accept()`,
      fullButFlat: 'The queue is full, but nothing was dropped for it in this window',
      counted: (v: { overflows: number }) => `ListenOverflows +${v.overflows} in the window`,
      countedWithDrops: (v: { overflows: number; drops: number }) =>
        `ListenOverflows +${v.overflows} in the window (ListenDrops +${v.drops})`,
      unanswered: (v: { syns: number; port: number }) => `${v.syns} SYNs to port ${v.port} got no answer`,
      allAnswered: (v: { connections: number; port: number }) =>
        `but all ${v.connections} connects to port ${v.port} in the window were answered, so the overflow may belong to another listener`,
      notFullNow: 'The queue was not full when it was looked at: it may have been a burst',
      otherListener: (v: { address: string; port: number; recvq: number; sendq: number }) =>
        `the full queue is that of ${v.address}:${v.port} (Recv-Q ${v.recvq} of ${v.sendq})`,
      noQueue: 'Which listener it was is not known: the length of its queue could not be read',
      nothingListens: (v: { port: number; overflows: number }) =>
        `ListenOverflows +${v.overflows}, but nothing listens on port ${v.port} here: the overflow belongs to another port`,
      kernelCap: (v: { sendq: number }) => `Send-Q ${v.sendq} = net.core.somaxconn: the kernel setting is the limit`,
      applicationCap: (v: { sendq: number; somaxconn: number }) =>
        `Send-Q ${v.sendq} is below net.core.somaxconn ${v.somaxconn}: the application's own backlog is the limit`,
      olderKernel: (v: { release: string }) =>
        `Linux ${v.release} is older than 4.10: it answers with SYN+ACK although the queue is full, so an answered SYN does not clear it`,
      temporary: (v: { port: number }) =>
        `Allows longer queues. A queue gets its size at listen(): reload or restart the application on port ${v.port} afterwards (for a pod, in its network namespace)`,
      application:
        'Raise the backlog that the application asks for (nginx: listen 80 backlog=4096), and find out why accept() is slow: CPU throttling, blocked I/O (NFS), too few workers or replicas',
      permanent: 'Keeps it after a reboot',
      replicas: 'Add replicas, so that each accepts fewer connections',
      riskQueue: 'Low: a longer queue means longer waits under overload',
      riskRestart: 'A restart of the application breaks its connections',
      riskReplicas: 'Low: more CPU and memory',
    },
    zh: {
      ...captureText.zh,
      ...tcpOnlyText.zh,
      ...podSysctlText.zh,
      title: '监听端口的全连接队列（accept queue）溢出',
      notRead: (v) => `两次计数器读数里没有都出现 ${v.name}`,
      flat: '窗口内 ListenOverflows +0：没有连接遇到全连接队列满',
      flatWithSyns: (v) => `端口 ${v.port} 来了 ${v.syns} 个 SYN，而 ListenOverflows +0：没有一个遇到全连接队列满`,
      queue: (v) =>
        `监听 ${v.address}:${v.port}${v.process}：Recv-Q ${v.recvq} / Send-Q ${v.sendq}，即排队等待 accept() 的连接数`,
      fullButFlat: '队列已满，但本次窗口内没有因此丢弃',
      counted: (v) => `窗口内 ListenOverflows +${v.overflows}`,
      countedWithDrops: (v) => `窗口内 ListenOverflows +${v.overflows}（ListenDrops +${v.drops}）`,
      unanswered: (v) => `到端口 ${v.port} 的 ${v.syns} 个 SYN 没有应答`,
      allAnswered: (v) => `但窗口内到端口 ${v.port} 的 ${v.connections} 次连接都有应答，溢出可能属于别的监听端口`,
      notFullNow: '查看时队列并不满：可能是瞬时突发',
      otherListener: (v) => `满的是 ${v.address}:${v.port} 的队列（Recv-Q ${v.recvq} / ${v.sendq}）`,
      noQueue: '读不到队列长度，无法确定是哪个监听端口',
      nothingListens: (v) => `ListenOverflows +${v.overflows}，但这里没有进程监听端口 ${v.port}：溢出属于别的端口`,
      kernelCap: (v) => `Send-Q ${v.sendq} = net.core.somaxconn：受限于内核参数`,
      applicationCap: (v) => `Send-Q ${v.sendq} 小于 net.core.somaxconn ${v.somaxconn}：受限于应用自己的 backlog`,
      olderKernel: (v) => `内核 ${v.release} 早于 4.10：队列满时仍会回 SYN+ACK，所以“有应答”不能排除此故障`,
      temporary: (v) =>
        `允许更长的队列。队列长度在 listen() 时确定，改完要重新加载或重启端口 ${v.port} 上的应用（Pod 要在其网络命名空间内改）`,
      application:
        '调大应用自己的 backlog（nginx：listen 80 backlog=4096），并查清 accept() 为什么慢：CPU 限流、IO 阻塞（NFS）、worker 或副本太少',
      permanent: '重启后仍有效',
      replicas: '增加副本，使每个副本接收的连接更少',
      riskQueue: '低：队列更长，过载时等待也更久',
      riskRestart: '重启应用会断开现有连接',
      riskReplicas: '低：占用更多 CPU 和内存',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const overflows = facts.counters[overflowsName];
    const delta = overflows?.delta ?? null;
    if (overflows === undefined || delta === null) {
      return undecided('counters', node, say.notRead({ name: overflowsName }));
    }

    const mine = facts.listeners === undefined ? null : listenersFor(facts.listeners, 'tcp', target);
    const full = mine?.covering.find(isFull);
    const shown = full ?? mine?.covering[0];
    const queues: Because[] =
      shown === undefined
        ? []
        : [
            because(
              say.queue({
                address: shown.address,
                port: shown.port,
                recvq: shown.recvq,
                sendq: shown.sendq === null ? '?' : String(shown.sendq),
                process: shown.process === undefined ? '' : ` (${shown.process})`,
              }),
              shown.at,
            ),
          ];
    const somaxconnValue = plainSetting(facts.sysctl?.[somaxconnKey]?.value);
    const somaxconn = somaxconnValue === null ? null : Number(somaxconnValue);
    const limits = limitSentences();
    const sound = weakness(facts.capture, say) === null ? facts.capture : undefined;
    const seen = sound === undefined ? null : handshakesTo(sound, target);

    if (delta <= 0) {
      if (full !== undefined) return likely([...queues, because(say.fullButFlat, overflows.at)], remedies());
      const flat =
        seen === null || seen.syns === 0 ? say.flat : say.flatWithSyns({ syns: seen.syns, port: target.port });
      return ruledOut(because(flat, overflows.at), ...queues);
    }

    const drops = facts.counters['TcpExt.ListenDrops']?.delta ?? null;
    const counted = because(
      drops === null ? say.counted({ overflows: delta }) : say.countedWithDrops({ overflows: delta, drops }),
      overflows.at,
    );
    if (mine !== null && mine.onPort.length === 0) {
      const where = fileOf(facts.listeners ?? [], overflows.at);
      return ruledOut(because(say.nothingListens({ port: target.port, overflows: delta }), where));
    }
    const failed =
      sound === undefined || seen === null || seen.unansweredSyns === 0
        ? []
        : [because(say.unanswered({ syns: seen.unansweredSyns, port: target.port }), sound.at)];
    // SYNs that were answered say nothing on kernels that answer although the queue is full
    const answersWhenFull = facts.kernel !== undefined && isOlderThan(facts.kernel.release, 4, 10) === true;
    const kernelNote =
      answersWhenFull && facts.kernel !== undefined && (facts.capture?.connections.length ?? 0) > 0
        ? [because(say.olderKernel({ release: facts.kernel.release }), facts.kernel.at)]
        : [];
    const allAnswered =
      sound !== undefined &&
      seen !== null &&
      seen.answered.length > 0 &&
      seen.unanswered.length === 0 &&
      !answersWhenFull
        ? [because(say.allAnswered({ connections: seen.answered.length, port: target.port }), sound.at)]
        : [];

    if (full !== undefined) {
      const reasons = [counted, ...queues, ...failed, ...limits, ...kernelNote];
      return allAnswered.length === 0
        ? confirmed(reasons, remedies())
        : likely([...reasons, ...allAnswered], remedies());
    }
    const other = facts.listeners?.find((l) => l.protocol === 'tcp' && l.port !== target.port && isFull(l));
    if (other !== undefined && failed.length === 0 && sound !== undefined) {
      const { address, port, recvq, sendq } = other;
      return ruledOut(
        counted,
        because(say.otherListener({ address, port, recvq, sendq: sendq ?? 0 }), other.at),
        ...queues,
      );
    }
    const doubt =
      shown === undefined || shown.sendq === null
        ? because(say.noQueue, overflows.at)
        : because(say.notFullNow, shown.at);
    return likely([counted, ...queues, ...failed, doubt, ...kernelNote, ...allAnswered], remedies());

    function limitSentences(): Because[] {
      if (shown === undefined || shown.sendq === null || somaxconn === null) return [];
      return shown.sendq >= somaxconn
        ? [because(say.kernelCap({ sendq: shown.sendq }), shown.at)]
        : [because(say.applicationCap({ sendq: shown.sendq, somaxconn }), shown.at)];
    }

    function remedies(): Remedy[] {
      const wanted = 4096;
      const change = [{ key: somaxconnKey, value: String(wanted), previous: somaxconnValue }];
      const isLong = somaxconn !== null && somaxconn >= wanted;
      const raise: Remedy[] = isLong
        ? []
        : [
            temporarySysctl(node, change, { text: say.temporary({ port: target.port }), risk: say.riskQueue }),
            permanentSysctl(node, 'accept-queue-overflow', change, { text: say.permanent, risk: say.riskQueue }),
          ];
      return [
        ...raise,
        { kind: 'application', node, text: say.application, commands: [], undo: [], risk: say.riskRestart },
        ...(isLong ? [] : [podSysctls(change, say)]),
        {
          kind: 'kubernetes',
          text: say.replicas,
          commands: ['kubectl -n NAMESPACE scale deployment NAME --replicas=COUNT'],
          undo: [],
          risk: say.riskReplicas,
        },
      ];
    }
  },
});
