import * as z from 'zod';
import type { Firewall, FirewallRule } from '../model/facts.ts';
import type { ConntrackEntry } from '../model/node-facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { riseOf } from './counter-rise.ts';
import { endpointText } from './endpoint-text.ts';
import { groupBy } from './group-by.ts';
import { inPrefix, sameAddress } from './ip-address.ts';
import { lostSynsAt, lostSynText } from './lost-syns.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

/** Connections that are translated to one source address on their way to one address and port. */
interface Crowd {
  readonly source: string;
  readonly destination: { readonly address: string; readonly port: number };
  readonly entries: readonly ConntrackEntry[];
  /** Source ports that NAT may choose from; `rule`: where that is written. */
  readonly from: number;
  readonly to: number;
  readonly rule: FirewallRule | null;
}

const isSourceNat = /-j (?:MASQUERADE|SNAT)\b|\b(?:masquerade|snat)\b/;
/** Without a range in the rule, from these: nf_nat_l4proto_unique_tuple, for ports of 1024 and above. */
const anyPort = { from: 1024, to: 65_535 } as const;
const waitKey = 'net.netfilter.nf_conntrack_tcp_timeout_time_wait';
/** `--to-source 10.0.0.1:40000-40009`, `--to-ports 1024-2047`, `masquerade to :1024-2047`, `snat to 10.0.0.1:1024-2047` */
const portRange =
  /(?:(?:--to-source|snat(?: ip)? to) ([0-9.]{7,15}(?:-[0-9.]{7,15})?)?:|--to-ports |masquerade to :)(\d{1,5})-(\d{1,5})/;

