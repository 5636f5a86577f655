import * as z from 'zod';
import type { CounterDelta } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because } from './because.ts';
import { ingressDevices } from './ingress-device.ts';
import { lostSynsAt, lostSynText } from './lost-syns.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';

const deviceName = /^[A-Za-z0-9_.-]{1,15}$/;
/** Other reasons for which the kernel drops a SYN: while one of these moved too, the checksum is not the only one. */
const rivals = ['TcpExt.ListenDrops', 'TcpExt.IPReversePathFilter', 'TcpExt.TCPReqQFullDrop', 'TcpExt.PAWSPassive'];

/** F20: packets arrive with a wrong checksum (offload of a driver or tunnel), and the kernel drops them. */
export const badChecksum = defineNodeRule({
  id: 'bad-checksum',
  fault: 'F20',
  scope: 'node',
  roles: ['target'],
  needs: ['counters'],
  optional: ['capture', 'links'],
  params: z.strictObject({
    /** A bit flipped on some wire is ordinary: fewer lost SYNs than these do not make a fault. */
    minLost: z.number().int().min(1).max(1000).default(3),
  }),
  sources: [
    'net/ipv4/tcp_ipv4.c tcp_v4_rcv (TCP_MIB_CSUMERRORS), net/ipv4/udp.c',
    'Documentation/networking/snmp_counter.rst; ethtool(8) -K',
  ],
  text: {
    en: {
      ...lostSynText.en,
      title: 'Packets arrive with a wrong checksum and are dropped',
      noCounter: (v: { name: string }) => `${v.name} is not in both readings of the counters`,
      flat: (v: { name: string }) => `${v.name} +0 in the window: no packet was dropped for its checksum`,
      dropped: (v: { name: string; packets: number }) =>
        `${v.name} +${v.packets} in the window: packets dropped for a wrong checksum`,
      errors: (v: { packets: number }) =>
        `Tcp InErrs +${v.packets} in the window; this kernel does not count wrong checksums apart`,
      few: (v: { packets: number; syns: number }) =>
        `${v.packets} packets are fewer than the ${v.syns} SYNs without an answer: the rest has another reason`,
      rare: (v: { syns: number; minLost: number }) =>
        `${v.syns} lost SYNs are fewer than ${v.minLost}: it may be chance`,
      rival: (v: { name: string; count: number }) => `${v.name} +${v.count} as well: another reason is at work too`,
      nic: (v: { name: string; count: number }) => `${v.name} +${v.count}`,
      notSeen: (v: { why: string }) => `Whether packets of this question were hit is not known: ${v.why}`,
      temporary: (v: { device: string }) =>
        `A test: do the checksums of ${v.device} in software. If connects work then, the hardware or driver computes them wrongly; try tx on the sending side in the same way`,
      permanent:
        'Update driver and firmware of the network card, or of the hypervisor; for tunnels see the CNI (checksum offload of vxlan devices)',
      risk: 'More work for the CPU',
      updateRisk: 'The link goes down while the card starts again',
    },
    zh: {
      ...lostSynText.zh,
      title: '报文到达时校验和错误，被内核丢弃',
      noCounter: (v) => `两次计数器读数里没有都出现 ${v.name}`,
      flat: (v) => `窗口内 ${v.name} +0：没有包因为校验和错误被丢弃`,
      dropped: (v) => `窗口内 ${v.name} +${v.packets}：因校验和错误被丢弃的包`,
      errors: (v) => `窗口内 Tcp InErrs +${v.packets}；该内核不单独统计校验和错误`,
      few: (v) => `${v.packets} 个，少于没有应答的 ${v.syns} 个 SYN：其余另有原因`,
      rare: (v) => `丢失 ${v.syns} 个 SYN，少于 ${v.minLost} 个：可能是偶然`,
      rival: (v) => `同时 ${v.name} +${v.count}：还有别的原因`,
      nic: (v) => `${v.name} +${v.count}`,
      notSeen: (v) => `不知道是否影响到这次的连接：${v.why}`,
      temporary: (v) =>
        `验证：让 ${v.device} 的校验和改由软件计算。如果这样就通了，说明硬件或驱动算错；发送端也可同样试 tx`,
      permanent: '升级网卡或虚拟化平台的驱动和固件；隧道见 CNI 的设置（vxlan 设备的校验和卸载）',
      risk: 'CPU 开销增加',
      updateRisk: '网卡重新启动时链路会短暂中断',
    },
  },
  evaluate({ node, facts, symptom, target, plan, params, say }) {
    const protocol = symptom.protocol === 'udp' ? 'Udp' : 'Tcp';
    const exact = facts.counters[`${protocol}.InCsumErrors`];
    const rough = facts.counters[`${protocol}.InErrs`];
    const rise = exact ?? (protocol === 'Tcp' ? rough : undefined);
    const name = `${protocol} ${exact === undefined ? 'InErrs' : 'InCsumErrors'}`;
    if (rise === undefined || rise.delta === null)
      return undecided('counters', node, say.noCounter({ name: `${protocol} InCsumErrors` }));
    if (rise.delta <= 0) return ruledOut(because(say.flat({ name }), rise.at));
    const counted =
      exact === undefined
        ? because(say.errors({ packets: rise.delta }), rise.at)
        : because(say.dropped({ name, packets: rise.delta }), rise.at);

    const lost = lostSynsAt({ node, capture: facts.capture, target, plan, say });
    if (lost.kind === 'none') return ruledOut(counted, lost.because);
    const moved = (entry: CounterDelta | undefined): number => Math.max(0, entry?.delta ?? 0);
    const nic: Because[] = Object.entries(facts.counters)
      .filter(([key, entry]) => /^ethtool\..*csum.*(?:err|bad)/i.test(key) && moved(entry) > 0)
      .slice(0, 3)
      .map(([key, entry]) => because(say.nic({ name: key, count: moved(entry) }), entry.at));
    if (lost.kind === 'unseen') {
      const why = because(say.notSeen({ why: lost.why }), rise.at);
      return rise.delta < params.minLost
        ? undecided('capture', node, lost.why)
        : likely([counted, ...nic, why], remedies(null));
    }
    if (rise.delta < lost.syns)
      return ruledOut(counted, because(say.few({ packets: rise.delta, syns: lost.syns }), rise.at));
    const [device] = ingressDevices(lost.connections, facts.links);
    const reasons = [counted, ...nic, lost.because];
    const rival = rivals.find((key) => moved(facts.counters[key]) > 0);
    if (rival !== undefined) {
      const entry = facts.counters[rival];
      const words = say.rival({ name: rival.replace('.', ' '), count: moved(entry) });
      return likely([...reasons, because(words, entry?.at ?? rise.at)], remedies(device ?? null));
    }
    if (lost.syns < params.minLost)
      return likely(
        [...reasons, because(say.rare({ syns: lost.syns, minLost: params.minLost }), lost.at)],
        remedies(device ?? null),
      );
    return exact === undefined
      ? likely(reasons, remedies(device ?? null))
      : confirmed(reasons, remedies(device ?? null));

    function remedies(device: string | null): Remedy[] {
      const name = device !== null && deviceName.test(device) ? device : 'DEV';
      return [
        {
          kind: 'temporary',
          node,
          text: say.temporary({ device: name }),
          commands: [`ethtool -K ${name} rx off`],
          undo: [`ethtool -K ${name} rx on`],
          risk: say.risk,
        },
        { kind: 'permanent', node, text: say.permanent, commands: [], undo: [], risk: say.updateRisk },
      ];
    }
  },
});
