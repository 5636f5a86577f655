import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because, fileOf } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { handshakesTo } from './handshakes.ts';
import { listenersFor } from './listeners.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { podSysctls, podSysctlText } from './pod-sysctls.ts';
import { permanentSysctl, plainSetting, type SettingChange, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';

const cookiesKey = 'net.ipv4.tcp_syncookies';
const backlogKey = 'net.ipv4.tcp_max_syn_backlog';
const somaxconnKey = 'net.core.somaxconn';

/** F03: half-open connections fill the SYN queue, and without syncookies the next SYN is dropped. */
export const synQueueOverflow = defineNodeRule({
  id: 'syn-queue-overflow',
  fault: 'F03',
  scope: 'node',
  roles: ['target'],
  needs: ['sysctl', 'counters'],
  optional: ['sockets', 'listeners', 'capture'],
  params: z.strictObject({}),
  sources: [
    'net/ipv4/tcp_input.c tcp_conn_request, tcp_syn_flood_action',
    'Documentation/networking/ip-sysctl.rst (tcp_syncookies, tcp_max_syn_backlog)',
    'Documentation/networking/snmp_counter.rst',
  ],
  text: {
    en: {
      ...captureText.en,
      ...tcpOnlyText.en,
      ...podSysctlText.en,
      title: 'The SYN queue (half-open connections) overflows',
      notRead: (v: { name: string }) => `${v.name} was not read`,
      noCounter: (v: { name: string }) => `${v.name} is not in both readings of the counters`,
      absorbed: (v: { cookies: string; did: number; sent: number }) =>
        `TCPReqQFullDoCookies +${v.did}, SyncookiesSent +${v.sent}: the SYN queue was full, but with tcp_syncookies = ${v.cookies} the kernel answered with cookies and dropped nothing`,
      cookiesOn: (v: { cookies: string; drops: number }) =>
        `tcp_syncookies = ${v.cookies} and TCPReqQFullDrop +${v.drops}: a full SYN queue drops nothing here`,
      flat: (v: { drops: number; listenDrops: number }) =>
        `TCPReqQFullDrop +${v.drops}, ListenDrops +${v.listenDrops} in the window: no SYN was dropped for a full queue`,
      explained: (v: { listenDrops: number; overflows: number; paws: number }) =>
        `TCPReqQFullDrop +0, and ListenDrops +${v.listenDrops} has other reasons (ListenOverflows +${v.overflows}, PAWSPassive +${v.paws})`,
      dropped: (v: { drops: number }) =>
        `TCPReqQFullDrop +${v.drops} in the window: SYNs dropped because the queue was full`,
      unexplained: (v: { left: number; listenDrops: number; overflows: number; paws: number }) =>
        `ListenDrops +${v.listenDrops}, of which ${v.left} are neither ListenOverflows (+${v.overflows}) nor PAWSPassive (+${v.paws})`,
      cookiesOff: 'net.ipv4.tcp_syncookies = 0: a SYN that finds the queue full is dropped',
      contradiction: (v: { cookies: string }) =>
        `net.ipv4.tcp_syncookies = ${v.cookies} where it was read: the drops may come from another network namespace or an earlier setting`,
      halfOpen: (v: { count: number; port: number; limit: number }) =>
        `${v.count} half-open connections (SYN-RECV) to port ${v.port}; the kernel starts to drop at ${v.limit}`,
      halfOpenNoLimit: (v: { count: number; port: number }) =>
        `${v.count} half-open connections (SYN-RECV) to port ${v.port}`,
      noSockets: 'The half-open connections were not counted, so the drops are not tied to this port',
      drained: 'The queue was not full when it was looked at',
      elsewhere: (v: { answered: number; port: number }) =>
        `none of the SYNs to port ${v.port} went unanswered (${v.answered} connects answered): the drops belong to another port`,
      unanswered: (v: { syns: number; port: number }) => `${v.syns} SYNs to port ${v.port} got no answer`,
      ackMissing: (v: { connections: number }) =>
        `${v.connections} connects got a SYN+ACK and never sent the final ACK: the way back to the clients may be broken, which fills the queue`,
      temporary: 'Lets the kernel answer with cookies when the queue is full, and makes the queue longer',
      permanent: 'Keeps it after a reboot; the listener takes the longer queue at its next listen()',
      risk: 'Low: connections made by cookie lose window scaling and SACK where timestamps are off',
    },
    zh: {
      ...captureText.zh,
      ...tcpOnlyText.zh,
      ...podSysctlText.zh,
      title: '半连接队列（SYN queue）溢出',
      notRead: (v) => `没有读到 ${v.name}`,
      noCounter: (v) => `两次计数器读数里没有都出现 ${v.name}`,
      absorbed: (v) =>
        `TCPReqQFullDoCookies +${v.did}，SyncookiesSent +${v.sent}：半连接队列满过，但 tcp_syncookies = ${v.cookies}，内核用 cookie 应答，没有丢弃`,
      cookiesOn: (v) => `tcp_syncookies = ${v.cookies}，TCPReqQFullDrop +${v.drops}：这里半连接队列满也不会丢 SYN`,
      flat: (v) => `窗口内 TCPReqQFullDrop +${v.drops}，ListenDrops +${v.listenDrops}：没有 SYN 因队列满被丢`,
      explained: (v) =>
        `TCPReqQFullDrop +0，ListenDrops +${v.listenDrops} 另有原因（ListenOverflows +${v.overflows}，PAWSPassive +${v.paws}）`,
      dropped: (v) => `窗口内 TCPReqQFullDrop +${v.drops}：SYN 因半连接队列满被丢弃`,
      unexplained: (v) =>
        `ListenDrops +${v.listenDrops}，其中 ${v.left} 个既不是 ListenOverflows（+${v.overflows}）也不是 PAWSPassive（+${v.paws}）`,
      cookiesOff: 'net.ipv4.tcp_syncookies = 0：队列满时到来的 SYN 会被丢弃',
      contradiction: (v) =>
        `读到的 net.ipv4.tcp_syncookies = ${v.cookies}：丢弃可能发生在别的网络命名空间，或发生在改设置之前`,
      halfOpen: (v) => `端口 ${v.port} 有 ${v.count} 个半连接（SYN-RECV），达到 ${v.limit} 内核就开始丢弃`,
      halfOpenNoLimit: (v) => `端口 ${v.port} 有 ${v.count} 个半连接（SYN-RECV）`,
      noSockets: '没有统计半连接数，无法确定丢弃是否属于这个端口',
      drained: '查看时队列并不满',
      elsewhere: (v) => `到端口 ${v.port} 的 SYN 都有应答（${v.answered} 次连接），丢弃属于别的端口`,
      unanswered: (v) => `到端口 ${v.port} 的 ${v.syns} 个 SYN 没有应答`,
      ackMissing: (v) => `${v.connections} 次连接收到 SYN+ACK 后没有回最后的 ACK：回程可能不通，这也会占满队列`,
      temporary: '队列满时让内核用 cookie 应答，并加长队列',
      permanent: '重启后仍有效；监听端下一次 listen() 时才会用上更长的队列',
      risk: '低：在未启用时间戳时，靠 cookie 建立的连接没有窗口缩放和 SACK',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const cookies = facts.sysctl[cookiesKey];
    // kernels built without syncookies have no such file: they drop
    if (cookies === undefined) return undecided('sysctl', node, say.notRead({ name: cookiesKey }));
    const cookiesValue = cookies.value?.trim() ?? '0';

    const deltaOf = (name: string): number => Math.max(0, facts.counters[`TcpExt.${name}`]?.delta ?? 0);
    const listenDropsEntry = facts.counters['TcpExt.ListenDrops'];
    if (listenDropsEntry === undefined || listenDropsEntry.delta === null) {
      return undecided('counters', node, say.noCounter({ name: 'TcpExt.ListenDrops' }));
    }
    const dropsAt = facts.counters['TcpExt.TCPReqQFullDrop']?.at ?? listenDropsEntry.at;
    const drops = deltaOf('TCPReqQFullDrop');
    const listenDrops = deltaOf('ListenDrops');
    const overflows = deltaOf('ListenOverflows');
    const paws = deltaOf('PAWSPassive');
    const left = Math.max(0, listenDrops - overflows - paws);

    if (cookiesValue !== '0' && drops === 0) {
      const did = deltaOf('TCPReqQFullDoCookies');
      const cookiesAt = facts.counters['TcpExt.TCPReqQFullDoCookies']?.at ?? dropsAt;
      return did > 0
        ? ruledOut(because(say.absorbed({ cookies: cookiesValue, did, sent: deltaOf('SyncookiesSent') }), cookiesAt))
        : ruledOut(because(say.cookiesOn({ cookies: cookiesValue, drops }), dropsAt));
    }
    if (drops === 0 && left === 0) {
      return listenDrops > 0
        ? ruledOut(because(say.explained({ listenDrops, overflows, paws }), dropsAt))
        : ruledOut(because(say.flat({ drops, listenDrops }), dropsAt));
    }

    const sound = weakness(facts.capture, say) === null ? facts.capture : undefined;
    const seen = sound === undefined ? null : handshakesTo(sound, target);
    const counted =
      drops > 0
        ? because(say.dropped({ drops }), dropsAt)
        : because(say.unexplained({ left, listenDrops, overflows, paws }), listenDropsEntry.at);
    const failed: Because[] =
      sound === undefined || seen === null || seen.unansweredSyns === 0
        ? []
        : [because(say.unanswered({ syns: seen.unansweredSyns, port: target.port }), sound.at)];
    const noFinalAck = seen?.all.filter((c) => c.handshake === 'noFinalAck').length ?? 0;
    const opposite: Because[] =
      sound === undefined || noFinalAck === 0 ? [] : [because(say.ackMissing({ connections: noFinalAck }), sound.at)];
    if (cookiesValue !== '0') {
      return likely(
        [counted, because(say.contradiction({ cookies: cookiesValue }), cookies.at), ...failed],
        remedies(),
      );
    }

    const setting = because(say.cookiesOff, cookies.at);
    if (facts.sockets === undefined) {
      return likely([counted, setting, ...failed, because(say.noSockets, dropsAt), ...opposite], remedies());
    }
    const waiting = facts.sockets.filter(
      (s) => s.protocol === 'tcp' && s.state === 'SYN-RECV' && s.local.port === target.port,
    );
    const limit = dropsFrom();
    const waitingAt = fileOf(waiting, fileOf(facts.sockets, dropsAt));
    const halfOpen = because(
      limit === null
        ? say.halfOpenNoLimit({ count: waiting.length, port: target.port })
        : say.halfOpen({ count: waiting.length, port: target.port, limit }),
      waitingAt,
    );
    const isFull = limit !== null && waiting.length >= limit;
    if (isFull) return confirmed([counted, setting, halfOpen, ...failed, ...opposite], remedies());
    if (sound !== undefined && seen !== null && seen.answered.length > 0 && seen.unanswered.length === 0) {
      const elsewhere = say.elsewhere({ answered: seen.answered.length, port: target.port });
      return ruledOut(counted, because(elsewhere, sound.at), halfOpen);
    }
    return likely([counted, setting, halfOpen, ...failed, because(say.drained, waitingAt), ...opposite], remedies());

    /**
     * The queue is full at the listener's backlog; without syncookies the last quarter of tcp_max_syn_backlog is kept
     * for peers that are known already (tcp_conn_request).
     */
    function dropsFrom(): number | null {
      const limits: number[] = [];
      const backlog = numberOf(backlogKey);
      if (backlog !== null) limits.push(Math.max(1, backlog - Math.floor(backlog / 4)));
      const somaxconn = numberOf(somaxconnKey);
      if (somaxconn !== null) limits.push(somaxconn);
      const sendq =
        facts.listeners === undefined ? null : listenersFor(facts.listeners, 'tcp', target).covering[0]?.sendq;
      if (sendq !== null && sendq !== undefined) limits.push(Math.max(1, sendq));
      return limits.length === 0 ? null : Math.min(...limits);
    }

    function numberOf(key: string): number | null {
      const value = plainSetting(facts.sysctl[key]?.value);
      return value !== null && /^\d+$/.test(value) ? Number(value) : null;
    }

    function remedies(): Remedy[] {
      const wanted = (key: string, value: number): SettingChange[] => {
        const now = numberOf(key);
        return now !== null && now >= value ? [] : [{ key, value: String(value), previous: facts.sysctl[key]?.value }];
      };
      const changes = [...wanted(cookiesKey, 1), ...wanted(backlogKey, 8192), ...wanted(somaxconnKey, 4096)];
      if (changes.length === 0) return [];
      return [
        temporarySysctl(node, changes, { text: say.temporary, risk: say.risk }),
        permanentSysctl(node, 'syn-queue-overflow', changes, { text: say.permanent, risk: say.risk }),
        podSysctls(changes, say),
      ];
    }
  },
});
