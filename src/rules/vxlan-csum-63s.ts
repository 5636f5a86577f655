import * as z from 'zod';
import type { Connection, Facts } from '../model/facts.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { Because, Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { riseOf } from './counter-rise.ts';
import { handshakesTo, synsIn } from './handshakes.ts';
import { findIn } from './join-captures.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { isPod, tunnelKindOf } from './tunnel-way.ts';
import {
  checksumFeature as feature,
  hasOldKernel,
  ownChecksums,
  randomOnOldKernel,
  randomPorts,
  vxlanChecksumText,
} from './vxlan-checksum.ts';

interface Spot {
  readonly node: string;
  readonly facts: Pick<Facts, 'links' | 'capture' | 'counters' | 'nics' | 'firewall' | 'kernel'>;
}

const counterName = 'Udp.InCsumErrors';

/** F52: VXLAN packets arrive with a wrong outer UDP checksum, and the node throws them away before unpacking them. */
export const vxlanCsum63s = definePathRule({
  id: 'vxlan-csum-63s',
  fault: 'F52',
  scope: 'path',
  needs: { client: [], target: [] },
  optional: ['links', 'capture', 'counters', 'nics', 'firewall', 'kernel'],
  params: z.strictObject({
    /** Packets that must be thrown away before it counts as proven: a bit may flip on any wire. */
    minLost: z.number().int().min(1).default(2),
  }),
  sources: [
    'calico#3145, calico#4865, kubernetes#88986, kubernetes#90854, flannel#1279; felix#2811',
    'net/ipv4/udp.c (UDP_MIB_CSUMERRORS), net/netfilter/nf_nat_proto.c',
  ],
  text: {
    en: {
      ...vxlanChecksumText.en,
      ...captureText.en,
      title: 'VXLAN packets are thrown away for a wrong checksum (1 s, 3 s, 63 s delays)',
      udp: 'the question is about UDP, and captures are only followed for TCP',
      noVxlan: 'no VXLAN device is up on the nodes of this run',
      noLinks: 'whether there is a VXLAN device was not read',
      noCounter: (v: { node: string }) => `Udp InCsumErrors of ${v.node} is not in both readings`,
      noFar: 'the node that takes the packets out of the tunnel is not in this run',
      noAttempt: 'no connect to the target was seen in the window',
      thrown: (v: { packets: number; connects: number; far: string }) =>
        `${v.packets} SYNs of ${v.connects} connects came in at ${v.far} inside VXLAN, and not out of the tunnel there`,
      counted: (v: { far: string; packets: number }) =>
        `Udp InCsumErrors of ${v.far} +${v.packets} in the window: packets thrown away for a wrong UDP checksum`,
      flat: (v: { far: string }) =>
        `Udp InCsumErrors of ${v.far} +0 in the window: no VXLAN packet was thrown away for its checksum`,
      fewer: (v: { packets: number; thrown: number }) =>
        `${v.packets} are fewer than the ${v.thrown} SYNs that were not unpacked: the rest has another reason`,
      software: (v: { device: string; node: string }) =>
        `${v.device} of ${v.node} computes checksums itself (${feature}: off): the card or its driver makes them wrong`,
      slow: (v: { connects: number; syns: number }) => `${v.connects} connects needed or lost ${v.syns} SYNs`,
      notSeen: 'The packets themselves were not seen inside VXLAN',
      noEffect: 'No connect was seen to suffer from it in the window',
      fine: (v: { connects: number }) => `all ${v.connects} connects were answered at their first SYN`,
      nic: 'The card: leave no tunnel checksums to it, then update its driver and firmware',
    },
    zh: {
      ...vxlanChecksumText.zh,
      ...captureText.zh,
      title: 'VXLAN 报文因校验和错误被丢弃（延迟 1 秒、3 秒、63 秒）',
      udp: '这次查的是 UDP，而抓包只跟踪 TCP',
      noVxlan: '本次检查的节点上没有启用的 VXLAN 设备',
      noLinks: '没有读到是否有 VXLAN 设备',
      noCounter: (v) => `${v.node} 的两次读数里没有都出现 Udp InCsumErrors`,
      noFar: '解开隧道的节点不在本次检查中',
      noAttempt: '窗口内没有看到到目标的连接',
      thrown: (v) => `${v.connects} 次连接的 ${v.packets} 个 SYN 装在 VXLAN 里到达 ${v.far}，但没有在那里从隧道出来`,
      counted: (v) => `窗口内 ${v.far} 的 Udp InCsumErrors +${v.packets}：因 UDP 校验和错误被丢弃的报文`,
      flat: (v) => `窗口内 ${v.far} 的 Udp InCsumErrors +0：没有 VXLAN 报文因校验和被丢弃`,
      fewer: (v) => `${v.packets} 个，少于没有被解开的 ${v.thrown} 个 SYN：其余另有原因`,
      software: (v) => `${v.node} 的 ${v.device} 自己计算校验和（${feature}: off）：是网卡或驱动算错`,
      slow: (v) => `${v.connects} 次连接需要重发或丢失了 ${v.syns} 个 SYN`,
      notSeen: '没有直接看到 VXLAN 里的报文',
      noEffect: '窗口内没有看到连接受影响',
      fine: (v) => `全部 ${v.connects} 次连接的首个 SYN 都得到了应答`,
      nic: '网卡：不要把隧道校验和交给它，然后升级驱动和固件',
    },
  },
  evaluate({ client, target, forwarders, symptom, plan, clockOffsetMs, params, say }) {
    if (symptom.protocol !== 'tcp') return undecided('capture', client.node, say.udp);
    const spots: readonly Spot[] = [client, ...forwarders, target];
    const nodes = spots.filter(({ node }) => !isPod(node, plan));
    const links = nodes.flatMap(({ facts }) => facts.links ?? []);
    const vxlans = nodes.flatMap(({ node, facts }) =>
      (facts.links ?? [])
        .filter((link) => tunnelKindOf(link) === 'vxlan' && link.flags.includes('UP'))
        .map((link) => ({ node, link })),
    );
    if (vxlans.length === 0)
      return nodes.some(({ facts }) => facts.links !== undefined)
        ? notApplicable(because(say.noVxlan, fileOf(links)))
        : undecided('links', client.node, say.noLinks);

    // behind a Service the packets come out of the tunnel where its server lives
    const servers = plan.nodes.filter(({ server }) => server !== undefined).map(({ node }) => node.name);
    const farNode = servers.find((name) => nodes.some(({ node }) => node === name)) ?? nodeOfPlace(target.node);
    const { capture } = client.facts;
    const blind = blindness(capture, say);
    if (capture === undefined || blind !== null) return undecided('capture', client.node, blind ?? say.noCapture);
    const seen = handshakesTo(capture, target, 1000);
    const settings = settingsThatBringIt();
    if (seen.all.length === 0)
      return settings.length > 0
        ? likely([...settings, because(say.noEffect, capture.at)], remedies(null))
        : undecided('capture', client.node, say.noAttempt);
    const slow = [
      ...seen.unanswered,
      ...seen.answered.filter(({ syns, synAcks }) => syns.length > 1 && (syns[1]?.atMs ?? 0) < (synAcks[0]?.atMs ?? 0)),
    ];
    if (slow.length === 0) return ruledOut(because(say.fine({ connects: seen.all.length }), capture.at));

    const far = nodes.find(({ node }) => node === farNode);
    if (far === undefined) return undecided('capture', farNode, say.noFar);
    const rise = far.facts.counters === undefined ? null : riseOf(far.facts.counters, counterName);
    const counter = far.facts.counters?.[counterName];
    if (rise === null || counter === undefined)
      return undecided('counters', far.node, say.noCounter({ node: far.node }));
    if (rise === 0) return ruledOut(because(say.flat({ far: far.node }), counter.at));
    const counted = because(say.counted({ far: far.node, packets: rise }), counter.at);
    const syns = synsIn(slow);
    const effect = because(say.slow({ connects: slow.length, syns }), capture.at);
    const causes = [...offloads(), ...settings];

    const there = far.facts.capture;
    if (there === undefined || weakness(there, say) !== null)
      return likely([counted, effect, because(say.notSeen, counter.at), ...causes], remedies(far.node));
    const ahead = clockOffsetMs(far.node) - clockOffsetMs(client.node);
    const thrown = slow
      .map((one) => Math.max(0, ...findIn(there, one, ahead).map(({ connection }) => notUnpacked(connection))))
      .filter((packets) => packets > 0);
    const packets = thrown.reduce((sum, one) => sum + one, 0);
    if (packets === 0) return likely([counted, effect, because(say.notSeen, there.at), ...causes], remedies(far.node));
    const reasons = [because(say.thrown({ packets, connects: thrown.length, far: far.node }), there.at), counted];
    if (rise < packets) return ruledOut(...reasons, because(say.fewer({ packets: rise, thrown: packets }), counter.at));
    return packets >= params.minLost
      ? confirmed([...reasons, effect, ...causes], remedies(far.node))
      : likely([...reasons, effect, ...causes], remedies(far.node));

    /** The nodes that put packets into a tunnel: all but the one that takes them out. */
    function senders(
      except: string | null,
    ): readonly { node: string; device: string; on: boolean | null; at: Because }[] {
      return vxlans
        .filter(({ node }) => node !== except)
        .map(({ node, link }) => {
          const told = nodes.find((one) => one.node === node)?.facts.nics?.find(({ device }) => device === link.name)
            ?.features?.[feature];
          const words = told?.on === false ? say.software : say.offload;
          const at = because(words({ device: link.name, node }), told?.at ?? link.at);
          return { node, device: link.name, on: told?.on ?? null, at };
        });
    }

    function offloads(): readonly Because[] {
      return senders(far?.node ?? null)
        .filter(({ on }) => on !== null)
        .map(({ at }) => at);
    }

    /** All three together are the known fault: offload on, random ports, a kernel before the fix. */
    function settingsThatBringIt(): readonly Because[] {
      for (const { node, on, at } of senders(farNode)) {
        const facts = nodes.find((one) => one.node === node)?.facts;
        const rule = randomPorts(facts?.firewall?.rules);
        if (on !== true || rule === undefined || facts?.kernel === undefined || hasOldKernel(facts.kernel) !== true)
          continue;
        return [at, ...randomOnOldKernel(rule, facts.kernel, say)];
      }
      return [];
    }

    function remedies(except: string | null): readonly Remedy[] {
      const found = senders(except);
      const own = found.filter(({ on }) => on !== false);
      const first = found[0];
      if (first === undefined) return [];
      return own.length === 0
        ? [{ kind: 'permanent', node: first.node, text: say.nic, commands: [], undo: [], risk: say.risk }]
        : ownChecksums(own, say);
    }
  },
});

/** Packets of the client that came in inside VXLAN and did not come out of it. */
function notUnpacked({ places }: Connection): number {
  const inside = places.filter(({ tunnel, direction }) => tunnel === 'vxlan' && direction === 'in');
  const bare = places.filter(({ tunnel, direction }) => tunnel === null && direction !== 'out');
  const most = (list: typeof places): number => Math.max(0, ...list.map(({ client }) => client));
  return Math.max(0, most(inside) - most(bare));
}
