import * as z from 'zod';
import type { Because, Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { codeRiskText } from './code-risk.ts';
import { because, askedAt, fileOf } from './because.ts';
import { numbersOf } from './counter-rise.ts';
import { sameAddress } from './ip-address.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { portCount, reservedPorts } from './port-range.ts';
import { socketReadings } from './socket-readings.ts';
import { podSysctls, podSysctlText } from './pod-sysctls.ts';
import { permanentSysctl, type SettingChange, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';

const rangeKey = 'net.ipv4.ip_local_port_range';
const reservedKey = 'net.ipv4.ip_local_reserved_ports';
const reuseKey = 'net.ipv4.tcp_tw_reuse';
/** EADDRNOTAVAIL as bash, nc, python and perl word it, in English and in the Chinese of glibc. */
const notAvailable = /cannot assign requested address|address not available|无法[分指][配定].{0,6}地址|Errno 99\b/i;

/** F30: all source ports towards one destination are in use. */
export const ephemeralExhaustion = defineNodeRule({
  id: 'ephemeral-exhaustion',
  fault: 'F30',
  scope: 'node',
  roles: ['client'],
  needs: ['sysctl'],
  optional: ['sockets', 'probes'],
  params: z.strictObject({
    /** Share of the range in use towards the target from which on it counts as used up: connect() searches long then. */
    nearlyFull: z.number().gt(0).max(1).default(0.9),
  }),
  sources: [
    'net/ipv4/inet_hashtables.c __inet_hash_connect (EADDRNOTAVAIL)',
    'Documentation/networking/ip-sysctl.rst (ip_local_port_range, ip_local_reserved_ports, tcp_tw_reuse)',
    'connect(2), EADDRNOTAVAIL',
  ],
  text: {
    en: {
      ...codeRiskText.en,
      ...podSysctlText.en,
      ...tcpOnlyText.en,
      title: 'The client has no source ports left for this target (ephemeral ports)',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      noEvidence: 'neither the sockets to the target nor the outcome of connects was read',
      refused: (v: { failed: number; of: number; message: string }) =>
        `${v.failed} of ${v.of} connects failed before a packet was sent: "${v.message}" (EADDRNOTAVAIL)`,
      used: (v: {
        held: number;
        waiting: number;
        ports: number;
        from: number;
        to: number;
        address: string;
        port: number;
      }) =>
        `${v.held} of the ${v.ports} source ports ${v.from}-${v.to} are in use towards ${v.address}:${v.port} (${v.waiting} in TIME-WAIT)`,
      otherReason:
        'The ports towards this target are not used up: the source address or a bind() of the program may be the reason',
      noneFailed: (v: { of: number }) => `none of ${v.of} connects failed for want of a source port`,
      reusable: 'tcp_tw_reuse = 1 lets connect() take ports in TIME-WAIT after one second',
      temporary: 'Gives connect() more source ports at once',
      permanent: 'Keeps it after a reboot',
      application:
        'The lasting remedy: keep connections open and reuse them (keep-alive, a connection pool) instead of one per request',
      risk: 'The wider range covers NodePorts (30000-32767) and ports that services of the node listen on: put those into net.ipv4.ip_local_reserved_ports',
    },
    zh: {
      ...codeRiskText.zh,
      ...podSysctlText.zh,
      ...tcpOnlyText.zh,
      title: '客户端到该目标的源端口（临时端口）已用尽',
      notRead: (v) => `没有读到 ${v.key}`,
      noEvidence: '既没有读到到目标的套接字，也没有连接结果',
      refused: (v) => `${v.of} 次连接中有 ${v.failed} 次在发包之前就失败：“${v.message}”（EADDRNOTAVAIL）`,
      used: (v) =>
        `源端口 ${v.from}-${v.to} 共 ${v.ports} 个，到 ${v.address}:${v.port} 已占用 ${v.held} 个（其中 TIME-WAIT ${v.waiting} 个）`,
      otherReason: '到该目标的端口并没有用尽：可能是源地址不存在，或程序自己 bind() 了地址',
      noneFailed: (v) => `${v.of} 次连接都没有因缺少源端口而失败`,
      reusable: 'tcp_tw_reuse = 1：处于 TIME-WAIT 的端口一秒后可被 connect() 复用',
      temporary: '立即增加可用的源端口',
      permanent: '重启后仍有效',
      application: '根本办法：保持并复用连接（keep-alive、连接池），不要每个请求新建连接',
      risk: '扩大后的范围包含 NodePort（30000-32767）和本机服务监听的端口：应把它们写进 net.ipv4.ip_local_reserved_ports',
    },
  },
  evaluate({ node, facts, symptom, target, params, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const range = facts.sysctl[rangeKey];
    const [from, to] = numbersOf(facts.sysctl, rangeKey) ?? [];
    if (range === undefined || from === undefined || to === undefined || to < from) {
      return undecided('sysctl', node, say.notRead({ key: rangeKey }));
    }
    const ports = portCount(from, to, reservedPorts(facts.sysctl[reservedKey]?.value));
    const canReuse = numbersOf(facts.sysctl, reuseKey)?.[0] === 1;

    const probes = facts.probes ?? [];
    const failed = probes.filter(({ message, outcome }) => outcome === 'other' && notAvailable.test(message));
    const said: Because[] = failed
      .slice(0, 1)
      .map((one) => because(say.refused({ failed: failed.length, of: probes.length, message: one.message }), one.at));
    const reading = fullestReading();
    const used: Because[] =
      reading === null
        ? []
        : [because(say.used({ ...reading, ports, from, to, ...target }), fileOf(facts.sockets ?? [], range.at))];
    const isFull = reading !== null && reading.held >= ports * params.nearlyFull;

    if (failed.length > 0) {
      if (isFull) return confirmed([...said, ...used], remedies());
      return likely([...said, ...used, ...(reading === null ? [] : [because(say.otherReason, range.at)])], remedies());
    }
    if (isFull && !(canReuse && reading.held - reading.waiting < ports * params.nearlyFull)) {
      return likely(used, remedies());
    }
    if (reading === null && probes.length === 0) return undecided('sockets', node, say.noEvidence);
    return ruledOut(
      ...used,
      ...(isFull ? [because(say.reusable, facts.sysctl[reuseKey]?.at ?? range.at)] : []),
      ...(probes.length === 0 ? [] : [because(say.noneFailed({ of: probes.length }), fileOf(probes))]),
    );

    /** A source port is taken per source address; of two readings and several addresses the fullest counts. */
    function fullestReading(): { held: number; waiting: number } | null {
      if (facts.sockets === undefined) return null;
      let fullest = { held: 0, waiting: 0 };
      for (const sockets of socketReadings(facts.sockets)) {
        const held = new Map<string, Set<number>>();
        const waiting = new Map<string, number>();
        for (const { protocol, state, local, peer } of sockets) {
          if (protocol !== 'tcp' || peer.port !== target.port || !sameAddress(peer.address, target.address)) continue;
          // a port that was bound by name, or taken before the range was narrowed, is none of these
          if (local.port < (from ?? 0) || local.port > (to ?? 0)) continue;
          held.set(local.address, (held.get(local.address) ?? new Set()).add(local.port));
          if (state === 'TIME-WAIT') waiting.set(local.address, (waiting.get(local.address) ?? 0) + 1);
        }
        for (const [address, own] of held) {
          if (own.size > fullest.held) fullest = { held: own.size, waiting: waiting.get(address) ?? 0 };
        }
      }
      return fullest;
    }

    function remedies(): Remedy[] {
      const changes: SettingChange[] = [];
      if ((to ?? 0) - (from ?? 0) < 64_000) {
        changes.push({ key: rangeKey, value: '1024 65535', previous: range?.value });
      }
      if (!canReuse && (reading?.waiting ?? 0) > (reading?.held ?? 0) / 2) {
        changes.push({ key: reuseKey, value: '1', previous: facts.sysctl[reuseKey]?.value });
      }
      const sysctls =
        changes.length === 0
          ? []
          : [
              temporarySysctl(node, changes, { text: say.temporary, risk: say.risk }),
              permanentSysctl(node, 'ephemeral-exhaustion', changes, { text: say.permanent, risk: say.risk }),
              podSysctls(changes, say),
            ];
      return [
        ...sysctls,
        { kind: 'application', node, text: say.application, commands: [], undo: [], risk: say.codeRisk },
      ];
    }
  },
});
