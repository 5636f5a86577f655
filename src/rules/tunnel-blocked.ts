import * as z from 'zod';
import type { At } from '../model/evidence.ts';
import type { Capture, Connection, Facts } from '../model/facts.ts';
import type { Plan } from '../model/plan.ts';
import type { Because, Remedy } from '../model/report.ts';
import type { Outcome, Undecided } from '../model/rule.ts';
import type { Symptom } from '../model/symptom.ts';
import { because, fileOf } from './because.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { handshakesTo, synsIn } from './handshakes.ts';
import { findIn } from './join-captures.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import {
  isAddressOf,
  isPod,
  pingOf,
  tunnelKindOf,
  tunnelLeftIn,
  type TunnelKind,
  wasBare,
  wasInTunnel,
  wayTo,
} from './tunnel-way.ts';

/** Sentences of the rules that say which kind of tunnel packet the fabric throws away. */
const en = {
  ...captureText.en,
  udp: 'the question is about UDP, and captures are only followed for TCP',
  noAttempt: 'no connect to the target was seen in the window',
  tooEarly: 'the connects of the window had no time to be answered',
  answered: (v: { answered: number; connects: number }) =>
    `${v.answered} of ${v.connects} connects were answered: what carries them passes`,
  noDevice: (v: { kind: string }) => `no ${v.kind} device is up on the client's side`,
  noLinks: 'whether there is a tunnel was not read',
  otherWay: (v: { address: string; device: string }) => `packets to ${v.address} leave on ${v.device}, not in a tunnel`,
  noOuter: (v: { kind: string; node: string }) =>
    `the way goes through ${v.kind}, and the capture of ${v.node} has no packet of it: whether it left the node is not known`,
  stuck: (v: { node: string; connects: number }) =>
    `${v.connects} connects came in at ${v.node} and did not go out, not even into the tunnel: what ${v.node} does with them is decided there`,
  left: (v: { syns: number; connects: number; kind: string; from: string; source: string; destination: string }) =>
    `${v.syns} SYNs of ${v.connects} connects left ${v.from} in ${v.kind} packets (${v.source} to ${v.destination}) and got no answer`,
  noOwner: (v: { destination: string }) =>
    `none of the nodes of this run has the address ${v.destination}: ask with the node of the target, so that its network card is watched too`,
  neverCame: (v: { kind: string; far: string; connects: number }) =>
    `the ${v.kind} packets of ${v.connects} connects never came in at ${v.far}`,
  answerLost: (v: { kind: string; far: string; near: string; connects: number }) =>
    `the answers to ${v.connects} connects left ${v.far} in ${v.kind} packets and never came in at ${v.near}`,
  cameIn: (v: { kind: string; far: string; connects: number }) =>
    `the ${v.kind} packets of ${v.connects} connects came in at ${v.far}: the fabric lets them pass`,
  notUnpacked: (v: { far: string }) =>
    `${v.far} did not unpack them: see its checksums, firewall and the addresses of its tunnel device`,
  pinged: (v: { from: string; destination: string; received: number; sent: number }) =>
    `outside of the tunnel the same node answers: ${v.received} of ${v.sent} pings from ${v.from} to ${v.destination}`,
  notPinged: (v: { destination: string }) =>
    `whether ${v.destination} can be reached outside of the tunnel was not tried; if not, the whole way is dead, not only the tunnel`,
  deadToo: (v: { destination: string }) =>
    `no ping to ${v.destination} was answered either: more than the tunnel may be dead, path-drop says where`,
  few: (v: { lost: number; minLost: number }) =>
    `only ${v.lost} packets were lost, fewer than the ${v.minLost} that prove it`,
  watch: 'Shows at both nodes whether packets of the tunnel leave and come in',
  riskNone: 'None: it only reads',
  riskOpens: 'Lets these packets in between the nodes; limit it to their addresses',
} as const;

/** The same sentences as a rule's `say` has them. */
type TunnelBlockedSentences = {
  readonly [Key in keyof typeof en]: (typeof en)[Key] extends string ? string : (typeof en)[Key];
};

