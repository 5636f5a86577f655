import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { deviceRises, riseOf, worstPerDevice } from './counter-rise.ts';
import { feltLoss, feltLossText } from './felt-loss.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';
import { percentText } from './seconds-text.ts';

/** Frames that arrived damaged, as drivers name them. Full buffers (missed, fifo, over) are another fault. */
const damaged =
  /^(?:rx_crc_errors(?:_phy)?|rx_crc_errors\.nic|rx_frame_errors|rx_align_errors|rx_symbol_err_phy|rx_pcs_symbol_err_phy|rx_symbol_errors|rx_fcs_errors|port\.rx_crc_errors|port\.illegal_bytes|rx_jabbers?|port\.rx_jabber)$/;

/** F94: cable, optic, switch port or duplex: frames are damaged, or the link goes up and down. */
export const linkErrors = defineNodeRule({
  id: 'link-errors',
  fault: 'F94',
  scope: 'node',
  roles: ['target', 'client', 'forwarder'],
  needs: ['counters'],
  optional: ['nics', 'kernelLog', 'clock', 'capture', 'probes'],
  params: z.strictObject({
    /** Damaged frames in the window: a sound link has none in hours. */
    minErrors: z.number().int().min(1).default(5),
    /** Share of the packets received. */
    minShare: z.number().min(0).max(1).default(0.0001),
    /** How old a change of the link in the kernel log may be, seconds. */
    recentSec: z.number().int().min(1).default(600),
    minLost: z.number().int().min(1).default(3),
  }),
  sources: [
    'Documentation/networking/statistics.rst (rx_crc_errors, rx_frame_errors, tx_carrier_errors)',
    'IEEE 802.3 clause 4 (FCS, alignment)',
    'ethtool(8)',
  ],
  text: {
    en: {
      ...feltLossText.en,
      title: 'The link damages frames (cable, optic, switch port, duplex)',
      noCounters: 'no counters of devices were read twice (/proc/net/dev, ethtool -S)',
      flat: (v: { devices: string }) => `no damaged frame and no lost carrier in the window (${v.devices})`,
      few: (v: { device: string; name: string; rise: number; received: number }) =>
        `${v.device}: ${v.name} +${v.rise} beside ${v.received} packets received: too few to matter`,
      errors: (v: { device: string; name: string; rise: number; received: number; share: string }) =>
        `${v.device}: ${v.name} +${v.rise} in the window beside ${v.received} packets received (${v.share}): frames arrive damaged`,
      carrier: (v: { device: string; rise: number }) =>
        `${v.device}: tx_carrier +${v.rise} in the window: the carrier was lost while sending`,
      half: (v: { device: string; speed: string }) =>
        `${v.device} runs at half duplex${v.speed}: one side of the link was set by hand, the other negotiates`,
      speed: (v: { mbit: number }) => ` (${v.mbit} Mbit/s)`,
      flapped: (v: { times: number; message: string }) =>
        `the kernel log has ${v.times} changes of a link within the last minutes, the last: "${v.message}"`,
      application:
        'Look at the other end: counters of the switch port, light levels (ethtool -m), then change cable, optic or port. No kernel setting mends it',
      duplex: 'Lets this side negotiate again; do the same on the switch port',
      risk: 'The link goes down for a moment',
    },
    zh: {
      ...feltLossText.zh,
      title: '链路损坏帧（网线、光模块、交换机端口、双工）',
      noCounters: '没有两次读到网卡计数器（/proc/net/dev、ethtool -S）',
      flat: (v) => `窗口内没有损坏的帧，也没有丢失载波（${v.devices}）`,
      few: (v) => `${v.device}：${v.name} +${v.rise}，同期收到 ${v.received} 个包：太少，可以忽略`,
      errors: (v) =>
        `${v.device}：窗口内 ${v.name} +${v.rise}，同期收到 ${v.received} 个包（${v.share}）：收到的帧已损坏`,
      carrier: (v) => `${v.device}：窗口内 tx_carrier +${v.rise}：发送时丢失载波`,
      half: (v) => `${v.device} 工作在半双工${v.speed}：链路一端是手工设置，另一端在自动协商`,
      speed: (v) => `（${v.mbit} Mbit/s）`,
      flapped: (v) => `内核日志在最近几分钟内有 ${v.times} 次链路变化，最后一次：“${v.message}”`,
      application: '查看链路另一端：交换机端口计数、光功率（ethtool -m），再更换网线、光模块或端口。没有内核参数能解决',
      duplex: '让这一端重新自动协商；交换机端口也要同样设置',
      risk: '链路会短暂中断',
    },
  },
  evaluate({ node, facts, target, params, say }) {
    const frames = deviceRises(facts.counters, (name, group) =>
      group === 'dev' ? name === 'rx_frame' : damaged.test(name),
    );
    const [first] = frames;
    if (first === undefined) return undecided('counters', node, say.noCounters);
    const half = (facts.nics ?? []).flatMap(({ device, settings }) =>
      settings?.duplex === 'half' ? [{ device, settings }] : [],
    );
    const slow: Because[] = half.map(({ device, settings }) => {
      const mbit = settings.speedMbitPerSec;
      return because(say.half({ device, speed: typeof mbit === 'number' ? say.speed({ mbit }) : '' }), settings.at);
    });
    const carriers = deviceRises(facts.counters, (name, group) => group === 'dev' && name === 'tx_carrier').filter(
      ({ rise }) => rise > 0,
    );
    const lost = carriers.map(({ device, rise, counter }) => because(say.carrier({ device, rise }), counter.at));
    const flapped = recentFlaps();

    const [worst] = worstPerDevice(frames);
    const received = worst === undefined ? 0 : (riseOf(facts.counters, `dev.${worst.device}.rx_packets`) ?? 0);
    const share = worst === undefined ? 0 : worst.rise / Math.max(1, worst.rise + received);
    if (worst === undefined || worst.rise < params.minErrors || share < params.minShare) {
      const signs = [...slow, ...lost, ...flapped];
      if (signs.length > 0) return likely(signs, remedies(null));
      if (worst !== undefined && worst.rise > 0) {
        return ruledOut(because(say.few({ ...nameOf(worst), received }), worst.counter.at));
      }
      const devices = [...new Set(frames.map(({ device }) => device))].slice(0, 8).join(', ');
      return ruledOut(because(say.flat({ devices }), first.counter.at));
    }
    const counted = because(
      say.errors({ ...nameOf(worst), received, share: `${percentText(share)} %` }),
      worst.counter.at,
    );
    const { capture, probes } = facts;
    const felt = feltLoss({ capture, probes, port: target.port, minLost: params.minLost, say });
    const reasons = [counted, ...slow, ...lost, ...flapped];
    return felt.length > 0
      ? confirmed([...reasons, ...felt], remedies(worst.device))
      : likely([...reasons, because(say.notFelt, worst.counter.at)], remedies(worst.device));

    function nameOf({ device, name, rise }: { device: string; name: string; rise: number }) {
      return { device, name, rise };
    }

    /** Two changes are one flap; a single one may be the link coming up after a reboot. */
    function recentFlaps(): Because[] {
      const uptime = facts.clock?.uptimeSec;
      if (uptime === undefined) return [];
      const lines = (facts.kernelLog?.matters ?? []).filter(({ topic, time, message }) => {
        const sec = Number(/^\[?\s*(\d+(?:\.\d+)?)\]?$/.exec(time)?.[1] ?? Number.NaN);
        // veth, bridge ports and tunnels come and go with pods
        return (
          topic === 'link-state' &&
          uptime - sec <= params.recentSec &&
          /NIC Link is|lost carrier/i.test(message) &&
          !/\b(?:veth|cali|lxc|docker|br-|cni|flannel|tunl|vxlan)/.test(message)
        );
      });
      const last = lines.at(-1);
      return last === undefined || lines.length < 2
        ? []
        : [because(say.flapped({ times: lines.length, message: last.message }), last.at)];
    }

    function remedies(device: string | null): Remedy[] {
      const name = device ?? half[0]?.device ?? carriers[0]?.device;
      const [slowest] = half;
      const negotiate: Remedy[] =
        slowest === undefined || !/^[A-Za-z0-9_.:-]{1,15}$/.test(slowest.device)
          ? []
          : [
              {
                kind: 'temporary',
                node,
                text: say.duplex,
                commands: [`ethtool -s ${slowest.device} autoneg on`],
                undo: [`ethtool -s ${slowest.device} autoneg off duplex half`],
                risk: say.risk,
              },
            ];
      return [
        ...negotiate,
        {
          kind: 'permanent',
          node,
          text: say.application,
          commands: name === undefined || !/^[A-Za-z0-9_.:-]{1,15}$/.test(name) ? [] : [`ethtool -m ${name}`],
          undo: [],
          risk: say.risk,
        },
      ];
    }
  },
});
