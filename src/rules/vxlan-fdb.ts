import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { Facts, Link, RouteVerdict } from '../model/facts.ts';
import type { FdbEntry } from '../model/node-facts.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { Because, Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { handshakesTo } from './handshakes.ts';
import { familyOf, sameAddress } from './ip-address.ts';
import { findIn } from './join-captures.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { isAddressOf, isPod, pingOf, tunnelKindOf, wayTo } from './tunnel-way.ts';

interface Spot {
  readonly node: string;
  readonly facts: Pick<
    Facts,
    'links' | 'routeGet' | 'neighbours' | 'fdb' | 'addresses' | 'capture' | 'pings' | 'probes'
  >;
}

/** One direction: the node that puts packets into VXLAN, where they are to go, and how its route says so. */
interface Direction {
  readonly near: Spot;
  readonly far: Spot | undefined;
  readonly address: string;
  readonly way: RouteVerdict;
  readonly device: string;
}

const deadStates = ['FAILED', 'INCOMPLETE'];
const mostNodes = 8;
const anyMac = '00:00:00:00:00:00';
const plainMac = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;
const deviceName = /^[A-Za-z0-9_.-]{1,15}$/;
/** Devices whose tables an agent fills; on others the kernel may learn them by itself. */
const filledByAgent = /^(?:flannel\.\d+|vxlan\.calico|vxlan-v6\.calico)$/;
/** Devices without tables: a program tells each packet its way (IFLA_VXLAN_COLLECT_METADATA). */
const fedByProgram = /^(?:cilium_|vxlan_sys_|vxlan-\d)/;