/** F15: source NAT has no free port left for one destination, and new connections lose their SYNs. */
export const snatPortExhaustion = defineNodeRule({
  id: 'snat-port-exhaustion',
  fault: 'F15',
  scope: 'node',
  roles: ['forwarder', 'client', 'target'],
  needs: [],
  optional: ['conntrackEntries', 'conntrackStats', 'firewall', 'capture', 'sysctl'],
  params: z.strictObject({
    /** Share of the ports that must be taken. */
    atShare: z.number().min(0.5).max(1).default(0.9),
  }),
  sources: [
    'net/netfilter/nf_nat_core.c nf_nat_l4proto_unique_tuple (ports 1024-65535, 128 attempts)',
    'net/netfilter/nf_conntrack_core.c __nf_conntrack_confirm (insert_failed and drop)',
    'iptables-extensions(8) SNAT, MASQUERADE; nft(8) nat statements',
  ],
  text: {
    en: {
      ...lostSynText.en,
      title: 'Source NAT has no free port left for this destination',
      none: 'no tracked connection of this port has its source translated here',
      noNat: 'no rule here translates source addresses',
      noTracking: 'there is no connection tracking here (nf_conntrack is not loaded)',
      few: (v: { tracked: number; ports: number }) =>
        `only ${v.tracked} connections are tracked in all, and one destination has room for ${v.ports}`,
      noTable: 'the table of tracked connections was not read',
      used: (v: { entries: number; ports: number; source: string; destination: string }) =>
        `${v.entries} of ${v.ports} source ports of ${v.source} are taken for connections to ${v.destination}`,
      byRule: (v: { rule: string; from: number; to: number }) => `the rule allows only ${v.from}-${v.to}: ${v.rule}`,
      waiting: (v: { entries: number; timeout: string }) =>
        `${v.entries} of them are only remembered after their end (TIME_WAIT${v.timeout})`,
      clients: (v: { clients: string }) => `most are of ${v.clients}`,
      client: (v: { address: string; entries: number }) => `${v.address} (${v.entries})`,
      failed: (v: { count: number }) =>
        `connection tracking insert_failed +${v.count} in the window: no free port was found for new connections`,
      flat: 'connection tracking insert_failed +0 in the window: every new connection still found a port',
      noStats: 'Whether new connections found a port was not read',
      passed: (v: { connects: number }) => `the ${v.connects} connects that were lost were seen leaving this node`,
      temporary: 'Forgets ended connections sooner, so that their ports come free; open connections are not touched',
      widen: (v: { from: number; to: number }) => `The rule leaves ${v.from}-${v.to} only: widen it where it is made`,
      more: 'More source addresses: SNAT to a range of addresses, an egress gateway per group of pods, more nodes',
      application:
        'Keep connections open and use them again (keep-alive, pools): each new connection takes a port for as long as it is remembered',
      risk: 'Low: a late packet of an ended connection may meet a new one with the same ports',
      riskRule: 'New connections leave from other ports or addresses: firewalls that name them have to know',
      riskNone: 'None',
    },
    zh: {
      ...lostSynText.zh,
      title: '源地址转换（SNAT）对该目标已没有空闲端口',
      none: '这个端口被跟踪的连接没有在这里转换源地址',
      noNat: '这里没有源地址转换规则',
      noTracking: '这里没有启用连接跟踪（未加载 nf_conntrack）',
      few: (v) => `总共只跟踪了 ${v.tracked} 条连接，而一个目标可容纳 ${v.ports} 条`,
      noTable: '没有读到连接跟踪表',
      used: (v) => `${v.source} 到 ${v.destination} 的连接已占用 ${v.ports} 个源端口中的 ${v.entries} 个`,
      byRule: (v) => `规则只允许 ${v.from}-${v.to}：${v.rule}`,
      waiting: (v) => `其中 ${v.entries} 个只是结束后仍被记住（TIME_WAIT${v.timeout}）`,
      clients: (v) => `最多的是 ${v.clients}`,
      client: (v) => `${v.address}（${v.entries}）`,
      failed: (v) => `窗口内连接跟踪 insert_failed +${v.count}：新连接找不到空闲端口`,
      flat: '窗口内连接跟踪 insert_failed +0：新连接都还能找到端口',
      noStats: '没有读到新连接是否找到端口',
      passed: (v) => `丢失的 ${v.connects} 次连接已看到从本节点发出`,
      temporary: '更快忘记已结束的连接，让端口空出来；不影响打开的连接',
      widen: (v) => `规则只留了 ${v.from}-${v.to}：在规则的来源处放宽`,
      more: '增加源地址：SNAT 到一段地址、按 Pod 分组使用出口网关、更多节点',
      application: '保持连接并复用（长连接、连接池）：每个新连接在被记住期间都占用一个端口',
      risk: '低：已结束连接的迟到报文可能遇到端口相同的新连接',
      riskRule: '新连接会从其他端口或地址发出：写明了这些的防火墙要跟着改',
      riskNone: '无',
    },
  },
  evaluate({ node, facts, target, plan, params, say }) {
    if (facts.conntrackEntries === undefined) return withoutTable();
    const [worst] = crowdsIn(facts.conntrackEntries, facts.firewall);
    if (worst === undefined) return notApplicable(because(say.none, fileOf(facts.conntrackEntries)));
    const ports = worst.to - worst.from + 1;
    const taken = worst.entries.length;
    const at = fileOf(worst.entries);
    const destination = endpointText(worst.destination);
    const used = because(say.used({ entries: taken, ports, source: worst.source, destination }), at);
    if (taken < params.atShare * ports) return ruledOut(used);

    const reasons: Because[] = [used];
    if (worst.rule !== null)
      reasons.push(because(say.byRule({ rule: worst.rule.text, from: worst.from, to: worst.to }), worst.rule.at));
    const timeout = facts.sysctl?.[waitKey]?.value?.trim();
    const waiting = worst.entries.filter(({ state }) => state === 'TIME_WAIT').length;
    if (waiting > 0)
      reasons.push(
        because(say.waiting({ entries: waiting, timeout: timeout === undefined ? '' : `, ${timeout} s` }), at),
      );
    reasons.push(because(say.clients({ clients: busiest(worst.entries) }), at));
    const remedies = remediesFor(worst, waiting);

    const rise = facts.conntrackStats === undefined ? null : riseOf(facts.conntrackStats, 'conntrack.insert_failed');
    const counter = facts.conntrackStats?.['conntrack.insert_failed'];
    if (rise === null || counter === undefined) return likely([...reasons, because(say.noStats, at)], remedies);
    if (rise === 0) return likely([...reasons, because(say.flat, counter.at)], remedies);
    const failed = because(say.failed({ count: rise }), counter.at);
    const lost = lostSynsAt({ node, capture: facts.capture, target, plan, say });
    if (lost.kind === 'unseen') return likely([...reasons, failed, because(lost.why, counter.at)], remedies);
    if (lost.kind === 'none') return likely([...reasons, failed, lost.because], remedies);
    const stuck = lost.connections.filter(({ syns }) =>
      syns.some(({ sightings }) => sightings.every(({ direction }) => direction !== 'out')),
    );
    if (stuck.length === 0)
      return likely(
        [...reasons, failed, because(say.passed({ connects: lost.connections.length }), lost.at)],
        remedies,
      );
    return confirmed([...reasons, failed, lost.because], remedies);

    /** The table could not be read: it may still be that there is nothing to read. */
    function withoutTable() {
      const { firewall, sysctl } = facts;
      const natRules = firewall?.rules.filter(({ table, text }) => table.includes('nat') && isSourceNat.test(text));
      if (firewall !== undefined && natRules?.length === 0)
        return notApplicable(because(say.noNat, fileOf(firewall.rules)));
      const max = sysctl?.['net.netfilter.nf_conntrack_max'];
      if (max?.value === null) return notApplicable(because(say.noTracking, max.at));
      const count = sysctl?.['net.netfilter.nf_conntrack_count'];
      const tracked = Number(count?.value ?? Number.NaN);
      const narrowest = Math.min(
        ...rangesOf(firewall).map(({ from, to }) => to - from + 1),
        anyPort.to - anyPort.from + 1,
      );
      return count !== undefined && firewall !== undefined && tracked < params.atShare * narrowest
        ? ruledOut(because(say.few({ tracked, ports: narrowest }), count.at))
        : undecided('conntrackEntries', node, say.noTable);
    }

    function remediesFor({ rule, from, to }: Crowd, ended: number): Remedy[] {
      const previous = Number(timeout);
      const shorter = Number.isSafeInteger(previous) && previous > 30;
      return [
        ...(ended > 0 && shorter
          ? [
              {
                kind: 'temporary' as const,
                node,
                text: say.temporary,
                commands: [`sysctl -w ${waitKey}=30`],
                undo: [`sysctl -w ${waitKey}=${previous}`],
                risk: say.risk,
              },
            ]
          : []),
        ...(rule === null
          ? []
          : [
              {
                kind: 'permanent' as const,
                node,
                text: say.widen({ from, to }),
                commands: [],
                undo: [],
                risk: say.riskRule,
              },
            ]),
        { kind: 'permanent', text: say.more, commands: [], undo: [], risk: say.riskRule },
        { kind: 'application', text: say.application, commands: [], undo: [], risk: say.riskNone },
      ];
    }

    function busiest(entries: readonly ConntrackEntry[]): string {
      return [...groupBy(entries, ({ original }) => original.source)]
        .map(([address, own]) => ({ address, entries: own.length }))
        .sort((a, b) => b.entries - a.entries)
        .slice(0, 3)
        .map(say.client)
        .join(', ');
    }
  },
});

