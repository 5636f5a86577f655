import * as z from 'zod';
import type { Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { type DeviceRise, deviceRises, riseOf, worstPerDevice } from './counter-rise.ts';
import { feltLoss, feltLossText } from './felt-loss.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';
import { isRingCounter, longerRing, ringText } from './receive-ring.ts';
import { percentText } from './seconds-text.ts';

/** F90: the card receives faster than the kernel takes packets out of its ring. */
export const rxRingOverflow = defineNodeRule({
  id: 'rx-ring-overflow',
  fault: 'F90',
  scope: 'node',
  roles: ['target', 'client', 'forwarder'],
  needs: ['counters'],
  optional: ['nics', 'capture', 'probes'],
  params: z.strictObject({
    /** Share of the packets received: a rate below it is normal on busy cards. */
    minShare: z.number().min(0).max(1).default(0.0005),
    /** Packets in the window below which no rate is told. */
    minDrops: z.number().int().min(1).default(10),
    minLost: z.number().int().min(1).default(3),
  }),
  sources: [
    'Documentation/networking/statistics.rst (rx_missed_errors, rx_fifo_errors, rx_over_errors)',
    'ethtool(8), -S, -g, -G',
    'Red Hat Solution 21301 (setting the ring may reset the card)',
  ],
  text: {
    en: {
      ...feltLossText.en,
      ...ringText.en,
      title: 'The receive ring of a network card overflows',
      noCounters: 'no counters of devices were read twice (/proc/net/dev, ethtool -S)',
      flat: (v: { devices: string }) => `nothing was lost in the receive rings in the window (${v.devices})`,
      few: (v: { device: string; name: string; rise: number; received: number }) =>
        `${v.device}: ${v.name} +${v.rise} beside ${v.received} packets received: too few to matter`,
      dropped: (v: { device: string; name: string; rise: number; received: number; share: string }) =>
        `${v.device}: ${v.name} +${v.rise} in the window beside ${v.received} packets received (${v.share}): the card had no free buffer for them`,
      spread:
        'The ring is as long as it can be, or its length is not known: spread the load over more queues and CPUs (ethtool -L, irqbalance), and see whether one CPU is busy with soft interrupts (softirq-starved)',
      riskSpread: 'Changing the number of queues resets the card for a moment',
    },
    zh: {
      ...feltLossText.zh,
      ...ringText.zh,
      title: '网卡接收环（RX ring）溢出',
      noCounters: '没有两次读到网卡计数器（/proc/net/dev、ethtool -S）',
      flat: (v) => `窗口内接收环没有丢包（${v.devices}）`,
      few: (v) => `${v.device}：${v.name} +${v.rise}，同期收到 ${v.received} 个包：太少，可以忽略`,
      dropped: (v) =>
        `${v.device}：窗口内 ${v.name} +${v.rise}，同期收到 ${v.received} 个包（${v.share}）：网卡没有空闲缓冲区可放`,
      spread:
        '接收环已是最大，或长度未知：把负载分到更多队列和 CPU（ethtool -L、irqbalance），并看是否有一个 CPU 忙于软中断（softirq-starved）',
      riskSpread: '改队列数会让网卡短暂重置',
    },
  },
  evaluate({ node, facts, target, params, say }) {
    const all = deviceRises(facts.counters, isRingCounter);
    const [first] = all;
    if (first === undefined) return undecided('counters', node, say.noCounters);
    const receivedBy = (device: string): number => riseOf(facts.counters, `dev.${device}.rx_packets`) ?? 0;
    const [worst] = worstPerDevice(all);
    const reasonsOf = (rise: DeviceRise) => ({
      device: rise.device,
      name: rise.name,
      rise: rise.rise,
      received: receivedBy(rise.device),
    });
    if (worst === undefined || worst.rise === 0) {
      const devices = [...new Set(all.map(({ device }) => device))].slice(0, 8).join(', ');
      return ruledOut(because(say.flat({ devices }), first.counter.at));
    }
    const seen = reasonsOf(worst);
    const share = seen.rise / Math.max(1, seen.rise + seen.received);
    if (seen.rise < params.minDrops || share < params.minShare) {
      return ruledOut(because(say.few(seen), worst.counter.at));
    }
    const rings = facts.nics?.find(({ device }) => device === seen.device)?.rings;
    const rx = rings?.current.rx ?? null;
    const maximum = rings?.maximum.rx ?? null;
    const ring =
      rings === undefined || rx === null || maximum === null
        ? []
        : [because(say.ring({ device: seen.device, rx, maximum }), rings.at)];
    const counted = because(say.dropped({ ...seen, share: `${percentText(share)} %` }), worst.counter.at);
    const felt = feltLoss({
      capture: facts.capture,
      probes: facts.probes,
      port: target.port,
      minLost: params.minLost,
      say,
    });
    return felt.length > 0
      ? confirmed([counted, ...ring, ...felt], remedies())
      : likely([counted, ...ring, because(say.notFelt, worst.counter.at)], remedies());

    function remedies(): Remedy[] {
      const spread: Remedy = {
        kind: 'application',
        node,
        text: say.spread,
        commands: [`ethtool -l ${seen.device}`],
        undo: [],
        risk: say.riskSpread,
      };
      if (rx === null || maximum === null || maximum <= rx) return [spread];
      return [...longerRing({ node, device: seen.device, rx, maximum }, say), spread];
    }
  },
});
