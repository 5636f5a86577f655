import * as z from 'zod';
import type { Capture, Connection } from '../model/facts.ts';
import type { DnsExchange } from '../model/packet-facts.ts';
import type { Because, KubeDraft, Remedy } from '../model/report.ts';
import { defineCaptureRule } from '../model/rule.ts';
import { because } from './because.ts';
import { clusterNamesText, corednsHas, dnsServiceAt, podName, unreadNames } from './cluster-names.ts';
import { kubePodAt, serviceKey } from './cluster-view.ts';
import { connectionCount } from './capture-counts.ts';
import { dnsText, dnsWeakness, nameOf, withoutDns } from './dns-in-capture.ts';
import { endpointText } from './endpoint-text.ts';
import { groupBy } from './group-by.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { worstFirst } from './worst-first.ts';
import { coreDnsCommands, dnsPolicyDraft, kubeObjectText, servicePortDraft } from './kube-objects.ts';
import { type PolicyQuestion, policyVerdict } from './policy-verdict.ts';

/** How a connect ended that did not come up. */
type Failure = 'unanswered' | 'refused' | 'icmpError';

/** What became of a truncated answer. */
type Fate =
  /** asked again over TCP, or answered whole in another way */
  | { readonly kind: 'helped' }
  /** TCP was tried and did not connect */
  | { readonly kind: 'tcpFailed'; readonly how: Failure; readonly frame: number }
  /** nothing within the time */
  | { readonly kind: 'dropped' }
  /** the capture ends too soon */
  | { readonly kind: 'open' };

interface Truncated {
  readonly exchange: DnsExchange;
  readonly answers: number;
  readonly frame: number;
  readonly fate: Fate;
}

