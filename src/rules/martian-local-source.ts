import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because, fileOf } from './because.ts';
import { countedEnough } from './counted-enough.ts';
import { synsIn } from './handshakes.ts';
import { familyOf, sameAddress } from './ip-address.ts';
import { ingressDevices } from './ingress-device.ts';
import { lostSynsAt, lostSynText } from './lost-syns.ts';
import { confirmed, likely, notApplicable, ruledOut } from './outcomes.ts';

const counter = 'rt_cache.in_martian_src';

/** F06: packets come in with a source address that this node has itself, and are dropped as martians. */
export const martianLocalSource = defineNodeRule({
  id: 'martian-local-source',
  fault: 'F06',
  scope: 'node',
  roles: ['target', 'forwarder'],
  needs: ['addresses'],
  optional: ['counters', 'capture', 'links'],
  params: z.strictObject({}),
  sources: [
    'net/ipv4/fib_frontend.c __fib_validate_source (a source of type local is refused); net/ipv4/route.c ip_handle_martian_source',
    'kubernetes/kubernetes#79783, #63066, #59976',
  ],
  text: {
    en: {
      ...lostSynText.en,
      title: 'Packets come in with an address of this node itself as their source, and are dropped',
      v6: 'The question is about IPv6: the kernel refuses such sources only for IPv4',
      own: (v: { source: string; device: string }) =>
        `${v.source}, the source of these packets, is an address of this node (on ${v.device}): the kernel drops what comes in with it`,
      noneOwn: (v: { sources: string }) => `no source of these packets is an address of this node (${v.sources})`,
      noneAsked: 'no client of this question has an address that this node has too',
      counted: (v: { packets: number }) =>
        `rt_cache in_martian_src +${v.packets} in the window, beyond those of the reverse-path filter`,
      flat: 'rt_cache in_martian_src +0 in the window beyond those of the reverse-path filter: nothing was dropped for its source',
      noCounter: 'the counter of martian sources (rt_cache in_martian_src) was not read',
      fewer: (v: { packets: number; syns: number }) =>
        `${v.packets} are fewer than the ${v.syns} SYNs without an answer`,
      shared: 'The counter is one for all network namespaces of the machine',
      notSeen: (v: { why: string }) => `Packets of this question were not seen: ${v.why}`,
      vip: (v: { address: string }) =>
        `If ${v.address} is the address of a load balancer that kube-proxy (IPVS) bound to kube-ipvs0: let the load balancer check from another address, go directly to pods, or publish a host name in place of the address (status.loadBalancer.ingress.hostname; ipMode Proxy)`,
      diagnose: 'For a short test only: the node forgets that the address is its own',
      duplicate: 'Else two machines have the same address: give one of them another',
      riskTest: 'Connections inside the cluster to that address take another way while the entry is gone',
      risk: 'Low. accept_local=1 does not help: answers to an address of the node never leave it',
    },
    zh: {
      ...lostSynText.zh,
      title: '进来的报文源地址是本节点自己的地址，被内核丢弃（martian source）',
      v6: '这次查的是 IPv6：内核只对 IPv4 拒绝这样的源地址',
      own: (v) =>
        `这些包的源地址 ${v.source} 就是本节点自己的地址（在 ${v.device} 上）：从外面进来的这种包会被内核丢弃`,
      noneOwn: (v) => `这些包的源地址都不是本节点的地址（${v.sources}）`,
      noneAsked: '这次的客户端地址都不是本节点自己的地址',
      counted: (v) => `窗口内 rt_cache in_martian_src +${v.packets}（不含反向路径过滤丢的）`,
      flat: '窗口内 rt_cache in_martian_src +0（不含反向路径过滤丢的）：没有包因为源地址被丢弃',
      noCounter: '没有读到 martian source 计数器（rt_cache in_martian_src）',
      fewer: (v) => `${v.packets} 个，少于没有应答的 ${v.syns} 个 SYN`,
      shared: '该计数器由整台机器的所有网络命名空间共用',
      notSeen: (v) => `没有直接看到这次的包：${v.why}`,
      vip: (v) =>
        `如果 ${v.address} 是负载均衡的地址，被 kube-proxy（IPVS）绑到了 kube-ipvs0：让负载均衡换一个地址做健康检查、直连 Pod，或发布主机名而不是地址（status.loadBalancer.ingress.hostname，或 ipMode: Proxy）`,
      diagnose: '仅用于短暂验证：让节点忘记该地址属于自己',
      duplicate: '否则就是两台机器用了同一个地址：改掉其中一台',
      riskTest: '条目删掉期间，集群内到该地址的连接会改走别的路径',
      risk: '低。accept_local=1 没有用：发往本机地址的应答不会离开节点',
    },
  },
  evaluate({ node, facts, target, plan, say }) {
    if (familyOf(target.address) === 6) return notApplicable(because(say.v6, askedAt));
    const own = facts.addresses.filter(({ family }) => family === 4);
    const martians = facts.counters?.[counter];
    const filtered = Math.max(0, facts.counters?.['TcpExt.IPReversePathFilter']?.delta ?? 0);
    const rise = martians === undefined || martians.delta === null ? null : Math.max(0, martians.delta - filtered);
    const countAt = martians?.at ?? fileOf(own);

    const lost = lostSynsAt({ node, capture: facts.capture, target, plan, say });
    if (lost.kind === 'none') return ruledOut(lost.because);
    if (lost.kind === 'unseen') {
      const asked = [
        ...plan.nodes.filter((n) => n.roles.includes('client') && n.node.name !== node).map((n) => n.address),
        ...plan.externalClients,
        // a client on the target's own address asks over lo, where its source is right
      ].filter((address) => !address.startsWith('127.') && !sameAddress(address, target.address));
      const found = own.find(({ address }) => asked.some((a) => sameAddress(a, address)));
      if (found === undefined) return ruledOut(because(say.noneAsked, fileOf(own)));
      if (rise === 0) return ruledOut(because(say.flat, countAt));
      const counted = rise === null ? say.noCounter : say.counted({ packets: rise });
      const reasons = [
        ownSentence(found.address, found),
        because(counted, countAt),
        because(say.notSeen({ why: lost.why }), countAt),
      ];
      return likely(reasons, remedies(found));
    }

    // what a node sends to itself over lo has its own address as source, rightly
    const connections = lost.connections.filter((c) => !ingressDevices([c], facts.links).includes('lo'));
    const hit = connections.filter((c) => own.some(({ address }) => sameAddress(address, c.client.address)));
    const first = hit[0];
    const address = own.find((a) => first !== undefined && sameAddress(a.address, first.client.address));
    if (first === undefined || address === undefined) {
      const sources = [...new Set(lost.connections.map((c) => c.client.address))].slice(0, 3).join(', ');
      return ruledOut(because(say.noneOwn({ sources }), lost.at));
    }
    const syns = synsIn(hit);
    const mechanism = ownSentence(first.client.address, address);
    if (rise === null) return likely([mechanism, lost.because, because(say.noCounter, countAt)], remedies(address));
    if (rise === 0) return ruledOut(mechanism, because(say.flat, countAt));
    const reasons: Because[] = [mechanism, because(say.counted({ packets: rise }), countAt), lost.because];
    if (!countedEnough(rise, syns))
      return likely([...reasons, because(say.fewer({ packets: rise, syns }), countAt)], remedies(address));
    return confirmed([...reasons, because(say.shared, countAt)], remedies(address));

    function ownSentence(source: string, found: { readonly device: string; readonly at: At }): Because {
      return because(say.own({ source, device: found.device }), found.at);
    }

    function remedies(found: { readonly address: string; readonly device: string }): Remedy[] {
      const entry = `local ${found.address} dev ${found.device}`;
      const isServiceDevice = found.device === 'kube-ipvs0';
      const test: Remedy = {
        kind: 'temporary',
        node,
        text: say.diagnose,
        commands: [`ip route del table local ${entry}`],
        undo: [`ip route add table local ${entry}`],
        risk: say.riskTest,
      };
      return [
        ...(isServiceDevice ? [test] : []),
        { kind: 'kubernetes', text: say.vip({ address: found.address }), commands: [], undo: [], risk: say.risk },
        { kind: 'permanent', node, text: say.duplicate, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});