const zh: TunnelBlockedSentences = {
  ...captureText.zh,
  udp: '这次查的是 UDP，而抓包只跟踪 TCP',
  noAttempt: '窗口内没有看到到目标的连接',
  tooEarly: '窗口内的连接还没有足够时间得到应答',
  answered: (v) => `${v.connects} 次连接中有 ${v.answered} 次得到应答：承载它们的隧道是通的`,
  noDevice: (v) => `客户端一侧没有启用的 ${v.kind} 设备`,
  noLinks: '没有读到是否存在隧道',
  otherWay: (v) => `到 ${v.address} 的报文从 ${v.device} 发出，不走隧道`,
  noOuter: (v) => `路径经过 ${v.kind}，但 ${v.node} 的抓包里没有它的报文：不知道是否离开了该节点`,
  stuck: (v) => `${v.connects} 次连接进入了 ${v.node}，没有再出去，连隧道都没有进：原因要看 ${v.node} 自己`,
  left: (v) =>
    `${v.connects} 次连接的 ${v.syns} 个 SYN 装在 ${v.kind} 报文里（${v.source} 到 ${v.destination}）离开了 ${v.from}，没有应答`,
  noOwner: (v) => `本次检查的节点都没有地址 ${v.destination}：请把目标所在的节点也加进来，这样它的网卡也会被观察`,
  neverCame: (v) => `${v.connects} 次连接的 ${v.kind} 报文从未到达 ${v.far}`,
  answerLost: (v) => `${v.connects} 次连接的应答装在 ${v.kind} 报文里离开了 ${v.far}，但从未到达 ${v.near}`,
  cameIn: (v) => `${v.connects} 次连接的 ${v.kind} 报文到达了 ${v.far}：中间网络放行了它们`,
  notUnpacked: (v) => `${v.far} 没有解开它们：请看它的校验和、防火墙和隧道设备的地址`,
  pinged: (v) => `隧道之外同一节点有应答：从 ${v.from} ping ${v.destination}，${v.sent} 个有 ${v.received} 个应答`,
  notPinged: (v) => `没有试过在隧道之外能否到达 ${v.destination}；如果不能，就是整条路不通，不只是隧道`,
  deadToo: (v) => `ping ${v.destination} 也没有应答：可能不只是隧道不通，在哪里丢的见 path-drop`,
  few: (v) => `只丢了 ${v.lost} 个包，少于可作为证据的 ${v.minLost} 个`,
  watch: '在两个节点上查看隧道报文是否发出、是否到达',
  riskNone: '无：只读操作',
  riskOpens: '会在节点之间放行这些报文；请限制为节点自己的地址',
};

export const tunnelBlockedText = { en, zh } as const;

export const tunnelBlockedParams = z.strictObject({
  /** Packets that must be lost in the tunnel before it counts as proven. */
  minLost: z.number().int().min(1).default(3),
});

/** A node of the way, with what these rules may read of it. */
interface Spot {
  readonly node: string;
  readonly facts: Pick<Facts, 'capture' | 'links' | 'addresses' | 'routeGet' | 'pings'>;
}

/** Where the packets of a tunnel were lost: what a rule needs for its remedies. */
export interface LostInTunnel {
  readonly near: string;
  readonly far: string;
  readonly source: string;
  readonly destination: string;
  /** Device that they left on, where it is known. */
  readonly device: string | null;
}

/**
 * Whether packets of one kind of tunnel leave a node and never come in at the other, although the two reach each other
 * outside of it. Both ends have to be watched, and their captures have to be whole.
 */
