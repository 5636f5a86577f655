import * as z from 'zod';
import type { Connection } from '../model/facts.ts';
import type { NeighbourClaim } from '../model/packet-facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { endpointText } from './endpoint-text.ts';
import { groupBy } from './group-by.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';

/** MAC addresses of VRRP (RFC 9568 7.3; CARP uses them too) and HSRP (RFC 2281; version 2): they move between routers. */
const virtualMac = /^(?:00:00:5e:00:0[12]|00:00:0c:07:ac|00:00:0c:9f:f)/;
/** A MAC address that claims so many addresses is a router or a proxy that answers for others. */
const proxyAddresses = 4;

const settings = '/etc/sysctl.d/99-netcheck-duplicate-ip.conf';

interface Conflict {
  readonly address: string;
  /** In the order of their first claims. */
  readonly claims: readonly NeighbourClaim[];
  /** Claimed again by a MAC address after another one had claimed it. */
  readonly back: { readonly owner: NeighbourClaim; readonly other: NeighbourClaim } | null;
  readonly effect: Because | null;
}

/** F21: two machines claim one IP address. */
export const duplicateIp = defineCaptureRule({
  id: 'duplicate-ip',
  fault: 'F21',
  scope: 'capture',
  params: z.strictObject({}),
  sources: [
    'RFC 826, RFC 5227 (address conflict detection), RFC 4861 section 7.2',
    'RFC 9568 section 7.3 (virtual router MAC addresses), RFC 2281 (HSRP)',
    'arp(7); Documentation/networking/ip-sysctl: arp_ignore, arp_announce',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'Two machines claim one IP address',
      noClaims: 'there is no ARP or neighbour discovery with a claim in the capture',
      alternate: (v: {
        address: string;
        owner: string;
        ownerFrame: number;
        ownerClaims: number;
        other: string;
        otherFrame: number;
        otherClaims: number;
        backSec: string;
      }) =>
        `${v.address} is claimed by ${v.owner} (${v.ownerClaims} times, from frame ${v.ownerFrame}) and by ${v.other} (${v.otherClaims} times, from frame ${v.otherFrame}); ${v.owner} claimed it again ${v.backSec} s after ${v.other} first had: the neighbours change between the two`,
      moved: (v: { address: string; from: string; to: string; frame: number }) =>
        `${v.address} went from ${v.from} to ${v.to} (frame ${v.frame}), and the first was not heard of again`,
      movedOnce:
        'A fail-over (keepalived, a moved virtual machine) looks like this as well. What would confirm a conflict: the first one claims the address again, or `arping -D` gets an answer',
      both: (v: { server: string; complete: number; failed: number }) =>
        `of the connects to ${v.server}, ${v.complete} got through and ${v.failed} did not`,
      ttl: (v: { connection: string; frame: number; rst: number; own: number }) =>
        `${v.connection} was reset by a packet with TTL ${v.rst} (frame ${v.frame}), and the server's own packets have ${v.own}: another machine sent it`,
      noEffect: 'No connection to this address is in the capture that shows the effect',
      proxy: (v: { mac: string; addresses: number }) =>
        `${v.mac} claims ${v.addresses} addresses: it may answer for others (proxy ARP), which is wrong here only if the owner is on the same link`,
      severalLinks:
        'The capture was taken on all interfaces: two links may use the same address without a conflict. What would confirm: a capture on one interface',
      fine: (v: { addresses: number; claims: number }) =>
        `each of ${v.addresses} addresses was claimed by one machine only (${v.claims} claims)`,
      fineVirtual: (v: { addresses: number; claims: number; virtual: number }) =>
        `each of ${v.addresses} addresses was claimed by one machine only (${v.claims} claims), ${v.virtual} of them also by a virtual router address (VRRP, HSRP, CARP), which is as it should be`,
      find: 'On another host of the link, ask who answers (DEV is its interface), and find the switch ports of both MAC addresses',
      permanent:
        'Give one of the two another address. If both MAC addresses belong to one host with several interfaces on the link (ARP flux), let it answer and announce only what belongs to the interface',
      kubernetes:
        'A service address that several nodes answer for: with kube-proxy in IPVS mode and MetalLB or an own VIP set `strictARP: true`; look for a pod address that was given out twice',
      riskFind: 'None: arping only asks',
      riskPermanent: 'Medium: what uses the changed address has to be told; the sysctls change which interface answers',
    },
    zh: {
      ...captureText.zh,
      title: 'IP 地址冲突：两台机器都声称拥有同一个 IP',
      noClaims: '抓包中没有声明地址的 ARP 或邻居发现报文',
      alternate: (v) =>
        `${v.address} 被 ${v.owner}（${v.ownerClaims} 次，从第 ${v.ownerFrame} 帧起）和 ${v.other}（${v.otherClaims} 次，从第 ${v.otherFrame} 帧起）同时声明；${v.other} 首次声明 ${v.backSec} 秒之后 ${v.owner} 又声明了一次：邻居表会在两者之间来回变`,
      moved: (v) => `${v.address} 从 ${v.from} 变为 ${v.to}（第 ${v.frame} 帧），之后没有再看到前者`,
      movedOnce:
        '主备切换（keepalived、虚拟机迁移）看起来也是这样。要坐实冲突：前者再次声明该地址，或 `arping -D` 收到应答',
      both: (v) => `到 ${v.server} 的连接有 ${v.complete} 次成功、${v.failed} 次失败`,
      ttl: (v) =>
        `${v.connection} 被一个 TTL 为 ${v.rst} 的 RST 断开（第 ${v.frame} 帧），而服务端自己的包 TTL 是 ${v.own}：是另一台机器发的`,
      noEffect: '抓包中没有到该地址的连接能体现影响',
      proxy: (v) =>
        `${v.mac} 声明了 ${v.addresses} 个地址：可能是代答 ARP（proxy ARP），只有真正的主机也在同一链路时才有问题`,
      severalLinks: '抓包是在所有网卡上做的：不同链路可以使用相同地址而不冲突。要坐实：只在一个网卡上抓包',
      fine: (v) => `${v.addresses} 个地址都只有一台机器声明（共 ${v.claims} 次）`,
      fineVirtual: (v) =>
        `${v.addresses} 个地址都只有一台机器声明（共 ${v.claims} 次），其中 ${v.virtual} 个另有虚拟路由器 MAC（VRRP、HSRP、CARP），属于正常`,
      find: '在同一链路的另一台主机上看是谁应答（DEV 为其网卡），并查出两个 MAC 所在的交换机端口',
      permanent:
        '给其中一台换地址。如果两个 MAC 属于同一台主机在该链路上的多块网卡（ARP flux），则让它只应答和通告属于该网卡的地址',
      kubernetes:
        '多个节点同时应答同一个 Service 地址时：kube-proxy 为 IPVS 模式并使用 MetalLB 或自建 VIP，要设置 `strictARP: true`；另外检查是否有 Pod 地址被重复分配',
      riskFind: '无：arping 只是询问',
      riskPermanent: '中：改地址后要通知使用方；sysctl 会改变由哪块网卡应答',
    },
  },
  evaluate({ capture, place, say }) {
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', place, blind);
    const claims = capture.neighbourClaims.filter(({ mac }) => mac !== '');
    if (claims.length === 0) return notApplicable(because(say.noClaims, capture.at));

    const addressesOf = groupBy(claims, ({ mac }) => mac);
    const byAddress = groupBy(claims, ({ address }) => address);
    const conflicts = [...byAddress].flatMap(([address, all]): Conflict[] => {
      const own = all.filter(({ mac }) => !virtualMac.test(mac));
      if (own.length < 2) return [];
      const sorted = [...own].sort((a, b) => a.firstAtMs - b.firstAtMs || a.frame - b.frame);
      return [{ address, claims: sorted, back: backTo(sorted), effect: effectOn(address) }];
    });

    if (conflicts.length === 0) {
      const weak = weakness({ ...capture, connectionsDropped: 0 }, say);
      if (weak !== null) return undecided('capture', place, weak);
      const virtual = [...byAddress.values()].filter((all) => all.length > 1).length;
      const counts = {
        addresses: byAddress.size,
        claims: claims.reduce((sum, claim) => sum + claim.claims, 0),
        virtual,
      };
      return ruledOut(because(virtual > 0 ? say.fineVirtual(counts) : say.fine(counts), capture.at));
    }

    const severalLinks = capture.linkType.includes('LINUX_SLL');
    const shown = worstFirst(conflicts, (c) => (c.back === null ? 0 : 1) + (c.effect === null ? 0 : 2));
    const reasons = shown.flatMap((conflict) => sentencesOf(conflict));
    if (severalLinks) reasons.push(because(say.severalLinks, capture.at));
    const remedies: Remedy[] = [
      {
        kind: 'temporary',
        text: say.find,
        commands: shown
          .slice(0, 1)
          .map(({ address }) =>
            address.includes(':') ? `ndisc6 -m ${address} DEV` : `arping -D -c 2 -I DEV ${address}`,
          ),
        undo: [],
        risk: say.riskFind,
      },
      {
        kind: 'permanent',
        text: say.permanent,
        commands: [
          `printf '%s\\n' 'net.ipv4.conf.all.arp_ignore = 1' 'net.ipv4.conf.all.arp_announce = 2' > ${settings}`,
          'sysctl --system',
        ],
        undo: [`rm ${settings}`],
        risk: say.riskPermanent,
      },
      { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.riskPermanent },
    ];
    const certain = conflicts.some((c) => c.back !== null && c.effect !== null && proxyOf(c) === null);
    return certain && !severalLinks ? confirmed(reasons, remedies) : likely(reasons, remedies);

    function sentencesOf(conflict: Conflict): Because[] {
      const { address, back, effect } = conflict;
      const found: Because[] = [];
      if (back === null) {
        const from = conflict.claims[0];
        const to = conflict.claims[1];
        if (from === undefined || to === undefined) return [];
        found.push(
          because(say.moved({ address, from: from.mac, to: to.mac, frame: to.frame }), capture.at),
          because(say.movedOnce, capture.at),
        );
      } else {
        const { owner, other } = back;
        found.push(
          because(
            say.alternate({
              address,
              owner: owner.mac,
              ownerFrame: owner.frame,
              ownerClaims: owner.claims,
              other: other.mac,
              otherFrame: other.frame,
              otherClaims: other.claims,
              backSec: secondsText(owner.lastAtMs - other.firstAtMs),
            }),
            capture.at,
          ),
        );
      }
      found.push(effect ?? because(say.noEffect, capture.at));
      const proxy = proxyOf(conflict);
      if (proxy !== null)
        found.push(because(say.proxy({ mac: proxy, addresses: addressesOf.get(proxy)?.length ?? 0 }), capture.at));
      return found;
    }

    function proxyOf({ claims: all }: Conflict): string | null {
      return all.find(({ mac }) => (addressesOf.get(mac)?.length ?? 0) >= proxyAddresses)?.mac ?? null;
    }

    /** Connections that tell of two machines behind the address: some get through and some do not, or a foreign RST. */
    function effectOn(address: string): Because | null {
      const own = capture.connections.filter(({ server }) => server.address === address);
      for (const connection of own) {
        const foreign = foreignReset(connection);
        if (foreign !== null) return foreign;
      }
      for (const all of groupBy(own, ({ server }) => String(server.port)).values()) {
        const complete = all.filter(({ handshake }) => handshake === 'complete').length;
        const failed = all.filter(({ handshake }) => handshake === 'unanswered' || handshake === 'refused').length;
        const server = all[0]?.server;
        if (server !== undefined && complete > 0 && failed > 0)
          return because(say.both({ server: endpointText(server), complete, failed }), capture.at);
      }
      return null;
    }

    function foreignReset({ client, server, resets, flow, handshake }: Connection): Because | null {
      const { ttl } = flow.server;
      if (handshake !== 'complete' || ttl === null) return null;
      const reset = resets.find(
        ({ from, ttl: own, answersSyn }) => from === 'server' && !answersSyn && (own < ttl.min || own > ttl.max),
      );
      if (reset === undefined) return null;
      const connection = `${endpointText(client)} > ${endpointText(server)}`;
      return because(say.ttl({ connection, frame: reset.frame, rst: reset.ttl, own: ttl.min }), capture.at);
    }
  },
});

/** The first one that claimed the address again after another one had. */
function backTo(claims: readonly NeighbourClaim[]): Conflict['back'] {
  for (const [i, owner] of claims.entries()) {
    const other = claims.slice(i + 1).find(({ firstAtMs }) => owner.lastAtMs > firstAtMs);
    if (other !== undefined) return { owner, other };
  }
  return null;
}
