import * as z from 'zod';
import type { Because } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';

const timeKey = 'net.ipv4.tcp_keepalive_time';
const trackedKey = 'net.netfilter.nf_conntrack_tcp_timeout_established';

/** F60, without a question: something on the way forgets idle connections before the kernel's keepalive begins. */
export const keepaliveTooLate = defineNodeRule({
  id: 'keepalive-too-late',
  fault: 'F60',
  scope: 'node',
  asksNothing: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['sysctl'],
  optional: ['ipvs'],
  params: z.strictObject({
    /** Load balancers and firewalls that connections of this fleet pass, with the seconds after which they forget. */
    middleboxes: z
      .array(z.strictObject({ name: z.string().min(1), idleSec: z.number().int().min(1) }))
      .max(20)
      .default([]),
  }),
  sources: [
    'tcp(7) tcp_keepalive_time (7200 s; only for sockets with SO_KEEPALIVE)',
    'net/netfilter/ipvs/ip_vs_proto_tcp.c (IP_VS_TCP_S_ESTABLISHED: 15 min); ipvsadm(8) --set',
    'kubernetes/kubernetes#32457; field report 4',
  ],
  text: {
    en: {
      title: 'Idle connections are forgotten on the way before keepalive begins',
      notRead: `${timeKey} was not read`,
      noTimeouts: 'IPVS has services here, but its time-outs were not read',
      ipvs: (v: { idleSec: number; time: number }) =>
        `IPVS forgets an idle TCP connection after ${v.idleSec} s, and ${timeKey} = ${v.time} s`,
      tracked: (v: { idleSec: number; time: number }) => `${trackedKey} = ${v.idleSec} s, and ${timeKey} = ${v.time} s`,
      middlebox: (v: { name: string; idleSec: number; time: number }) =>
        `${v.name} forgets an idle connection after ${v.idleSec} s, and ${timeKey} = ${v.time} s`,
      inTime: (v: { time: number; what: string; idleSec: number }) =>
        `${timeKey} = ${v.time} s, before ${v.what} forgets (${v.idleSec} s)`,
      tracking: 'connection tracking',
      noBox:
        'Nothing that forgets idle connections is known here: no IPVS services, no connection tracking, no middlebox in the playbook',
      temporary: (v: { time: number }) =>
        `Keepalive begins after ${v.time} s: for connections that ask for it (SO_KEEPALIVE)`,
      permanent: 'Keeps it after a reboot',
      application:
        'Switch SO_KEEPALIVE on in clients and servers (in pools: also a maximum idle time below the limit); the setting does nothing for sockets without it',
      kubernetes:
        'tcp_keepalive_time belongs to the network namespace: in pods set it by securityContext.sysctls (allowed on the kubelet). kube-proxy: ipvs.tcpTimeout raises the other end',
      risk: 'Low: one small packet per idle connection and interval',
    },
    zh: {
      title: '空闲连接在 keepalive 开始之前就被中途遗忘',
      notRead: `没有读到 ${timeKey}`,
      noTimeouts: '这里有 IPVS 服务，但没有读到它的超时',
      ipvs: (v) => `IPVS 在 ${v.idleSec} 秒后遗忘空闲 TCP 连接，而 ${timeKey} = ${v.time} 秒`,
      tracked: (v) => `${trackedKey} = ${v.idleSec} 秒，而 ${timeKey} = ${v.time} 秒`,
      middlebox: (v) => `${v.name} 在 ${v.idleSec} 秒后遗忘空闲连接，而 ${timeKey} = ${v.time} 秒`,
      inTime: (v) => `${timeKey} = ${v.time} 秒，早于${v.what}的遗忘时间（${v.idleSec} 秒）`,
      tracking: '连接跟踪',
      noBox: '这里没有已知会遗忘空闲连接的东西：没有 IPVS 服务，没有连接跟踪，playbook 里也没有中间设备',
      temporary: (v) => `让 keepalive 在 ${v.time} 秒后开始：只对启用 SO_KEEPALIVE 的连接有效`,
      permanent: '重启后仍有效',
      application:
        '在客户端和服务端启用 SO_KEEPALIVE（连接池还要把最大空闲时间设得低于该上限）；没有启用它的套接字不受此设置影响',
      kubernetes:
        'tcp_keepalive_time 属于网络命名空间：Pod 里用 securityContext.sysctls 设置（需在 kubelet 上放行）。kube-proxy 的 ipvs.tcpTimeout 可以调大另一端',
      risk: '低：每个空闲连接每个间隔多一个小包',
    },
  },
  evaluate({ node, facts, params, say }) {
    const setting = facts.sysctl[timeKey];
    const time = numberOf(timeKey);
    if (setting === undefined || time === null) return undecided('sysctl', node, say.notRead);
    const { ipvs } = facts;
    const hasServices = (ipvs?.services ?? []).some(({ protocol }) => protocol === 'tcp' || protocol === 'fwm');
    if (hasServices && ipvs?.timeoutsSec === undefined) return undecided('ipvs', node, say.noTimeouts);
    const limits: { readonly what: string; readonly idleSec: number; readonly sentence: Because }[] = [];
    if (hasServices && ipvs?.timeoutsSec !== undefined) {
      const { tcp: idleSec, at } = ipvs.timeoutsSec;
      limits.push({ what: 'IPVS', idleSec, sentence: because(say.ipvs({ idleSec, time }), at) });
    }
    const tracked = numberOf(trackedKey);
    const trackedAt = facts.sysctl[trackedKey]?.at;
    if (tracked !== null && trackedAt !== undefined)
      limits.push({
        what: say.tracking,
        idleSec: tracked,
        sentence: because(say.tracked({ idleSec: tracked, time }), trackedAt),
      });
    for (const { name, idleSec } of params.middleboxes)
      limits.push({ what: name, idleSec, sentence: because(say.middlebox({ name, idleSec, time }), setting.at) });
    const [lowest] = [...limits].sort((a, b) => a.idleSec - b.idleSec);
    if (lowest === undefined) return notApplicable(because(say.noBox, setting.at));
    const early = limits.filter(({ idleSec }) => idleSec <= time);
    if (early.length === 0) return ruledOut(because(say.inTime({ time, ...lowest }), setting.at));
    const wanted = Math.max(10, Math.floor(lowest.idleSec / 3));
    const change = [{ key: timeKey, value: String(wanted), previous: setting.value }];
    return likely(
      early.map(({ sentence }) => sentence),
      [
        temporarySysctl(node, change, { text: say.temporary({ time: wanted }), risk: say.risk }),
        permanentSysctl(node, 'keepalive-too-late', change, { text: say.permanent, risk: say.risk }),
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
        { kind: 'application', node, text: say.application, commands: [], undo: [], risk: say.risk },
      ],
    );

    function numberOf(key: string): number | null {
      const value = plainSetting(facts.sysctl[key]?.value);
      return value !== null && /^\d+$/.test(value) ? Number(value) : null;
    }
  },
});
