import * as z from 'zod';
import type { Connection, Facts, IpvsConnection, IpvsService, Socket } from '../model/facts.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { IdleGap } from '../model/packet-facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { askedAt, because, fileOf } from './because.ts';
import { isOfSeveralDevices } from './capture-counts.ts';
import { captureText, takes, weakness } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { largestOf } from './extremes.ts';
import { groupBy } from './group-by.ts';
import { ipvsFor, ipvsText, isEndpoint } from './ipvs-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { plainSetting } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';
import { kubeObjectText, kubeProxyCommands, podSysctlDrafts } from './kube-objects.ts';
import { ipvsTimeoutOrigin, kubeProxyConfigText } from './kube-proxy-config.ts';

type PlaceFacts = Pick<Facts, 'features' | 'ipvs' | 'capture' | 'sockets' | 'sysctl' | 'cluster'>;
interface PlaceOfPath {
  readonly node: string;
  readonly facts: PlaceFacts;
}
/** A silence of a connection to the virtual address, seen at one place. Times are netcheck's clock. */
interface Silence {
  readonly place: PlaceOfPath;
  readonly connection: Connection;
  readonly gap: IdleGap;
  readonly endsAtMs: number;
}

const keepaliveKey = 'net.ipv4.tcp_keepalive_time';
/** An entry lives for the time-out after its last packet; jiffies and rounding of the list. */
const slackMs = 1000;
/** RSTs this close together are one RST, seen at two places. */
const sameMomentMs = 1000;

