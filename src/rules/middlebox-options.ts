import * as z from 'zod';
import type { Capture, Connection, Facts, SynOptions } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { because } from './because.ts';
import { blindness, captureText } from './capture-weakness.ts';
import { riseOf } from './counter-rise.ts';
import { connectionText } from './endpoint-text.ts';
import { sameAddress } from './ip-address.ts';
import { findIn } from './join-captures.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';

interface Spot {
  readonly node: string;
  readonly facts: Pick<Facts, 'capture' | 'counters' | 'firewall'>;
}

/** One connect at one place of its way. */
interface Sight {
  readonly node: string;
  readonly capture: Capture;
  readonly connection: Connection;
}

/** A connect as it was seen along its way, and what was changed on it. */
interface Traced {
  readonly sights: readonly Sight[];
  readonly changes: readonly Change[];
  /** The ends disagree on whether windows are scaled, or by how much. */
  readonly scalingBroken: boolean;
  /** Sequence numbers are others at the far end. */
  readonly shifted: boolean;
}

interface Change {
  readonly option: 'windowScale' | 'sackPermitted' | 'timestamps' | 'mss';
  readonly in: 'SYN' | 'SYN+ACK';
  readonly sent: string;
  readonly received: string;
  /** The last place that saw it as it was sent, and the first that did not. */
  readonly a: string;
  readonly b: string;
}

const discards = 'TcpExt.TCPSACKDiscard';
const mostTraced = 200;
/** Rules of our own nodes that take options away or set them. */
const ownRule = /TCPOPTSTRIP|SYNPROXY|\bsynproxy\b|reset tcp option/;

