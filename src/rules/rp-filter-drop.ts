import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { countedEnough } from './counted-enough.ts';
import { handshakesOf, synsIn } from './handshakes.ts';
import { ingressDevices } from './ingress-device.ts';
import { familyOf, sameAddress } from './ip-address.ts';
import { lostSynsAt, lostSynText } from './lost-syns.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';

const counter = 'TcpExt.IPReversePathFilter';
const allKey = 'net.ipv4.conf.all.rp_filter';
/** A name that is fit to stand in a sysctl key. */
const deviceName = /^[A-Za-z0-9_.-]{1,15}$/;
const refusals = ['no-route-to-host', 'network-unreachable', 'invalid-argument', 'prohibited'];

/** F05: the reverse-path filter drops packets that come in by another device than the one that leads back. */
export const rpFilterDrop = defineNodeRule({
  id: 'rp-filter-drop',
  fault: 'F05',
  scope: 'node',
  roles: ['target', 'forwarder', 'client'],
  needs: ['counters'],
  optional: ['sysctl', 'routeGet', 'policyRules', 'links', 'capture'],
  params: z.strictObject({
    /**
     * Where it is not known by which device packets came in, drops have to match losses this closely: strays move the
     * counter of a busy node all the time, and hardly ever by just as many.
     */
    mostPerLost: z.number().min(1).max(10).default(1.5),
  }),
  sources: [
    'net/ipv4/fib_frontend.c fib_validate_source; net/ipv4/ip_input.c (LINUX_MIB_IPRPFILTER)',
    'Documentation/networking/ip-sysctl.rst (rp_filter: the larger of all and the device counts)',
    'cilium/cilium#13130, kubernetes/kubernetes#124587',
  ],
  text: {
    en: {
      ...lostSynText.en,
      title: 'The reverse-path filter (rp_filter) drops the packets',
      v6: 'The question is about IPv6: rp_filter is an IPv4 setting',
      noCounter: (v: { name: string }) => `${v.name} is not in both readings of the counters`,
      flat: 'TcpExt IPReversePathFilter +0 in the window: nothing was dropped for its way back',
      dropped: (v: { packets: number }) =>
        `TcpExt IPReversePathFilter +${v.packets} in the window: packets dropped because the way back to their source leaves by another device`,
      setting: (v: { key: string; value: string }) => `${v.key} = ${v.value}`,
      off: (v: { device: string }) =>
        `rp_filter is 0 for all and for ${v.device} where it was read: the drops may belong to another device`,
      asymmetric: (v: { source: string; ingress: string; egress: string }) =>
        `packets of ${v.source} come in by ${v.ingress}, and the way back to it leaves by ${v.egress}`,
      symmetric: (v: { source: string; device: string }) =>
        `packets of ${v.source} come in by ${v.device}, and the way back to it leaves by the same device: the filter lets these pass`,
      noWayBack: (v: { source: string; message: string }) =>
        `this node has no way back to ${v.source} at all (${v.message}): that is the fault, with the filter or without it`,
      fewer: (v: { packets: number; lost: number }) =>
        `${v.packets} drops are fewer than the ${v.lost} packets that were lost: not all of them were lost to the filter`,
      answers: (v: { packets: number; connects: number }) =>
        `${v.packets} SYN+ACKs of ${v.connects} connects came in here and were not answered`,
      notSeen: (v: { why: string }) => `Whether packets of this question were hit is not known: ${v.why}`,
      undecidedWay: 'By which device they came in, or which way leads back, is not known',
      temporary:
        'Loose mode: a source only has to be reachable by some device. The larger of all and the device counts',
      permanent:
        'Keeps it after a reboot. systemd, NetworkManager and cloud images ship files that set it to 1 again: look at what grep finds',
      routing: (v: { source: string; device: string }) =>
        `Better: make the way back symmetric, so that answers to ${v.source} leave by ${v.device} (an own routing table for what came in there)`,
      kubernetes:
        'The CNI sets rp_filter for its devices at start (Cilium, AWS VPC CNI): see that its init container ran',
      risk: 'Weaker protection against forged source addresses',
    },
    zh: {
      ...lostSynText.zh,
      title: '反向路径过滤（rp_filter）丢弃了报文',
      v6: '这次查的是 IPv6：rp_filter 是 IPv4 的设置',
      noCounter: (v) => `两次计数器读数里没有都出现 ${v.name}`,
      flat: '窗口内 TcpExt IPReversePathFilter +0：没有包因为回程路径被丢弃',
      dropped: (v) => `窗口内 TcpExt IPReversePathFilter +${v.packets}：到源地址的回程走另一块网卡，包被丢弃`,
      setting: (v) => `${v.key} = ${v.value}`,
      off: (v) => `读到的 all 和 ${v.device} 的 rp_filter 都是 0：丢弃可能发生在别的网卡上`,
      asymmetric: (v) => `来自 ${v.source} 的包从 ${v.ingress} 进来，而回程走 ${v.egress}`,
      symmetric: (v) => `来自 ${v.source} 的包从 ${v.device} 进来，回程也走同一块网卡：过滤不会拦它`,
      noWayBack: (v) => `本节点根本没有到 ${v.source} 的回程路由（${v.message}）：故障在这里，与过滤开不开无关`,
      fewer: (v) => `丢弃 ${v.packets} 个，少于丢失的 ${v.lost} 个包：不全是被过滤丢的`,
      answers: (v) => `${v.connects} 次连接的 ${v.packets} 个 SYN+ACK 到了这里，没有得到回应`,
      notSeen: (v) => `不知道是否影响到这次的连接：${v.why}`,
      undecidedWay: '不知道包从哪块网卡进来，或回程走哪里',
      temporary: '宽松模式：只要源地址从任意网卡可达即可。内核取 all 与网卡两者中较大的值',
      permanent: '重启后仍有效。systemd、NetworkManager 和云镜像自带的文件会把它改回 1：查看 grep 的结果',
      routing: (v) =>
        `更好的办法：让回程对称，到 ${v.source} 的应答从 ${v.device} 出去（为从那里进来的流量单独建路由表）`,
      kubernetes: 'CNI 启动时会为自己的网卡设置 rp_filter（Cilium、AWS VPC CNI）：确认它的 init 容器执行成功',
      risk: '对伪造源地址的防护变弱',
    },
  },
  evaluate({ node, facts, target, plan, params, say }) {
    if (familyOf(target.address) === 6) return notApplicable(because(say.v6, askedAt));
    const rise = facts.counters[counter];
    if (rise === undefined || rise.delta === null) return undecided('counters', node, say.noCounter({ name: counter }));
    if (rise.delta <= 0) return ruledOut(because(say.flat, rise.at));
    const dropped = because(say.dropped({ packets: rise.delta }), rise.at);

    const lost = lostSynsAt({ node, capture: facts.capture, target, plan, say });
    const ignored = ignoredAnswers();
    if (lost.kind === 'none' && ignored.packets === 0) return ruledOut(dropped, lost.because);

    const connections = lost.kind === 'lost' ? lost.connections : [];
    const [ingress, ...others] = ingressDevices(connections, facts.links);
    const device = others.length === 0 ? ingress : undefined;
    const backs = [...new Set(connections.map((c) => c.client.address))].flatMap(
      (source) => facts.routeGet?.filter((r) => r.iif === undefined && sameAddress(r.to, source)) ?? [],
    );
    const stranded = backs.find((r) => refusals.includes(r.verdict));
    if (stranded !== undefined) {
      const words = say.noWayBack({ source: stranded.to, message: stranded.message ?? stranded.verdict });
      return ruledOut(dropped, because(words, stranded.at));
    }
    const asymmetric =
      device === undefined ? undefined : backs.find((r) => r.device !== device && r.device !== undefined);
    const symmetric = backs.length > 0 && device !== undefined && backs.every((r) => r.device === device);

    const settings = [allKey, ...(device !== undefined && deviceName.test(device) ? [keyOf(device)] : [])].flatMap(
      (key) => {
        const value = plainSetting(facts.sysctl?.[key]?.value);
        return value === null ? [] : [{ key, value: Number(value), at: facts.sysctl?.[key]?.at ?? rise.at }];
      },
    );
    const effective = settings.length === 0 ? null : Math.max(...settings.map(({ value }) => value));
    const strongest = settings.find(({ value }) => value === effective);
    const shown: Because[] = [];
    if (strongest !== undefined && (effective ?? 0) > 0)
      shown.push(because(say.setting({ key: strongest.key, value: String(strongest.value) }), strongest.at));
    if (asymmetric !== undefined && device !== undefined) {
      const words = { source: asymmetric.to, ingress: device, egress: asymmetric.device ?? '' };
      shown.push(because(say.asymmetric(words), asymmetric.at));
    }

    if (lost.kind === 'unseen' && ignored.packets === 0) {
      const why = because(say.notSeen({ why: lost.why }), rise.at);
      return (effective ?? 0) > 0 || asymmetric !== undefined
        ? likely([dropped, ...shown, why], remedies())
        : likely([dropped, why], remedies());
    }
    const effect: Because[] = [
      ...(lost.kind === 'lost' ? [lost.because] : []),
      ...(ignored.because === null ? [] : [ignored.because]),
    ];
    // the filter asks with the packet's own addresses: rules of policy routing may send its question elsewhere
    const hasOwnTables =
      facts.policyRules?.some(({ table }) => !['local', 'main', 'default'].includes(table ?? '')) ?? false;
    const packets = (lost.kind === 'lost' ? lost.syns - takenElsewhere() : 0) + ignored.packets;
    const reasons = [dropped, ...shown, ...effect];
    if (symmetric && !hasOwnTables && ignored.packets === 0) {
      const words = say.symmetric({ source: backs[0]?.to ?? '', device: device ?? '' });
      return ruledOut(dropped, because(words, backs[0]?.at ?? rise.at));
    }
    if (!countedEnough(rise.delta, packets))
      return likely([...reasons, because(say.fewer({ packets: rise.delta, lost: packets }), rise.at)], remedies());
    // the device's own setting has to be known before "off" can be said: the larger of the two counts
    if (effective === 0 && settings.length > 1)
      return likely([...reasons, because(say.off({ device: device ?? '' }), strongest?.at ?? rise.at)], remedies());
    const matches = packets >= 3 && rise.delta <= packets * params.mostPerLost;
    if (asymmetric !== undefined || ((effective ?? 0) > 0 && matches && !symmetric))
      return confirmed(reasons, remedies());
    return likely([...reasons, because(say.undecidedWay, rise.at)], remedies());

    /** SYNs that came by the device of their way back, so that they passed the filter: another fault took them. */
    function takenElsewhere(): number {
      if (symmetric || hasOwnTables || device === undefined) return 0;
      const passed = connections.filter(
        (c) => c.synAcks.length === 0 && backs.some((r) => r.device === device && sameAddress(r.to, c.client.address)),
      );
      return synsIn(passed);
    }

    /** SYN+ACKs that arrived and were not taken: the filter drops the way back as well. */
    function ignoredAnswers(): { packets: number; because: Because | null } {
      const isTarget = plan.nodes.find((n) => n.node.name === node)?.roles.includes('target') ?? false;
      if (facts.capture === undefined || isTarget) return { packets: 0, because: null };
      const stuck = handshakesOf(facts.capture, (c) => c.server.port === target.port, 1000).answered.filter(
        (c) => c.handshake === 'noFinalAck',
      );
      const count = stuck.reduce((sum, c) => sum + c.synAcks.length, 0);
      if (count === 0) return { packets: 0, because: null };
      return {
        packets: count,
        because: because(say.answers({ packets: count, connects: stuck.length }), facts.capture.at),
      };
    }

    function keyOf(name: string): string {
      return `net.ipv4.conf.${name.replaceAll('.', '/')}.rp_filter`;
    }

    function remedies(): Remedy[] {
      const key = device !== undefined && deviceName.test(device) ? keyOf(device) : allKey;
      const change = [{ key, value: '2', previous: facts.sysctl?.[key]?.value }];
      const source = asymmetric?.to;
      return [
        temporarySysctl(node, change, { text: say.temporary, risk: say.risk }),
        permanentSysctl(node, 'rp-filter', change, { text: say.permanent, risk: say.risk }),
        ...(source === undefined || device === undefined
          ? []
          : [
              {
                kind: 'permanent' as const,
                node,
                text: say.routing({ source, device }),
                commands: [],
                undo: [],
                risk: say.risk,
              },
            ]),
        { kind: 'kubernetes', text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});