/** F85: resolvers (musl before 1.2.4) that do not ask again over TCP, and older ones that give A and AAAA one id. */
export const dnsMusl = defineCaptureRule({
  id: 'dns-musl',
  fault: 'F85',
  scope: 'capture',
  optional: ['cluster'],
  params: z.strictObject({
    /** A resolver that turns to TCP does it within this time after the truncated answer, milliseconds. */
    tcpWithinMs: z.number().positive().default(5000),
    /** A and AAAA with one id are sent within this time, milliseconds. */
    pairWithinMs: z.number().positive().default(5),
  }),
  sources: [
    'RFC 7766 section 5: a resolver must turn to TCP after a truncated answer',
    'musl 1.2.4 release notes: TCP fallback; src/network/res_msend.c',
    'imroc/kubernetes-practice-guide, "DNS 解析异常": Alpine, one id for A and AAAA',
  ],
  text: {
    en: {
      ...dnsText.en,
      ...kubeObjectText.en,
      ...clusterNamesText.en,
      title: 'The resolver loses DNS answers: no TCP after a truncated one, or one id for two questions (musl)',
      dropped: (v: { client: string; server: string; name: string; type: string; frame: number; seconds: string }) =>
        `the answer of ${v.server} about ${v.name} ${v.type} was truncated (TC=1, frame ${v.frame}), and ${v.client} did not ask over TCP within ${v.seconds} s`,
      empty: (v: { truncated: number }) =>
        `${v.truncated} of these answers held no record at all: the client got nothing`,
      partial: 'The truncated answers held some records, which a resolver may be content with',
      tcpFailed: (v: { client: string; server: string; name: string; frame: number; how: Failure; tcpFrame: number }) =>
        `the answer of ${v.server} about ${v.name} was truncated (TC=1, frame ${v.frame}); ${v.client} turned to TCP (frame ${v.tcpFrame}), and the connect was ${{ unanswered: 'not answered', refused: 'refused', icmpError: 'refused by ICMP' }[v.how]}: TCP port 53 is closed or filtered`,
      serviceNoTcp: (v: { service: string; address: string }) =>
        `Kubernetes: Service ${v.service} (${v.address}) has no TCP port 53, only UDP: nobody takes the connect`,
      policyNoTcp: (v: { policy: string; pod: string; other: string }) =>
        `Kubernetes: NetworkPolicy ${v.policy} selects pod ${v.pod} and lets UDP port 53 pass to or from ${v.other}, but not TCP port 53`,
      kubeAddPort: 'The Service of the DNS gets TCP port 53 beside UDP.',
      count: (v: { bad: number; truncated: number }) =>
        `${v.bad} of ${v.truncated} truncated answers were lost in this way`,
      sameId: (v: { client: string; name: string; id: string; frame: number; otherFrame: number }) =>
        `${v.client} gave its A and AAAA question about ${v.name} the same id ${v.id} on one port (frames ${v.frame} and ${v.otherFrame}): it cannot tell the two answers apart`,
      sameIdLost: (v: { pairs: number; lost: number }) =>
        `of ${v.pairs} such pairs, ${v.lost} had a question without an answer or that was asked again`,
      sameIdHarmless: 'Both questions were answered, so the effect is not seen in this capture',
      noTcp:
        'answers were truncated, but the capture holds no TCP at all: its filter may have left out that the client asked again over TCP',
      tooShort: (v: { truncated: number; seconds: string }) =>
        `${v.truncated} answers were truncated less than ${v.seconds} s before the capture ends: whether TCP followed is not seen`,
      fine: (v: { answers: number; truncated: number }) =>
        v.truncated === 0
          ? `none of ${v.answers} answers over UDP was truncated, and no A and AAAA question had one id`
          : `each of ${v.truncated} truncated answers was followed by TCP or a whole answer, and no A and AAAA question had one id`,
      noAnswers: 'no answer over UDP is in the capture',
      application:
        'Use an image whose resolver turns to TCP: glibc, or musl 1.2.4 and later (Alpine 3.18); fewer records behind the name help as well (a headless service with many pods is a usual case)',
      openTcp: (v: { server: string }) =>
        `Let TCP port 53 through to ${v.server} as well (firewall, security group, NetworkPolicy), and let the server listen on it`,
      kubernetes:
        'CoreDNS: `bufsize 1232` and fewer endpoints per name keep answers whole; a NetworkPolicy for DNS must allow TCP 53 beside UDP 53',
      riskImage: 'Medium: another base image',
      riskOpen: 'Low: opens one port',
    },
    zh: {
      ...dnsText.zh,
      ...kubeObjectText.zh,
      ...clusterNamesText.zh,
      title: '解析器丢失 DNS 应答：应答被截断后不走 TCP，或两个查询用同一个 ID（musl）',
      dropped: (v) =>
        `${v.server} 对 ${v.name} ${v.type} 的应答被截断（TC=1，第 ${v.frame} 帧），${v.client} 在 ${v.seconds} 秒内没有改用 TCP 查询`,
      empty: (v) => `其中 ${v.truncated} 个应答里一条记录都没有：客户端什么也没拿到`,
      partial: '被截断的应答里有部分记录，解析器可能就用这些',
      tcpFailed: (v) =>
        `${v.server} 对 ${v.name} 的应答被截断（TC=1，第 ${v.frame} 帧）；${v.client} 改用 TCP 查询（第 ${v.tcpFrame} 帧），但连接${{ unanswered: '没有应答', refused: '被拒绝', icmpError: '被 ICMP 拒绝' }[v.how]}：TCP 53 端口没有开放或被过滤`,
      serviceNoTcp: (v) =>
        `Kubernetes：Service ${v.service}（${v.address}）没有 TCP 53 端口，只有 UDP：没有人接受该连接`,
      policyNoTcp: (v) =>
        `Kubernetes：NetworkPolicy ${v.policy} 选中了 Pod ${v.pod}，放行它与 ${v.other} 之间的 UDP 53，但没有放行 TCP 53`,
      kubeAddPort: 'DNS 的 Service 在 UDP 之外增加 TCP 53 端口。',
      count: (v) => `${v.truncated} 个被截断的应答中有 ${v.bad} 个这样丢失`,
      sameId: (v) =>
        `${v.client} 从同一端口查询 ${v.name} 的 A 和 AAAA 时用了同一个 ID ${v.id}（第 ${v.frame} 和 ${v.otherFrame} 帧）：它无法区分两个应答`,
      sameIdLost: (v) => `${v.pairs} 对这样的查询中，${v.lost} 对有查询没有应答或被重新查询`,
      sameIdHarmless: '两个查询都有应答，这个抓包里没有看到影响',
      noTcp: '有应答被截断，但抓包里完全没有 TCP：可能是过滤条件漏掉了客户端改用 TCP 的查询',
      tooShort: (v) => `有 ${v.truncated} 个应答被截断，但抓包在其后不到 ${v.seconds} 秒就结束了，看不到是否改用 TCP`,
      fine: (v) =>
        v.truncated === 0
          ? `${v.answers} 个 UDP 应答都没有被截断，也没有 A 和 AAAA 用同一个 ID 的查询`
          : `${v.truncated} 个被截断的应答之后都有 TCP 查询或完整应答，也没有 A 和 AAAA 用同一个 ID 的查询`,
      noAnswers: '抓包中没有 UDP 的 DNS 应答',
      application:
        '换用会改走 TCP 的解析器：glibc 镜像，或 musl 1.2.4 及以上（Alpine 3.18）；减少该域名的记录数也有效（常见于 Pod 很多的 headless Service）',
      openTcp: (v) => `到 ${v.server} 的 TCP 53 端口也要放通（防火墙、安全组、NetworkPolicy），服务端也要监听`,
      kubernetes:
        'CoreDNS 配置 `bufsize 1232`、减少每个域名的 endpoint 数，使应答保持完整；DNS 的 NetworkPolicy 要同时放通 UDP 53 和 TCP 53',
      riskImage: '中：需要更换基础镜像',
      riskOpen: '低：开放一个端口',
    },
  },
  evaluate({ capture, place, facts, params, say }) {
    const without = withoutDns(capture, place, say);
    if (without !== null) return without;
    const weak = dnsWeakness(capture, say);
    const answers = capture.dns.filter(({ transport, answer }) => transport === 'udp' && answer !== null).length;
    const truncated = truncatedOf(capture, params.tcpWithinMs);
    const failed = truncated.filter(({ fate }) => fate.kind === 'tcpFailed');
    const dropped = truncated.filter(({ fate }) => fate.kind === 'dropped');
    const open = truncated.filter(({ fate }) => fate.kind === 'open');
    const showsTcp = connectionCount(capture) > 0 || capture.dns.some(({ transport }) => transport === 'tcp');
    // without TCP in the capture, or with lost packets, TCP that is missing proves nothing
    const lost = weak === null && showsTcp ? dropped : [];
    const pairs = sameIdPairs(capture, params.pairWithinMs);
    const seconds = secondsText(params.tcpWithinMs);

    const reasons: Because[] = [];
    const remedies: Remedy[] = [];
    let certain = false;
    const drafts: KubeDraft[] = [];
    for (const { exchange, frame, fate } of worstFirst(failed, () => 0, 2)) {
      if (fate.kind !== 'tcpFailed') continue;
      certain = true;
      const { client, server, name } = exchange;
      reasons.push(
        because(
          say.tcpFailed({
            client: client.address,
            server: endpointText(server),
            name,
            frame,
            how: fate.how,
            tcpFrame: fate.frame,
          }),
          capture.at,
        ),
      );
    }
    if (failed.length > 0) {
      const [first] = failed;
      if (first !== undefined) reasons.push(...closedByObjects(first.exchange));
      const server = [...new Set(failed.map(({ exchange }) => exchange.server.address))].slice(0, 3).join(', ');
      remedies.push({ kind: 'permanent', text: say.openTcp({ server }), commands: [], undo: [], risk: say.riskOpen });
    }
    for (const { exchange, frame } of worstFirst(lost, ({ answers: held }) => (held === 0 ? 1 : 0), 2)) {
      const { client, server, name, type } = exchange;
      reasons.push(
        because(
          say.dropped({ client: client.address, server: endpointText(server), name, type, frame, seconds }),
          capture.at,
        ),
      );
    }
    if (lost.length > 0) {
      const empty = lost.filter(({ answers: held }) => held === 0).length;
      if (empty > 0) certain = true;
      reasons.push(because(empty > 0 ? say.empty({ truncated: empty }) : say.partial, capture.at));
    }
    const bad = failed.length + lost.length;
    if (bad > 0) reasons.push(because(say.count({ bad, truncated: truncated.length }), capture.at));

    const [clash] = pairs;
    if (clash !== undefined) {
      const hurt = pairs.filter(({ hit }) => hit).length;
      const { first, second } = pairs.find(({ hit }) => hit) ?? clash;
      reasons.push(
        because(
          say.sameId({
            client: endpointText(first.client),
            name: first.name,
            id: `0x${first.id.toString(16).padStart(4, '0')}`,
            frame: first.frame,
            otherFrame: second.frame,
          }),
          capture.at,
        ),
      );
      if (hurt > 0) reasons.push(because(say.sameIdLost({ pairs: pairs.length, lost: hurt }), capture.at));
      else reasons.push(because(say.sameIdHarmless, capture.at));
      if (hurt > 0 && weak === null) certain = true;
    }

    if (reasons.length > 0) {
      if (lost.length > 0 || pairs.length > 0)
        remedies.push({ kind: 'application', text: say.application, commands: [], undo: [], risk: say.riskImage });
      const hasBufsize = corednsHas(facts.cluster, 'bufsize') === true;
      remedies.push({
        kind: 'kubernetes',
        text: say.kubernetes,
        commands: hasBufsize ? [] : [...coreDnsCommands(String.raw`s/^( *)errors$/\1errors\n\1bufsize 1232/`)],
        undo: [],
        risk: say.riskOpen,
        ...(drafts.length === 0 ? {} : { objects: drafts }),
      });
      reasons.push(...unreadNames(facts.cluster, say));
      return certain ? confirmed(reasons, remedies) : likely(reasons, remedies);
    }
    if (weak !== null) return undecided('capture', place, weak);
    if (dropped.length > 0) return undecided('capture', place, say.noTcp);
    if (open.length > 0) return undecided('capture', place, say.tooShort({ truncated: open.length, seconds }));
    if (answers === 0) return undecided('capture', place, say.noAnswers);
    return ruledOut(because(say.fine({ answers, truncated: truncated.length }), capture.at));

    /** What the objects of the cluster let pass over UDP and not over TCP. */
    function closedByObjects({ client, server }: DnsExchange): readonly Because[] {
      const { cluster } = facts;
      const served = dnsServiceAt(cluster, server.address);
      if (cluster === undefined || served === undefined) return [];
      const { service, all } = served;
      if (!service.ports.some(({ protocol, port }) => protocol === 'tcp' && port === 53)) {
        const port = { name: 'dns-tcp', protocol: 'tcp', port: 53, targetPort: 53 } as const;
        drafts.push(servicePortDraft(say.kubeAddPort, service, port));
        return [because(say.serviceNoTcp({ service: serviceKey(service), address: server.address }), service.at)];
      }
      const asking = kubePodAt(cluster, client.address);
      for (const { address, ports } of all) {
        const answering = kubePodAt(cluster, address);
        const port = ports.find(({ name }) => /tcp/i.test(name))?.port ?? 53;
        const out = { pod: asking, direction: 'egress', other: { address, pod: answering } } as const;
        const into = { pod: answering, direction: 'ingress', other: { address: client.address, pod: asking } } as const;
        for (const { pod, ...way } of [out, into]) {
          if (pod === undefined) continue;
          const of = (protocol: PolicyQuestion['protocol']) => policyVerdict(cluster, { ...way, pod, port, protocol });
          const tcp = of('tcp');
          if (tcp.how !== 'denied' || !['allowed', 'notSelected'].includes(of('udp').how)) continue;
          const [policy] = tcp.by;
          if (policy === undefined) continue;
          if (way.direction === 'egress') drafts.push(dnsPolicyDraft(pod.namespace, say));
          const shown = `${policy.namespace}/${policy.name}`;
          return [because(say.policyNoTcp({ policy: shown, pod: podName(pod), other: way.other.address }), policy.at)];
        }
      }
      return [];
    }
  },
});

