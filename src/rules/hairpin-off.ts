import * as z from 'zod';
import type { Connection, Link } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { endpointText } from './endpoint-text.ts';
import { handshakesOf } from './handshakes.ts';
import { isLoopback, sameAddress } from './ip-address.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { serversBehind } from './servers-behind.ts';

/** Bridges of pods in a cluster; docker's own containers are no backends of Services. */
const podBridge = /^(?:cni\d+|cbr\d+|kube-bridge)$/;
const deviceName = /^[A-Za-z0-9_.-]{1,15}$/;
const plainIpv4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;
const nfKey = 'net.bridge.bridge-nf-call-iptables';

/** F56: a pod asks its own Service, is chosen as its backend, and the packet cannot go back where it came from. */
export const hairpinOff = defineNodeRule({
  id: 'hairpin-off',
  fault: 'F56',
  scope: 'node',
  roles: ['target', 'client', 'forwarder'],
  needs: ['links', 'capture'],
  optional: ['sysctl', 'firewall', 'conntrackEntries'],
  params: z.strictObject({}),
  sources: [
    'net/bridge/br_forward.c (should_deliver); net/ipv4/route.c (ip_handle_martian_source)',
    'kubernetes#20475, kubernetes#53775, kube-router#1235; bridge(8) hairpin',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'A pod cannot reach itself through its Service',
      noPods: 'no bridge of pods is here, and no connect from a pod to itself was seen',
      notBack: (v: { connects: number; pod: string; asked: string; bridge: string }) =>
        `${v.connects} connects of ${v.pod} to ${v.asked} were given ${v.pod} itself as backend, went to ${v.bridge} and not back to the pod`,
      gaveOnlySelf: (v: { connects: number; pod: string; asked: string; device: string; rule: string }) =>
        `${v.connects} connects of ${v.pod} to ${v.asked} came in at ${v.device} and left this node nowhere; ${v.asked} is translated to ${v.rule}, the pod itself`,
      off: (v: { device: string; bridge: string }) =>
        `the port ${v.device} of ${v.bridge} has hairpin off: what came in there may not go out there`,
      allOff: (v: { ports: number; bridge: string }) =>
        `all ${v.ports} ports of ${v.bridge} have hairpin off: what came in at one of them may not go out there`,
      unknownPort: 'the hairpin mode of its port was not told',
      on: (v: { device: string }) => `the port ${v.device} has hairpin on: something else drops it`,
      promiscuous: (v: { bridge: string }) => `${v.bridge} is promiscuous, which does instead of hairpin mode`,
      ownSource: (v: { connects: number; pod: string; asked: string; device: string }) =>
        `${v.connects} connects of ${v.pod} to ${v.asked} came back to it on ${v.device} with its own address as source (not masqueraded), and got no answer: a packet from oneself is dropped as martian`,
      tracked: (v: { entries: number; pod: string }) =>
        `${v.entries} tracked connections of ${v.pod} were sent back to it with its own address, and got no answer`,
      answered: (v: { connects: number; pod: string }) =>
        `${v.connects} connects of ${v.pod} to itself through a Service were answered`,
      risky: (v: { ports: number; bridge: string }) =>
        `${v.ports} ports of ${v.bridge} have hairpin off, bridged packets pass iptables (${nfKey} = 1) and Services are translated here: a pod that is chosen as its own backend is not reached`,
      notSeen: 'No connect from a pod to itself was seen in the window',
      allOn: (v: { ports: number }) => `all ${v.ports} ports of pods have hairpin on`,
      noNeed:
        'nothing here needs hairpin mode: Services are not translated on the bridge, and no connect from a pod to itself failed',
      portsUnknown: 'the hairpin mode of the ports was not told (ip -d)',
      temporary: (v: { device: string }) => `Lets packets go out of ${v.device} where they came in`,
      cni: 'Sets it for every pod: "hairpinMode": true in the bridge part of the CNI configuration (flannel: in "delegate"). Only new pods get it',
      masquerade: (v: { pod: string }) => `Hides ${v.pod} behind the node when it asks itself`,
      kubeProxy:
        'kube-proxy does it by itself: see why its masquerade rule for a pod that asks itself is missing (KUBE-MARK-MASQ, KUBE-POSTROUTING; with IPVS the set KUBE-LOOP-BACK), and restart it on this node',
      application: 'In the pod: ask localhost instead of the own Service',
      risk: 'Low: broadcasts of the pod come back to it as well',
      riskMasquerade: 'Low: the pod sees the node as the source of its own connects',
      riskNone: 'None for other pods',
    },
    zh: {
      ...captureText.zh,
      title: 'Pod 通过自己的 Service 访问不到自己',
      noPods: '这里没有 Pod 网桥，也没有看到 Pod 到自己的连接',
      notBack: (v) =>
        `${v.pod} 到 ${v.asked} 的 ${v.connects} 次连接被转给 ${v.pod} 自己，到了 ${v.bridge}，但没有回到该 Pod`,
      gaveOnlySelf: (v) =>
        `${v.pod} 到 ${v.asked} 的 ${v.connects} 次连接从 ${v.device} 进来，没有从本节点的任何地方出去；${v.asked} 被转换为 ${v.rule}，就是该 Pod 自己`,
      off: (v) => `${v.bridge} 的端口 ${v.device} 关闭了 hairpin：从那里进来的报文不能再从那里出去`,
      allOff: (v) => `${v.bridge} 的 ${v.ports} 个端口都关闭了 hairpin：从某个端口进来的报文不能再从那里出去`,
      unknownPort: '没有读到该端口的 hairpin 模式',
      on: (v) => `端口 ${v.device} 已开启 hairpin：是别的原因丢弃的`,
      promiscuous: (v) => `${v.bridge} 处于混杂模式，作用与 hairpin 相同`,
      ownSource: (v) =>
        `${v.pod} 到 ${v.asked} 的 ${v.connects} 次连接从 ${v.device} 回到它自己，源地址仍是它自己（没有做 MASQUERADE），没有应答：来自自己的报文会被当作 martian 丢弃`,
      tracked: (v) => `${v.pod} 的 ${v.entries} 条连接跟踪以它自己的地址被送回给它，没有应答`,
      answered: (v) => `${v.pod} 通过 Service 到自己的 ${v.connects} 次连接得到了应答`,
      risky: (v) =>
        `${v.bridge} 的 ${v.ports} 个端口关闭了 hairpin，网桥上的报文会经过 iptables（${nfKey} = 1），而这里会转换 Service：被选为自己后端的 Pod 会不通`,
      notSeen: '窗口内没有看到 Pod 到自己的连接',
      allOn: (v) => `Pod 的 ${v.ports} 个端口都开启了 hairpin`,
      noNeed: '这里不需要 hairpin：Service 不在网桥上转换，也没有 Pod 到自己的连接失败',
      portsUnknown: '没有读到端口的 hairpin 模式（ip -d）',
      temporary: (v) => `允许报文从进来的端口 ${v.device} 再出去`,
      cni: '对所有 Pod 生效：CNI 配置的 bridge 部分设置 "hairpinMode": true（flannel 在 "delegate" 里）。只对新建的 Pod 有效',
      masquerade: (v) => `${v.pod} 访问自己时用节点地址作源地址`,
      kubeProxy:
        'kube-proxy 会自动处理：查清为什么缺少 Pod 访问自己时的 MASQUERADE 规则（KUBE-MARK-MASQ、KUBE-POSTROUTING；IPVS 模式是集合 KUBE-LOOP-BACK），并重启该节点上的 kube-proxy',
      application: '在 Pod 内：访问 localhost，不要访问自己的 Service',
      risk: '低：Pod 自己的广播也会回到它',
      riskMasquerade: '低：Pod 会看到自己的连接来自节点',
      riskNone: '对其他 Pod 没有影响',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    const { links, capture } = facts;
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', node, blind);
    const byIndex = (index: number | null): Link | undefined => links.find((link) => link.index === index);
    const isBridge = (name: string): boolean => links.some(({ master }) => master === name);
    // what a node sends to itself goes over lo
    const overLo = ({ places }: Connection): boolean =>
      places.some(({ interfaceIndex }) => byIndex(interfaceIndex)?.flags.includes('LOOPBACK') ?? false);
    const seen = handshakesOf(
      capture,
      (one) => sameAddress(one.client.address, one.server.address) && !isLoopback(one.client.address) && !overLo(one),
      200,
    );
    const [lost] = seen.unanswered;
    if (lost !== undefined) return judgeLost(lost);
    const swallowed = judgeSwallowed();
    if (swallowed !== null) return swallowed;
    const [answered] = seen.answered;
    if (answered !== undefined)
      return ruledOut(
        because(say.answered({ connects: seen.answered.length, pod: answered.client.address }), capture.at),
      );

    const tracked = (facts.conntrackEntries ?? []).filter(
      ({ original, reply, unreplied, protocol }) =>
        unreplied &&
        protocol === symptom.protocol &&
        !isLoopback(original.source) &&
        !sameAddress(original.source, original.destination) &&
        sameAddress(original.source, reply.source) &&
        sameAddress(original.source, reply.destination),
    );
    const [entry] = tracked;
    if (entry !== undefined) {
      const pod = entry.original.source;
      const own = tracked.filter(({ original }) => original.source === pod);
      return likely([because(say.tracked({ entries: own.length, pod }), entry.at)], masqueradeRemedies(pod));
    }
    return judgeSettings();

    function judgeLost(first: Connection) {
      const pod = first.client.address;
      const own = seen.unanswered.filter(({ client }) => sameAddress(client.address, pod));
      // the same connect before it was translated: the pod asks the Service, and that comes in at its own port
      const before = capture.connections.find(
        ({ client, server, syns }) =>
          sameAddress(client.address, pod) &&
          client.port === first.client.port &&
          !sameAddress(server.address, pod) &&
          syns.some(({ sequence }) => sequence === first.syns[0]?.sequence),
      );
      if (before === undefined) return judgeSettings();
      const asked = endpointText(before.server);
      const out = first.places.flatMap(({ direction, interfaceIndex }) =>
        direction === 'out' ? (byIndex(interfaceIndex) ?? []) : [],
      );
      const values = { connects: own.length, pod, asked };
      const delivered = out.find(({ name }) => !isBridge(name));
      if (delivered !== undefined) {
        const words = say.ownSource({ ...values, device: delivered.name });
        return confirmed([because(words, capture.at)], masqueradeRemedies(pod));
      }
      const bridge = out.find(({ name }) => isBridge(name));
      if (bridge === undefined) return judgeSettings();
      const weak = weakness(capture, say);
      if (weak !== null) return undecided('capture', node, weak);
      const seenBy = because(say.notBack({ ...values, bridge: bridge.name }), capture.at);
      if (bridge.flags.includes('PROMISC'))
        return ruledOut(seenBy, because(say.promiscuous({ bridge: bridge.name }), bridge.at));
      const port = before.places
        .filter(({ direction }) => direction === 'in')
        .map(({ interfaceIndex }) => byIndex(interfaceIndex))
        .find((link) => link?.master === bridge.name);
      if (port?.hairpin === true) return ruledOut(seenBy, because(say.on({ device: port.name }), port.at));
      const ports = links.filter(({ master }) => master === bridge.name);
      const [anyPort] = ports;
      // which of them is the pod's need not be known where they are all alike
      if (port === undefined && anyPort !== undefined && ports.every(({ hairpin }) => hairpin === false)) {
        const off = because(say.allOff({ ports: ports.length, bridge: bridge.name }), anyPort.at);
        return confirmed([seenBy, off], hairpinRemedies(ports.length === 1 ? anyPort.name : undefined));
      }
      if (port?.hairpin === undefined)
        return likely([seenBy, because(say.unknownPort, fileOf(links))], hairpinRemedies(port?.name));
      const off = because(say.off({ device: port.name, bridge: bridge.name }), port.at);
      return confirmed([seenBy, off], hairpinRemedies(port.name));
    }

    /**
     * Where the node knows the pod's hardware address, the translated packet goes from port to port within the bridge:
     * it is seen as it comes in and, without hairpin mode, nowhere else (br_netfilter_hooks.c,
     * br_nf_pre_routing_finish_bridge).
     */
    function judgeSwallowed() {
      if (symptom.protocol !== 'tcp' || facts.sysctl?.[nfKey]?.value?.trim() !== '1') return null;
      const [server, ...more] = serversBehind(
        { ...target, protocol: 'tcp', isHere: false },
        {},
        facts.firewall?.rules ?? [],
      );
      // with several servers it cannot be told which of them a packet was meant for
      if (server === undefined || more.length > 0 || weakness(capture, say) !== null) return null;
      const portOf = ({ places }: Connection): Link | undefined =>
        places.map(({ interfaceIndex }) => byIndex(interfaceIndex)).find((link) => link?.master !== undefined);
      const { unanswered } = handshakesOf(
        capture,
        (one) =>
          one.server.port === target.port &&
          sameAddress(one.server.address, target.address) &&
          sameAddress(one.client.address, server.address) &&
          one.places.length === 1 &&
          one.places[0]?.direction !== 'out' &&
          !capture.connections.some((other) => other !== one && isSamePacket(one, other)),
        200,
      );
      const [first] = unanswered;
      const port = first === undefined ? undefined : portOf(first);
      if (first === undefined || port?.hairpin !== false || port.master === undefined) return null;
      const bridge = links.find(({ name }) => name === port.master);
      if (bridge?.flags.includes('PROMISC') === true) return null;
      const seenBy = say.gaveOnlySelf({
        connects: unanswered.length,
        pod: server.address,
        asked: endpointText(first.server),
        device: port.name,
        rule: endpointText(server),
      });
      const off = because(say.off({ device: port.name, bridge: port.master }), port.at);
      return confirmed([because(seenBy, capture.at), off], hairpinRemedies(port.name));
    }

    /** Nobody asked itself: whether it would work. Bridged packets must pass iptables for hairpin mode to matter. */
    function judgeSettings() {
      const ports = links.filter(({ master }) => master !== undefined && podBridge.test(master));
      const [first] = ports;
      if (first?.master === undefined) return notApplicable(because(say.noPods, fileOf(links)));
      const bridge = links.find(({ name }) => name === first.master);
      if (bridge?.flags.includes('PROMISC') === true)
        return ruledOut(because(say.promiscuous({ bridge: bridge.name }), bridge.at));
      if (ports.every(({ hairpin }) => hairpin === undefined)) return undecided('links', node, say.portsUnknown);
      const off = ports.filter(({ hairpin }) => hairpin === false);
      const [port] = off;
      if (port === undefined) return ruledOut(because(say.allOn({ ports: ports.length }), first.at));
      const translated = facts.firewall?.rules.find(({ chain }) => chain === 'KUBE-SERVICES');
      const setting = facts.sysctl?.[nfKey];
      if (translated === undefined || setting?.value?.trim() !== '1') return ruledOut(because(say.noNeed, port.at));
      const reasons: Because[] = [
        because(say.risky({ ports: off.length, bridge: first.master }), port.at),
        because(say.notSeen, capture.at),
      ];
      return likely(reasons, hairpinRemedies(port.name));
    }

    function hairpinRemedies(device: string | undefined): Remedy[] {
      const set = (mode: 'on' | 'off'): string[] => [`bridge link set dev ${device} hairpin ${mode}`];
      return [
        ...(device !== undefined && deviceName.test(device)
          ? [
              {
                kind: 'temporary' as const,
                node,
                text: say.temporary({ device }),
                commands: set('on'),
                undo: set('off'),
                risk: say.risk,
              },
            ]
          : []),
        { kind: 'kubernetes', text: say.cni, commands: [], undo: [], risk: say.risk },
        { kind: 'application', text: say.application, commands: [], undo: [], risk: say.riskNone },
      ];
    }

    function masqueradeRemedies(pod: string): Remedy[] {
      const rule = `POSTROUTING -s ${pod}/32 -d ${pod}/32 -j MASQUERADE`;
      return [
        ...(plainIpv4.test(pod)
          ? [
              {
                kind: 'temporary' as const,
                node,
                text: say.masquerade({ pod }),
                commands: [`iptables -t nat -I ${rule}`],
                undo: [`iptables -t nat -D ${rule}`],
                risk: say.riskMasquerade,
              },
            ]
          : []),
        { kind: 'kubernetes', text: say.kubeProxy, commands: [], undo: [], risk: say.riskMasquerade },
        { kind: 'application', text: say.application, commands: [], undo: [], risk: say.riskNone },
      ];
    }
  },
});

/** The same SYN, translated: NAT leaves its sequence number alone. */
function isSamePacket(one: Connection, other: Connection): boolean {
  return one.syns.some(({ sequence }) => other.syns.some((syn) => syn.sequence === sequence));
}
