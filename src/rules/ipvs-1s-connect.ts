import * as z from 'zod';
import type { Connection } from '../model/facts.ts';
import type { Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { attemptsTo } from './ipvs-attempts.ts';
import { ipvsFor, ipvsText } from './ipvs-service.ts';
import { isOlderThan } from './kernel-release.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { plainSetting, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';
import { kubeProxyCommands } from './kube-objects.ts';

const reuseKey = 'net.ipv4.vs.conn_reuse_mode';
const conntrackKey = 'net.ipv4.vs.conntrack';

/** F63: before 5.9 IPVS drops the first SYN of a port that is used again, so that the connect takes a second. */
export const ipvs1sConnect = defineNodeRule({
  id: 'ipvs-1s-connect',
  fault: 'F63',
  scope: 'node',
  roles: ['client', 'forwarder', 'target'],
  needs: ['features'],
  optional: ['ipvs', 'sysctl', 'capture', 'kernel'],
  params: z.strictObject({
    /** Connects of that length without the second leg that make it likely: one may be a lost packet. */
    minSlow: z.number().int().min(1).default(2),
  }),
  sources: [
    'net/netfilter/ipvs/ip_vs_core.c ip_vs_in (f719e3754ee2; repaired in Linux 5.9: ip_vs_conn_uses_old_conntrack)',
    'Documentation/networking/ipvs-sysctl.rst (conn_reuse_mode, conntrack)',
    'kubernetes#70747, kubernetes#93297, kube-router#544',
  ],
  text: {
    en: {
      ...captureText.en,
      ...ipvsText.en,
      ...tcpOnlyText.en,
      title: 'IPVS drops the first SYN of ports that are used again: connects take one second',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      off: (v: { key: string; value: string }) => `${v.key} = ${v.value}: IPVS drops no SYN for it`,
      none: (v: { key: string }) => `${v.key} does not exist on this kernel: it never drops a SYN for it`,
      fixed: (v: { release: string }) => `kernel ${v.release}: since 5.9 a SYN like that is scheduled at once`,
      on: (v: { mode: string; conntrack: string }) =>
        `${reuseKey} = ${v.mode} and ${conntrackKey} = ${v.conntrack}: a SYN whose ports are in TIME_WAIT is dropped, and only the repeated one is scheduled`,
      swallowed: (v: { connects: number; first: string }) =>
        `${v.connects} connects: the first SYN came in and was not sent on, the one a second later was (first: ${v.first})`,
      slow: (v: { connects: number; first: string }) =>
        `${v.connects} connects were answered only after the SYN was repeated a second later (first: ${v.first})`,
      quick: (v: { connects: number; service: string }) =>
        `none of ${v.connects} connects to ${v.service} needed a second SYN`,
      noConnects: (v: { service: string }) => `no connect to ${v.service} was seen`,
      temporary: 'Sends such a SYN where the old entry points, at once',
      risk: 'Medium: new connections may then go to a server that is being removed (ipvs-stale-rs)',
      kubernetes:
        'Kernel 5.9 or newer; kube-proxy then leaves conn_reuse_mode at 1. Or kube-proxy in iptables or nftables mode',
      kubernetesRisk: 'Nodes or kube-proxy restart one after the other',
      application: 'Keep connections open (keep-alive): ports are then not used again so soon',
      applicationRisk: 'Low',
    },
    zh: {
      ...captureText.zh,
      ...ipvsText.zh,
      ...tcpOnlyText.zh,
      title: 'IPVS 丢弃复用端口的第一个 SYN：建连要花 1 秒',
      notRead: (v) => `没有读到 ${v.key}`,
      off: (v) => `${v.key} = ${v.value}：IPVS 不会因此丢 SYN`,
      none: (v) => `这个内核没有 ${v.key}：不会因此丢 SYN`,
      fixed: (v) => `内核 ${v.release}：5.9 起这样的 SYN 会立即调度`,
      on: (v) =>
        `${reuseKey} = ${v.mode} 且 ${conntrackKey} = ${v.conntrack}：端口处于 TIME_WAIT 的 SYN 会被丢弃，重发的那个才会被调度`,
      swallowed: (v) => `${v.connects} 次连接：第一个 SYN 到了但没有转发，一秒后的那个转发了（第一个：${v.first}）`,
      slow: (v) => `${v.connects} 次连接在一秒后重发 SYN 才得到应答（第一个：${v.first}）`,
      quick: (v) => `到 ${v.service} 的 ${v.connects} 次连接都不需要第二个 SYN`,
      noConnects: (v) => `没有看到到 ${v.service} 的连接`,
      temporary: '让这样的 SYN 立即发往旧条目指向的后端',
      risk: '中：新连接可能会发往正在移除的后端（ipvs-stale-rs）',
      kubernetes:
        '使用 5.9 以上的内核，kube-proxy 会保留 conn_reuse_mode=1；或 kube-proxy 改用 iptables 或 nftables 模式',
      kubernetesRisk: '节点或 kube-proxy 要逐个重启',
      application: '保持长连接（keep-alive），端口就不会那么快被复用',
      applicationRisk: '低',
    },
  },
  evaluate({ node, facts, symptom, target, params, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const here = ipvsFor(facts, target, 'tcp');
    if (here.how === 'unread') return undecided('ipvs', node, say.ipvsNotRead);
    if (here.how === 'unlooked') return undecided('features', node, say.notLooked);
    if (here.how === 'absent') return notApplicable(because(say.noIpvs, here.at));
    if (here.how === 'other') return notApplicable(because(say.noService({ service: endpointText(target) }), here.at));
    for (const key of [reuseKey, conntrackKey]) {
      const setting = facts.sysctl?.[key];
      if (setting === undefined) return undecided('sysctl', node, say.notRead({ key }));
      const value = plainSetting(setting.value);
      if (value === null) return notApplicable(because(say.none({ key }), setting.at));
      if (value === '0') return ruledOut(because(say.off({ key, value }), setting.at));
    }
    const { kernel, capture } = facts;
    if (kernel !== undefined && isOlderThan(kernel.release, 5, 9) === false)
      return ruledOut(because(say.fixed({ release: kernel.release }), kernel.at));

    if (capture === undefined) return undecided('capture', node, say.noCapture);
    const { service } = here;
    const attempts = attemptsTo(capture, [service]);
    const slow = attempts.filter(isOneSecond);
    const legs = attemptsTo(capture, service.servers);
    const swallowed = slow.filter((one) => {
      const leg = legs.find(({ syns }) => syns[0]?.sequence === one.syns[0]?.sequence);
      return leg !== undefined && leg.syns.length < one.syns.length;
    });
    const setting = facts.sysctl?.[reuseKey];
    const on = because(
      say.on({
        mode: plainSetting(setting?.value) ?? '',
        conntrack: plainSetting(facts.sysctl?.[conntrackKey]?.value) ?? '',
      }),
      setting?.at ?? here.at,
    );
    // a packet missing on the way to the server is the proof
    const weak = weakness(capture, say);
    const [first] = swallowed;
    if (first !== undefined && weak === null) {
      const words = say.swallowed({ connects: swallowed.length, first: connectionText(first) });
      return confirmed([on, because(words, capture.at)], remedies());
    }
    const [one] = slow;
    if (one !== undefined && slow.length >= params.minSlow)
      return likely(
        [on, because(say.slow({ connects: slow.length, first: connectionText(one) }), capture.at)],
        remedies(),
      );
    if (weak !== null) return undecided('capture', node, weak);
    if (attempts.length === 0) return undecided('capture', node, say.noConnects({ service: endpointText(service) }));
    return ruledOut(because(say.quick({ connects: attempts.length, service: endpointText(service) }), capture.at));

    function remedies(): Remedy[] {
      return [
        temporarySysctl(node, [{ key: reuseKey, value: '0', previous: setting?.value }], {
          text: say.temporary,
          risk: say.risk,
        }),
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [...kubeProxyCommands({ mode: 'iptables' })],
          undo: [],
          risk: say.kubernetesRisk,
        },
        { kind: 'application', text: say.application, commands: [], undo: [], risk: say.applicationRisk },
      ];
    }
  },
});

/** Answered after exactly one repetition of the SYN, which the kernel sends after a second (TCP_TIMEOUT_INIT). */
function isOneSecond({ syns, synAcks }: Connection): boolean {
  const [first, second] = syns;
  const [answer] = synAcks;
  if (first === undefined || second === undefined || answer === undefined || syns.length > 2) return false;
  const waited = second.atMs - first.atMs;
  return waited > 900 && waited < 1300 && answer.atMs >= second.atMs;
}
