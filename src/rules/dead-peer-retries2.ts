import * as z from 'zod';
import type { Socket } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because, fileOf } from './because.ts';
import { clusterText, kubePodAt, storyOf } from './cluster-view.ts';
import { endpointText } from './endpoint-text.ts';
import { isUndeliverable } from './icmp-meaning.ts';
import { sameAddress } from './ip-address.ts';
import { ipvsFor, isEndpoint } from './ipvs-service.ts';
import { confirmed, likely, notApplicable, ruledOut } from './outcomes.ts';
import { podSysctls, podSysctlText } from './pod-sysctls.ts';
import { plainSetting, permanentSysctl, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';

const retriesKey = 'net.ipv4.tcp_retries2';
const expireKey = 'net.ipv4.vs.expire_nodest_conn';
/** TCP_RTO_MIN and TCP_RTO_MAX, include/net/tcp.h, seconds. */
const shortestSec = 0.2;
const longestSec = 120;
const deadStates = ['FAILED', 'INCOMPLETE'];

/** F72: the peer is gone, and established connections go on sending to it until tcp_retries2 is used up. */
export const deadPeerRetries2 = defineNodeRule({
  id: 'dead-peer-retries2',
  fault: 'F72',
  scope: 'node',
  roles: ['client'],
  needs: ['sockets'],
  optional: ['features', 'ipvs', 'neighbours', 'routeGet', 'probes', 'capture', 'sysctl', 'cluster'],
  params: z.strictObject({
    /** Times that a segment must have been sent again: 4 are about 3 s and more without an ACK. */
    minRetries: z.number().int().min(1).default(4),
  }),
  sources: [
    'Documentation/networking/ip-sysctl.rst (tcp_retries2: 15 are 924.6 s at least)',
    'RFC 1122 section 4.2.3.5 (R2), RFC 5482 (user timeout)',
    'kubernetes#77903; fault catalogue F72',
  ],
  text: {
    en: {
      ...tcpOnlyText.en,
      ...clusterText.en,
      ...podSysctlText.en,
      title: 'The peer is gone, and TCP goes on sending to it on open connections',
      none: (v: { service: string }) => `no connection to ${v.service} is open here`,
      calm: (v: { sockets: number; service: string }) =>
        `none of ${v.sockets} open connections to ${v.service} sends the same data again and again`,
      stuck: (v: { local: string; peer: string; sendq: number; retries: number; leftSec: string }) =>
        `${v.local} > ${v.peer}: ${v.sendq} bytes are not acknowledged, sent again ${v.retries} times, next time in ${v.leftSec} s`,
      count: (v: { stuck: number; sockets: number }) => `That is so for ${v.stuck} of ${v.sockets} open connections`,
      limit: (v: { value: string; seconds: string }) =>
        `${retriesKey} = ${v.value}: the application learns of it after ${v.seconds} s at the earliest`,
      neighbour: (v: { hop: string; state: string }) => `The next hop ${v.hop} is ${v.state}: it does not answer ARP`,
      unreachable: (v: { from: string; name: string }) => `${v.from} says ICMP ${v.name} about this connection`,
      removed: (v: { server: string }) =>
        `IPVS sends this connection to ${v.server}, which the Service no longer has, or has with weight 0`,
      probes: (v: { failed: number; total: number }) =>
        `${v.failed} of ${v.total} new connects got no answer either: the peer or the way to it`,
      alive:
        'New connects succeed: one backend behind the address may be gone, or only large segments are lost (see mtu-blackhole)',
      unknown: 'Nothing else shows whether the peer is gone',
      application:
        'Set TCP_USER_TIMEOUT (or a read and write time-out) on these connections, and reconnect: netty, gRPC, Go and JDBC drivers have a setting for it',
      applicationRisk: 'Low',
      now: 'Ends these connections at once: the application gets an error and can connect anew',
      nowRisk: 'Medium: every connection to this address and port on this node (or in this pod) is reset',
      temporary: 'Gives up after about 100 s (RFC 1122 asks for at least that)',
      permanent: 'Keeps it after a reboot',
      sysctlRisk: 'Medium: connections do not survive outages longer than that',
      expire: 'Lets IPVS forget entries of servers that are gone',
      expireRisk: 'Medium: connections that still drain on a removed server are cut',
    },
    zh: {
      ...tcpOnlyText.zh,
      ...clusterText.zh,
      ...podSysctlText.zh,
      title: '对端已经消失，而 TCP 仍在已建立的连接上不断重发',
      none: (v) => `这里没有到 ${v.service} 的连接`,
      calm: (v) => `到 ${v.service} 的 ${v.sockets} 条连接都没有反复重发同样的数据`,
      stuck: (v) =>
        `${v.local} > ${v.peer}：${v.sendq} 字节未被确认，已重发 ${v.retries} 次，${v.leftSec} 秒后再次重发`,
      count: (v) => `${v.sockets} 条连接中有 ${v.stuck} 条如此`,
      limit: (v) => `${retriesKey} = ${v.value}：应用最早要 ${v.seconds} 秒后才知道`,
      neighbour: (v) => `下一跳 ${v.hop} 处于 ${v.state}：不应答 ARP`,
      unreachable: (v) => `${v.from} 对这条连接回了 ICMP ${v.name}`,
      removed: (v) => `IPVS 把这条连接发往 ${v.server}，而 Service 已经没有它，或者它的权重为 0`,
      probes: (v) => `${v.total} 次新连接中有 ${v.failed} 次也没有应答：是对端，或到它的路`,
      alive: '新连接是成功的：可能是该地址后面的某个后端消失了，或只有大报文丢失（见 mtu-blackhole）',
      unknown: '没有其他证据说明对端是否消失',
      application: '为这些连接设置 TCP_USER_TIMEOUT（或读写超时）并重连：netty、gRPC、Go、JDBC 驱动都有相应设置',
      applicationRisk: '低',
      now: '立即结束这些连接：应用会收到错误并可以重连',
      nowRisk: '中：本节点（或本 Pod）到该地址和端口的所有连接都会被重置',
      temporary: '大约 100 秒后放弃（RFC 1122 要求至少这么久）',
      permanent: '重启后仍有效',
      sysctlRisk: '中：超过这个时间的中断会使连接断开',
      expire: '让 IPVS 忘记已移除后端的条目',
      expireRisk: '中：在已移除后端上尚未结束的连接会被中断',
    },
  },
  evaluate({ node, facts, symptom, target, params, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const open = latest(facts.sockets).filter(
      ({ protocol, peer, state }) => protocol === 'tcp' && isEndpoint(peer, target) && openStates.has(state),
    );
    const service = endpointText(target);
    const place = fileOf(facts.sockets);
    if (open.length === 0) return notApplicable(because(say.none({ service }), place));
    const stuck = open
      .filter(({ timer, sendq }) => timer?.kind === 'on' && timer.retries >= params.minRetries && sendq > 0)
      .sort((a, b) => (b.timer?.retries ?? 0) - (a.timer?.retries ?? 0));
    const [worst] = stuck;
    if (worst?.timer === undefined)
      return ruledOut(because(say.calm({ sockets: open.length, service }), open[0]?.at ?? place));

    const setting = facts.sysctl?.[retriesKey];
    const retries = Number(plainSetting(setting?.value) ?? Number.NaN);
    const reasons: Because[] = [
      because(
        say.stuck({
          local: endpointText(worst.local),
          peer: endpointText(worst.peer),
          sendq: worst.sendq,
          retries: worst.timer.retries,
          leftSec: (worst.timer.leftMs / 1000).toFixed(1),
        }),
        worst.at,
      ),
      ...(stuck.length > 1 ? [because(say.count({ stuck: stuck.length, sockets: open.length }), place)] : []),
      ...(setting === undefined || !Number.isInteger(retries)
        ? []
        : [because(say.limit({ value: String(retries), seconds: giveUpSec(retries).toFixed(1) }), setting.at)]),
    ];
    const gone = [...deadNeighbour(), ...icmpAbout(worst), ...removedServer(), ...goneForKubernetes()];
    if (gone.length > 0) return confirmed([...reasons, ...gone], remedies());
    const probes = facts.probes ?? [];
    const silent = probes.filter(({ outcome }) => outcome === 'timedOut' || outcome === 'noRoute');
    const [probe] = probes;
    if (probe === undefined) return likely([...reasons, because(say.unknown, worst.at)], remedies());
    const words = silent.length > 0 ? say.probes({ failed: silent.length, total: probes.length }) : say.alive;
    return likely([...reasons, because(words, probe.at)], remedies());

    function deadNeighbour(): Because[] {
      const route = facts.routeGet?.find(({ to, verdict }) => verdict === 'ok' && sameAddress(to, target.address));
      const hop = route?.via ?? target.address;
      const found = facts.neighbours?.find(
        ({ address, device, state }) =>
          sameAddress(address, hop) &&
          deadStates.includes(state) &&
          (route?.device === undefined || device === undefined || device === route.device),
      );
      return found === undefined ? [] : [because(say.neighbour({ hop, state: found.state }), found.at)];
    }

    function icmpAbout({ local, peer }: Socket): Because[] {
      const { capture } = facts;
      const error = capture?.icmpErrors.find(
        (one) =>
          isUndeliverable(one) &&
          one.about.sourcePort === local.port &&
          one.about.destinationPort === peer.port &&
          sameAddress(one.about.destination, peer.address),
      );
      return capture === undefined || error === undefined
        ? []
        : [because(say.unreachable({ from: error.from, name: error.name }), capture.at)];
    }

    function removedServer(): Because[] {
      const here = ipvsFor(facts, target, 'tcp');
      if (here.how !== 'service' || !isEndpoint(here.service, target)) return [];
      const { servers } = here.service;
      for (const { local, peer } of stuck) {
        const entry = facts.ipvs?.connections?.find(
          ({ source, virtual }) => isEndpoint(source, local) && isEndpoint(virtual, peer),
        );
        if (entry === undefined) continue;
        const server = servers.find((one) => isEndpoint(one, entry.destination));
        if (server === undefined || server.weight === 0)
          return [because(say.removed({ server: endpointText(entry.destination) }), entry.at)];
      }
      return [];
    }

    /** The pod at the address is on a node that is not ready, or nobody has the address any more. */
    function goneForKubernetes(): readonly Because[] {
      const { cluster } = facts;
      const node = cluster === undefined ? undefined : kubePodAt(cluster, target.address)?.node;
      const down = cluster?.nodes?.find(({ name, ready }) => name === node && ready !== 'True');
      return down === undefined ? [] : storyOf(cluster, target.address, say);
    }

    function remedies(): Remedy[] {
      const previous = setting?.value;
      const change = { key: retriesKey, value: '8', previous };
      const isLong = !Number.isInteger(retries) || retries > 8;
      const expire = { key: expireKey, value: '1', previous: facts.sysctl?.[expireKey]?.value };
      return [
        { kind: 'application', text: say.application, commands: [], undo: [], risk: say.applicationRisk },
        {
          kind: 'temporary',
          node,
          text: say.now,
          commands: [`ss -K dst ${target.address} dport = :${target.port}`],
          undo: [],
          risk: say.nowRisk,
        },
        ...(isLong
          ? [
              temporarySysctl(node, [change], { text: say.temporary, risk: say.sysctlRisk }),
              permanentSysctl(node, 'dead-peer-retries2', [change], { text: say.permanent, risk: say.sysctlRisk }),
              podSysctls([change], say),
            ]
          : []),
        ...(removedServer().length > 0
          ? [temporarySysctl(node, [expire], { text: say.expire, risk: say.expireRisk })]
          : []),
      ];
    }
  },
});

const openStates = new Set(['ESTAB', 'FIN-WAIT-1', 'CLOSE-WAIT', 'LAST-ACK', 'CLOSING']);

/** Sockets are read before and after the window: of two readings of one the later counts. */
function latest(sockets: readonly Socket[]): readonly Socket[] {
  const kept = new Map<string, Socket>();
  for (const socket of sockets) kept.set(`${endpointText(socket.local)} ${endpointText(socket.peer)}`, socket);
  return [...kept.values()];
}

/** When TCP gives up after this many repetitions, starting from the shortest time-out. */
function giveUpSec(retries: number): number {
  let total = 0;
  for (let i = 0; i <= Math.min(retries, 100); i += 1) total += Math.min(shortestSec * 2 ** i, longestSec);
  return total;
}
