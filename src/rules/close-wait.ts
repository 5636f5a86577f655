import * as z from 'zod';
import { defineNodeRule } from '../model/rule.ts';
import { codeRiskText } from './code-risk.ts';
import { askedAt, because, fileOf } from './because.ts';
import { listenersFor } from './listeners.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { lastingSockets, socketReadings } from './socket-readings.ts';
import { tcpOnlyText } from './transport.ts';

/** F33: the peers have closed, and the application does not. */
export const closeWait = defineNodeRule({
  id: 'close-wait',
  fault: 'F33',
  scope: 'node',
  roles: ['target'],
  needs: ['sockets'],
  optional: ['listeners', 'listenerProcesses'],
  params: z.strictObject({
    /** From so many on that outlast the window it is a pile: a tenth of the usual limit of 1024 open files. */
    pile: z.number().int().min(1).default(100),
    /** From so many on it is worth a word: an application that closes does it within milliseconds. */
    some: z.number().int().min(1).default(20),
  }),
  sources: ['RFC 9293 3.6 (CLOSE-WAIT)', 'net/ipv4/tcp_input.c tcp_fin', 'imroc kubernetes-guide, close-wait-stacking'],
  text: {
    en: {
      ...codeRiskText.en,
      ...tcpOnlyText.en,
      title: 'The application does not close connections that its peers have closed (CLOSE_WAIT)',
      once: 'the sockets were read only once, so it is not known which of them last',
      none: (v: { count: number; port: number }) =>
        `${v.count} connections to port ${v.port} stayed in CLOSE-WAIT through the window: no pile`,
      pile: (v: { lasting: number; before: number; after: number; port: number }) =>
        `${v.lasting} connections to port ${v.port} were in CLOSE-WAIT before the window and still are (${v.before} before, ${v.after} after): the peer has sent its FIN, the application has not called close()`,
      grows: (v: { more: number }) => `and they grow: ${v.more} more than before the window`,
      notAccepted: (v: { waiting: number }) =>
        `up to ${v.waiting} of them are in the accept queue: the application has not even accepted those`,
      files: (v: { open: number; limit: number; pid: number }) =>
        `process ${v.pid} has ${v.open} of ${v.limit} files open: when they are used up, accept() fails`,
      accepting: (v: { waiting: number; count: number }) =>
        `${v.count} connections in CLOSE-WAIT, but ${v.waiting} wait in the accept queue: they were not accepted, so this is slow accept(), not a missing close()`,
      temporary: 'Restarting the application is all that frees them; no kernel setting does',
      application:
        'Find the path of the code that does not close: after read() returned 0, on errors and time-outs of the upstream, responses whose body was not read. The stack of the threads shows where it hangs',
      risk: 'A restart breaks the connections that are in use',
    },
    zh: {
      ...codeRiskText.zh,
      ...tcpOnlyText.zh,
      title: '应用没有关闭对端已关闭的连接（CLOSE_WAIT 堆积）',
      once: '套接字只读到一次，看不出哪些一直存在',
      none: (v) => `到端口 ${v.port} 的连接中，整个窗口一直处于 CLOSE-WAIT 的有 ${v.count} 条：没有堆积`,
      pile: (v) =>
        `到端口 ${v.port} 的 ${v.lasting} 条连接在窗口前后都处于 CLOSE-WAIT（之前 ${v.before}，之后 ${v.after}）：对端已发 FIN，应用没有调用 close()`,
      grows: (v) => `而且还在增加：比窗口之前多 ${v.more} 条`,
      notAccepted: (v) => `其中最多 ${v.waiting} 条还在全连接队列里：应用根本没有 accept()`,
      files: (v) => `进程 ${v.pid} 打开了 ${v.open} 个文件，上限 ${v.limit}：用尽后 accept() 会失败`,
      accepting: (v) =>
        `有 ${v.count} 条 CLOSE-WAIT，但全连接队列里有 ${v.waiting} 条在等：它们还没被 accept()，是 accept() 太慢，不是没有 close()`,
      temporary: '只有重启应用才能释放；没有内核参数能清掉它们',
      application:
        '找出没有关闭连接的代码：read() 返回 0 之后、上游出错或超时、响应体没有读完等。看线程栈可以知道卡在哪里',
      risk: '重启会断开正在使用的连接',
    },
  },
  evaluate({ node, facts, symptom, target, params, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const place = fileOf(facts.sockets);
    const { port } = target;
    const concerns = (s: (typeof facts.sockets)[number]) =>
      s.protocol === 'tcp' && s.state === 'CLOSE-WAIT' && s.local.port === port;
    const { before, after, lasting } = lastingSockets(facts.sockets, concerns);
    if (socketReadings(facts.sockets).length === 1 && before >= params.some)
      return undecided('sockets', node, say.once);
    if (lasting.length < params.some) return ruledOut(because(say.none({ count: lasting.length, port }), place));

    const waiting = (facts.listeners === undefined ? [] : listenersFor(facts.listeners, 'tcp', target).covering).reduce(
      (sum, { recvq }) => sum + recvq,
      0,
    );
    const accepted = lasting.length - waiting;
    if (accepted < params.some) {
      return ruledOut(because(say.accepting({ waiting, count: lasting.length }), fileOf(lasting)));
    }
    const files = (facts.listenerProcesses ?? []).flatMap(({ pid, openFiles, limits }) => {
      const limit = limits?.['Max open files']?.soft;
      return openFiles === undefined || limit === undefined || limit === null
        ? []
        : [{ pid, open: openFiles.count, limit, at: openFiles.at }];
    });
    const worst = files.sort((a, b) => b.open / b.limit - a.open / a.limit)[0];
    const reasons = [
      because(say.pile({ lasting: lasting.length, before, after, port }), fileOf(lasting)),
      ...(after > before ? [because(say.grows({ more: after - before }), fileOf(lasting))] : []),
      ...(waiting > 0 ? [because(say.notAccepted({ waiting }), fileOf(lasting))] : []),
      ...(worst === undefined ? [] : [because(say.files(worst), worst.at)]),
    ];
    const remedies = [
      { kind: 'temporary' as const, node, text: say.temporary, commands: [], undo: [], risk: say.risk },
      { kind: 'application' as const, node, text: say.application, commands: [], undo: [], risk: say.codeRisk },
    ];
    const harms = after > before || (worst !== undefined && worst.open >= worst.limit / 2);
    return accepted >= params.pile && harms ? confirmed(reasons, remedies) : likely(reasons, remedies);
  },
});
