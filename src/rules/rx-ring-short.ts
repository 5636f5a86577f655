import * as z from 'zod';
import type { CounterDeltas } from '../model/facts.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { deviceRises, worstPerDevice } from './counter-rise.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { isRingCounter, longerRing, ringText } from './receive-ring.ts';

const daySec = 86_400;

/** F90, without a question: packets were missed between two audits by a card whose receive ring could be longer. */
export const rxRingShort = defineNodeRule({
  id: 'rx-ring-short',
  fault: 'F90',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['nics', 'counters'],
  optional: ['sinceAudit'],
  params: z.strictObject({
    /** Packets missed in a day that a healthy card does not have. */
    leastPerDay: z.number().int().min(1).default(1000),
  }),
  sources: [
    'Documentation/networking/statistics.rst (rx_missed_errors, rx_fifo_errors, rx_over_errors)',
    'ethtool(8), -S, -g, -G',
  ],
  text: {
    en: {
      ...ringText.en,
      title: 'A network card misses packets, and its receive ring could be longer',
      notTold: 'no card told how long its receive ring is (virtual cards often do not)',
      longest: (v: { devices: string }) => `the receive rings are as long as they can be (${v.devices})`,
      noCounters: (v: { device: string }) => `${v.device}: what the card missed was not read`,
      never: (v: { device: string }) => `${v.device} has missed nothing since it was started`,
      first: (v: { device: string; name: string; count: number }) =>
        `${v.device}: ${v.name} = ${v.count} since the node was started: the next audit tells whether it still rises`,
      missed: (v: { device: string; name: string; rise: number; hours: string }) =>
        `${v.device}: ${v.name} +${v.rise} in ${v.hours} h since the last audit: the card had no free buffer for these packets`,
      flat: (v: { device: string; hours: string }) =>
        `${v.device} has missed nothing in ${v.hours} h since the last audit`,
      few: (v: { device: string; name: string; rise: number; hours: string }) =>
        `${v.device}: ${v.name} +${v.rise} in ${v.hours} h since the last audit: too few to matter`,
    },
    zh: {
      ...ringText.zh,
      title: '网卡丢包，而接收环（RX ring）还可以加长',
      notTold: '没有网卡报告接收环长度（虚拟网卡常常不报告）',
      longest: (v) => `接收环已是最大（${v.devices}）`,
      noCounters: (v) => `${v.device}：没有读到网卡的丢包计数`,
      never: (v) => `${v.device} 自启动以来没有丢过包`,
      first: (v) => `${v.device}：节点启动以来 ${v.name} = ${v.count}：下次巡检可知是否仍在增长`,
      missed: (v) => `${v.device}：自上次巡检以来 ${v.hours} 小时内 ${v.name} +${v.rise}：网卡没有空闲缓冲区可放这些包`,
      flat: (v) => `${v.device} 自上次巡检以来 ${v.hours} 小时内没有丢包`,
      few: (v) => `${v.device}：自上次巡检以来 ${v.hours} 小时内 ${v.name} +${v.rise}：太少，可以忽略`,
    },
  },
  evaluate({ node, facts, params, say }) {
    const rings = facts.nics.flatMap(({ device, rings: told }) => {
      const [rx, maximum] = [told?.current.rx ?? null, told?.maximum.rx ?? null];
      return told === undefined || rx === null || maximum === null ? [] : [{ device, rx, maximum, at: told.at }];
    });
    const drivers = facts.nics.flatMap(({ driver }) => driver ?? []);
    if (rings.length === 0)
      return drivers.length === 0
        ? undecided('nics', node, say.notTold)
        : notApplicable(because(say.notTold, fileOf(drivers)));
    const short = rings.filter(({ rx, maximum }) => rx < maximum);
    if (short.length === 0)
      return ruledOut(because(say.longest({ devices: rings.map(({ device }) => device).join(', ') }), fileOf(rings)));

    const since = facts.sinceAudit?.rebooted === false ? facts.sinceAudit : undefined;
    const hours = ((since?.elapsedSec ?? 0) / 3600).toFixed(1);
    const least = params.leastPerDay * Math.max(1, (since?.elapsedSec ?? 0) / daySec);
    const isOf = (name: string): boolean => short.some(({ device }) => device === name);
    const rises = worstPerDevice(
      deviceRises(since?.counters ?? {}, isRingCounter).filter(({ device }) => isOf(device)),
    );
    const many = rises.filter(({ rise }) => rise >= least);
    if (many.length > 0)
      return likely(
        many.flatMap(({ device, name, rise, counter }) => [
          because(say.missed({ device, name, rise, hours }), counter.at),
          ...short.filter((one) => one.device === device).map((one) => because(say.ring(one), one.at)),
        ]),
        many.flatMap(({ device }) =>
          short.filter((one) => one.device === device).flatMap((one) => longerRing({ ...one, node }, say)),
        ),
      );
    // what is there since the node was started says when nothing was lost, never that something is being lost
    const unknown = short.filter(({ device }) => !rises.some((one) => one.device === device));
    for (const { device } of unknown) {
      const worst = missedSinceStart(facts.counters, device);
      if (worst === undefined) return undecided('counters', node, say.noCounters({ device }));
      if (worst.count > 0) return notApplicable(because(say.first({ device, ...worst }), worst.at));
    }
    return ruledOut(
      ...short.map(({ device, at }) => {
        const seen = rises.find((one) => one.device === device);
        if (seen === undefined)
          return because(say.never({ device }), missedSinceStart(facts.counters, device)?.at ?? at);
        const { name, rise, counter } = seen;
        return because((rise === 0 ? say.flat : say.few)({ device, name, rise, hours }), counter.at);
      }),
    );
  },
});

/** The highest of a device's counters of missed packets; undefined where none was read. */
function missedSinceStart(counters: CounterDeltas, device: string) {
  return Object.entries(counters)
    .flatMap(([full, { after, before, at }]) => {
      const [, group = '', of = '', name = ''] = /^(dev|ethtool)\.([^.]+(?:\.\d{1,4})?)\.(.+)$/.exec(full) ?? [];
      const count = after ?? before;
      return of === device && count !== null && isRingCounter(name, group) ? [{ name, count, at }] : [];
    })
    .sort((a, b) => b.count - a.count)[0];
}
