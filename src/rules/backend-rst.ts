import * as z from 'zod';
import type { KubePod } from '../model/cluster-objects.ts';
import type { Connection, Reset, Socket } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import { definePathRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { clusterText, kubePodAt, restartsOf } from './cluster-view.ts';
import { blindness, captureText, weakness } from './capture-weakness.ts';
import { connectionText, endpointText } from './endpoint-text.ts';
import { isTranslated } from './firewall-match.ts';
import { isOtherDistance } from './hop-distance.ts';
import { sameAddress } from './ip-address.ts';
import { ipvsFor, isEndpoint } from './ipvs-service.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { secondsText } from './seconds-text.ts';
import { tcpOnlyText } from './transport.ts';
import { gracefulDraft, kubeObjectText } from './kube-objects.ts';

/** Ticks of a process's start time per second (USER_HZ, proc(5)). */
const ticksPerSec = 100;
/** A start that is longer ago is no news. */
const recentMs = 900_000;

interface Unknown {
  readonly connection: Connection;
  readonly reset: Reset;
}

/** F70: the server's own TCP answers a segment of an open connection with RST, because it has no such connection. */
export const backendRst = definePathRule({
  id: 'backend-rst',
  fault: 'F70',
  scope: 'path',
  needs: { client: [], target: ['capture'] },
  optional: ['sockets', 'addresses', 'features', 'ipvs', 'firewall', 'counters', 'namespace', 'clock', 'cluster'],
  params: z.strictObject({}),
  sources: [
    'RFC 9293 section 3.10.7.1 (a segment for a connection that does not exist is answered by RST without ACK)',
    'RFC 9293 section 3.5.1 (half-open connections)',
    'fault catalogue F70; field report 3b',
  ],
  text: {
    en: {
      ...kubeObjectText.en,
      ...captureText.en,
      ...tcpOnlyText.en,
      ...clusterText.en,
      title:
        'The backend does not know the connection: it was replaced or restarted, or its address was given to another',
      passedOn: (v: { service: string }) =>
        `${v.service} is passed on by IPVS or NAT here: who answers is to be asked about on the backend itself`,
      notOwn: (v: { address: string }) => `${v.address} is no address of this node`,
      noTraffic: (v: { service: string }) => `no packet of ${v.service} was seen on the node`,
      none: (v: { connections: number; service: string }) =>
        `of ${v.connections} connections to ${v.service} none was answered by "no such connection" (RST without ACK)`,
      closed: (v: { connections: number }) =>
        `${v.connections} connections were answered so after the server had closed them (FIN or RST before it)`,
      closeWait: (v: { connection: string }) =>
        `${v.connection}: the client's socket is in CLOSE-WAIT: the server closed the connection in order, and the client used it on`,
      unknown: (v: { connection: string; frame: number }) =>
        `${v.connection}: a segment of an open connection was answered by RST without ACK (frame ${v.frame}): the TCP of this node has no such connection`,
      count: (v: { connections: number; clients: number }) =>
        `That happened to ${v.connections} connections of ${v.clients} clients`,
      aliveBefore: 'The server had spoken on it before in the same capture, and sent no FIN',
      established: (v: { client: string }) =>
        `On ${v.client} the socket was ESTAB until then: the server had not closed it in order`,
      beforeCapture: 'It began before the capture, so whether the server had closed it before is not seen',
      mayHaveOverflowed: (v: { count: number | null }) =>
        v.count === null
          ? 'Whether an accept queue of the server had overflowed was not read: a connection that is lost there ends the same way'
          : `Accept queues of the server have overflowed ${v.count} times since it was started: a connection that is lost there ends the same way (see accept-queue-overflow)`,
      notInTable: 'The server has no socket with these ports',
      outRsts: (v: { count: number }) => `Tcp OutRsts +${v.count} on the server`,
      started: (v: { seconds: string }) => `The pod (network namespace) was started ${v.seconds} s ago`,
      booted: (v: { seconds: string }) => `The node was started ${v.seconds} s ago`,
      application:
        'End in order: on SIGTERM stop accepting, finish what is open, close; the client retries requests that are safe to repeat on a new connection',
      kubernetes:
        'Give the pod time to do so: a preStop sleep of some seconds (endpoints go first), terminationGracePeriodSeconds above the longest request',
      look: 'Shows when the pods were started, and who has the address now',
      risk: 'Low: pods end later',
      riskRead: 'None: it only looks',
    },
    zh: {
      ...kubeObjectText.zh,
      ...captureText.zh,
      ...tcpOnlyText.zh,
      ...clusterText.zh,
      title: '后端不认识这条连接：它被替换或重启过，或者地址给了别的 Pod',
      passedOn: (v) => `${v.service} 在这里由 IPVS 或 NAT 转发：是谁应答要到后端上去查`,
      notOwn: (v) => `${v.address} 不是本节点的地址`,
      noTraffic: (v) => `节点上没有看到 ${v.service} 的报文`,
      none: (v) => `到 ${v.service} 的 ${v.connections} 条连接都没有得到“没有这条连接”的应答（不带 ACK 的 RST）`,
      closed: (v) => `有 ${v.connections} 条连接是在服务端关闭之后（之前有 FIN 或 RST）才得到这种应答`,
      closeWait: (v) => `${v.connection}：客户端套接字处于 CLOSE-WAIT：服务端已正常关闭，而客户端仍在使用`,
      unknown: (v) =>
        `${v.connection}：已建立连接的报文得到不带 ACK 的 RST（第 ${v.frame} 帧）：本节点的 TCP 没有这条连接`,
      count: (v) => `${v.clients} 个客户端共有 ${v.connections} 条连接如此`,
      aliveBefore: '同一抓包中服务端之前还在这条连接上通信，并且没有发过 FIN',
      established: (v) => `在 ${v.client} 上该套接字直到那时都是 ESTAB：服务端没有正常关闭它`,
      beforeCapture: '它在抓包之前就已开始，看不到服务端之前是否关闭过',
      mayHaveOverflowed: (v) =>
        v.count === null
          ? '没有读到服务端的全连接队列是否溢出过：在那里丢失的连接也会这样结束'
          : `服务端启动以来全连接队列溢出过 ${v.count} 次：在那里丢失的连接也会这样结束（见 accept-queue-overflow）`,
      notInTable: '服务端没有这些端口的套接字',
      outRsts: (v) => `服务端 Tcp OutRsts +${v.count}`,
      started: (v) => `Pod（网络命名空间）在 ${v.seconds} 秒前启动`,
      booted: (v) => `节点在 ${v.seconds} 秒前启动`,
      application: '有序结束：收到 SIGTERM 后停止接受新连接，处理完再关闭；客户端对可安全重复的请求用新连接重试',
      kubernetes: '给 Pod 留出时间：preStop 休眠几秒（先摘除端点），terminationGracePeriodSeconds 大于最长的请求',
      look: '查看 Pod 何时启动，以及地址现在属于谁',
      risk: '低：Pod 结束得更晚',
      riskRead: '无：只是查看',
    },
  },
  evaluate({ client, target, symptom, plan, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const { facts } = target;
    const { capture } = facts;
    const service = endpointText(target);
    const place = capture.at;
    if (isPassedOn()) return notApplicable(because(say.passedOn({ service }), place));
    const own = facts.addresses?.some(({ address }) => sameAddress(address, target.address));
    if (own === false) return notApplicable(because(say.notOwn({ address: target.address }), place));
    const blind = blindness(capture, say);
    if (blind !== null) return undecided('capture', target.node, blind);

    const connections = capture.connections.filter(({ server }) => isEndpoint(server, target));
    const all = connections.flatMap((connection): Unknown[] => {
      const reset = unknownTo(connection);
      return reset === null ? [] : [{ connection, reset }];
    });
    const found = all.filter(({ connection, reset }) => !wasClosed(connection, reset));
    if (found.length === 0) {
      const weak = weakness(capture, say);
      if (all.length > 0) return ruledOut(because(say.closed({ connections: all.length }), place));
      if (weak !== null) return undecided('capture', target.node, weak);
      return connections.length === 0
        ? notApplicable(because(say.noTraffic({ service }), place))
        : ruledOut(because(say.none({ connections: connections.length, service }), place));
    }

    const sockets = client.facts.sockets ?? [];
    const judged = found.map((one) => ({
      ...one,
      alive: spokeBefore(one.connection),
      socket: socketOf(one.connection, sockets),
    }));
    const open = judged.filter(({ socket }) => socket?.state !== 'CLOSE-WAIT');
    const [first] = [...open].sort((a, b) => weightOf(b) - weightOf(a));
    if (first === undefined) {
      const [closed] = judged;
      const connection = closed === undefined ? service : connectionText(closed.connection);
      return ruledOut(because(say.closeWait({ connection }), closed?.socket?.at ?? place));
    }
    const { connection, reset, alive, socket } = first;
    const established = socket?.state === 'ESTAB';
    const reasons: Because[] = [
      because(say.unknown({ connection: connectionText(connection), frame: reset.frame }), place),
    ];
    if (open.length > 1) {
      const clients = new Set(open.map((one) => one.connection.client.address)).size;
      reasons.push(because(say.count({ connections: open.length, clients }), place));
    }
    if (alive) reasons.push(because(say.aliveBefore, place));
    if (established) reasons.push(because(say.established({ client: client.node }), socket.at));
    if (!alive && !established) reasons.push(because(say.beforeCapture, place));
    const table = facts.sockets;
    const there = table?.some(
      ({ local, peer }) => isEndpoint(local, connection.server) && isEndpoint(peer, connection.client),
    );
    if (there === false) reasons.push(because(say.notInTable, table?.[0]?.at ?? place));
    const resets = facts.counters?.['Tcp.OutRsts'];
    if (resets !== undefined && (resets.delta ?? 0) > 0)
      reasons.push(because(say.outRsts({ count: resets.delta ?? 0 }), resets.at));
    const pod = facts.cluster === undefined ? undefined : kubePodAt(facts.cluster, target.address);
    const restarts = pod === undefined || facts.cluster === undefined ? [] : restartsOf(facts.cluster, pod, say);
    reasons.push(...(restarts.length > 0 ? restarts : startedLately()));
    // a connection that never left the accept queue ends like this too: an overflow forgets it, and the client does not know
    const overflows = facts.counters?.['TcpExt.ListenOverflows'];
    const neverOverflowed = overflows?.after === 0;
    if (established && !alive && !neverOverflowed)
      reasons.push(because(say.mayHaveOverflowed({ count: overflows?.after ?? null }), overflows?.at ?? place));
    const isSure =
      own === true &&
      (alive ? weakness(capture, say) === null : established && (neverOverflowed || endedMeanwhile(pod)));
    return isSure ? confirmed(reasons, remedies()) : likely(reasons, remedies());

    /** Times of containers are whole seconds, by the clock of the node that captured. */
    function endedMeanwhile(one: KubePod | undefined): boolean {
      const since = Math.floor(connection.firstAtMs / 1000) * 1000;
      return one?.containers.some(({ last }) => (last?.finishedAtMs ?? 0) >= since) === true;
    }

    function isPassedOn(): boolean {
      const here = ipvsFor(facts, target, 'tcp');
      if (here.how === 'service' && isEndpoint(here.service, target)) return true;
      const flow = {
        protocol: 'tcp',
        source: plan.nodes.find(({ node }) => node.name === client.node)?.address ?? null,
        destination: target.address,
        port: target.port,
        inDevice: null,
        packets: 0,
      } as const;
      return facts.firewall !== undefined && isTranslated(facts.firewall, flow);
    }

    function startedLately(): Because[] {
      const { clock, namespace } = facts;
      const uptimeMs = clock?.uptimeSec === undefined ? null : clock.uptimeSec * 1000;
      if (clock === undefined || uptimeMs === null) return [];
      const ticks = namespace?.isOwn === false ? Number(namespace.startTicks ?? Number.NaN) : Number.NaN;
      const ageMs = uptimeMs - (ticks / ticksPerSec) * 1000;
      if (namespace !== undefined && Number.isFinite(ageMs) && ageMs >= 0 && ageMs < recentMs)
        return [because(say.started({ seconds: secondsText(ageMs) }), namespace.at)];
      return uptimeMs < recentMs ? [because(say.booted({ seconds: secondsText(uptimeMs) }), clock.at)] : [];
    }

    function remedies(): Remedy[] {
      return [
        {
          kind: 'kubernetes',
          text: say.look,
          commands: [`kubectl get pods -A -o wide --field-selector status.podIP=${target.address}`],
          undo: [],
          risk: say.riskRead,
        },
        { kind: 'application', text: say.application, commands: [], undo: [], risk: say.risk },
        {
          kind: 'kubernetes',
          text: say.kubernetes,
          commands: [],
          undo: [],
          risk: say.risk,
          objects: [gracefulDraft({ port: null }, say)],
        },
      ];
    }
  },
});

/** The first RST by which the server's TCP says that it has no such connection. */
function unknownTo({ handshake, resets, flow, packets, synAcks }: Connection): Reset | null {
  if (handshake !== 'complete' && handshake !== 'midStream') return null;
  // it answered the SYN, and then the ACK or the first request with RST: never accepted (abort-on-overflow), not forgotten
  const ownResets = resets.filter(({ from }) => from === 'server').length;
  if (synAcks.length > 0 && packets.server <= synAcks.length + ownResets) return null;
  const { ttl } = flow.server;
  return (
    resets.find(
      ({ from, ack, answersSyn, ttl: own }) =>
        from === 'server' && !ack && !answersSyn && (ttl === null || !isOtherDistance(own, [ttl.min, ttl.max])),
    ) ?? null
  );
}

/** Whether the server had ended it before: then the RST only says so once more. */
function wasClosed({ flow, resets }: Connection, { atMs }: Reset): boolean {
  return (
    (flow.server.fin !== null && flow.server.fin.atMs <= atMs) ||
    resets.some((other) => other.from === 'server' && other.ack && other.atMs <= atMs)
  );
}

/** Data of the server: its application had the connection, not only the kernel's queue. */
function spokeBefore({ bytes }: Connection): boolean {
  return bytes.server > 0;
}

/** The client's own socket of it: the ports stay on the way where nothing translates them. */
function socketOf({ client, server }: Connection, sockets: readonly Socket[]): Socket | undefined {
  const own = sockets.filter(({ local, peer }) => isEndpoint(local, client) && peer.port === server.port);
  return own.find(({ state }) => state === 'CLOSE-WAIT') ?? own[0];
}

function weightOf({ alive, socket }: { readonly alive: boolean; readonly socket: Socket | undefined }): number {
  return (alive ? 1 : 0) + (socket?.state === 'ESTAB' ? 2 : 0);
}