/** F53: the tables of a VXLAN device lack the node behind it, or name a wrong one. */
export const vxlanFdb = definePathRule({
  id: 'vxlan-fdb',
  fault: 'F53',
  scope: 'path',
  needs: { client: [], target: [] },
  optional: ['links', 'routeGet', 'neighbours', 'fdb', 'addresses', 'capture', 'pings', 'probes'],
  anyProtocol: true,
  params: z.strictObject({}),
  sources: [
    'drivers/net/vxlan/vxlan_core.c (vxlan_xmit, vxlan_find_mac); bridge(8), ip-neighbour(8)',
    'kubeskoop AssertVxlanVtep; flannel backend/vxlan, Calico felix dataplane/linux/vxlan_mgr.go',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'The VXLAN tables do not lead to the node of the pod',
      noVxlan: 'no way to the target leads through a VXLAN device with tables',
      noWay: 'by which device packets leave to the target was not read',
      noTables: (v: { what: string }) => `the ${v.what} was not read`,
      noHop: (v: { node: string; hop: string; device: string; state: string }) =>
        `${v.node} has no MAC address for the next hop ${v.hop} on ${v.device}${v.state}: packets are not even put into the tunnel`,
      inState: (v: { state: string }) => ` (${v.state})`,
      noEntry: (v: { node: string; mac: string; hop: string; device: string }) =>
        `the forwarding table of ${v.device} on ${v.node} does not have ${v.mac}, the MAC address of the next hop ${v.hop}: its packets are dropped there`,
      wrongNode: (v: { node: string; mac: string; device: string; destination: string; far: string }) =>
        `${v.device} on ${v.node} sends packets for ${v.mac} to ${v.destination}, which is not an address of ${v.far}`,
      wrongMac: (v: { node: string; hop: string; mac: string; device: string; far: string; own: string }) =>
        `${v.node} sends packets for ${v.hop} to the MAC address ${v.mac}, and ${v.device} of ${v.far} has ${v.own}: ${v.far} throws them away as somebody else's`,
      gone: (v: { destination: string }) => `${v.destination} does not answer pings: nobody is there any more`,
      natted: (v: { destination: string }) =>
        `${v.destination} may be an outside address of that node that is translated on the way; nothing was seen that proves it dead`,
      learned: 'The kernel may still learn it by itself on this device',
      unanswered: (v: { connects: number }) => `${v.connects} connects got no answer`,
      failed: (v: { probes: number }) => `all ${v.probes} connects that were tried failed`,
      noEffect: 'Whether connects fail was not seen',
      answered: (v: { answered: number; connects: number }) =>
        `${v.answered} of ${v.connects} connects were answered: the tables lead there`,
      arrived: (v: { far: string }) => `the connects were seen at ${v.far}: the tables lead there`,
      right: (v: { node: string; hop: string; mac: string; device: string; destination: string }) =>
        `${v.device} on ${v.node}: ${v.hop} is ${v.mac}, and ${v.mac} is behind ${v.destination}`,
      temporary:
        'Puts in what is missing, with the values of the node at the other end; the agent of the pod network may overwrite it',
      agent: (v: { node: string }) =>
        `Restart the agent of the pod network on ${v.node}: it fills the tables from the nodes of the cluster. If it comes again, see its log and whether it may read nodes (RBAC, API server)`,
      risk: 'Traffic of this node to that one changes its way at once',
      riskAgent: 'The pods of the node keep running; new ones wait until the agent is back',
    },
    zh: {
      ...captureText.zh,
      title: 'VXLAN 转发表没有指向 Pod 所在的节点',
      noVxlan: '到目标的路由不经过带转发表的 VXLAN 设备',
      noWay: '没有读到报文从哪个设备发往目标',
      noTables: (v) => `没有读到 ${v.what}`,
      noHop: (v) => `${v.node} 在 ${v.device} 上没有下一跳 ${v.hop} 的 MAC 地址${v.state}：报文根本没有进隧道`,
      inState: (v) => `（${v.state}）`,
      noEntry: (v) =>
        `${v.node} 上 ${v.device} 的转发表里没有 ${v.mac}（下一跳 ${v.hop} 的 MAC 地址）：报文在那里被丢弃`,
      wrongNode: (v) =>
        `${v.node} 的 ${v.device} 把发往 ${v.mac} 的报文送到 ${v.destination}，而它不是 ${v.far} 的地址`,
      wrongMac: (v) =>
        `${v.node} 把发往 ${v.hop} 的报文送给 MAC 地址 ${v.mac}，而 ${v.far} 的 ${v.device} 是 ${v.own}：${v.far} 会当作别人的报文丢弃`,
      gone: (v) => `${v.destination} 不应答 ping：那里已经没有节点`,
      natted: (v) => `${v.destination} 可能是该节点在途中被转换的外部地址；没有看到能证明它失效的证据`,
      learned: '在这个设备上内核还可能自己学到',
      unanswered: (v) => `${v.connects} 次连接没有应答`,
      failed: (v) => `尝试的 ${v.probes} 次连接全部失败`,
      noEffect: '没有看到连接是否失败',
      answered: (v) => `${v.connects} 次连接中有 ${v.answered} 次得到应答：转发表是对的`,
      arrived: (v) => `在 ${v.far} 上看到了这些连接：转发表是对的`,
      right: (v) => `${v.node} 的 ${v.device}：${v.hop} 是 ${v.mac}，${v.mac} 在 ${v.destination} 后面`,
      temporary: '按对端节点的实际值补上缺少的表项；Pod 网络的代理程序可能会覆盖它',
      agent: (v) =>
        `重启 ${v.node} 上 Pod 网络的代理程序：它会根据集群节点填写转发表。如果再次出现，检查它的日志以及能否读取节点（RBAC、API server）`,
      risk: '该节点到对端节点的流量会立即改变路径',
      riskAgent: '节点上的 Pod 继续运行；新的 Pod 要等代理程序恢复',
    },
  },
  evaluate({ client, target, forwarders, plan, clockOffsetMs, say }) {
    const spots: readonly Spot[] = [client, ...forwarders, target];
    const nodes = spots.filter(({ node }, i) => !isPod(node, plan) && spots.findIndex((s) => s.node === node) === i);
    const nodeUnder = (place: string): Spot | undefined => nodes.find(({ node }) => node === nodeOfPlace(place));
    const ways = directions();
    if (ways.length === 0) {
      const read = nodes.find(({ facts }) => wayTo(facts.routeGet, target.address) !== undefined);
      const at = wayTo(read?.facts.routeGet, target.address)?.at;
      return at === undefined ? undecided('routeGet', client.node, say.noWay) : notApplicable(because(say.noVxlan, at));
    }

    const effect = effectHere();
    if (effect.passes !== null) return ruledOut(effect.passes);
    const right: Because[] = [];
    for (const direction of ways) {
      const checked = check(direction);
      if ('undecided' in checked) return checked;
      if ('right' in checked) {
        right.push(checked.right);
        continue;
      }
      const { wrong, sure } = checked;
      const remedies = remediesFor(direction);
      return sure && effect.fails.length > 0
        ? confirmed([...wrong, ...effect.fails], remedies)
        : likely(
            [...wrong, ...(effect.fails.length > 0 ? effect.fails : [because(say.noEffect, fileOf([direction.way]))])],
            remedies,
          );
    }
    return ruledOut(...right);

    /** To the target, and where the client is a pod back to it: by each node whose route leads through VXLAN. */
    function directions(): readonly Direction[] {
      const found: Direction[] = [];
      const add = (near: Spot, far: Spot | undefined, address: string): void => {
        const way = wayTo(near.facts.routeGet, address);
        const device = way?.device;
        if (way === undefined || device === undefined || near === far || fedByProgram.test(device)) return;
        if (isVxlan(device, near.facts)) found.push({ near, far, address, way, device });
      };
      const there = nodeUnder(target.node);
      for (const near of nodes.slice(0, mostNodes)) {
        if (near !== there) add(near, there, target.address);
        for (const server of serversBehind(near)) add(near, livesAt(server), server);
      }
      const back = plan.nodes.find(({ node }) => node.name === client.node)?.address;
      if (isPod(client.node, plan) && there !== undefined && back !== undefined)
        add(there, nodeUnder(client.node), back);
      return found;
    }

    /** What else the node was asked its way to: servers that it sends the target's traffic on to. */
    function serversBehind({ facts }: Spot): readonly string[] {
      const known = [target.address, ...plan.nodes.map(({ address }) => address), ...plan.externalClients];
      const others = (facts.routeGet ?? []).filter(
        ({ to, iif }) => iif === undefined && !known.some((one) => sameAddress(one, to)),
      );
      return [...new Set(others.map(({ to }) => to))].slice(0, mostNodes);
    }

    function livesAt(address: string): Spot | undefined {
      const owner = plan.nodes.find(({ server }) => server !== undefined && sameAddress(server.address, address));
      return owner === undefined ? undefined : nodeUnder(owner.node.name);
    }

    function check(
      direction: Direction,
    ):
      | ReturnType<typeof undecided>
      | { readonly right: Because }
      | { readonly wrong: readonly Because[]; readonly sure: boolean } {
      const { near, far, device, way } = direction;
      const { neighbours, fdb } = near.facts;
      if (neighbours === undefined) return undecided('neighbours', near.node, say.noTables({ what: 'ip neigh' }));
      if (fdb === undefined) return undecided('fdb', near.node, say.noTables({ what: 'bridge fdb' }));
      const hop = way.via ?? direction.address;
      const entry = neighbours.find((one) => one.device === device && sameAddress(one.address, hop));
      const agent = filledByAgent.test(device);
      const mac = entry?.mac;
      const at: At = entry?.at ?? fileOf(neighbours);
      if (entry === undefined || mac === undefined || deadStates.includes(entry.state)) {
        const state = entry === undefined ? '' : say.inState({ state: entry.state });
        const words = because(say.noHop({ node: near.node, hop, device, state }), at);
        return agent ? { wrong: [words], sure: true } : { wrong: [words, because(say.learned, at)], sure: false };
      }
      const own = fdb.filter((one) => one.device === device && one.destination !== undefined);
      const exact = own.filter((one) => one.mac === mac);
      if (exact.length === 0 && !own.some((one) => one.mac === anyMac)) {
        const words = because(say.noEntry({ node: near.node, mac, hop, device }), fileOf(fdb));
        return agent ? { wrong: [words], sure: true } : { wrong: [words, because(say.learned, at)], sure: false };
      }
      const behind: FdbEntry | undefined = exact[0];
      if (far !== undefined && behind?.destination !== undefined && far.facts.addresses !== undefined) {
        const { destination } = behind;
        if (!exact.some((one) => isAddressOf(far.node, far.facts.addresses, plan, one.destination ?? ''))) {
          const words = because(say.wrongNode({ node: near.node, mac, device, destination, far: far.node }), behind.at);
          const ping = pingOf(near.facts.pings, destination);
          const dead = neighbours.find(
            (one) => sameAddress(one.address, destination) && deadStates.includes(one.state),
          );
          const proof = dead?.at ?? (ping !== undefined && (ping.received ?? 0) === 0 ? ping.at : undefined);
          return proof === undefined
            ? { wrong: [words, because(say.natted({ destination }), behind.at)], sure: false }
            : { wrong: [words, because(say.gone({ destination }), proof)], sure: true };
        }
      }
      const theirs = far === undefined ? undefined : deviceOf(far, device);
      if (far !== undefined && theirs?.mac !== undefined && theirs.mac !== mac) {
        const values = { node: near.node, hop, mac, device: theirs.name, far: far.node, own: theirs.mac };
        return { wrong: [because(say.wrongMac(values), theirs.at)], sure: agent };
      }
      const destination = behind?.destination ?? own[0]?.destination ?? '?';
      return { right: because(say.right({ node: near.node, hop, mac, device, destination }), behind?.at ?? at) };
    }

    /** Whether the connects of the window fail, and whether one of them proves that the tables are right. */
    function effectHere(): { readonly fails: readonly Because[]; readonly passes: Because | null } {
      const { capture, probes } = client.facts;
      const fails: Because[] = [];
      if (capture !== undefined && blindness(capture, say) === null) {
        const seen = handshakesTo(capture, target, 1000);
        const heard = seen.answered.length + seen.refused.length;
        if (heard > 0)
          return { fails, passes: because(say.answered({ answered: heard, connects: seen.all.length }), capture.at) };
        // behind a Service the way ends where its server lives, as far as that node is in the run
        const isPlain = ways.some(({ address }) => sameAddress(address, target.address));
        const end = isPlain ? nodeUnder(target.node) : ways[0]?.far;
        const there = end?.facts.capture;
        const ahead = end === undefined ? 0 : clockOffsetMs(end.node) - clockOffsetMs(client.node);
        const came = seen.unanswered.some((one) =>
          there === undefined ? false : findIn(there, one, ahead).some(({ connection }) => deliveredBare(connection)),
        );
        if (came && end !== undefined && there !== undefined)
          return { fails, passes: because(say.arrived({ far: end.node }), there.at) };
        if (seen.unanswered.length > 0)
          fails.push(because(say.unanswered({ connects: seen.unanswered.length }), capture.at));
      }
      const [first] = probes ?? [];
      if (fails.length === 0 && first !== undefined && (probes ?? []).every(({ outcome }) => outcome !== 'connected'))
        fails.push(because(say.failed({ probes: probes?.length ?? 0 }), first.at));
      return { fails, passes: null };
    }

    function remediesFor({ near, far, device, way, address }: Direction): readonly Remedy[] {
      const agent = device.startsWith('flannel')
        ? 'kubectl -n kube-flannel delete pod -l app=flannel --field-selector spec.nodeName='
        : 'kubectl -n calico-system delete pod -l k8s-app=calico-node --field-selector spec.nodeName=';
      const remedies: Remedy[] = [
        {
          kind: 'kubernetes',
          text: say.agent({ node: near.node }),
          commands: filledByAgent.test(device) ? [`${agent}${near.node}`] : [],
          undo: [],
          risk: say.riskAgent,
        },
      ];
      const hop = way.via ?? address;
      const theirs = far === undefined ? undefined : deviceOf(far, device);
      const outer = near.facts.fdb
        ?.filter((one) => one.device === device)
        .map(({ destination }) => destination)
        .find((one) => one !== undefined && far !== undefined && isAddressOf(far.node, far.facts.addresses, plan, one));
      const planned = plan.nodes.find(({ node }) => node.name === far?.node)?.address;
      const outside = outer ?? (planned === target.address ? undefined : planned);
      if (theirs?.mac === undefined || outside === undefined || !plainMac.test(theirs.mac)) return remedies;
      if (!deviceName.test(device) || familyOf(hop) === null || familyOf(outside) === null) return remedies;
      return [
        {
          kind: 'temporary',
          node: near.node,
          text: say.temporary,
          commands: [
            `ip neigh replace ${hop} lladdr ${theirs.mac} dev ${device} nud permanent`,
            `bridge fdb replace ${theirs.mac} dev ${device} dst ${outside}`,
          ],
          undo: [`bridge fdb del ${theirs.mac} dev ${device}`, `ip neigh del ${hop} dev ${device}`],
          risk: say.risk,
        },
        ...remedies,
      ];
    }
  },
});

/** Seen there outside of the tunnel, and not as a frame for somebody else: the node took it for its own. */
function deliveredBare({
  places,
}: {
  readonly places: readonly { tunnel: string | null; direction: string; client: number }[];
}): boolean {
  return places.some(({ tunnel, direction, client }) => tunnel === null && direction !== 'other' && client > 0);
}

function isVxlan(device: string, facts: Spot['facts']): boolean {
  const link = facts.links?.find(({ name }) => name === device) ?? { name: device };
  return tunnelKindOf(link) === 'vxlan';
}

/** The VXLAN device of the other node: of the same name. */
function deviceOf({ facts }: Spot, name: string): Link | undefined {
  return facts.links?.find((link) => link.name === name && tunnelKindOf(link) === 'vxlan');
}
