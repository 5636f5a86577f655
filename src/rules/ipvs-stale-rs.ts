import * as z from 'zod';
import type { Connection, Endpoint } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { captureText, takes, weakness } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { attemptsTo, failedOf } from './ipvs-attempts.ts';
import { ipvsFor, ipvsText, isEndpoint } from './ipvs-service.ts';
import { isOlderThan } from './kernel-release.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';
import { kubeProxyCommands } from './kube-objects.ts';

const reuseKey = 'net.ipv4.vs.conn_reuse_mode';
const expireKey = 'net.ipv4.vs.expire_nodest_conn';

/** F62: IPVS sends new connections to a server that is drained or gone, because an old entry has the same ports. */
export const ipvsStaleRs = defineNodeRule({
  id: 'ipvs-stale-rs',
  fault: 'F62',
  scope: 'node',
  roles: ['client', 'forwarder', 'target'],
  needs: ['features'],
  optional: ['ipvs', 'sysctl', 'capture', 'kernel'],
  params: z.strictObject({}),
  sources: [
    'net/netfilter/ipvs/ip_vs_core.c ip_vs_in, is_new_conn_expected',
    'Documentation/networking/ipvs-sysctl.rst (conn_reuse_mode, expire_nodest_conn)',
    'kubernetes#81775, kubernetes#93297; imroc no-route-to-host.md; field report 3',
  ],
  text: {
    en: {
      ...captureText.en,
      ...ipvsText.en,
      ...tcpOnlyText.en,
      title: 'IPVS keeps sending new connections to a server that is gone',
      drained: (v: { servers: string }) => `In the IPVS table with weight 0 (on their way out): ${v.servers}`,
      removed: (v: { servers: string; entries: number }) =>
        `${v.entries} entries still point to servers that the service no longer has: ${v.servers}`,
      syns: (v: { connects: number; server: string; outcome: string; first: string }) =>
        `${v.connects} new connects were sent to ${v.server} and failed${v.outcome} (first: ${v.first})`,
      icmp: (v: { name: string }) => `, ICMP ${v.name}`,
      reused: (v: { source: string; state: string }) =>
        `The source port had been used before: the table had an entry ${v.state} for ${v.source}`,
      mode: (v: { value: string }) =>
        `${reuseKey} = ${v.value}: a SYN that fits an old entry goes where that entry points`,
      noMode: `${reuseKey} does not exist on this kernel: a SYN that fits an old entry goes where that entry points`,
      modeOn: (v: { value: string }) =>
        `${reuseKey} = ${v.value}: a SYN that fits an old entry is scheduled anew, so the entry is not the reason`,
      modeNotRead: `${reuseKey} was not read`,
      counted: (v: { server: string; inPackets: number; outPackets: number }) =>
        `IPVS counted +${v.inPackets} packets to ${v.server} in the window and +${v.outPackets} back from it`,
      none: (v: { service: string }) =>
        `IPVS service ${v.service}: every server has a weight, and no entry points anywhere else`,
      otherPort: (v: { port: number }) =>
        `the servers have another port than the service, and the capture was not asked for it (it is of port ${v.port})`,
      notSeen: 'No new connect to them was seen to fail in the window',
      reconnect:
        'With many short connections, keep them open instead (keep-alive); or call from more nodes: fewer ports are used again',
      reconnectRisk: 'Low',
      temporary: 'Lets a SYN that reuses a port be scheduled anew, and forgets entries of servers that are gone',
      temporaryOld: 'Forgets entries of servers that are gone with their next packet (that packet is lost)',
      permanent: 'Keeps it after a reboot; kube-proxy writes conn_reuse_mode at its start according to the kernel',
      risk: 'Medium: connections that still drain on a removed server are cut',
      kubernetes:
        'Kernel 5.9 or newer on the nodes (kube-proxy then leaves conn_reuse_mode at 1), or kube-proxy in iptables or nftables mode. preStop and longer grace periods do not help',
      kubernetesRisk: 'Nodes or kube-proxy restart one after the other',
    },
    zh: {
      ...captureText.zh,
      ...ipvsText.zh,
      ...tcpOnlyText.zh,
      title: 'IPVS 仍把新连接转发到已经移除的后端',
      drained: (v) => `IPVS 表里权重为 0（正在下线）的后端：${v.servers}`,
      removed: (v) => `有 ${v.entries} 个条目仍指向服务里已经没有的后端：${v.servers}`,
      syns: (v) => `有 ${v.connects} 个新连接被转发到 ${v.server} 并失败${v.outcome}（第一个：${v.first}）`,
      icmp: (v) => `，ICMP ${v.name}`,
      reused: (v) => `源端口之前用过：表里有 ${v.source} 的 ${v.state} 条目`,
      mode: (v) => `${reuseKey} = ${v.value}：与旧条目匹配的 SYN 会被发往旧条目指向的后端`,
      noMode: `这个内核没有 ${reuseKey}：与旧条目匹配的 SYN 会被发往旧条目指向的后端`,
      modeOn: (v) => `${reuseKey} = ${v.value}：与旧条目匹配的 SYN 会重新调度，所以不是旧条目的原因`,
      modeNotRead: `没有读到 ${reuseKey}`,
      counted: (v) => `窗口内 IPVS 计数：到 ${v.server} +${v.inPackets} 个包，从它回来 +${v.outPackets} 个包`,
      none: (v) => `IPVS 服务 ${v.service}：每个后端都有权重，也没有条目指向别处`,
      otherPort: (v) => `后端的端口与服务不同，而抓包只抓了端口 ${v.port}`,
      notSeen: '窗口内没有看到到它们的新连接失败',
      reconnect: '短连接很多时改用长连接（keep-alive）；或让客户端分散到更多节点，减少端口复用',
      reconnectRisk: '低',
      temporary: '让复用端口的 SYN 重新调度，并清除已移除后端的条目',
      temporaryOld: '已移除后端的条目在收到下一个报文时被清除（该报文会丢失）',
      permanent: '重启后仍有效；kube-proxy 启动时会按内核版本写 conn_reuse_mode',
      risk: '中：在已移除后端上尚未结束的连接会被中断',
      kubernetes:
        '节点使用 5.9 以上的内核（kube-proxy 会保留 conn_reuse_mode=1），或 kube-proxy 改用 iptables 或 nftables 模式。preStop 和更长的宽限期没有用',
      kubernetesRisk: '节点或 kube-proxy 要逐个重启',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const here = ipvsFor(facts, target, 'tcp');
    if (here.how === 'unread') return undecided('ipvs', node, say.ipvsNotRead);
    if (here.how === 'unlooked') return undecided('features', node, say.notLooked);
    if (here.how === 'absent') return notApplicable(because(say.noIpvs, here.at));
    if (here.how === 'other') return notApplicable(because(say.noService({ service: endpointText(target) }), here.at));
    const { service } = here;
    const table = facts.ipvs?.connections ?? [];
    const drained = service.servers.filter(({ weight }) => weight === 0);
    const leftOver = table.filter(
      ({ virtual, destination }) =>
        isEndpoint(virtual, service) && !service.servers.some((server) => isEndpoint(server, destination)),
    );
    const stale: readonly Endpoint[] = [...drained, ...leftOver.map(({ destination }) => destination)];
    if (stale.length === 0) return ruledOut(because(say.none({ service: endpointText(service) }), here.at));

    const reasons: Because[] = [];
    const [firstDrained] = drained;
    if (firstDrained !== undefined)
      reasons.push(because(say.drained({ servers: drained.map(endpointText).join(', ') }), firstDrained.at));
    const [firstLeft] = leftOver;
    if (firstLeft !== undefined) {
      const servers = [...new Set(leftOver.map(({ destination }) => endpointText(destination)))].slice(0, 5).join(', ');
      reasons.push(because(say.removed({ servers, entries: leftOver.length }), firstLeft.at));
    }

    const { capture } = facts;
    const failed = capture === undefined ? [] : failedOf(capture, attemptsTo(capture, stale));
    const [attempt] = failed;
    const setting = facts.sysctl?.[reuseKey];
    const mode = plainSetting(setting?.value);
    if (attempt === undefined || capture === undefined) {
      const hidden = capture !== undefined && !stale.every((one) => takes(capture, one, service.port));
      const weak = weakness(capture, say) ?? (hidden ? say.otherPort({ port: service.port }) : null);
      // drained servers are the ordinary state of every rolling update
      return weak === null
        ? ruledOut(...reasons, because(say.notSeen, capture?.at ?? here.at))
        : undecided('capture', node, weak);
    }
    const error = capture.icmpErrors.find(
      ({ about }) => about.destination === attempt.server.address && about.destinationPort === attempt.server.port,
    );
    reasons.push(
      because(
        say.syns({
          connects: failed.length,
          server: endpointText(attempt.server),
          outcome: error === undefined ? '' : say.icmp({ name: error.name }),
          first: connectionText(attempt),
        }),
        capture.at,
      ),
    );
    const totals = facts.ipvs?.totals
      ?.find((one) => one.protocol === 'tcp' && isEndpoint(one, service))
      ?.servers.find((one) => isEndpoint(one, attempt.server));
    if (totals?.moved !== undefined && totals.moved.inPackets > 0)
      reasons.push(because(say.counted({ server: endpointText(attempt.server), ...totals.moved }), totals.at));
    if (setting !== undefined && mode !== null && mode !== '0')
      return ruledOut(...reasons, because(say.modeOn({ value: mode }), setting.at));
    if (setting === undefined) return likely([...reasons, because(say.modeNotRead, here.at)], remedies());
    reasons.push(mode === null ? because(say.noMode, setting.at) : because(say.mode({ value: mode }), setting.at));
    const reused = failed.flatMap((one) => entryBefore(one))[0];
    if (reused === undefined) return likely(reasons, remedies());
    reasons.push(because(say.reused({ source: endpointText(reused.source), state: reused.state }), reused.at));
    return confirmed(reasons, remedies());

    /** The table was read before the window: an entry with the same source is one that the SYN fell into. */
    function entryBefore({ client, server }: Connection) {
      return table.filter(({ source, destination }) => isEndpoint(source, client) && isEndpoint(destination, server));
    }

    function remedies(): Remedy[] {
      const isOld = isOlderThan(facts.kernel?.release ?? '', 5, 9) !== false;
      const expire = { key: expireKey, value: '1', previous: facts.sysctl?.[expireKey]?.value };
      // mode 1 costs a second per connect on kernels before 5.9 (F63)
      const changes = isOld ? [expire] : [{ key: reuseKey, value: '1', previous: setting?.value }, expire];
      return [
        temporarySysctl(node, changes, { text: isOld ? say.temporaryOld : say.temporary, risk: say.risk }),
        permanentSysctl(node, 'ipvs-stale-rs', changes, { text: say.permanent, risk: say.risk }),
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [...kubeProxyCommands({ mode: 'iptables' })],
          undo: [],
          risk: say.kubernetesRisk,
        },
        { kind: 'application', text: say.reconnect, commands: [], undo: [], risk: say.reconnectRisk },
      ];
    }
  },
});