/** F60: the entry of an idle connection runs out; what the client says next is answered with RST by the node itself. */
export const ipvsIdleTimeout = definePathRule({
  id: 'ipvs-idle-timeout',
  fault: 'F60',
  scope: 'path',
  needs: { client: [], target: [] },
  optional: ['features', 'ipvs', 'capture', 'sockets', 'sysctl', 'cluster'],
  params: z.strictObject({
    /** An entry that has been silent this long belongs to a connection that idles. */
    minIdleSec: z.number().int().min(1).default(60),
  }),
  sources: [
    'field report 4',
    'recording of an IPVS entry that expired on Linux 4.9',
    'net/netfilter/ipvs/ip_vs_proto_tcp.c tcp_timeouts, tcp_conn_schedule',
    'ipvsadm(8) --set; kubernetes#71358, kube-router#521, kubeasz#688',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...kubeProxyConfigText.en,
      ...captureText.en,
      ...tcpOnlyText.en,
      ...ipvsText.en,
      title: 'IPVS forgets connections that are idle longer than its TCP time-out',
      timeout: (v: { service: string; timeoutSec: number }) =>
        `IPVS service ${v.service}: a connection without packets for ${v.timeoutSec} s loses its entry (ipvsadm -l --timeout)`,
      timeoutUnknown: 'the time-outs of IPVS were not read (they are shown only by ipvsadm -l --timeout)',
      died: (v: { connection: string; idle: string; frame: number; place: string }) =>
        `${v.place}: ${v.connection} was silent for ${v.idle} s; what the client sent then was answered with RST (frame ${v.frame})`,
      more: (v: { count: number }) => `${v.count} connections died like this`,
      quiet: (v: { place: string; servers: string }) =>
        `${v.place}: nothing of it reached ${v.servers}: the RST was made on the IPVS node, and the server's socket stays open`,
      entryGone: (v: { connection: string }) => `The IPVS table has no entry for ${v.connection}`,
      noProof:
        'No capture shows the way to the real servers at that moment, so a RST of the server itself is not excluded',
      cold: (v: { connection: string; place: string }) =>
        `${v.place}: ${v.connection} was open before the capture began; its first packet was answered with RST, and IPVS has no entry for it`,
      sleeping: (v: { sockets: number; first: string }) =>
        `${v.sockets} sockets are ESTABLISHED (${v.first}) that IPVS has no entry for: their next packet will be answered with RST`,
      idling: (v: { sockets: number; first: string; leftSec: number; minIdleSec: number }) =>
        `${v.sockets} connections idle for more than ${v.minIdleSec} s and send no keep-alive (${v.first}: its entry has ${v.leftSec} s left)`,
      keepalive: (v: { node: string; seconds: string }) =>
        `${v.node}: net.ipv4.tcp_keepalive_time = ${v.seconds}, and it counts only for sockets with SO_KEEPALIVE`,
      fromServer: (v: { connection: string; frame: number }) =>
        `The RST was sent by the real server itself (${v.connection}, frame ${v.frame}): not IPVS`,
      tooSoon: (v: { idle: string; timeoutSec: number }) =>
        `The RSTs came after silences of at most ${v.idle} s, and IPVS keeps entries for ${v.timeoutSec} s: not IPVS`,
      survived: (v: { idle: string; timeoutSec: number }) =>
        `A silence of ${v.idle} s was survived, which is longer than the ${v.timeoutSec} s of IPVS`,
      protected: (v: { sockets: number; timeoutSec: number }) =>
        `All ${v.sockets} connections to the service send keep-alives before the ${v.timeoutSec} s are over`,
      notIdle: (v: { timeoutSec: number }) =>
        `no connection to the service was silent for ${v.timeoutSec} s while netcheck watched, and no idle socket without keep-alive was seen`,
      application: (v: { keepaliveSec: number }) =>
        `In the application: set SO_KEEPALIVE with an idle time of ${v.keepaliveSec} s at most (the sysctl alone does nothing), or close idle connections of the pool before that, and retry on RST`,
      applicationRisk: 'Low: a few packets per idle connection',
      kubernetes: (v: { keepaliveSec: number }) =>
        `For applications that set SO_KEEPALIVE without times: the pod's own net.ipv4.tcp_keepalive_time=${v.keepaliveSec} (securityContext.sysctls; a safe sysctl since Kubernetes 1.29, from kernel 4.5 on). The node's value does not reach pods. Or kube-proxy --ipvs-tcp-timeout above the longest silence`,
      kubernetesRisk: 'Pods are created again; a longer time-out keeps more entries',
      temporary: 'Keeps entries for 2 hours; connections that idle already keep their old time until their next packet',
      temporaryRisk: 'More entries in the table; lost at reboot, and when kube-proxy starts with its own time-outs',
    },
    zh: {
      ...kubeObjectText.zh,
      ...kubeProxyConfigText.zh,
      ...captureText.zh,
      ...tcpOnlyText.zh,
      ...ipvsText.zh,
      title: '连接空闲时间超过 IPVS 的 TCP 超时，被 IPVS 遗忘',
      timeout: (v) => `IPVS 服务 ${v.service}：连接 ${v.timeoutSec} 秒没有报文，条目就会被删除（ipvsadm -l --timeout）`,
      timeoutUnknown: '没有读到 IPVS 的超时值（只有 ipvsadm -l --timeout 能看到）',
      died: (v) =>
        `${v.place}：${v.connection} 静默了 ${v.idle} 秒，之后客户端发出的报文得到的应答是 RST（第 ${v.frame} 帧）`,
      more: (v) => `共有 ${v.count} 条连接这样中断`,
      quiet: (v) => `${v.place}：这个报文没有到达 ${v.servers}：RST 是 IPVS 节点自己发的，服务端的 socket 仍然是打开的`,
      entryGone: (v) => `IPVS 表里没有 ${v.connection} 的条目`,
      noProof: '没有抓到那一刻通往后端的流量，不能排除 RST 是后端自己发的',
      cold: (v) => `${v.place}：${v.connection} 在抓包开始前就已建立，第一个报文就得到 RST，而 IPVS 没有它的条目`,
      sleeping: (v) =>
        `有 ${v.sockets} 个处于 ESTABLISHED 的 socket（${v.first}）在 IPVS 里没有条目：它们的下一个报文会得到 RST`,
      idling: (v) =>
        `有 ${v.sockets} 条连接已空闲超过 ${v.minIdleSec} 秒且不发 keep-alive（${v.first}：条目还剩 ${v.leftSec} 秒）`,
      keepalive: (v) =>
        `${v.node}：net.ipv4.tcp_keepalive_time = ${v.seconds}，且只对设置了 SO_KEEPALIVE 的 socket 有效`,
      fromServer: (v) => `RST 是后端自己发的（${v.connection}，第 ${v.frame} 帧）：与 IPVS 无关`,
      tooSoon: (v) => `RST 出现前最多只静默了 ${v.idle} 秒，而 IPVS 的条目保留 ${v.timeoutSec} 秒：与 IPVS 无关`,
      survived: (v) => `静默 ${v.idle} 秒之后仍正常，这比 IPVS 的 ${v.timeoutSec} 秒还长`,
      protected: (v) => `到该服务的 ${v.sockets} 条连接都会在 ${v.timeoutSec} 秒之内发送 keep-alive`,
      notIdle: (v) => `观察期间没有到该服务的连接静默 ${v.timeoutSec} 秒，也没有看到不发 keep-alive 的空闲 socket`,
      application: (v) =>
        `应用侧：设置 SO_KEEPALIVE，空闲时间不超过 ${v.keepaliveSec} 秒（只改 sysctl 没有用）；或让连接池在此之前关闭空闲连接，并在遇到 RST 时重试`,
      applicationRisk: '低：每条空闲连接多几个报文',
      kubernetes: (v) =>
        `如果应用设置了 SO_KEEPALIVE 但没有指定时间：设置 Pod 自己的 net.ipv4.tcp_keepalive_time=${v.keepaliveSec}（securityContext.sysctls，Kubernetes 1.29 起属于安全 sysctl，内核 4.5 起）。节点上的值对 Pod 不生效。或者把 kube-proxy --ipvs-tcp-timeout 设得大于最长静默时间`,
      kubernetesRisk: 'Pod 会重建；超时更长则条目更多',
      temporary: '条目保留 2 小时；已经空闲的连接要到下一个报文才会用上新值',
      temporaryRisk: '连接表条目增多；重启后失效，kube-proxy 若自带超时参数，重启它也会失效',
    },
  },
  evaluate({ client, target, forwarders, symptom, clockOffsetMs, params, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const places: PlaceOfPath[] = [client, ...forwarders, target].filter(
      ({ node }, i, all) => all.findIndex((other) => other.node === node) === i,
    );
    const known = places.map((place) => ({ place, ipvs: ipvsFor(place.facts, target, 'tcp') }));
    const director = known.flatMap(({ place, ipvs }) => (ipvs.how === 'service' ? [{ place, ...ipvs }] : []))[0];
    if (director === undefined) {
      const unread = known.find(({ ipvs }) => ipvs.how === 'unread');
      if (unread !== undefined) return undecided('ipvs', unread.place.node, say.ipvsNotRead);
      const read = known.flatMap(({ ipvs }) => (ipvs.how === 'other' ? [ipvs] : []))[0];
      if (read !== undefined) return notApplicable(because(say.noService({ service: endpointText(target) }), read.at));
      const absent = known.flatMap(({ ipvs }) => (ipvs.how === 'absent' ? [ipvs] : []))[0];
      if (absent !== undefined) return notApplicable(because(say.noIpvs, absent.at));
      return undecided('features', client.node, say.notLooked);
    }

    const { service } = director;
    const timeouts = director.place.facts.ipvs?.timeoutsSec;
    const table = director.place.facts.ipvs?.connections;
    const later = director.place.facts.ipvs?.laterConnections;
    const silences = silencesOf(service);
    const died = silences.filter(({ gap }) => gap.answer === 'rst');
    const longestSurvived = largestOf(silences.filter(({ gap }) => gap.answer === 'ack').map(({ gap }) => gap.idleMs));
    const setting: Because[] =
      timeouts === undefined
        ? []
        : [
            because(say.timeout({ service: endpointText(service), timeoutSec: timeouts.tcp }), timeouts.at),
            ...ipvsTimeoutOrigin(client.facts.cluster, timeouts.tcp, say),
          ];
    const limitMs = timeouts === undefined ? null : timeouts.tcp * 1000;
    const late = died.filter(({ gap }) => limitMs === null || gap.idleMs >= limitMs - slackMs);
    const [first] = late;
    if (first !== undefined) {
      const told = resetOfServer(first);
      if (told !== null) return ruledOut(told);
      const silent = serverStayedSilent(first);
      const afterwards = later ?? table;
      const gone = afterwards !== undefined && entryOf(afterwards, first.connection) === undefined;
      const reasons = [
        ...setting,
        because(
          say.died({
            connection: connectionText(first.connection),
            idle: secondsText(first.gap.idleMs),
            frame: first.gap.frame,
            place: first.place.node,
          }),
          first.place.facts.capture?.at ?? askedAt,
        ),
        ...(late.length > 1
          ? [because(say.more({ count: late.length }), first.place.facts.capture?.at ?? askedAt)]
          : []),
        ...(silent === null ? [because(say.noProof, first.place.facts.capture?.at ?? askedAt)] : [silent]),
        ...(gone
          ? [because(say.entryGone({ connection: connectionText(first.connection) }), fileOf(afterwards, director.at))]
          : []),
        ...keepaliveSetting(),
        ...(limitMs === null ? [because(say.timeoutUnknown, director.at)] : []),
      ];
      return limitMs !== null && silent !== null ? confirmed(reasons, remedies()) : likely(reasons, remedies());
    }

    const open = socketsTo(service);
    const sleeping = table === undefined ? [] : withoutEntry(open, table, later);
    const [sleeper] = sleeping;
    if (sleeper !== undefined) {
      const words = say.sleeping({ sockets: sleeping.length, first: socketText(sleeper) });
      return likely([...setting, because(words, sleeper.at), ...keepaliveSetting()], remedies());
    }
    const cold = coldReset(service);
    if (cold !== null) return likely([...setting, cold, ...keepaliveSetting()], remedies());

    if (timeouts === undefined || limitMs === null) return undecided('ipvs', director.place.node, say.timeoutUnknown);
    if (longestSurvived > limitMs + slackMs)
      return ruledOut(
        ...setting,
        because(
          say.survived({ idle: secondsText(longestSurvived), timeoutSec: timeouts.tcp }),
          silences[0]?.place.facts.capture?.at ?? askedAt,
        ),
      );
    if (died.length > 0)
      return ruledOut(
        ...setting,
        because(
          say.tooSoon({
            idle: secondsText(largestOf(died.map(({ gap }) => gap.idleMs))),
            timeoutSec: timeouts.tcp,
          }),
          died[0]?.place.facts.capture?.at ?? askedAt,
        ),
      );
    const unprotected = open.filter(({ timer }) => timer === undefined || isLateKeepalive(timer, limitMs));
    const idling = unprotected.flatMap((socket) => {
      const entry = table === undefined ? undefined : entryOfSocket(table, socket);
      const idle = entry?.state === 'ESTABLISHED' && timeouts.tcp - entry.expireSec >= params.minIdleSec;
      return entry !== undefined && idle ? [{ socket, entry }] : [];
    });
    const [idler] = idling;
    if (idler !== undefined) {
      const words = say.idling({
        sockets: countOf(idling.map(({ socket }) => socket)),
        first: socketText(idler.socket),
        leftSec: idler.entry.expireSec,
        minIdleSec: params.minIdleSec,
      });
      return likely([...setting, because(words, idler.entry.at), ...keepaliveSetting()], remedies());
    }
    if (open.length > 0 && open.every(({ timer }) => timer?.kind === 'keepalive' && !isLateKeepalive(timer, limitMs)))
      return ruledOut(
        ...setting,
        because(say.protected({ sockets: countOf(open), timeoutSec: timeouts.tcp }), fileOf(open)),
      );
    return undecided('capture', director.place.node, say.notIdle({ timeoutSec: timeouts.tcp }));

    /** Silences that the client ended by saying something; each connection once, at the place nearest to the server. */
    function silencesOf(virtual: IpvsService): readonly Silence[] {
      const found = new Map<string, Silence>();
      for (const place of places)
        for (const connection of place.facts.capture?.connections ?? [])
          for (const gap of isEndpoint(connection.server, virtual) ? connection.idleGaps : []) {
            if (gap.endedBy !== 'client' || (gap.with !== 'data' && gap.with !== 'keepAlive')) continue;
            const endsAtMs = gap.fromMs + gap.idleMs - clockOffsetMs(place.node);
            const key = `${endpointText(connection.client)} ${Math.round(gap.idleMs / sameMomentMs)}`;
            if (!found.has(key) || place.node === director?.place.node)
              found.set(key, { place, connection, gap, endsAtMs });
          }
      return [...found.values()].sort((a, b) => b.gap.idleMs - a.gap.idleMs);
    }

    /** The way to the real servers, wherever it was captured. */
    function legs(): readonly { readonly place: PlaceOfPath; readonly connection: Connection }[] {
      return places.flatMap((place) =>
        (place.facts.capture?.connections ?? [])
          .filter(
            ({ server }) => service.servers.some((one) => isEndpoint(one, server)) && !isEndpoint(server, service),
          )
          .map((connection) => ({ place, connection })),
      );
    }

    function resetOfServer({ endsAtMs }: Silence): Because | null {
      for (const { place, connection } of legs())
        for (const { from, atMs, frame } of connection.resets)
          if (from === 'server' && Math.abs(atMs - clockOffsetMs(place.node) - endsAtMs) < sameMomentMs)
            return because(
              say.fromServer({ connection: connectionText(connection), frame }),
              place.facts.capture?.at ?? askedAt,
            );
      return null;
    }

    /** A capture that shows the way to the servers, lost nothing, and saw nothing of it then. */
    function serverStayedSilent({ endsAtMs, connection, place }: Silence): Because | null {
      const own = legs().filter(
        (leg) =>
          leg.connection.client.port === connection.client.port && weakness(leg.place.facts.capture, say) === null,
      );
      const quiet = own.filter(
        (leg) => leg.connection.lastAtMs - clockOffsetMs(leg.place.node) < endsAtMs - sameMomentMs,
      );
      const captured = place.facts.capture;
      const ofAll =
        place.node === director?.place.node &&
        captured !== undefined &&
        isOfSeveralDevices(captured) &&
        // without the ports of the servers in its filter, the way to them is not in it
        service.servers.every((server) => takes(captured, server, service.port)) &&
        weakness(captured, say) === null;
      if (own.length > quiet.length || (own.length === 0 && !ofAll)) return null;
      const seenAt = quiet[0]?.place ?? place;
      return because(
        say.quiet({ place: seenAt.node, servers: service.servers.map(endpointText).join(', ') }),
        seenAt.facts.capture?.at ?? askedAt,
      );
    }

    /** A connection from before the capture whose first packet was answered with RST, and that IPVS does not know. */
    function coldReset(virtual: IpvsService): Because | null {
      if (table === undefined) return null;
      for (const place of places) {
        const found = place.facts.capture?.connections.find(
          (one) =>
            one.handshake === 'midStream' &&
            isEndpoint(one.server, virtual) &&
            one.packets.client > 0 &&
            one.resets.some(({ from }) => from === 'server') &&
            one.packets.server === one.resets.filter(({ from }) => from === 'server').length &&
            entryOf(table, one) === undefined,
        );
        if (found !== undefined)
          return because(
            say.cold({ connection: connectionText(found), place: place.node }),
            place.facts.capture?.at ?? askedAt,
          );
      }
      return null;
    }

    /** Open sockets to the virtual address on the IPVS node itself and in its namespaces: no NAT lies before IPVS there. */
    function socketsTo(virtual: IpvsService): readonly Socket[] {
      return places
        .filter(({ node }) => nodeOfPlace(node) === nodeOfPlace(director?.place.node ?? ''))
        .flatMap(({ facts }) => facts.sockets ?? [])
        .filter(({ protocol, state, peer }) => protocol === 'tcp' && state === 'ESTAB' && isEndpoint(peer, virtual));
    }

    function keepaliveSetting(): Because[] {
      const setting = client.facts.sysctl?.[keepaliveKey];
      const seconds = plainSetting(setting?.value);
      return setting === undefined || seconds === null
        ? []
        : [because(say.keepalive({ node: client.node, seconds }), setting.at)];
    }

    function remedies(): Remedy[] {
      const keepaliveSec = Math.max(1, Math.floor(((timeouts?.tcp ?? 900) * 2) / 3));
      return [
        {
          kind: 'application',
          text: say.application({ keepaliveSec }),
          commands: [],
          undo: [],
          risk: say.applicationRisk,
        },
        {
          kind: 'kubernetes',
          text: say.kubernetes({ keepaliveSec }),
          commands: [...kubeProxyCommands({ tcpTimeout: '7200s' })],
          undo: [],
          risk: say.kubernetesRisk,
          objects: [...podSysctlDrafts([{ key: keepaliveKey, value: String(keepaliveSec) }], say)],
        },
        {
          kind: 'temporary',
          node: director?.place.node ?? client.node,
          text: say.temporary,
          // 0 keeps what is set (ipvsadm(8))
          commands: ['ipvsadm --set 7200 0 0'],
          undo: timeouts === undefined ? [] : [`ipvsadm --set ${timeouts.tcp} 0 0`],
          risk: say.temporaryRisk,
        },
      ];
    }
  },
});