/** Rules that leave NAT only some ports. */
function rangesOf(firewall: Firewall | undefined) {
  return (firewall?.rules ?? []).flatMap((rule) => {
    const found = rule.table.includes('nat') ? portRange.exec(rule.text) : null;
    if (found === null) return [];
    const [, addresses, from, to] = found;
    return [{ rule, addresses: addresses ?? null, from: Number(from), to: Number(to) }];
  });
}

/** Translated connections by source address and destination, the fullest first. */
function crowdsIn(entries: readonly ConntrackEntry[], firewall: Firewall | undefined): readonly Crowd[] {
  const translated = entries.filter(
    ({ original, reply }) =>
      reply.destinationPort !== null && reply.sourcePort !== null && !sameAddress(original.source, reply.destination),
  );
  const ranges = rangesOf(firewall);
  return [
    ...groupBy(
      translated,
      ({ protocol, reply }) => `${protocol} ${reply.destination} ${reply.source} ${reply.sourcePort}`,
    ).values(),
  ]
    .flatMap((own): Crowd[] => {
      const [first] = own;
      if (first === undefined) return [];
      const { source: address, sourcePort: port, destination: source } = first.reply;
      const range = ranges.find(
        (one) =>
          (one.addresses === null || inPrefix(source, one.addresses) === true) &&
          one.from <= one.to &&
          own.every(({ reply }) => (reply.destinationPort ?? 0) >= one.from && (reply.destinationPort ?? 0) <= one.to),
      );
      const { from, to } = range ?? anyPort;
      return [{ source, destination: { address, port: port ?? 0 }, entries: own, from, to, rule: range?.rule ?? null }];
    })
    .sort((a, b) => b.entries.length / (b.to - b.from + 1) - a.entries.length / (a.to - a.from + 1));
}
