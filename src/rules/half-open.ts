import * as z from 'zod';
import type { Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { codeRiskText } from './code-risk.ts';
import { askedAt, because, fileOf } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { handshakesTo } from './handshakes.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { lastingSockets, socketReadings } from './socket-readings.ts';
import { tcpOnlyText } from './transport.ts';

/** F98: connections whose other end is gone: they send again and again, or wait for a FIN that never comes. */
export const halfOpen = defineNodeRule({
  id: 'half-open',
  fault: 'F98',
  scope: 'node',
  roles: ['target'],
  needs: ['sockets'],
  optional: ['capture'],
  params: z.strictObject({
    /** Retransmissions in a row without an answer: with the usual 200 ms to start with, some 12 s of silence. */
    minRetries: z.number().int().min(1).default(5),
    /** Such connections: one or two are the laptop that was shut. */
    minSilent: z.number().int().min(1).default(5),
    /** Connections in FIN-WAIT-2 that outlast the window. */
    pile: z.number().int().min(1).default(200),
  }),
  sources: [
    'RFC 9293 3.5.1 (half-open connections), 3.6 (FIN-WAIT-2, LAST-ACK)',
    'Documentation/networking/ip-sysctl.rst (tcp_fin_timeout, tcp_retries2, tcp_keepalive_time)',
    'net/ipv4/tcp_timer.c tcp_write_timeout, tcp_keepalive_timer',
  ],
  text: {
    en: {
      ...codeRiskText.en,
      ...tcpOnlyText.en,
      ...captureText.en,
      title: 'Connections whose other end is gone pile up (half-open)',
      once: 'the sockets were read only once, so it is not known which of them last',
      silent: (v: { count: number; port: number; retries: number; states: string }) =>
        `${v.count} connections to port ${v.port} (${v.states}) send again and get no answer, ${v.retries} times and more, before the window and after it`,
      waiting: (v: { count: number; port: number }) =>
        `${v.count} connections to port ${v.port} were in FIN-WAIT-2 before the window and still are: this side has closed, the other has not`,
      none: (v: { silent: number; waiting: number; port: number }) =>
        `port ${v.port}: ${v.silent} connections without an answer, ${v.waiting} in FIN-WAIT-2 through the window: no pile`,
      othersWork: (v: { answered: number; port: number }) =>
        `new connects to port ${v.port} work (${v.answered} answered, none lost): not the path, but those peers are gone`,
      notTold: (v: { why: string }) => `Whether the peers or the path to them is gone cannot be told: ${v.why}`,
      pathBroken: (v: { unanswered: number }) =>
        `new connects go unanswered too (${v.unanswered}): the path may be broken, then these connections only suffer from it`,
      application:
        'Let the program set SO_KEEPALIVE with short times (TCP_KEEPIDLE 60, TCP_KEEPINTVL 10, TCP_KEEPCNT 6) or TCP_USER_TIMEOUT: the sysctls tcp_keepalive_* change nothing for sockets without SO_KEEPALIVE. A peer that is gone without a word was switched off, or something between forgot the connection',
      finWait:
        'FIN-WAIT-2 of a socket that no process owns ends after net.ipv4.tcp_fin_timeout (60 s). One that lasts belongs to a program that called shutdown() and waits: it needs a time-out of its own',
    },
    zh: {
      ...codeRiskText.zh,
      ...tcpOnlyText.zh,
      ...captureText.zh,
      title: '对端已消失的连接堆积（半开连接）',
      once: '套接字只读到一次，看不出哪些一直存在',
      silent: (v) =>
        `到端口 ${v.port} 有 ${v.count} 条连接（${v.states}）一直重传却没有应答，已重传 ${v.retries} 次以上，窗口前后都是如此`,
      waiting: (v) => `到端口 ${v.port} 有 ${v.count} 条连接在窗口前后都处于 FIN-WAIT-2：本端已关闭，对端没有关闭`,
      none: (v) =>
        `端口 ${v.port}：没有应答的连接 ${v.silent} 条，整个窗口处于 FIN-WAIT-2 的 ${v.waiting} 条：没有堆积`,
      othersWork: (v) =>
        `到端口 ${v.port} 的新连接正常（${v.answered} 次有应答，没有丢失）：不是路径问题，是那些对端不在了`,
      notTold: (v) => `无法判断是对端消失还是路径中断：${v.why}`,
      pathBroken: (v) => `新连接也没有应答（${v.unanswered} 次）：可能是路径中断，这些连接只是受其影响`,
      application:
        '让程序设置 SO_KEEPALIVE 并用较短的时间（TCP_KEEPIDLE 60、TCP_KEEPINTVL 10、TCP_KEEPCNT 6），或设置 TCP_USER_TIMEOUT：没有设置 SO_KEEPALIVE 的套接字，改 tcp_keepalive_* 参数不起作用。对端无声消失，是断电，或中间设备丢掉了连接记录',
      finWait:
        '没有进程持有的 FIN-WAIT-2 会在 net.ipv4.tcp_fin_timeout（60 秒）后结束。一直存在的属于调用了 shutdown() 后在等待的程序：它需要自己的超时',
    },
  },
  evaluate({ node, facts, symptom, target, params, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const { port } = target;
    type OneSocket = (typeof facts.sockets)[number];
    const isOurs = (s: OneSocket): boolean => s.protocol === 'tcp' && s.local.port === port && s.state !== 'SYN-RECV';
    const isSilent = (s: OneSocket): boolean =>
      isOurs(s) && s.timer?.kind === 'on' && s.timer.retries >= params.minRetries;
    const isWaiting = (s: OneSocket): boolean => isOurs(s) && s.state === 'FIN-WAIT-2';
    const silent = lastingSockets(facts.sockets, isSilent);
    const waiting = lastingSockets(facts.sockets, isWaiting);
    const isPile = silent.before >= params.minSilent || waiting.before >= params.pile;
    if (socketReadings(facts.sockets).length === 1 && isPile) return undecided('sockets', node, say.once);
    if (silent.lasting.length < params.minSilent && waiting.lasting.length < params.pile) {
      const counts = { silent: silent.lasting.length, waiting: waiting.lasting.length, port };
      return ruledOut(because(say.none(counts), fileOf(facts.sockets)));
    }
    const finWait: Remedy = {
      kind: 'application',
      node,
      text: say.finWait,
      commands: [],
      undo: [],
      risk: say.codeRisk,
    };
    const open =
      waiting.lasting.length < params.pile
        ? []
        : [because(say.waiting({ count: waiting.lasting.length, port }), fileOf(waiting.lasting))];
    if (silent.lasting.length < params.minSilent) return likely(open, [finWait]);

    const states = [...new Set(silent.lasting.map(({ state }) => state))].join(', ');
    const retries = Math.min(...silent.lasting.map(({ timer }) => timer?.retries ?? 0));
    const reasons = [
      because(say.silent({ count: silent.lasting.length, port, retries, states }), fileOf(silent.lasting)),
      ...open,
    ];
    const keepAlive: Remedy = {
      kind: 'application',
      node,
      text: say.application,
      commands: [],
      undo: [],
      risk: say.codeRisk,
    };
    const remedies = [keepAlive, ...(open.length > 0 ? [finWait] : [])];
    const weak = weakness(facts.capture, say);
    if (facts.capture === undefined || weak !== null) {
      const why = weak ?? say.noCapture;
      return likely([...reasons, because(say.notTold({ why }), fileOf(silent.lasting))], remedies);
    }
    const seen = handshakesTo(facts.capture, target);
    if (seen.unanswered.length > 0) {
      const sentence = say.pathBroken({ unanswered: seen.unanswered.length });
      return likely([...reasons, because(sentence, facts.capture.at)], remedies);
    }
    if (seen.answered.length === 0) {
      return likely([...reasons, because(say.notTold({ why: say.noCapture }), facts.capture.at)], remedies);
    }
    const works = because(say.othersWork({ answered: seen.answered.length, port }), facts.capture.at);
    return confirmed([...reasons, works], remedies);
  },
});