function truncatedOf(capture: Capture, withinMs: number): readonly Truncated[] {
  const byClient = groupBy(
    capture.dns,
    (exchange) => `${exchange.client.address} ${nameOf(exchange)} ${exchange.type}`,
  );
  const tcp = capture.connections.filter(({ server }) => server.port === 53);
  return capture.dns.flatMap((exchange): Truncated[] => {
    const { answer, client, server, transport } = exchange;
    if (answer === null || !answer.truncated || transport !== 'udp') return [];
    const soon = (atMs: number): boolean => atMs >= exchange.atMs && atMs <= answer.atMs + withinMs;
    const others = byClient.get(`${client.address} ${nameOf(exchange)} ${exchange.type}`) ?? [];
    const whole = others.some(
      (other) => other !== exchange && soon(other.atMs) && other.answer !== null && !other.answer.truncated,
    );
    const connections = tcp.filter(
      (connection) =>
        connection.client.address === client.address &&
        connection.server.address === server.address &&
        soon(connection.firstAtMs),
    );
    const failed = connections.flatMap(failureOf)[0];
    const watched = (capture.lastAtMs ?? answer.atMs) - answer.atMs;
    const fate: Fate =
      whole || connections.some(({ handshake }) => handshake === 'complete')
        ? { kind: 'helped' }
        : failed !== undefined
          ? { kind: 'tcpFailed', ...failed }
          : connections.length > 0 || others.some((other) => other.transport === 'tcp' && soon(other.atMs))
            ? { kind: 'helped' }
            : watched < withinMs
              ? { kind: 'open' }
              : { kind: 'dropped' };
    return [{ exchange, answers: answer.answers, frame: answer.frame, fate }];
  });
}

