import * as z from 'zod';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { captureText, weakness } from './capture-weakness.ts';
import { handshakesTo } from './handshakes.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { podSysctls, podSysctlText } from './pod-sysctls.ts';
import { permanentSysctl, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';

const key = 'net.ipv4.tcp_abort_on_overflow';

/** F04: with tcp_abort_on_overflow=1 a full accept queue answers the final ACK with RST. */
export const abortOnOverflow = defineNodeRule({
  id: 'abort-on-overflow',
  fault: 'F04',
  scope: 'node',
  roles: ['target'],
  needs: ['sysctl'],
  optional: ['counters', 'capture'],
  params: z.strictObject({
    /** The kernel resets as soon as the final ACK is in; later resets are the application's. */
    atOnceMs: z.number().int().min(1).max(10_000).default(100),
  }),
  sources: [
    'net/ipv4/tcp_minisocks.c tcp_check_req (listen_overflow)',
    'Documentation/networking/ip-sysctl.rst (tcp_abort_on_overflow); reproduced on Linux 6.18',
  ],
  text: {
    en: {
      ...captureText.en,
      ...tcpOnlyText.en,
      ...podSysctlText.en,
      title: 'A full accept queue resets connections (tcp_abort_on_overflow)',
      notRead: `${key} was not read`,
      absent: `${key} does not exist on this kernel`,
      off: `${key} = 0: a full accept queue never answers with RST`,
      on: (v: { value: string }) => `${key} = ${v.value}: a connection that finds the accept queue full is reset`,
      noCounter: 'TcpExt ListenOverflows is not in both readings of the counters',
      flat: 'TcpExt ListenOverflows +0 in the window: no accept queue was full, so none was reset for it',
      overflowed: (v: { count: number }) =>
        `TcpExt ListenOverflows +${v.count} in the window: an accept queue was full`,
      reset: (v: { connects: number; of: number; port: number }) =>
        `${v.connects} of ${v.of} connects to port ${v.port} completed their handshake and were reset by this node at once, without a byte of answer`,
      noReset: (v: { of: number; port: number }) =>
        `none of the ${v.of} connects to port ${v.port} was reset after its handshake: the overflow belongs to another port, or its SYNs were dropped`,
      notSeen: (v: { why: string }) => `Whether connections to this port were reset is not known: ${v.why}`,
      temporary: 'The client’s final ACK is then dropped and sent again instead: a short burst is survived',
      permanent: 'Keeps it after a reboot',
      queue:
        'It only hides the cause: the application accepts too slowly, or its backlog (and net.core.somaxconn) is too small. See accept-queue-overflow',
      risk: 'Low: clients wait instead of failing at once',
    },
    zh: {
      ...captureText.zh,
      ...tcpOnlyText.zh,
      ...podSysctlText.zh,
      title: '全连接队列满时直接重置连接（tcp_abort_on_overflow）',
      notRead: `没有读到 ${key}`,
      absent: `该内核没有 ${key}`,
      off: `${key} = 0：全连接队列满时不会回 RST`,
      on: (v) => `${key} = ${v.value}：全连接队列满时，新连接会被重置`,
      noCounter: '两次计数器读数里没有都出现 TcpExt ListenOverflows',
      flat: '窗口内 TcpExt ListenOverflows +0：没有全连接队列满过，也就没有因此重置',
      overflowed: (v) => `窗口内 TcpExt ListenOverflows +${v.count}：有全连接队列满过`,
      reset: (v) =>
        `到端口 ${v.port} 的 ${v.of} 次连接中，有 ${v.connects} 次三次握手完成后立即被本节点重置，没有收到任何数据`,
      noReset: (v) => `到端口 ${v.port} 的 ${v.of} 次连接在握手后都没有被重置：溢出属于别的端口，或 SYN 被丢弃`,
      notSeen: (v) => `不知道这个端口的连接是否被重置：${v.why}`,
      temporary: '改为丢弃客户端最后的 ACK，由它重发：短暂的突发可以扛过去',
      permanent: '重启后仍有效',
      queue: '这只是掩盖原因：应用 accept 太慢，或 backlog（及 net.core.somaxconn）太小。参见 accept-queue-overflow',
      risk: '低：客户端会等待，而不是立即失败',
    },
  },
  evaluate({ node, facts, symptom, target, params, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const setting = facts.sysctl[key];
    if (setting === undefined) return undecided('sysctl', node, say.notRead);
    if (setting.value === null) return notApplicable(because(say.absent, setting.at));
    if (setting.value.trim() === '0') return ruledOut(because(say.off, setting.at));
    const overflows = facts.counters?.['TcpExt.ListenOverflows'];
    if (overflows === undefined || overflows.delta === null) return undecided('counters', node, say.noCounter);
    const on = because(say.on({ value: setting.value.trim() }), setting.at);
    if (overflows.delta <= 0) return ruledOut(on, because(say.flat, overflows.at));

    const overflowed = because(say.overflowed({ count: overflows.delta }), overflows.at);
    const weak = weakness(facts.capture, say);
    const seen = facts.capture === undefined ? null : handshakesTo(facts.capture, target);
    const reset =
      seen?.answered.filter(
        (c) =>
          c.bytes.server === 0 &&
          !c.fins.server &&
          c.resets.some(
            (r) =>
              r.from === 'server' &&
              !r.answersSyn &&
              r.atMs - c.firstAtMs <= params.atOnceMs + (c.serverRttMs ?? 0) + (c.initialRttMs ?? 0),
          ),
      ) ?? [];
    if (facts.capture !== undefined && seen !== null && reset.length > 0) {
      const words = say.reset({ connects: reset.length, of: seen.all.length, port: target.port });
      return confirmed([on, overflowed, because(words, facts.capture.at)], remedies());
    }
    if (weak !== null || facts.capture === undefined || seen === null || seen.all.length === 0) {
      const why = weak ?? say.noCapture;
      return likely([on, overflowed, because(say.notSeen({ why }), overflows.at)], remedies());
    }
    return ruledOut(on, overflowed, because(say.noReset({ of: seen.all.length, port: target.port }), facts.capture.at));

    function remedies() {
      const change = [{ key, value: '0', previous: setting?.value }];
      return [
        temporarySysctl(node, change, { text: say.temporary, risk: say.risk }),
        permanentSysctl(node, 'abort-on-overflow', change, { text: say.permanent, risk: say.risk }),
        podSysctls(change, say),
        { kind: 'application' as const, node, text: say.queue, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});
