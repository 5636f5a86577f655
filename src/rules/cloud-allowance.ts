import * as z from 'zod';
import { defineNodeRule } from '../model/rule.ts';
import { codeRiskText } from './code-risk.ts';
import { because } from './because.ts';
import { deviceRises } from './counter-rise.ts';
import { feltLoss, feltLossText } from './felt-loss.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';

const allowances = /^(?:bw_in|bw_out|pps|conntrack|linklocal)_allowance_exceeded$/;

/** F93: the cloud provider queues or drops what goes beyond the allowance of the instance. */
export const cloudAllowance = defineNodeRule({
  id: 'cloud-allowance',
  fault: 'F93',
  scope: 'node',
  roles: ['target', 'client', 'forwarder'],
  needs: ['counters'],
  optional: ['nics', 'capture', 'probes'],
  params: z.strictObject({
    /** Packets beyond an allowance in the window below which it is a short burst that nobody notices. */
    minExceeded: z.number().int().min(1).default(5),
    minLost: z.number().int().min(1).default(3),
  }),
  sources: [
    'drivers/net/ethernet/amazon/ena/ena_ethtool.c (ena_stats_eni_strings)',
    'Documentation/networking/device_drivers/ethernet/amazon/ena.rst',
    'AWS EC2 User Guide, monitor network performance for ENA settings',
  ],
  text: {
    en: {
      ...codeRiskText.en,
      ...feltLossText.en,
      title: 'The instance exceeds the network allowance of its cloud provider',
      noCounters: "the driver's counters (ethtool -S) were not read twice",
      notTold: (v: { drivers: string }) =>
        `the driver here tells of no allowances (${v.drivers}): only the ENA driver of AWS does; elsewhere ask the provider's own metrics`,
      unknownDriver: 'driver not known',
      flat: (v: { devices: string }) => `no allowance was exceeded in the window (${v.devices})`,
      few: (v: { counts: string }) => `${v.counts} in the window: a short burst, too few to matter`,
      exceeded: (v: { device: string; name: string; rise: number; meaning: string }) =>
        `${v.device}: ${v.name} +${v.rise} in the window: ${v.meaning}`,
      bandwidth: 'packets were queued or dropped because the bandwidth of the instance is used up',
      pps: 'packets were queued or dropped because there were more per second than the instance may have',
      conntrack: 'packets were dropped because the instance tracks as many connections as it may: new connections fail',
      linklocal: 'packets to local services (name server, metadata, time) were dropped: name lookups fail',
      size: 'Only a larger instance (or more of them) has a larger allowance; no setting of the node changes it',
      conntrackRemedy:
        'Security groups whose rules allow everything in both directions (0.0.0.0/0, all ports) make flows untracked; fewer short connections help as well',
      linklocalRemedy:
        'Cache names on the node (NodeLocal DNSCache, nscd, systemd-resolved): the allowance is 1024 packets per second for each network interface',
      risk: 'A change of the instance type restarts the instance',
      riskOpen: 'Opens the security group: guard the instance by other means',
    },
    zh: {
      ...codeRiskText.zh,
      ...feltLossText.zh,
      title: '实例超出云厂商的网络配额',
      noCounters: '没有两次读到驱动计数器（ethtool -S）',
      notTold: (v) => `这里的驱动不提供配额计数（${v.drivers}）：只有 AWS 的 ENA 驱动有；其他云请查厂商的监控指标`,
      unknownDriver: '驱动未知',
      flat: (v) => `窗口内没有超出配额（${v.devices}）`,
      few: (v) => `窗口内 ${v.counts}：短暂突发，可以忽略`,
      exceeded: (v) => `${v.device}：窗口内 ${v.name} +${v.rise}：${v.meaning}`,
      bandwidth: '实例带宽用尽，包被排队或丢弃',
      pps: '每秒包数超过实例上限，包被排队或丢弃',
      conntrack: '实例跟踪的连接数已达上限，包被丢弃：新连接会失败',
      linklocal: '发往本地服务（DNS、元数据、时间）的包被丢弃：域名解析会失败',
      size: '只有更大的实例（或更多实例）才有更大的配额；节点上没有参数可调',
      conntrackRemedy: '安全组规则若双向全部放行（0.0.0.0/0、所有端口），流就不再被跟踪；减少短连接也有帮助',
      linklocalRemedy: '在节点上缓存域名（NodeLocal DNSCache、nscd、systemd-resolved）：每块网卡的配额是每秒 1024 个包',
      risk: '更换实例规格需要重启实例',
      riskOpen: '安全组会放开：需用其他手段保护实例',
    },
  },
  evaluate({ node, facts, target, params, say }) {
    const drivers = (facts.nics ?? []).flatMap(({ driver }) => (driver === undefined ? [] : [driver]));
    const all = deviceRises(facts.counters, (name, group) => group === 'ethtool' && allowances.test(name));
    const [first] = all;
    if (first === undefined) {
      const any = Object.entries(facts.counters).find(([name]) => name.startsWith('ethtool.'));
      const at = drivers[0]?.at ?? any?.[1].at;
      const isEna = drivers.some(({ driver }) => driver === 'ena');
      const anyAllowance = Object.keys(facts.counters).some((name) => name.endsWith('_allowance_exceeded'));
      if (at === undefined || isEna || anyAllowance) return undecided('counters', node, say.noCounters);
      const names = [...new Set(drivers.map(({ driver }) => driver))].join(', ');
      return notApplicable(because(say.notTold({ drivers: names === '' ? say.unknownDriver : names }), at));
    }
    const risen = all.filter(({ rise }) => rise > 0).sort((a, b) => b.rise - a.rise);
    if (risen.length === 0) {
      const devices = [...new Set(all.map(({ device }) => device))].slice(0, 8).join(', ');
      return ruledOut(because(say.flat({ devices }), first.counter.at));
    }
    const much = risen.filter(({ rise }) => rise >= params.minExceeded);
    if (much.length === 0) {
      const counts = risen.map(({ device, name, rise }) => `${device} ${name} +${rise}`).join(', ');
      return ruledOut(because(say.few({ counts }), first.counter.at));
    }
    const meaningOf = (name: string): string => {
      if (name.startsWith('conntrack')) return say.conntrack;
      if (name.startsWith('linklocal')) return say.linklocal;
      return name.startsWith('pps') ? say.pps : say.bandwidth;
    };
    const reasons = much
      .slice(0, 4)
      .map(({ device, name, rise, counter }) =>
        because(say.exceeded({ device, name, rise, meaning: meaningOf(name) }), counter.at),
      );
    const has = (kind: string): boolean => much.some(({ name }) => name.startsWith(kind));
    const words = [
      ...(has('conntrack') ? [{ text: say.conntrackRemedy, risk: say.riskOpen }] : []),
      ...(has('linklocal') ? [{ text: say.linklocalRemedy, risk: say.codeRisk }] : []),
      { text: say.size, risk: say.risk },
    ];
    const remedies = words.map(({ text, risk }) => ({
      kind: 'permanent' as const,
      node,
      text,
      commands: [],
      undo: [],
      risk,
    }));
    const { capture, probes } = facts;
    const felt = feltLoss({ capture, probes, port: target.port, minLost: params.minLost, say });
    // lookups of names are not in a capture of the port
    return felt.length > 0 && much.some(({ name }) => !name.startsWith('linklocal'))
      ? confirmed([...reasons, ...felt], remedies)
      : likely([...reasons, because(say.notFelt, first.counter.at)], remedies);
  },
});
