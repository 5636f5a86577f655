import * as z from 'zod';
import type { Link } from '../model/facts.ts';
import type { Because, KubeDraft, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { tunnelOf } from './tunnel-overhead.ts';
import { flannelCommands, kubeObjectText, tunnelMtuDrafts } from './kube-objects.ts';

/** Devices of pods on the node's side, as the CNIs name them; others hang on a bridge of a CNI. */
const podDevice = /^(?:cali[0-9a-f]{8,}|lxdbr\d+|eni[0-9a-f]{8,}|tap[0-9a-f]{8,})$/;
const podBridge = /^(?:cni\d+|cbr\d+|kube-bridge)$/;

/** F42: a pod or a tunnel may send larger packets than what carries them. */
export const cniMtuMismatch = defineNodeRule({
  id: 'cni-mtu-mismatch',
  fault: 'F42',
  scope: 'node',
  asksNothing: true,
  anyProtocol: true,
  roles: ['target', 'client', 'forwarder'],
  needs: ['links'],
  optional: ['routes', 'counters', 'capture', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'field report 1 (1430 raised to 1480 without effect: a smaller MTU is no fault), field report 2 (tunl0 1440)',
    'kubeskoop AssertNetDevice{MTU}; calico#12432',
    'RFC 2003, RFC 2784, RFC 7348, RFC 8926 (headers of the tunnels)',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...captureText.en,
      title: 'MTUs of pods, tunnel and network card do not fit into each other',
      noTunnel: 'no tunnel of a pod network is up here',
      noUnderlay: (v: { tunnel: string; mtu: number }) =>
        `${v.tunnel} has MTU ${v.mtu}, and which device carries it is not known (no default route)`,
      tunnelLarge: (v: { tunnel: string; kind: string; mtu: number; nic: string; nicMtu: number; most: number }) =>
        `${v.tunnel} (${v.kind}) has MTU ${v.mtu}, and ${v.nic} below it ${v.nicMtu}: at most ${v.most} fits`,
      tunnelFits: (v: { tunnel: string; kind: string; mtu: number; nic: string; nicMtu: number; most: number }) =>
        `${v.tunnel} (${v.kind}) has MTU ${v.mtu} <= ${v.most} (${v.nic} ${v.nicMtu} less its header): smaller than it could be is not a fault`,
      podsLarge: (v: { pods: number; first: string; mtu: number; tunnel: string; tunnelMtu: number }) =>
        `${v.pods} devices of pods have a larger MTU (${v.first}: ${v.mtu}) than the tunnel ${v.tunnel} (${v.tunnelMtu}): pods send what does not fit, and rely on ICMP to be told`,
      podsFit: (v: { pods: number; largest: number }) =>
        `The largest MTU of ${v.pods} devices of pods is ${v.largest}: it fits into every tunnel here`,
      configured: (v: { where: string; key: string; mtu: number; most: number }) =>
        `${v.where} sets ${v.key} ${v.mtu} for pods, and at most ${v.most} fits into the tunnels here`,
      configuredFits: (v: { where: string; key: string; mtu: number; most: number }) =>
        `${v.where} sets ${v.key} ${v.mtu} for pods, which fits (${v.most}): devices with more were made before it, and get it when their pods are created again`,
      failed: (v: { count: number }) => `Ip FragFails +${v.count} in the window: packets were too large to be sent on`,
      tooLarge: (v: { count: number; mtu: string }) =>
        `${v.count} x ICMP "too large"${v.mtu} in the capture: packets did not fit`,
      permanent:
        'Tunnel MTU at most that of the card less the header, pod MTU at most that of the tunnel; pods get it when they are created again',
      kubernetes:
        'Calico: ConfigMap calico-config veth_mtu, or operator spec.calicoNetwork.mtu, and FELIX_IPINIPMTU / FELIX_VXLANMTU; flannel: MTU of the Backend in kube-flannel-cfg (net-conf.json); Cilium: MTU of its Helm chart (mtu in cilium-config)',
      risk: 'Too high a value moves the loss into the network between the nodes: check with ping -M do between nodes first',
      temporary: 'Lowers the tunnel to what its card carries; new packets only',
      temporaryRisk: 'The CNI may set it back; larger packets of pods now depend on ICMP "too large"',
    },
    zh: {
      ...kubeObjectText.zh,
      ...captureText.zh,
      title: 'Pod、隧道和网卡的 MTU 不匹配',
      noTunnel: '这里没有启用 Pod 网络的隧道',
      noUnderlay: (v) => `${v.tunnel} 的 MTU 为 ${v.mtu}，但不知道由哪个设备承载（没有默认路由）`,
      tunnelLarge: (v) =>
        `${v.tunnel}（${v.kind}）的 MTU 为 ${v.mtu}，而承载它的 ${v.nic} 为 ${v.nicMtu}：最多只能放下 ${v.most}`,
      tunnelFits: (v) =>
        `${v.tunnel}（${v.kind}）的 MTU 为 ${v.mtu} <= ${v.most}（${v.nic} 的 ${v.nicMtu} 减去隧道头）：比上限小一些不是故障`,
      podsLarge: (v) =>
        `有 ${v.pods} 个 Pod 设备的 MTU（${v.first}：${v.mtu}）大于隧道 ${v.tunnel}（${v.tunnelMtu}）：Pod 会发出放不下的报文，只能靠 ICMP 得知`,
      podsFit: (v) => `${v.pods} 个 Pod 设备中最大的 MTU 为 ${v.largest}：这里的每条隧道都放得下`,
      configured: (v) => `${v.where} 为 Pod 设置 ${v.key} ${v.mtu}，而这里的隧道最多放得下 ${v.most}`,
      configuredFits: (v) =>
        `${v.where} 为 Pod 设置 ${v.key} ${v.mtu}，放得下（${v.most}）：更大的设备是在此之前创建的，Pod 重建后才会改变`,
      failed: (v) => `窗口内 Ip FragFails +${v.count}：有报文太大而无法转发`,
      tooLarge: (v) => `抓包中有 ${v.count} 个 ICMP“报文过大”${v.mtu}：有报文放不下`,
      permanent: '隧道 MTU 不超过网卡 MTU 减去隧道头，Pod MTU 不超过隧道 MTU；Pod 重建后才生效',
      kubernetes:
        'Calico：ConfigMap calico-config 的 veth_mtu，或 operator 的 spec.calicoNetwork.mtu，以及 FELIX_IPINIPMTU / FELIX_VXLANMTU；flannel：kube-flannel-cfg（net-conf.json）里 Backend 的 MTU；Cilium：Helm chart 的 MTU（cilium-config 的 mtu）',
      risk: '设得过大会把丢包移到节点之间的网络：先在节点之间用 ping -M do 验证',
      temporary: '把隧道 MTU 降到网卡能承载的值；只对新报文有效',
      temporaryRisk: 'CNI 可能会改回去；Pod 的大报文此后要靠 ICMP“报文过大”',
    },
  },
  evaluate({ node, facts, say }) {
    const { links } = facts;
    const tunnels = links.flatMap((link) => {
      const tunnel = isUp(link) ? tunnelOf(link) : null;
      return tunnel === null ? [] : [{ link, ...tunnel }];
    });
    if (tunnels.length === 0) return notApplicable(because(say.noTunnel, fileOf(links)));
    const nic = underlay();

    const wrong: Because[] = [];
    const right: Because[] = [];
    const commands: { set: string; undo: string }[] = [];
    const drafts: KubeDraft[] = [];
    let flannelMtu: number | undefined;
    for (const { link, kind, overheadBytes } of tunnels) {
      if (nic === undefined) continue;
      const most = nic.mtu - overheadBytes;
      const values = { tunnel: link.name, kind, mtu: link.mtu, nic: nic.name, nicMtu: nic.mtu, most };
      if (link.mtu > most) {
        wrong.push(because(say.tunnelLarge(values), link.at));
        drafts.push(...tunnelMtuDrafts({ device: link.name, mtu: most, nicMtu: nic.mtu }, say, facts.cluster?.cni));
        if (/^flannel[.-]/.test(link.name)) flannelMtu = most;
        if (/^[\w.-]{1,15}$/.test(link.name))
          commands.push({
            set: `ip link set dev ${link.name} mtu ${most}`,
            undo: `ip link set dev ${link.name} mtu ${link.mtu}`,
          });
      } else right.push(because(say.tunnelFits(values), link.at));
    }
    const pods = links.filter(
      (link) => isUp(link) && (podDevice.test(link.name) || (link.master !== undefined && podBridge.test(link.master))),
    );
    const [narrowest] = [...tunnels].sort((a, b) => a.link.mtu - b.link.mtu);
    const large = pods.filter(({ mtu }) => narrowest !== undefined && mtu > narrowest.link.mtu);
    const [first] = large;
    if (first !== undefined && narrowest !== undefined)
      wrong.push(
        because(
          say.podsLarge({
            pods: large.length,
            first: first.name,
            mtu: first.mtu,
            tunnel: narrowest.link.name,
            tunnelMtu: narrowest.link.mtu,
          }),
          first.at,
        ),
      );
    else if (pods.length > 0)
      right.push(
        because(say.podsFit({ pods: pods.length, largest: Math.max(...pods.map(({ mtu }) => mtu)) }), fileOf(pods)),
      );
    if (wrong.length === 0) {
      const [one] = nic === undefined ? tunnels : [];
      return one === undefined
        ? ruledOut(...right)
        : undecided('routes', node, say.noUnderlay({ tunnel: one.link.name, mtu: one.link.mtu }));
    }

    wrong.push(...configuredMtu());
    const effects: Because[] = [];
    const fragFails = facts.counters?.['Ip.FragFails'];
    if (fragFails !== undefined && (fragFails.delta ?? 0) > 0)
      effects.push(because(say.failed({ count: fragFails.delta ?? 0 }), fragFails.at));
    const { capture } = facts;
    if (capture !== undefined && blindness(capture, say) === null) {
      const limits = tunnels.map(({ link }) => link.mtu);
      const errors = capture.icmpErrors.filter(
        ({ name, mtu = 0 }) => (name === 'frag-needed' || name === 'packet-too-big') && mtu <= Math.max(...limits),
      );
      const [error] = errors;
      if (error !== undefined)
        effects.push(
          because(
            say.tooLarge({ count: errors.length, mtu: error.mtu === undefined ? '' : ` (MTU ${error.mtu})` }),
            capture.at,
          ),
        );
    }
    // a counter alone counts for all of the node; packets and settings together are this path
    return effects.length > 1
      ? confirmed([...wrong, ...effects], remedies())
      : likely([...wrong, ...effects], remedies());

    /** Where the value comes from that the devices have. */
    function configuredMtu(): readonly Because[] {
      const most = Math.min(
        ...tunnels.map(({ link, overheadBytes }) =>
          Math.min(link.mtu, (nic?.mtu ?? link.mtu + overheadBytes) - overheadBytes),
        ),
      );
      return (facts.cluster?.cni ?? []).flatMap(({ where, mtuKey: key, mtu, at }) => {
        if (mtu === null || mtu === 0) return [];
        const values = { where, key, mtu, most };
        return [because(mtu > most ? say.configured(values) : say.configuredFits(values), at)];
      });
    }

    function underlay(): Link | undefined {
      const device = facts.routes?.find(
        ({ destination, type }) => destination === 'default' && type === 'unicast',
      )?.device;
      return links.find(({ name }) => name === device);
    }

    function remedies(): Remedy[] {
      return [
        ...(commands.length === 0
          ? []
          : [
              {
                kind: 'temporary' as const,
                node,
                text: say.temporary,
                commands: commands.map(({ set }) => set),
                undo: commands.map(({ undo }) => undo),
                risk: say.temporaryRisk,
              },
            ]),
        { kind: 'permanent', node, text: say.permanent, commands: [], undo: [], risk: say.risk },
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: flannelMtu === undefined || drafts.length > 0 ? [] : [...flannelCommands(flannelMtu)],
          undo: [],
          risk: say.risk,
          ...(drafts.length === 0 ? {} : { objects: drafts }),
        },
      ];
    }
  },
});

/** A tunnel device that is only there because its module is loaded carries nothing. */
function isUp({ flags }: Link): boolean {
  return flags.includes('UP');
}
