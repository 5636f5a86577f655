import * as z from 'zod';
import type { ConntrackEntry } from '../model/node-facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because, fileOf } from './because.ts';
import { endpointText } from './endpoint-text.ts';
import { ipvsFor, ipvsText, isEndpoint } from './ipvs-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { plainSetting, permanentSysctl, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';
import { kubeProxyCommands } from './kube-objects.ts';

const reservedKey = 'net.ipv4.ip_local_reserved_ports';

/** F68: MASQUERADE gave a connection a source port that IPVS has as a NodePort, so IPVS takes the answer. */
export const masqNodeportClash = defineNodeRule({
  id: 'masq-nodeport-clash',
  fault: 'F68',
  scope: 'node',
  roles: ['client', 'forwarder', 'target'],
  needs: ['conntrackEntries'],
  optional: ['features', 'ipvs', 'firewall', 'sysctl'],
  params: z.strictObject({}),
  sources: [
    'kubernetes#139276 (IPVS takes the answer of a masqueraded connection)',
    'net/netfilter/nf_nat_core.c nf_nat_l4proto_unique_tuple (random ports come from 1024-65535, whatever ip_local_port_range says)',
    'kubernetes#78547 (kube-proxy uses MASQUERADE --random-fully)',
  ],
  text: {
    en: {
      ...ipvsText.en,
      ...tcpOnlyText.en,
      title: 'MASQUERADE chose the number of a NodePort as source port: IPVS takes the answer for a new connection',
      none: (v: { open: number; services: number }) =>
        `${v.open} tracked connects wait for an answer, and none has the address and port of one of ${v.services} IPVS services as its source`,
      clash: (v: { client: string; server: string; source: string; backend: string }) =>
        `${v.client} > ${v.server} was sent on to ${v.backend} from ${v.source}, which is an IPVS service of this node; no answer was accepted (SYN_SENT, UNREPLIED)`,
      count: (v: { clashes: number }) => `${v.clashes} such connections are in the table`,
      others: (v: { answered: number; backend: string }) =>
        `${v.answered} other connections to ${v.backend} from free ports were answered`,
      noOthers: (v: { backend: string }) =>
        `No other connection to ${v.backend} was answered, so it may be the backend that does not answer`,
      alsoSilent: (v: { silent: number; backend: string }) =>
        `${v.silent} connections to ${v.backend} from ports that clash with nothing are unanswered as well: then the port is not the reason for those`,
      random: (v: { rule: string }) => `The source port is random: ${v.rule}`,
      narrow: 'Keeps the ports of MASQUERADE out of the default NodePort range (30000-32767)',
      narrowRisk: 'Medium: fewer source ports per backend; a rule of kube-proxy’s chain is bypassed',
      reserve:
        'Keeps local programs from these ports; NAT keeps a source port that is free, so translated connections avoid them as well',
      reservePermanent: 'Keeps it after a reboot',
      risk: 'Low: programs that bind such a port themselves still may',
      kubernetes:
        'kube-proxy in iptables or nftables mode is not affected: there the answer belongs to a tracked connection before any Service is looked up',
      kubernetesRisk: 'kube-proxy restarts on every node; IPVS connections are cut',
    },
    zh: {
      ...ipvsText.zh,
      ...tcpOnlyText.zh,
      title: 'MASQUERADE 选的源端口恰好是某个 NodePort：IPVS 把应答当成了新连接',
      none: (v) => `有 ${v.open} 个被跟踪的连接在等待应答，源地址和端口都不是 ${v.services} 个 IPVS 服务之一`,
      clash: (v) =>
        `${v.client} > ${v.server} 以 ${v.source} 为源发往 ${v.backend}，而它是本节点的一个 IPVS 服务；应答没有被接受（SYN_SENT、UNREPLIED）`,
      count: (v) => `表中有 ${v.clashes} 条这样的连接`,
      others: (v) => `另外 ${v.answered} 条用空闲端口到 ${v.backend} 的连接有应答`,
      noOthers: (v) => `没有其他到 ${v.backend} 的连接得到应答，所以也可能是后端没有应答`,
      alsoSilent: (v) => `另有 ${v.silent} 条源端口没有冲突的到 ${v.backend} 的连接也没有应答：这些不能用端口冲突解释`,
      random: (v) => `源端口是随机选的：${v.rule}`,
      narrow: '让 MASQUERADE 的端口避开默认的 NodePort 范围（30000-32767）',
      narrowRisk: '中：每个后端可用的源端口变少；会绕过 kube-proxy 链中的一条规则',
      reserve: '让本地程序不使用这些端口；NAT 在源端口空闲时会保留它，所以转换后的连接也会避开',
      reservePermanent: '重启后仍有效',
      risk: '低：程序自己绑定这些端口仍然可以',
      kubernetes: 'kube-proxy 的 iptables 或 nftables 模式没有这个问题：应答在查找 Service 之前就已属于被跟踪的连接',
      kubernetesRisk: '每个节点的 kube-proxy 都要重启；IPVS 连接会中断',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const table = facts.conntrackEntries;
    const here = ipvsFor(facts, target, 'tcp');
    if (here.how === 'unread') return undecided('ipvs', node, say.ipvsNotRead);
    if (here.how === 'unlooked') return undecided('features', node, say.notLooked);
    if (here.how === 'absent') return notApplicable(because(say.noIpvs, here.at));
    const services = (facts.ipvs?.services ?? []).filter(({ protocol }) => protocol === 'tcp');
    const waiting = table.filter(
      ({ protocol, state, unreplied }) => protocol === 'tcp' && state === 'SYN_SENT' && unreplied,
    );
    const clashes = waiting.filter(
      (entry) => isMasqueraded(entry) && services.some((service) => isEndpoint(service, sourceOf(entry))),
    );
    const [first] = clashes;
    if (first === undefined)
      return ruledOut(because(say.none({ open: waiting.length, services: services.length }), fileOf(table, here.at)));

    const backend = backendOf(first);
    const toBackend = table.filter((entry) => isEndpoint(backendOf(entry), backend));
    const answered = toBackend.filter(({ unreplied }) => !unreplied);
    const silent = toBackend.filter((entry) => waiting.includes(entry) && !clashes.includes(entry));
    const random = facts.firewall?.rules.find(
      ({ table: name, text }) => name === 'nat' && text.includes('MASQUERADE') && text.includes('--random-fully'),
    );
    const shown = endpointText(backend);
    const reasons: Because[] = [
      because(
        say.clash({
          client: endpointText({ address: first.original.source, port: first.original.sourcePort ?? 0 }),
          server: endpointText({ address: first.original.destination, port: first.original.destinationPort ?? 0 }),
          source: endpointText(sourceOf(first)),
          backend: shown,
        }),
        first.at,
      ),
      ...(clashes.length > 1 ? [because(say.count({ clashes: clashes.length }), fileOf(table))] : []),
      ...(random === undefined ? [] : [because(say.random({ rule: random.text }), random.at)]),
    ];
    const [other] = answered;
    const [unanswered] = silent;
    if (unanswered !== undefined)
      return likely(
        [...reasons, because(say.alsoSilent({ silent: silent.length, backend: shown }), unanswered.at)],
        remedies(),
      );
    return other === undefined
      ? likely([...reasons, because(say.noOthers({ backend: shown }), first.at)], remedies())
      : confirmed(
          [...reasons, because(say.others({ answered: answered.length, backend: shown }), other.at)],
          remedies(),
        );

    function remedies(): Remedy[] {
      const kubernetes: Remedy = {
        kind: 'kubernetes',
        text: say.kubernetes,
        commands: [...kubeProxyCommands({ mode: 'iptables' })],
        undo: [],
        risk: say.kubernetesRisk,
      };
      if (random !== undefined) {
        const rule = '-p tcp -m mark --mark 0x4000/0x4000 -j MASQUERADE --to-ports 32768-60999 --random-fully';
        return [
          {
            kind: 'temporary',
            node,
            text: say.narrow,
            commands: [`iptables -t nat -I POSTROUTING ${rule}`],
            undo: [`iptables -t nat -D POSTROUTING ${rule}`],
            risk: say.narrowRisk,
          },
          kubernetes,
        ];
      }
      // without random ports NAT keeps what the program chose, and that comes from ip_local_port_range
      const previous = facts.sysctl?.[reservedKey]?.value;
      const reserved = plainReserved(previous);
      const change = {
        key: reservedKey,
        value: reserved === '' ? '30000-32767' : `${reserved},30000-32767`,
        previous: plainSetting(previous),
      };
      return [
        temporarySysctl(node, [change], { text: say.reserve, risk: say.risk }),
        permanentSysctl(node, 'masq-nodeport-clash', [change], { text: say.reservePermanent, risk: say.risk }),
        kubernetes,
      ];
    }
  },
});

/** A list of ports that is fit to stand in a command; empty for anything else. */
function plainReserved(value: string | null | undefined): string {
  const text = value?.trim() ?? '';
  return /^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/.test(text) ? text : '';
}

/** Where the answer is sent: the source that NAT put in. */
function sourceOf({ reply }: ConntrackEntry): { readonly address: string; readonly port: number } {
  return { address: reply.destination, port: reply.destinationPort ?? 0 };
}

function backendOf({ reply }: ConntrackEntry): { readonly address: string; readonly port: number } {
  return { address: reply.source, port: reply.sourcePort ?? 0 };
}

function isMasqueraded({ original, reply }: ConntrackEntry): boolean {
  return reply.destination !== original.source || reply.destinationPort !== original.sourcePort;
}