/** F97: a device on the way takes TCP options out of the handshake, or rewrites sequence numbers and not the SACKs. */
export const middleboxOptions = definePathRule({
  id: 'middlebox-options',
  fault: 'F97',
  scope: 'path',
  needs: { client: ['capture'], target: ['capture'] },
  optional: ['capture', 'counters', 'firewall'],
  params: z.strictObject({}),
  sources: [
    'RFC 7323 section 2 (window scale), RFC 2018 (SACK), RFC 9293 3.7.1 (MSS)',
    'Documentation/networking/snmp_counter.rst (TCPSACKDiscard)',
    'captures at both ends of one handshake',
  ],
  text: {
    en: {
      ...captureText.en,
      title: 'A device on the way changes TCP options',
      none: 'no handshake was seen at both ends',
      same: (v: { connects: number; a: string; b: string }) =>
        `${v.connects} handshakes were seen at ${v.a} and ${v.b} with the same options and sequence numbers`,
      clamped: (v: { sent: string; received: string; a: string; b: string }) =>
        `the MSS is lowered from ${v.sent} to ${v.received} between ${v.a} and ${v.b}: that is how packets are kept small enough for a tunnel, and no fault`,
      change: (v: { option: string; in: string; sent: string; received: string; a: string; b: string }) =>
        `${v.option} of the ${v.in}: sent ${v.sent}, came in as ${v.received}, changed between ${v.a} and ${v.b}`,
      windowScale: 'window scale',
      sackPermitted: 'SACK permitted',
      timestamps: 'timestamps',
      mss: 'MSS',
      missing: 'missing',
      present: 'present',
      broken: (v: { connection: string; client: string; server: string }) =>
        `the ends of ${v.connection} do not agree on the window: the client counts with ${v.client}, the server with ${v.server}`,
      unscaled: 'no scaling',
      scaled: (v: { own: number; peer: number }) => `scaling (its own 2^${v.own}, the other's 2^${v.peer})`,
      resent: (v: { packets: number; connects: number }) =>
        `${v.packets} segments had to be sent again on ${v.connects} such connections`,
      noData: 'No harm was seen in the window: little or nothing was sent on them',
      without: (v: { options: string }) =>
        `both ends do without ${v.options}: it works, and is slow on long or lossy ways`,
      shifted: (v: { connects: number; a: string; b: string }) =>
        `${v.connects} connects have other sequence numbers at ${v.b} than at ${v.a}: a firewall on the way rewrites them`,
      discarded: (v: { node: string; count: number }) =>
        `TCPSACKDiscard of ${v.node} +${v.count}: SACK blocks that lie outside of what was sent, so they were not rewritten along`,
      notDiscarded: 'No SACK block was discarded: they are rewritten along, and no harm is done',
      discardsUnknown:
        'Whether SACK blocks are rewritten along is not known (TCPSACKDiscard was not read at both ends)',
      ownRule: (v: { node: string; rule: string }) => `${v.node} has a rule that does this: ${v.rule}`,
      fix: (v: { a: string; b: string }) =>
        `Have the device between ${v.a} and ${v.b} leave TCP options (and sequence numbers) alone: firewalls call it TCP normalisation, option filtering, sequence number randomisation; load balancers and WAN optimisers have it too. Check that it knows window scaling in both directions`,
      removeRule: (v: { node: string }) => `Take the rule away from ${v.node}, where nothing else needs it`,
      test: 'A test, for new connections from this node: without the option, there is nothing to take away. Slow on long ways, so put it back',
      risk: 'None for connections that are open; new ones behave differently',
      riskTest: 'All new connections of the node are slower while it lasts',
    },
    zh: {
      ...captureText.zh,
      title: '途中有设备改动了 TCP 选项',
      none: '没有在两端都看到同一次握手',
      same: (v) => `${v.connects} 次握手在 ${v.a} 和 ${v.b} 都被看到，选项和序号一致`,
      clamped: (v) => `MSS 在 ${v.a} 与 ${v.b} 之间从 ${v.sent} 降到 ${v.received}：这是为了让报文装得进隧道，不是故障`,
      change: (v) => `${v.in} 的${v.option}：发出时 ${v.sent}，到达时 ${v.received}，在 ${v.a} 与 ${v.b} 之间被改动`,
      windowScale: '窗口扩大因子',
      sackPermitted: 'SACK 许可',
      timestamps: '时间戳',
      mss: 'MSS',
      missing: '没有',
      present: '有',
      broken: (v) => `${v.connection} 两端对窗口的理解不一致：客户端按 ${v.client}，服务端按 ${v.server}`,
      unscaled: '不扩大',
      scaled: (v) => `扩大（自己 2^${v.own}，对方 2^${v.peer}）`,
      resent: (v) => `${v.connects} 条这样的连接上有 ${v.packets} 个报文段需要重发`,
      noData: '窗口内没有看到危害：这些连接上几乎没有发送数据',
      without: (v) => `两端都不用${v.options}：能用，但在长距离或有丢包的路径上会慢`,
      shifted: (v) => `${v.connects} 次连接在 ${v.b} 的序号与在 ${v.a} 的不同：途中有防火墙改写了序号`,
      discarded: (v) => `${v.node} 的 TCPSACKDiscard +${v.count}：SACK 块落在已发送范围之外，说明没有一起改写`,
      notDiscarded: '没有 SACK 块被丢弃：它们被一起改写，没有危害',
      discardsUnknown: '不知道 SACK 块是否被一起改写（没有在两端都读到 TCPSACKDiscard）',
      ownRule: (v) => `${v.node} 上有一条规则会这样做：${v.rule}`,
      fix: (v) =>
        `让 ${v.a} 与 ${v.b} 之间的设备不要改动 TCP 选项（和序号）：防火墙上叫 TCP 规范化、选项过滤、序号随机化；负载均衡和广域网加速设备也有。确认它在两个方向上都支持窗口扩大`,
      removeRule: (v) => `如果没有别的需要，从 ${v.node} 上去掉该规则`,
      test: '验证：只影响本节点新建的连接，不使用该选项就没有东西可以被改动。长距离会变慢，验证后请恢复',
      risk: '对已建立的连接没有影响；新连接的行为会变化',
      riskTest: '期间本节点所有新连接都会变慢',
    },
  },
  evaluate({ client, target, forwarders, symptom, plan, clockOffsetMs, say }) {
    const { capture } = client.facts;
    // who asks a Service connects to its address, not to that of the server behind it
    const asked = [target, { address: plan.targetAddress, port: symptom.port }];
    for (const { node, facts } of [client, target]) {
      const blind = blindness(facts.capture, say);
      if (blind !== null) return undecided('capture', node, blind);
    }
    const spots: readonly Spot[] = [client, ...forwarders, target];
    const traced = capture.connections
      .filter(
        ({ server, synAcks, syns }) =>
          syns.length > 0 &&
          synAcks.length > 0 &&
          asked.some(({ port, address }) => server.port === port && sameAddress(server.address, address)),
      )
      .slice(0, mostTraced)
      .flatMap(trace);
    const [first] = traced;
    if (first === undefined) return undecided('capture', target.node, say.none);

    const broken = traced.filter(({ scalingBroken }) => scalingBroken);
    const harmful = traced.filter(({ changes }) => changes.some((change) => !isClamp(change)));
    const shifted = traced.filter((one) => one.shifted);
    const [worst] = broken.length > 0 ? broken : harmful;
    if (worst !== undefined) return judgeChanges(worst);
    if (shifted.length > 0) return judgeShift(shifted);
    const clamp = traced.flatMap(({ changes }) => changes)[0];
    const same = because(say.same({ connects: traced.length, a: client.node, b: target.node }), capture.at);
    return clamp === undefined ? ruledOut(same) : ruledOut(because(say.clamped(clamp), capture.at));

    function trace(here: Connection): readonly Traced[] {
      const sights = spots.flatMap((spot): Sight[] => {
        const own = spot.facts.capture;
        if (own === undefined || blindness(own, say) !== null) return [];
        if (spot === client) return [{ node: spot.node, capture: own, connection: here }];
        const ahead = clockOffsetMs(spot.node) - clockOffsetMs(client.node);
        const [sighting] = findIn(own, here, ahead);
        return sighting === undefined ? [] : [{ node: spot.node, capture: own, connection: sighting.connection }];
      });
      const there = sights.at(-1);
      if (there === undefined || there.node !== target.node || sights.length < 2) return [];
      const changes = [...changesOf(sights, 'client'), ...changesOf(sights.toReversed(), 'server')];
      const shifted =
        here.syns[0]?.sequence !== undefined &&
        !here.syns.some(({ sequence }) => there.connection.syns.some((syn) => syn.sequence === sequence));
      return [{ sights, changes, scalingBroken: isScalingBroken(here, there.connection), shifted }];
    }

    /** What was changed in the SYN (sent by the client) or the SYN+ACK, from its sender on. */
    function changesOf(way: readonly Sight[], from: 'client' | 'server'): readonly Change[] {
      const sent = way[0]?.connection.options[from];
      const received = way.at(-1)?.connection.options[from];
      if (sent === undefined || sent === null || received === undefined || received === null) return [];
      return (['windowScale', 'sackPermitted', 'timestamps', 'mss'] as const).flatMap((option): Change[] => {
        if (sent[option] === received[option]) return [];
        const at = way.findIndex(({ connection }) => {
          const own = connection.options[from];
          return own !== null && own[option] !== sent[option];
        });
        return [
          {
            option,
            in: from === 'client' ? 'SYN' : 'SYN+ACK',
            sent: valueText(sent[option]),
            received: valueText(received[option]),
            a: way[at - 1]?.node ?? way[0]?.node ?? '?',
            b: way[at]?.node ?? way.at(-1)?.node ?? '?',
          },
        ];
      });
    }

    function judgeChanges(one: Traced) {
      const at = one.sights[0]?.capture.at ?? capture.at;
      const reasons: Because[] = one.changes
        .filter((change) => !isClamp(change))
        .map((change) => because(say.change({ ...change, option: say[change.option] }), at));
      const own = ownRuleOn();
      const where = one.changes.find((change) => !isClamp(change));
      const remedies = remediesFor(where?.a ?? client.node, where?.b ?? target.node, own);
      const by = own === null ? [] : [own.reason];
      if (!one.scalingBroken) {
        const options = [...new Set(one.changes.filter((change) => !isClamp(change)).map(({ option }) => say[option]))];
        return likely([...reasons, ...by, because(say.without({ options: options.join(', ') }), at)], remedies);
      }
      const here = one.sights[0]?.connection;
      const there = one.sights.at(-1)?.connection;
      if (here !== undefined && there !== undefined)
        reasons.push(
          because(
            say.broken({
              connection: connectionText(here),
              client: scaleText(here, 'client'),
              server: scaleText(there, 'server'),
            }),
            at,
          ),
        );
      const hurt = broken.filter(({ sights }) => resentOn(sights) > 0);
      const packets = hurt.reduce((sum, { sights }) => sum + resentOn(sights), 0);
      return packets > 0
        ? confirmed([...reasons, ...by, because(say.resent({ packets, connects: hurt.length }), at)], remedies)
        : likely([...reasons, ...by, because(say.noData, at)], remedies);
    }

    function judgeShift(all: readonly Traced[]) {
      const sentence = because(
        say.shifted({ connects: all.length, a: client.node, b: target.node }),
        target.facts.capture.at,
      );
      const ends = [client, target].map(({ node, facts }) => ({
        node,
        rise: facts.counters === undefined ? null : riseOf(facts.counters, discards),
        at: facts.counters?.[discards]?.at ?? capture.at,
      }));
      const discarding = ends.find(({ rise }) => (rise ?? 0) > 0);
      if (discarding !== undefined) {
        const words = say.discarded({ node: discarding.node, count: discarding.rise ?? 0 });
        const usesSack = all.some(({ sights }) =>
          sights.every(
            ({ connection: { options } }) =>
              options.client?.sackPermitted === true && options.server?.sackPermitted === true,
          ),
        );
        const reasons = [sentence, because(words, discarding.at)];
        const remedies = remediesFor(client.node, target.node, null, 'net.ipv4.tcp_sack');
        return usesSack ? confirmed(reasons, remedies) : likely(reasons, remedies);
      }
      return ends.some(({ rise }) => rise === null)
        ? likely([sentence, because(say.discardsUnknown, capture.at)], remediesFor(client.node, target.node, null))
        : ruledOut(sentence, because(say.notDiscarded, ends[0]?.at ?? capture.at));
    }

    function valueText(value: SynOptions[Change['option']]): string {
      if (typeof value === 'number') return String(value);
      return value === true ? say.present : say.missing;
    }

    function scaleText({ options }: Connection, side: 'client' | 'server'): string {
      const own = options[side]?.windowScale ?? null;
      const peer = options[side === 'client' ? 'server' : 'client']?.windowScale ?? null;
      return own === null || peer === null ? say.unscaled : say.scaled({ own, peer });
    }

    function ownRuleOn(): { readonly node: string; readonly reason: Because } | null {
      for (const { node, facts } of spots) {
        const rule = facts.firewall?.rules.find(({ text }) => ownRule.test(text));
        if (rule !== undefined) return { node, reason: because(say.ownRule({ node, rule: rule.text }), rule.at) };
      }
      return null;
    }

    function remediesFor(
      a: string,
      b: string,
      own: ReturnType<typeof ownRuleOn>,
      key = 'net.ipv4.tcp_window_scaling',
    ): Remedy[] {
      return [
        own === null
          ? { kind: 'permanent', text: say.fix({ a, b }), commands: [], undo: [], risk: say.risk }
          : {
              kind: 'permanent',
              node: own.node,
              text: say.removeRule({ node: own.node }),
              commands: [],
              undo: [],
              risk: say.risk,
            },
        {
          kind: 'temporary',
          node: client.node,
          text: say.test,
          commands: [`sysctl -w ${key}=0`],
          undo: [`sysctl -w ${key}=1`],
          risk: say.riskTest,
        },
      ];
    }
  },
});

/** A smaller MSS is put there on purpose (TCPMSS, routers in front of tunnels). */
function isClamp({ option, sent, received }: Change): boolean {
  return option === 'mss' && Number(received) < Number(sent);
}

/** RFC 7323 2.2: windows are scaled if both SYNs had the option, as each end sent and received them. */
function isScalingBroken(here: Connection, there: Connection): boolean {
  const both = ({ options: { client, server } }: Connection): readonly (number | null)[] => {
    const shifts = [client?.windowScale ?? null, server?.windowScale ?? null];
    return shifts.includes(null) ? [null, null] : shifts;
  };
  if ([here, there].some(({ options }) => options.client === null || options.server === null)) return false;
  const [client, server] = [both(here), both(there)];
  return client.some((shift, i) => shift !== server[i]);
}

/** Data segments that had to be sent again, as the place that saw most of it saw them. */
function resentOn(sights: readonly Sight[]): number {
  return Math.max(
    0,
    ...sights.map(({ connection: { flow } }) =>
      [flow.client, flow.server].reduce(
        (sum, { retransmissions: { fast, timeout, spurious } }) => sum + fast + timeout + spurious,
        0,
      ),
    ),
  );
}
