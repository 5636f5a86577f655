import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { isTranslated } from './firewall-match.ts';
import { handshakesTo } from './handshakes.ts';
import { isPortUnreachable } from './icmp-meaning.ts';
import { sameAddress } from './ip-address.ts';
import { kubeObjectText } from './kube-objects.ts';
import { listenersFor } from './listeners.ts';
import { confirmed, likely, notApplicable, ruledOut } from './outcomes.ts';
import { targetPortText, wrongTargetPort } from './target-port.ts';

/** F25: nothing listens on the port, and the kernel says so with an RST. */
export const portClosed = defineNodeRule({
  id: 'port-closed',
  fault: 'F25',
  scope: 'node',
  roles: ['target'],
  needs: ['listeners'],
  optional: ['capture', 'counters', 'firewall', 'ipvs', 'cluster'],
  params: z.strictObject({}),
  sources: ['RFC 9293 section 3.10.7.1 (RST to a segment for a closed port)', 'lab: RST,ACK at once, Tcp OutRsts +1'],
  text: {
    en: {
      ...captureText.en,
      ...kubeObjectText.en,
      ...targetPortText.en,
      title: 'Nothing listens on the port',
      listens: (v: { address: string; port: number; process: string }) =>
        `${v.address}:${v.port} is listened on${v.process}`,
      otherAddress: (v: { address: string; port: number; process: string }) =>
        `${v.address}:${v.port} is listened on${v.process}, though not for the address that was asked: see loopback-only`,
      nothing: (v: { protocol: string; port: number; sockets: number }) =>
        `no process listens on ${v.protocol} port ${v.port} (${v.sockets} listening sockets on the node)`,
      reset: (v: { connects: number; address: string; port: number }) =>
        `${v.connects} connects to ${v.address}:${v.port} were answered by RST: the application sees "Connection refused"`,
      portUnreachable: (v: { count: number; address: string }) =>
        `${v.count} ICMP port-unreachable from ${v.address} in answer to the datagrams`,
      outRsts: (v: { count: number }) => `Tcp OutRsts +${v.count} in the window`,
      silent: (v: { syns: number; port: number }) =>
        `but ${v.syns} SYNs to port ${v.port} got no answer at all, not even an RST: something else drops them first`,
      onlySilent: (v: { syns: number; port: number }) =>
        `${v.syns} SYNs to port ${v.port} got no answer at all; a closed port answers with RST`,
      notTried: (v: { why: string }) => `No refused connect was seen: ${v.why}`,
      noneSeen: 'no connect to the port came in the window',
      answered: (v: { connects: number; port: number }) =>
        `no process of this network namespace listens on port ${v.port}, yet ${v.connects} connects were answered by SYN+ACK: it is served elsewhere (container, IPVS, NAT)`,
      ipvs: (v: { address: string; port: number; servers: number }) =>
        `${v.address}:${v.port} is an IPVS service with ${v.servers} real servers: no process on this node needs to listen`,
      translated: (v: { port: number }) =>
        `A nat rule of the node names port ${v.port}: connects may be meant to go on to a container or a pod, and what answers may stand there`,
      application: (v: { port: number }) =>
        `Start the application, or correct the port; see whether it logged a failed bind (two with hostNetwork cannot share port ${v.port})`,
      kubernetes:
        'Compare containerPort, targetPort and what the process really listens on; a readinessProbe keeps a pod out of the Service until it listens',
      risk: 'None: it only looks',
      riskKubernetes: 'Low',
    },
    zh: {
      ...captureText.zh,
      ...kubeObjectText.zh,
      ...targetPortText.zh,
      title: '端口没有进程监听',
      listens: (v) => `${v.address}:${v.port} 有进程监听${v.process}`,
      otherAddress: (v) => `${v.address}:${v.port} 有进程监听${v.process}，但监听的不是被访问的地址：见 loopback-only`,
      nothing: (v) => `没有进程监听 ${v.protocol} 端口 ${v.port}（节点上共有 ${v.sockets} 个监听套接字）`,
      reset: (v) =>
        `到 ${v.address}:${v.port} 的 ${v.connects} 次连接被 RST 应答：应用看到“Connection refused（连接被拒绝）”`,
      portUnreachable: (v) => `收到 ${v.count} 个来自 ${v.address} 的 ICMP port-unreachable`,
      outRsts: (v) => `窗口内 Tcp OutRsts +${v.count}`,
      silent: (v) => `但到端口 ${v.port} 的 ${v.syns} 个 SYN 完全没有应答，连 RST 都没有：是别的原因先丢弃了它们`,
      onlySilent: (v) => `到端口 ${v.port} 的 ${v.syns} 个 SYN 完全没有应答；关闭的端口会回 RST`,
      notTried: (v) => `没有看到被拒绝的连接：${v.why}`,
      noneSeen: '窗口内没有到该端口的连接',
      answered: (v) =>
        `本网络命名空间里没有进程监听端口 ${v.port}，但有 ${v.connects} 次连接收到 SYN+ACK：由别处（容器、IPVS、NAT）提供服务`,
      ipvs: (v) => `${v.address}:${v.port} 是 IPVS 服务，有 ${v.servers} 个 real server：本机不需要有进程监听`,
      translated: (v) => `节点上有 nat 规则涉及端口 ${v.port}：连接可能会转给容器或 Pod，RST 也可能来自那里`,
      application: (v) =>
        `启动应用，或改正端口；查看应用日志里是否有 bind 失败（两个 hostNetwork 的 Pod 不能共用端口 ${v.port}）`,
      kubernetes:
        '核对 containerPort、targetPort 与进程实际监听的端口；用 readinessProbe 避免未监听的 Pod 进入 Service',
      risk: '无：只是查看',
      riskKubernetes: '低',
    },
  },
  evaluate({ node, facts, symptom, target, plan, say }) {
    const { protocol } = symptom;
    const listening = listenersFor(facts.listeners, protocol, target);
    const listener = listening.covering[0] ?? listening.onPort[0];
    if (listener !== undefined) {
      const process = listener.process === undefined ? '' : ` (${listener.process})`;
      const shown = { address: listener.address, port: listener.port, process };
      const words = listening.covering.length > 0 ? say.listens(shown) : say.otherAddress(shown);
      return ruledOut(because(words, listener.at));
    }
    const service = facts.ipvs?.services?.find(
      (s) => s.protocol === protocol && s.port === target.port && sameAddress(s.address, target.address),
    );
    if (service !== undefined) {
      const { address, port, servers } = service;
      return notApplicable(because(say.ipvs({ address, port, servers: servers.length }), service.at));
    }

    const blind = blindness(facts.capture, say);
    const capture = blind === null ? facts.capture : undefined;
    const seen = capture === undefined ? null : handshakesTo(capture, target);
    const nothing = because(
      say.nothing({
        protocol,
        port: target.port,
        sockets: facts.listeners.filter((l) => l.protocol === protocol).length,
      }),
      fileOf(facts.listeners),
    );
    if (capture !== undefined && seen !== null && seen.answered.length > 0) {
      return ruledOut(because(say.answered({ connects: seen.answered.length, port: target.port }), capture.at));
    }

    // asked for a Service: this is a pod behind it, and the port the one that the Service sends to
    const asked = { address: plan.targetAddress, port: plan.symptom.port };
    const listened = facts.listeners.filter((one) => one.protocol === protocol).map((one) => one.port);
    const isPod = plan.nodes.some((one) => one.node.name === node && one.netns !== undefined);
    const port = isPod ? wrongTargetPort(facts.cluster, asked, protocol, listened, say) : null;
    const remedies: Remedy[] = [
      {
        kind: 'application',
        node,
        text: say.application({ port: target.port }),
        commands: [`ss -ln${protocol === 'tcp' ? 't' : 'u'}p 'sport = :${target.port}'`],
        undo: [],
        risk: say.risk,
      },
      {
        kind: 'kubernetes',
        text: say.kubernetes,
        commands: [],
        undo: [],
        risk: say.riskKubernetes,
        ...(port === null || port.drafts.length === 0 ? {} : { objects: [...port.drafts] }),
      },
    ];
    const flow = {
      protocol,
      source: plan.nodes.find((n) => n.roles.includes('client'))?.address ?? null,
      destination: target.address,
      port: target.port,
      inDevice: null,
      packets: 0,
    };
    const translation: Because[] =
      facts.firewall !== undefined && isTranslated(facts.firewall, flow)
        ? [because(say.translated({ port: target.port }), fileOf(facts.firewall.rules))]
        : [];

    const told = port?.reasons ?? [];
    const effect: Because[] = [];
    if (capture !== undefined && protocol === 'udp') {
      const errors = capture.icmpErrors.filter(
        (e) =>
          isPortUnreachable(e) &&
          e.about.protocol === 17 &&
          sameAddress(e.from, target.address) &&
          e.about.destinationPort === target.port,
      );
      if (errors.length > 0) {
        effect.push(because(say.portUnreachable({ count: errors.length, address: target.address }), capture.at));
      }
    }
    if (capture !== undefined && seen !== null && seen.refused.length > 0) {
      effect.push(because(say.reset({ connects: seen.refused.length, ...target }), capture.at));
      const resets = facts.counters?.['Tcp.OutRsts'];
      const sent = resets?.delta ?? 0;
      if (resets !== undefined && sent > 0) effect.push(because(say.outRsts({ count: sent }), resets.at));
    }
    if (effect.length > 0) {
      return translation.length === 0
        ? confirmed([nothing, ...effect, ...told], remedies)
        : likely([nothing, ...effect, ...translation, ...told], remedies);
    }
    if (capture !== undefined && seen !== null && seen.unansweredSyns > 0) {
      // a port that nobody listens on answers, and one that is sent on needs nobody
      if (translation.length > 0)
        return notApplicable(
          ...translation,
          because(say.onlySilent({ syns: seen.unansweredSyns, port: target.port }), capture.at),
        );
      const silent = because(say.silent({ syns: seen.unansweredSyns, port: target.port }), capture.at);
      return likely([nothing, silent, ...translation, ...told], remedies);
    }
    const untried = because(say.notTried({ why: blind ?? say.noneSeen }), capture?.at ?? fileOf(facts.listeners));
    return likely([nothing, untried, ...translation, ...told], remedies);
  },
});
