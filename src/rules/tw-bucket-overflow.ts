import * as z from 'zod';
import type { Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { codeRiskText } from './code-risk.ts';
import { askedAt, because } from './because.ts';
import { numbersOf, riseOf } from './counter-rise.ts';
import { likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { podSysctls, podSysctlText } from './pod-sysctls.ts';
import { permanentSysctl, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';

const maxKey = 'net.ipv4.tcp_max_tw_buckets';
const overflowName = 'TcpExt.TCPTimeWaitOverflow';

/** F31: no room for another TIME_WAIT socket, so closed connections are forgotten at once. Mostly harmless. */
export const twBucketOverflow = defineNodeRule({
  id: 'tw-bucket-overflow',
  fault: 'F31',
  scope: 'node',
  roles: ['target', 'client'],
  needs: ['sysctl', 'counters'],
  optional: [],
  params: z.strictObject({}),
  sources: [
    'net/ipv4/tcp_minisocks.c tcp_time_wait (TCPTimeWaitOverflow), net/ipv4/inet_timewait_sock.c inet_twsk_alloc',
    'Documentation/networking/ip-sysctl.rst (tcp_max_tw_buckets)',
  ],
  text: {
    en: {
      ...codeRiskText.en,
      ...podSysctlText.en,
      ...tcpOnlyText.en,
      title: 'The table of TIME_WAIT sockets is full',
      notRead: (v: { name: string }) => `${v.name} was not read, or only once`,
      overflowed: (v: { rise: number }) =>
        `TCPTimeWaitOverflow +${v.rise} in the window: so many closed connections got no TIME_WAIT state`,
      flat: (v: { max: number }) =>
        `TCPTimeWaitOverflow +0 in the window: tcp_max_tw_buckets = ${v.max} was not reached`,
      used: (v: { waiting: number; max: number }) =>
        `${v.waiting} sockets in TIME_WAIT of tcp_max_tw_buckets = ${v.max}`,
      mild: 'By itself this makes no connect fail: a last FIN that is sent again is answered with RST, and late packets of an old connection may meet a new one',
      temporary: 'Makes room for more',
      permanent: 'Keeps it after a reboot',
      application:
        'Fewer short connections: keep them open (keep-alive, a connection pool), and let the clients close first',
      risk: 'Low: about 256 bytes of kernel memory for each',
    },
    zh: {
      ...codeRiskText.zh,
      ...podSysctlText.zh,
      ...tcpOnlyText.zh,
      title: 'TIME_WAIT 套接字表已满',
      notRead: (v) => `没有读到 ${v.name}，或只读到一次`,
      overflowed: (v) => `窗口内 TCPTimeWaitOverflow +${v.rise}：这么多已关闭的连接没能进入 TIME_WAIT`,
      flat: (v) => `窗口内 TCPTimeWaitOverflow +0：没有达到 tcp_max_tw_buckets = ${v.max}`,
      used: (v) => `TIME_WAIT 套接字 ${v.waiting} 个，上限 tcp_max_tw_buckets = ${v.max}`,
      mild: '它本身不会让连接失败：对端重发的最后一个 FIN 会得到 RST，旧连接迟到的包可能碰上新连接',
      temporary: '调大上限',
      permanent: '重启后仍有效',
      application: '减少短连接：使用 keep-alive 或连接池，并尽量让客户端先关闭',
      risk: '低：每个约占 256 字节内核内存',
    },
  },
  evaluate({ node, facts, symptom, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const setting = facts.sysctl[maxKey];
    const max = numbersOf(facts.sysctl, maxKey)?.[0];
    if (setting === undefined || max === undefined) return undecided('sysctl', node, say.notRead({ name: maxKey }));
    const overflow = facts.counters[overflowName];
    const rise = riseOf(facts.counters, overflowName);
    if (overflow === undefined || rise === null)
      return undecided('counters', node, say.notRead({ name: overflowName }));
    const waiting = facts.counters['sockstat.TCP.tw'];
    const most = Math.max(waiting?.before ?? 0, waiting?.after ?? 0);
    const used = waiting === undefined ? [] : [because(say.used({ waiting: most, max }), waiting.at)];
    if (rise === 0) return ruledOut(because(say.flat({ max }), overflow.at), ...used);
    const change = [{ key: maxKey, value: String(Math.max(65_536, max * 2)), previous: setting.value }];
    const application: Remedy = {
      kind: 'application',
      node,
      text: say.application,
      commands: [],
      undo: [],
      risk: say.codeRisk,
    };
    return likely(
      [because(say.overflowed({ rise }), overflow.at), ...used, because(say.mild, overflow.at)],
      [
        temporarySysctl(node, change, { text: say.temporary, risk: say.risk }),
        permanentSysctl(node, 'tw-bucket-overflow', change, { text: say.permanent, risk: say.risk }),
        podSysctls(change, say),
        application,
      ],
    );
  },
});