export function judgeTunnel(input: {
  readonly kinds: readonly TunnelKind[];
  /** The word for the kind in sentences: `IP in IP`, `VXLAN`. */
  readonly kindText: string;
  readonly client: Spot;
  readonly forwarders: readonly Spot[];
  readonly target: Spot & { readonly address: string; readonly port: number };
  readonly symptom: Symptom;
  readonly plan: Plan;
  readonly clockOffsetMs: (node: string) => number;
  readonly minLost: number;
  readonly say: TunnelBlockedSentences;
  readonly remedies: (lost: LostInTunnel) => readonly Remedy[];
}): Outcome | Undecided {
  const { kinds, kindText: kind, client, forwarders, target, symptom, plan, clockOffsetMs, say } = input;
  if (symptom.protocol !== 'tcp') return undecided('capture', client.node, say.udp);
  const nearby = [client, ...forwarders].filter(({ node }) => !isPod(node, plan));
  const devices = nearby.flatMap(({ facts }) => facts.links ?? []);
  const carriers = devices.filter((link) => {
    const own = tunnelKindOf(link);
    return own !== null && kinds.includes(own) && link.flags.includes('UP');
  });
  if (carriers.length === 0) {
    return nearby.some(({ facts }) => facts.links !== undefined)
      ? notApplicable(because(say.noDevice({ kind }), fileOf(devices)))
      : undecided('links', client.node, say.noLinks);
  }

  const { capture } = client.facts;
  const blind = blindness(capture, say);
  if (capture === undefined || blind !== null) return undecided('capture', client.node, blind ?? say.noCapture);
  const seen = handshakesTo(capture, target, 1000);
  if (seen.all.length === 0) return undecided('capture', client.node, say.noAttempt);
  const heard = seen.all.filter(({ handshake }) => handshake !== 'unanswered').length;
  if (heard > 0) return ruledOut(because(say.answered({ answered: heard, connects: seen.all.length }), capture.at));
  if (seen.unanswered.length === 0) return undecided('capture', client.node, say.tooEarly);

  const legs = seen.unanswered.flatMap((here) => legOf(here));
  const [leg] = legs;
  if (leg === undefined) return notSeenInTunnel();
  const { near, outer } = leg;
  const at: At = near.facts.capture?.at ?? capture.at;
  const syns = synsIn(legs.map(({ connection }) => connection));
  const left = because(
    say.left({
      syns,
      connects: legs.length,
      kind,
      from: near.node,
      source: outer.source,
      destination: outer.destination,
    }),
    at,
  );
  const far = [...forwarders, target, client].find(
    ({ node, facts }) => node !== near.node && isAddressOf(node, facts.addresses, plan, outer.destination),
  );
  if (far === undefined) return undecided('capture', target.node, say.noOwner({ destination: outer.destination }));
  const there = far.facts.capture;
  const weak = weakness(there, say);
  if (there === undefined || weak !== null) return undecided('capture', far.node, weak ?? say.noCapture);

  const aheadMs = clockOffsetMs(far.node) - clockOffsetMs(near.node);
  const traced = legs.map(({ connection }) => ({ connection, sightings: findIn(there, connection, aheadMs) }));
  const came = traced.filter(({ sightings }) => sightings.length > 0);
  const lost = traced.filter(({ sightings }) => sightings.length === 0);
  const path: LostInTunnel = { near: near.node, far: far.node, ...outer, device: deviceOf(leg) };
  if (lost.length > 0) {
    const packets = synsIn(lost.map(({ connection }) => connection));
    return verdict(packets, because(say.neverCame({ kind, far: far.node, connects: lost.length }), there.at));
  }
  const arrived = because(say.cameIn({ kind, far: far.node, connects: came.length }), there.at);
  const answered = came.filter(({ sightings }) =>
    sightings.some(({ connection }) => wasInTunnel(connection, kinds, 'server', 'out')),
  );
  const unheard = answered.filter(({ connection }) => !wasInTunnel(connection, kinds, 'server', 'in'));
  if (unheard.length > 0) {
    const nearWeak = weakness(near.facts.capture, say);
    if (nearWeak !== null) return undecided('capture', near.node, nearWeak);
    const answers = unheard
      .flatMap(({ sightings }) => sightings)
      .reduce((sum, { connection }) => sum + connection.synAcks.length, 0);
    const words = say.answerLost({ kind, far: far.node, near: near.node, connects: unheard.length });
    return verdict(answers, because(words, there.at));
  }
  const unpacked = came.some(({ sightings }) => sightings.some(({ connection }) => wasBare(connection, 'client')));
  return ruledOut(arrived, ...(unpacked ? [] : [because(say.notUnpacked({ far: far.node }), there.at)]));

  function verdict(packets: number, where: Because): Outcome | Undecided {
    const reasons = [left, where];
    const ping = pingOf(near.facts.pings, outer.destination);
    const received = ping?.received ?? ping?.replies.length ?? 0;
    if (ping !== undefined && received === 0)
      return undecided('pings', near.node, say.deadToo({ destination: outer.destination }));
    const remedies = [...input.remedies(path)];
    if (ping === undefined)
      return likely([...reasons, because(say.notPinged({ destination: outer.destination }), at)], remedies);
    const sent = ping.sent ?? ping.replies.length;
    const pinged = because(say.pinged({ from: near.node, destination: outer.destination, received, sent }), ping.at);
    return packets < input.minLost
      ? likely([...reasons, pinged, because(say.few({ lost: packets, minLost: input.minLost }), at)], remedies)
      : confirmed([...reasons, pinged], remedies);
  }

  function legOf(here: Connection): readonly Leg[] {
    for (const spot of [client, ...forwarders]) {
      const own = spot.facts.capture;
      if (own === undefined || blindness(own, say) !== null) continue;
      const aheadMs = clockOffsetMs(spot.node) - clockOffsetMs(client.node);
      const connections = spot === client ? [here] : findIn(own, here, aheadMs).map(({ connection }) => connection);
      for (const connection of connections) {
        const outer = tunnelLeftIn(connection, kinds)?.outer;
        if (outer !== undefined && outer !== null) return [{ connection, near: spot, outer, capture: own }];
      }
    }
    return [];
  }

  function deviceOf({ connection, near: spot }: Leg): string | null {
    const place = connection.places.find(({ tunnel, direction }) => tunnel !== null && direction === 'out');
    return spot.facts.links?.find(({ index }) => index === place?.interfaceIndex)?.name ?? null;
  }

  /** All connects came in at the node that has the tunnel and went out nowhere: they never got to it. */
  function stuckAt(node: string): Because | null {
    const own = forwarders.find((one) => one.node === node)?.facts.capture;
    if (own === undefined || weakness(own, say) !== null) return null;
    const aheadMs = clockOffsetMs(node) - clockOffsetMs(client.node);
    const found = seen.unanswered.map((one) => findIn(own, one, aheadMs).map(({ connection }) => connection));
    const places = found.flat().flatMap((connection) => connection.places);
    const stuck =
      found.every((sightings) => sightings.length > 0) &&
      places.length > 0 &&
      places.every(({ direction, client: packets }) => direction === 'in' || packets === 0);
    return stuck ? because(say.stuck({ node, connects: found.length }), own.at) : null;
  }

  /** Nothing went out in a tunnel: because the way is another one, or because it was not seen. */
  function notSeenInTunnel(): Outcome | Undecided {
    const ways = nearby.flatMap(({ node, facts }) => {
      const way = wayTo(facts.routeGet, target.address);
      return way?.device === undefined ? [] : [{ node, way, device: way.device }];
    });
    const through = ways.find(({ device }) => carriers.some(({ name }) => name === device));
    if (through !== undefined) {
      const stuck = stuckAt(through.node);
      return stuck === null
        ? undecided('capture', through.node, say.noOuter({ kind, node: through.node }))
        : ruledOut(stuck);
    }
    const [other] = ways;
    if (other === undefined) return undecided('routeGet', client.node, say.noOuter({ kind, node: client.node }));
    return notApplicable(because(say.otherWay({ address: target.address, device: other.device }), other.way.at));
  }
}

interface Leg {
  readonly connection: Connection;
  /** The node that put it into the tunnel. */
  readonly near: Spot;
  readonly outer: { readonly source: string; readonly destination: string };
  readonly capture: Capture;
}