function failureOf({ handshake, syns }: Connection): { readonly how: Failure; readonly frame: number }[] {
  return handshake === 'unanswered' || handshake === 'refused' || handshake === 'icmpError'
    ? [{ how: handshake, frame: syns[0]?.frame ?? 0 }]
    : [];
}

/** A and AAAA about one name, from one port with one id; `hit`: one of them was lost or asked again. */
function sameIdPairs(
  capture: Capture,
  withinMs: number,
): readonly { readonly first: DnsExchange; readonly second: DnsExchange; readonly hit: boolean }[] {
  const groups = groupBy(
    capture.dns.filter(({ transport, type }) => transport === 'udp' && (type === 'A' || type === 'AAAA')),
    (e) => `${endpointText(e.client)} ${endpointText(e.server)} ${e.id} ${nameOf(e)}`,
  );
  return [...groups.values()].flatMap((group) =>
    group.flatMap((second, i) => {
      const first = group[i - 1];
      if (first === undefined || first.type === second.type || second.atMs - first.atMs > withinMs) return [];
      const isHit = [first, second].some(
        ({ answer, queries, atMs }) => queries > 1 || (answer === null && (capture.lastAtMs ?? atMs) - atMs >= 2000),
      );
      return [{ first, second, hit: isHit }];
    }),
  );
}
