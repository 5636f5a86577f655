import * as z from 'zod';
import type { Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { plainSetting } from './sysctl-remedies.ts';

const feature = 'large-receive-offload';
const deviceName = /^[A-Za-z0-9_.-]{1,15}$/;

/** A card that puts received packets together in a way that cannot be undone, on a node that passes packets on. */
export const lroForwarding = defineNodeRule({
  id: 'lro-forwarding',
  fault: '-',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['nics', 'sysctl'],
  optional: ['links'],
  params: z.strictObject({}),
  sources: [
    'Documentation/networking/device_drivers/ethernet/intel/ixgbe.rst (LRO is incompatible with ip forwarding and bridging)',
    'net/core/dev.c (dev_disable_lro), net/ipv4/devinet.c (inet_forward_change)',
  ],
  text: {
    en: {
      title: 'A network card merges packets that the node has to pass on (LRO)',
      notTold: 'the offloads of no card were read',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      off: (v: { devices: string }) => `${feature} is off (${v.devices})`,
      local: (v: { device: string }) =>
        `${v.device} merges packets (${feature}: on), and nothing is passed on from it: no forwarding, no bridge`,
      on: (v: { device: string }) => `${v.device} merges the packets that it receives (${feature}: on)`,
      forwards: (v: { key: string; value: string }) =>
        `${v.key} = ${v.value}: the node passes packets on. Merged ones are larger than any MTU and are thrown away, or cut in another way than they came`,
      bridged: (v: { device: string; bridge: string }) =>
        `${v.device} is a port of ${v.bridge}: packets of containers and virtual machines pass through it merged`,
      temporary: 'Lets the card leave packets as they came; GRO, which can be undone, stays as it is',
      permanent:
        'Where NetworkManager sets up the device (else a udev rule or a systemd .link file with LargeReceiveOffload=false)',
      fixed: 'The driver does not let it be switched off: see its module parameters, and update driver and firmware',
      risk: 'A little more work for the CPU',
    },
    zh: {
      title: '网卡合并了需要转发的包（LRO）',
      notTold: '没有读到任何网卡的 offload 设置',
      notRead: (v) => `没有读到 ${v.key}`,
      off: (v) => `${feature} 已关闭（${v.devices}）`,
      local: (v) => `${v.device} 会合并包（${feature}: on），但没有从它转发：未开转发，也不在网桥上`,
      on: (v) => `${v.device} 会合并收到的包（${feature}: on）`,
      forwards: (v) =>
        `${v.key} = ${v.value}：该节点要转发包。合并后的包大于任何 MTU，会被丢弃，或被切成与原来不同的样子`,
      bridged: (v) => `${v.device} 是网桥 ${v.bridge} 的端口：容器和虚拟机的包经过它时已被合并`,
      temporary: '让网卡保持包的原样；可以还原的 GRO 不受影响',
      permanent:
        '适用于由 NetworkManager 管理的设备（否则用 udev 规则，或 systemd .link 文件的 LargeReceiveOffload=false）',
      fixed: '驱动不允许关闭它：查看模块参数，并升级驱动和固件',
      risk: 'CPU 开销略增',
    },
  },
  evaluate({ node, facts, say }) {
    const told = facts.nics.flatMap(({ device, features }) => {
      const lro = features?.[feature];
      return lro === undefined ? [] : [{ device, ...lro }];
    });
    if (told.length === 0) return undecided('nics', node, say.notTold);
    const merging = told.filter(({ on }) => on);
    if (merging.length === 0)
      return ruledOut(because(say.off({ devices: told.map(({ device }) => device).join(', ') }), fileOf(told)));

    const hurt = merging.flatMap(({ device, fixed, at }) => {
      const reason = passesOn(device);
      return reason === null ? [] : [{ device, fixed, reasons: [because(say.on({ device }), at), reason] }];
    });
    if (hurt.length > 0)
      return likely(
        hurt.flatMap(({ reasons }) => reasons),
        hurt.filter(({ device }) => deviceName.test(device)).flatMap(remedies),
      );
    const key = 'net.ipv4.ip_forward';
    if (plainSetting(facts.sysctl[key]?.value) === null) return undecided('sysctl', node, say.notRead({ key }));
    return notApplicable(...merging.map(({ device, at }) => because(say.local({ device }), at)));

    /** Why packets that come in by it go on to others; null where they do not, as far as is known. */
    function passesOn(device: string) {
      const bridge = facts.links?.find(({ name }) => name === device)?.master;
      const isBridge = facts.links?.some(({ name, type }) => name === bridge && type === 'bridge') === true;
      const link = facts.links?.find(({ name }) => name === device);
      if (bridge !== undefined && isBridge && link !== undefined)
        return because(say.bridged({ device, bridge }), link.at);
      for (const key of [`net.ipv4.conf.${device}.forwarding`, 'net.ipv4.ip_forward']) {
        const setting = facts.sysctl[key];
        const value = plainSetting(setting?.value);
        if (setting === undefined || value === null) continue;
        return value === '0' ? null : because(say.forwards({ key, value }), setting.at);
      }
      return null;
    }

    function remedies({ device, fixed }: { readonly device: string; readonly fixed: boolean }): Remedy[] {
      if (fixed) return [{ kind: 'permanent', node, text: say.fixed, commands: [], undo: [], risk: say.risk }];
      return [
        {
          kind: 'temporary',
          node,
          text: say.temporary,
          commands: [`ethtool -K ${device} lro off`],
          undo: [`ethtool -K ${device} lro on`],
          risk: say.risk,
        },
        {
          kind: 'permanent',
          node,
          text: say.permanent,
          commands: [`nmcli connection modify ${device} ethtool.feature-lro off`],
          undo: [`nmcli connection modify ${device} ethtool.feature-lro on`],
          risk: say.risk,
        },
      ];
    }
  },
});