function entryOf(table: readonly IpvsConnection[], { client, server }: Connection): IpvsConnection | undefined {
  return table.find((entry) => isEndpoint(entry.source, client) && isEndpoint(entry.virtual, server));
}

/** Sockets, and not readings of them. */
function countOf(sockets: readonly Socket[]): number {
  return new Set(sockets.map(socketText)).size;
}

/**
 * Each socket once that IPVS has no entry for. Of two readings of sockets and table only a socket that is in both tells
 * something: one that came later has its entry in the later table, or was opened between the two.
 */
function withoutEntry(
  sockets: readonly Socket[],
  table: readonly IpvsConnection[],
  later: readonly IpvsConnection[] | undefined,
): readonly Socket[] {
  return [...groupBy(sockets, socketText).values()].flatMap((readings) => {
    const [socket] = readings;
    if (socket === undefined || (later !== undefined && readings.length < 2)) return [];
    const isKnown = [table, ...(later === undefined ? [] : [later])].some(
      (entries) => entryOfSocket(entries, socket) !== undefined,
    );
    return isKnown ? [] : [socket];
  });
}

function entryOfSocket(table: readonly IpvsConnection[], { local, peer }: Socket): IpvsConnection | undefined {
  return table.find((entry) => isEndpoint(entry.source, local) && isEndpoint(entry.virtual, peer));
}

/** The keep-alive timer runs out only after the entry. Other timers (retransmission) hide it: nothing is known then. */
function isLateKeepalive(timer: NonNullable<Socket['timer']>, limitMs: number): boolean {
  return timer.kind === 'keepalive' && timer.leftMs >= limitMs;
}

function socketText({ local, peer }: Socket): string {
  return `${endpointText(local)} > ${endpointText(peer)}`;
}
