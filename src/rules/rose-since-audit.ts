import * as z from 'zod';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { troubleOf } from './trouble-counters.ts';

const daySec = 86_400;

/**
 * Counters of losses that have risen between two audits: the effect of a fault, without its mechanism and without its
 * hour. Likely at most.
 */
export const roseSinceAudit = defineNodeRule({
  id: 'rose-since-audit',
  fault: '-',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['counters'],
  optional: ['sinceAudit'],
  params: z.strictObject({
    /** Of what is usual per day: 2 tells of twice as much only. */
    factor: z.number().min(0.01).max(1000).default(1),
  }),
  sources: [
    'Documentation/networking/snmp_counter.rst',
    'net/ipv4/tcp_input.c, net/core/dev.c, net/netfilter/nf_conntrack_core.c (where each is counted)',
  ],
  text: {
    en: {
      title: 'Counters of losses have risen since the last audit',
      first: 'There was no audit of this node before: the next one has something to compare with',
      rebooted: 'The node was started since the last audit, so its counters began anew',
      rose: (v: { name: string; rise: number; hours: string; rule: string }) =>
        `${v.name} +${v.rise} in ${v.hours} h since the last audit: see ${v.rule}`,
      few: (v: { name: string; rise: number; hours: string }) =>
        `${v.name} +${v.rise} in ${v.hours} h: too few to matter`,
      flat: (v: { count: number; hours: string }) => `none of ${v.count} counters of losses has risen in ${v.hours} h`,
      nothing: 'none of the counters that the last audit kept was read this time',
      application: 'Ask about the service while it happens: netcheck then looks at it with captures at both ends',
      risk: 'None: netcheck only looks',
    },
    zh: {
      title: '丢失类计数器自上次巡检以来增长',
      first: '此前没有巡检过该节点：下一次才有可比较的数据',
      rebooted: '上次巡检之后节点重启过，计数器已从头开始',
      rose: (v) => `${v.name} 自上次巡检以来 ${v.hours} 小时内 +${v.rise}：参见 ${v.rule}`,
      few: (v) => `${v.name} 在 ${v.hours} 小时内 +${v.rise}：数量很少，可以忽略`,
      flat: (v) => `${v.count} 个丢失类计数器在 ${v.hours} 小时内都没有增长`,
      nothing: '上次巡检保存的计数器这次一个也没有读到',
      application: '在故障发生时针对该服务提问：netcheck 会在两端抓包查看',
      risk: '无：netcheck 只查看',
    },
  },
  evaluate({ node, facts, params, say }) {
    const since = facts.sinceAudit;
    if (since === undefined) return notApplicable(because(say.first, { evidence: 'run.json' }));
    if (since.rebooted) return notApplicable(because(say.rebooted, since.at));
    const hours = hoursText(since.elapsedSec);
    const rises = Object.entries(since.counters).flatMap(([name, { delta, at }]) => {
      const trouble = troubleOf(name);
      return trouble === undefined || delta === null ? [] : [{ name, rise: Math.max(0, delta), at, ...trouble }];
    });
    if (rises.length === 0) return undecided('sinceAudit', node, say.nothing);
    // a short time is no excuse: what happens ten times in a minute is worth a look
    const days = Math.max(1, since.elapsedSec / daySec);
    const many = rises
      .filter(({ rise, leastPerDay }) => rise > 0 && rise >= leastPerDay * days * params.factor)
      .sort((a, b) => b.rise / b.leastPerDay - a.rise / a.leastPerDay);
    const few = rises.filter((one) => one.rise > 0 && !many.includes(one));
    if (many.length > 0)
      return likely(
        many.map(({ name, rise, rule, at }) => because(say.rose({ name, rise, hours, rule }), at)),
        [{ kind: 'application', node, text: say.application, commands: [], undo: [], risk: say.risk }],
      );
    return few.length > 0
      ? ruledOut(...few.map(({ name, rise, at }) => because(say.few({ name, rise, hours }), at)))
      : ruledOut(because(say.flat({ count: rises.length, hours }), since.at));
  },
});

function hoursText(seconds: number): string {
  const hours = seconds / 3600;
  return hours < 10 ? hours.toFixed(1) : hours.toFixed(0);
}
