import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { codeRiskText } from './code-risk.ts';
import { because } from './because.ts';
import { numbersOf, riseOf } from './counter-rise.ts';
import { feltLoss, feltLossText } from './felt-loss.ts';
import { listenersFor } from './listeners.ts';
import { confirmed, likely, ruledOut, undecided } from './outcomes.ts';
import { permanentSysctl, type SettingChange, temporarySysctl } from './sysctl-remedies.ts';

const udpNames = ['Udp.RcvbufErrors', 'Udp6.RcvbufErrors'] as const;
/** Segments that had arrived and were thrown away. PruneCalled alone only means that a queue was tidied up. */
const tcpNames = ['TcpExt.TCPRcvQDrop', 'TcpExt.TCPBacklogDrop', 'TcpExt.RcvPruned'] as const;
const rmemDefaultKey = 'net.core.rmem_default';
const rmemMaxKey = 'net.core.rmem_max';
const tcpRmemKey = 'net.ipv4.tcp_rmem';

/** F35: packets arrived, and there was no room for them in the socket's buffer. */
export const rcvbufDrop = defineNodeRule({
  id: 'rcvbuf-drop',
  fault: 'F35',
  scope: 'node',
  roles: ['target', 'client'],
  needs: ['counters'],
  optional: ['listeners', 'sysctl', 'capture', 'probes'],
  params: z.strictObject({
    /** Drops in the window below which it does not count. */
    minDrops: z.number().int().min(1).default(5),
    /** Share of what arrived in the window: less is noise of a busy node. */
    minShare: z.number().min(0).max(1).default(0.0005),
    /** Packets of this question that were sent again. */
    minLost: z.number().int().min(1).default(3),
  }),
  sources: [
    'net/ipv4/udp.c __udp_enqueue_schedule_skb (RcvbufErrors)',
    'net/ipv4/tcp_input.c tcp_data_queue (TCPRcvQDrop), tcp_prune_queue (PruneCalled, RcvPruned)',
    'net/ipv4/tcp_ipv4.c tcp_add_backlog (TCPBacklogDrop)',
    'socket(7), udp(7)',
  ],
  text: {
    en: {
      ...codeRiskText.en,
      ...feltLossText.en,
      title: 'Packets are dropped because a socket buffer is full',
      notRead: (v: { names: string }) => `none of ${v.names} is in both readings of the counters`,
      dropped: (v: { counts: string; arrived: number }) =>
        `${v.counts} in the window, of ${v.arrived} that arrived: dropped for want of room in a socket buffer`,
      flat: (v: { counts: string; arrived: number }) =>
        `${v.counts} in the window, of ${v.arrived} that arrived: next to nothing was dropped for want of room in a socket buffer`,
      waiting: (v: { recvq: number; address: string; port: number }) =>
        `${v.recvq} bytes wait in the UDP socket ${v.address}:${v.port}: the program does not read as fast as they come`,
      wholeNode: 'The counters are those of all sockets of this network namespace: nothing ties them to this port',
      temporary: 'Allows larger buffers. A socket gets its size when it is opened: restart the program afterwards',
      permanent: 'Keeps it after a reboot',
      application:
        'Find out why the program does not read fast enough (one thread, CPU limit, blocked), or let it ask for more with SO_RCVBUF',
      risk: 'Memory of the kernel, for each socket; net.core.rmem_* belongs to the node, not to a pod',
    },
    zh: {
      ...codeRiskText.zh,
      ...feltLossText.zh,
      title: '套接字缓冲区满，包被丢弃',
      notRead: (v) => `两次计数器读数里没有都出现 ${v.names}`,
      dropped: (v) => `窗口内 ${v.counts}，同期到达 ${v.arrived}：因套接字缓冲区没有空间被丢弃`,
      flat: (v) => `窗口内 ${v.counts}，同期到达 ${v.arrived}：几乎没有因套接字缓冲区满而丢弃`,
      waiting: (v) => `UDP 套接字 ${v.address}:${v.port} 里积压了 ${v.recvq} 字节：程序读得没有来得快`,
      wholeNode: '这些计数器属于该网络命名空间的所有套接字：无法确定就是这个端口',
      temporary: '允许更大的缓冲区。套接字大小在打开时确定：之后需重启程序',
      permanent: '重启后仍有效',
      application: '找出程序读得慢的原因（单线程、CPU 限制、阻塞），或用 SO_RCVBUF 申请更大的缓冲区',
      risk: '占用内核内存，按套接字计；net.core.rmem_* 一般不能按 Pod 设置，属于节点',
    },
  },
  evaluate({ node, facts, symptom, target, params, say }) {
    const udp = symptom.protocol === 'udp';
    const known = (udp ? udpNames : tcpNames).flatMap((name) => {
      const rise = riseOf(facts.counters, name);
      const counter = facts.counters[name];
      return rise === null || counter === undefined
        ? []
        : [{ name: name.replace('TcpExt.', ''), rise, at: counter.at }];
    });
    const [first] = known;
    if (first === undefined) {
      return undecided('counters', node, say.notRead({ names: (udp ? udpNames.slice(0, 1) : tcpNames).join(', ') }));
    }
    const drops = known.reduce((sum, { rise }) => sum + rise, 0);
    const arrived = (riseOf(facts.counters, udp ? 'Udp.InDatagrams' : 'Tcp.InSegs') ?? 0) + (udp ? drops : 0);
    const counts = known.map(({ name, rise }) => `${name} +${rise}`).join(', ');
    const at = known.find(({ rise }) => rise > 0)?.at ?? first.at;
    if (drops < params.minDrops || drops < arrived * params.minShare) {
      return ruledOut(because(say.flat({ counts, arrived }), at));
    }
    const counted = because(say.dropped({ counts, arrived }), at);
    const full =
      !udp || facts.listeners === undefined
        ? undefined
        : listenersFor(facts.listeners, 'udp', target).covering.find(({ recvq }) => recvq > 0);
    const felt: Because[] = udp
      ? full === undefined
        ? []
        : [because(say.waiting({ recvq: full.recvq, address: full.address, port: full.port }), full.at)]
      : feltLoss({ capture: facts.capture, probes: facts.probes, port: target.port, minLost: params.minLost, say });
    return felt.length > 0
      ? confirmed([counted, ...felt], remedies())
      : likely([counted, because(say.wholeNode, at)], remedies());

    function remedies(): Remedy[] {
      const changes: SettingChange[] = [];
      const raise = (key: string, value: number): void => {
        const now = numbersOf(facts.sysctl, key)?.[0];
        if (now !== undefined && now < value) {
          changes.push({ key, value: String(value), previous: facts.sysctl?.[key]?.value });
        }
      };
      if (udp) {
        raise(rmemMaxKey, 8_388_608);
        raise(rmemDefaultKey, 1_048_576);
      } else {
        const [least, usual, most] = numbersOf(facts.sysctl, tcpRmemKey) ?? [];
        if (least !== undefined && usual !== undefined && most !== undefined && most < 16_777_216) {
          const previous = facts.sysctl?.[tcpRmemKey]?.value;
          changes.push({ key: tcpRmemKey, value: `${least} ${usual} 16777216`, previous });
        }
      }
      const sysctls =
        changes.length === 0
          ? []
          : [
              temporarySysctl(node, changes, { text: say.temporary, risk: say.risk }),
              permanentSysctl(node, 'rcvbuf-drop', changes, { text: say.permanent, risk: say.risk }),
            ];
      return [
        ...sysctls,
        { kind: 'application', node, text: say.application, commands: [], undo: [], risk: say.codeRisk },
      ];
    }
  },
});
