import * as z from 'zod';
import type { Remedy } from '../model/report.ts';
import { defineNodeRule } from '../model/rule.ts';
import { askedAt, because } from './because.ts';
import { numbersOf } from './counter-rise.ts';
import { listenersFor } from './listeners.ts';
import { confirmed, likely, notApplicable, ruledOut, undecided } from './outcomes.ts';
import { isReserved, reservedPorts } from './port-range.ts';
import { permanentSysctl, plainSetting, temporarySysctl } from './sysctl-remedies.ts';
import { tcpOnlyText } from './transport.ts';

const rangeKey = 'net.ipv4.ip_local_port_range';
const reservedKey = 'net.ipv4.ip_local_reserved_ports';
/** Default of kube-apiserver --service-node-port-range. */
const nodePorts = { from: 30_000, to: 32_767 } as const;

/** F32: the kernel may give the service's port to an outgoing connection. */
export const portRangeOverlap = defineNodeRule({
  id: 'port-range-overlap',
  fault: 'F32',
  scope: 'node',
  asksNothing: true,
  roles: ['target'],
  needs: ['sysctl', 'listeners'],
  optional: ['sockets', 'kubeProxy'],
  params: z.strictObject({}),
  sources: [
    'Documentation/networking/ip-sysctl.rst (ip_local_port_range, ip_local_reserved_ports)',
    'net/ipv4/inet_hashtables.c __inet_hash_connect, net/ipv4/inet_connection_sock.c inet_csk_get_port',
    'kubernetes/kubernetes#139276',
  ],
  text: {
    en: {
      ...tcpOnlyText.en,
      title: 'The port of the service lies in the range of source ports (ip_local_port_range)',
      notRead: (v: { key: string }) => `${v.key} was not read`,
      inside: (v: { port: number; from: number; to: number }) =>
        `port ${v.port} lies in ip_local_port_range ${v.from}-${v.to} and is not in ip_local_reserved_ports: an outgoing connection may take it while the service is down, and the next start fails with "address already in use"`,
      outside: (v: { port: number; from: number; to: number }) =>
        `port ${v.port} does not lie in ip_local_port_range ${v.from}-${v.to}`,
      isReserved: (v: { port: number }) => `port ${v.port} is in ip_local_reserved_ports`,
      taken: (v: { port: number; peer: string }) =>
        `nothing listens on port ${v.port}, and a connection of this node to ${v.peer} uses it as its source port`,
      nodePorts: (v: { from: number; to: number }) =>
        `kube-proxy runs here, and ip_local_port_range ${v.from}-${v.to} covers NodePorts (30000-32767) that are not reserved: SNAT or a local program may take one`,
      noNodePorts: (v: { from: number; to: number }) =>
        `ip_local_port_range ${v.from}-${v.to} has no NodePort (30000-32767) in it that is not reserved`,
      noKubeProxy: 'No kube-proxy answers here, so there are no NodePorts',
      temporary: 'Keeps the kernel from giving these ports to outgoing connections (connections that have one keep it)',
      permanent: 'Keeps it after a reboot',
      kubernetes:
        'For a pod: securityContext.sysctls net.ipv4.ip_local_reserved_ports (a safe sysctl since Kubernetes 1.27, from kernel 3.16 on)',
      risk: 'Low: a few source ports fewer',
    },
    zh: {
      ...tcpOnlyText.zh,
      title: '服务端口落在源端口范围（ip_local_port_range）内',
      notRead: (v) => `没有读到 ${v.key}`,
      inside: (v) =>
        `端口 ${v.port} 在 ip_local_port_range ${v.from}-${v.to} 之内，且不在 ip_local_reserved_ports 中：服务停止期间可能被出向连接占用，再启动就会报“address already in use”`,
      outside: (v) => `端口 ${v.port} 不在 ip_local_port_range ${v.from}-${v.to} 之内`,
      isReserved: (v) => `端口 ${v.port} 已在 ip_local_reserved_ports 中`,
      taken: (v) => `没有进程监听端口 ${v.port}，而本机到 ${v.peer} 的一条连接正用它作源端口`,
      nodePorts: (v) =>
        `这里运行着 kube-proxy，而 ip_local_port_range ${v.from}-${v.to} 包含未保留的 NodePort（30000-32767）：可能被 SNAT 或本地程序占用`,
      noNodePorts: (v) => `ip_local_port_range ${v.from}-${v.to} 里没有未保留的 NodePort（30000-32767）`,
      noKubeProxy: '这里没有 kube-proxy 应答，所以没有 NodePort',
      temporary: '不再把这些端口分配给出向连接（已占用的连接不受影响）',
      permanent: '重启后仍有效',
      kubernetes:
        '对 Pod：securityContext.sysctls 设置 net.ipv4.ip_local_reserved_ports（Kubernetes 1.27 起属于安全 sysctl，内核 3.16 起）',
      risk: '低：可用源端口略少',
    },
  },
  evaluate({ node, facts, symptom, target, say }) {
    if (symptom.protocol !== 'tcp') return notApplicable(because(say.tcpOnly, askedAt));
    const setting = facts.sysctl[rangeKey];
    const [from, to] = numbersOf(facts.sysctl, rangeKey) ?? [];
    if (setting === undefined || from === undefined || to === undefined) {
      return undecided('sysctl', node, say.notRead({ key: rangeKey }));
    }
    const { port } = target;
    const reservedSetting = facts.sysctl[reservedKey];
    // unread: nothing is taken for reserved only where the file was looked for
    if (reservedSetting === undefined) return undecided('sysctl', node, say.notRead({ key: reservedKey }));
    const reserved = reservedPorts(reservedSetting.value);
    const range = { from, to };
    // an audit asks about no port: what is left are the ports of Services
    const isAsked = symptom.about === undefined;
    const lies = isAsked && port >= from && port <= to;

    if (lies && !isReserved(port, reserved)) {
      const inside = because(say.inside({ port, ...range }), setting.at);
      const listens = listenersFor(facts.listeners, 'tcp', target).onPort.length > 0;
      // an accepted connection that outlived its listener has its peer's port in a range of source ports
      const taking = facts.sockets?.find(
        (s) => s.protocol === 'tcp' && s.state !== 'LISTEN' && s.local.port === port && s.peer.port < from,
      );
      if (!listens && taking !== undefined) {
        const peer = `${taking.peer.address}:${taking.peer.port}`;
        return confirmed([because(say.taken({ port, peer }), taking.at), inside], remedies(String(port)));
      }
      return likely([inside], remedies(String(port)));
    }
    const overlaps = from <= nodePorts.to && to >= nodePorts.from;
    const someFree = [nodePorts.from, nodePorts.to].some((p) => p >= from && p <= to && !isReserved(p, reserved));
    if (facts.kubeProxy !== undefined && overlaps && someFree) {
      return likely([because(say.nodePorts(range), setting.at)], remedies(`${nodePorts.from}-${nodePorts.to}`));
    }
    if (!isAsked)
      return facts.kubeProxy === undefined
        ? notApplicable(because(say.noKubeProxy, askedAt))
        : ruledOut(because(say.noNodePorts(range), setting.at));
    return ruledOut(
      lies
        ? because(say.isReserved({ port }), reservedSetting.at)
        : because(say.outside({ port, ...range }), setting.at),
    );

    function remedies(ports: string): Remedy[] {
      const now = reservedSetting?.value?.trim() ?? '';
      // the write replaces the list, so what is in it must be written again
      const isList = /^[\d,-]*$/.test(now);
      const words = { text: say.temporary, risk: say.risk };
      const change = [{ key: reservedKey, value: now === '' ? ports : `${now},${ports}`, previous: plainSetting(now) }];
      return [
        ...(isList
          ? [
              { ...temporarySysctl(node, change, words), undo: [`sysctl -w ${reservedKey}='${now}'`] },
              permanentSysctl(node, 'port-range-overlap', change, { ...words, text: say.permanent }),
            ]
          : []),
        { kind: 'kubernetes' as const, text: say.kubernetes, commands: [], undo: [], risk: say.risk },
      ];
    }
  },
});
