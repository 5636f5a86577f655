import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CounterReading, Socket } from '../../src/model/facts.ts';
import type { Parser } from '../../src/model/parser.ts';
import { parsers } from '../../src/parsers/index.ts';
import { arpCache } from '../../src/parsers/arp-cache.ts';
import { ethtool } from '../../src/parsers/ethtool.ts';
import { ipRoute } from '../../src/parsers/ip-route.ts';
import { ipTcpMetrics } from '../../src/parsers/ip-tcp-metrics.ts';
import { ipvsadmTimeouts } from '../../src/parsers/ipvsadm-timeouts.ts';
import { netstatN } from '../../src/parsers/netstat-n.ts';
import { netstatS } from '../../src/parsers/netstat-s.ts';
import { nstat } from '../../src/parsers/nstat.ts';
import { ping } from '../../src/parsers/ping.ts';
import { procNetDev } from '../../src/parsers/proc-net-dev.ts';
import { procNetIpVs } from '../../src/parsers/proc-net-ip-vs.ts';
import { procNetIpVsConn } from '../../src/parsers/proc-net-ip-vs-conn.ts';
import { procNetNetstat } from '../../src/parsers/proc-net-netstat.ts';
import { procNetSnmp } from '../../src/parsers/proc-net-snmp.ts';
import { procNetSnmp6 } from '../../src/parsers/proc-net-snmp6.ts';
import { procNetSockstat } from '../../src/parsers/proc-net-sockstat.ts';
import { procNetTcp } from '../../src/parsers/proc-net-tcp.ts';
import { procNfConntrackStat } from '../../src/parsers/proc-nf-conntrack-stat.ts';
import { resolvConf } from '../../src/parsers/resolv-conf.ts';
import { softnetStat } from '../../src/parsers/softnet-stat.ts';
import { ss } from '../../src/parsers/ss.ts';
import { sysctl } from '../../src/parsers/sysctl.ts';
import { tracepath } from '../../src/parsers/tracepath.ts';
import { uname } from '../../src/parsers/uname.ts';
import type { SocketTables } from '../../src/parsers/socket-tables.ts';
import { address } from '../../src/parsers/ip-address.ts';
import { portNumber } from '../../src/parsers/endpoint.ts';
import { parseText, withoutAt } from './parse-text.ts';

/** Outputs that others recorded, with their own reading of them beside it (`.json`). Not part of this project. */
const commands = join(import.meta.dirname, '../../../shared/commands');
const jc = join(commands, 'kellyjonbrazil+jc');
const nodeExporter = join(commands, 'prometheus+node_exporter/collector/fixtures/proc/net');
const ipVsConn = join(commands, 'mesosphere+ip_vs_conn/test/ip_vs_conn_SUITE_data');
const captures = join(import.meta.dirname, '../../../shared/captures/linux-4.9');
const there = existsSync(jc) && existsSync(captures);
const why = there ? '' : ' (skipped: ../shared/commands and ../shared/captures/linux-4.9 are not here)';

function parserOf(kind: string): Parser {
  const parser = parsers.get(kind);
  if (parser === undefined) throw new Error(`no parser for ${kind}`);
  return parser;
}

/** The value, where there has to be one, and how many problems there were. */
function read<Value>(
  parser: Parser<Value>,
  file: string,
  argv: readonly string[] = [],
): { value: Value; problems: number } {
  const { value, problems } = parseText(parser, readFileSync(file), { argv });
  if (value === undefined) throw new Error(`nothing usable in ${file}`);
  return { value, problems: problems.length };
}

/** Files `DIR/SYSTEM/NAME` whose name matches, with the other project's reading. */
function recorded(pattern: RegExp): { file: string; theirs: unknown }[] {
  return readdirSync(jc, { recursive: true, encoding: 'utf8' })
    .filter((file) => pattern.test(basename(file)) && !file.endsWith('.json'))
    .map((file) => {
      const json = join(jc, `${file.replace(/\.out$/, '')}.json`);
      return { file: join(jc, file), theirs: existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : undefined };
    });
}

interface TheirSocket {
  netid?: string;
  proto?: string;
  state?: string;
  recv_q?: number;
  send_q?: number;
  local_address?: string;
  local_port?: string;
  peer_address?: string;
  foreign_address?: string;
  peer_port?: string;
  foreign_port?: string;
}

const anyAddress = new Set(['0.0.0.0', '::', '*']);

/** A socket reduced to what both readings have; "any" is spelled differently. */
function key(protocol: string, state: string, host: string, port: number, peer: string, peerPort: number): string {
  const any = (one: string): string => (anyAddress.has(one) ? '*' : one);
  return [protocol, state, any(host), port, any(peer), peerPort].join(' ');
}

function ourKeys({ listeners = [], sockets = [] }: SocketTables): string[] {
  return [
    ...listeners.map((one) =>
      key(one.protocol, one.protocol === 'tcp' ? 'LISTEN' : 'UNCONN', one.address, one.port, '*', 0),
    ),
    ...sockets.map((one: Socket) =>
      key(one.protocol, one.state, one.local.address, one.local.port, one.peer.address, one.peer.port),
    ),
  ].sort();
}

function theirKeys(list: readonly TheirSocket[]): string[] {
  const names: Record<string, string> = { ESTABLISHED: 'ESTAB', TIME_WAIT: 'TIME-WAIT', SYN_SENT: 'SYN-SENT' };
  return list
    .filter(({ netid, proto }) => /^(?:tcp|udp)6?$/.test(netid ?? proto ?? ''))
    .map((one) => {
      const protocol = (one.netid ?? one.proto ?? '').slice(0, 3);
      const state = names[one.state ?? ''] ?? one.state ?? 'UNCONN';
      const host = (text = '*'): string => address(text) ?? '*';
      const port = (text = '*'): number => portNumber(text) ?? -1;
      return key(
        protocol,
        state,
        host(one.local_address),
        port(one.local_port),
        host(one.peer_address ?? one.foreign_address),
        port(one.peer_port ?? one.foreign_port),
      );
    })
    .sort();
}

describe('recorded outputs of other projects', () => {
  it.skipIf(!there)(`ss: the same sockets${why}`, () => {
    const files = recorded(/^ss-.*\.out$/);
    expect(files.length).toBeGreaterThanOrEqual(4);
    for (const { file, theirs } of files) {
      const { value, problems } = read(ss, file);
      expect(problems, file).toBe(0);
      expect(ourKeys(value), file).toEqual(theirKeys(theirs as TheirSocket[]));
    }
  });

  it.skipIf(!there)(
    `netstat with -n: the same sockets; with names: only the rows in numbers, each missing one said${why}`,
    () => {
      const files = recorded(/^netstat(?:-(?!i\.|r).*)?\.out$/);
      expect(files.length).toBeGreaterThanOrEqual(12);
      for (const { file, theirs } of files) {
        const { value = {}, problems: missing } = parseText(netstatN, readFileSync(file));
        const problems = missing.length;
        const expected = theirKeys(theirs as TheirSocket[]);
        const ours = ourKeys(value);
        if (problems === 0) expect(ours, file).toEqual(expected);
        else
          expect(
            ours.every((one) => expected.includes(one)),
            file,
          ).toBe(true);
        if (/-lnp|no-state|old/.test(file)) expect(problems, file).toBe(0);
      }
    },
  );

  it.skipIf(!there)(`sysctl -a: every key with the same value${why}`, () => {
    const files = recorded(/^sysctl-a\.out$/);
    expect(files).toHaveLength(2);
    for (const { file, theirs } of files) {
      const { value, problems } = read(sysctl, file);
      expect(problems).toBe(0);
      // They turn some texts into numbers and keep the newlines at the end of a value.
      const text = (one: unknown): string => String(one).replaceAll(/\s+/g, ' ').trim();
      const mine = Object.entries(value).map(([name, one]) => [name, text(one.value)]);
      const other = Object.entries(theirs as object).map(([name, one]) => [name, text(one)]);
      const numbers = (list: string[][]): string[] =>
        list.map(([name, one]) => `${name}=${one !== '' && Number.isFinite(Number(one)) ? Number(one) : one}`).sort();
      expect(numbers(mine)).toEqual(numbers(other));
    }
  });

  it.skipIf(!there)(`ip route: the same routes${why}`, () => {
    const files = recorded(/^ip_route\.out$/);
    expect(files).toHaveLength(2);
    for (const { file, theirs } of files) {
      const { value } = read(ipRoute, file);
      expect(
        value.map(({ destination, via, device, source, metric }) => ({ destination, via, device, source, metric })),
      ).toEqual(
        (theirs as Record<string, unknown>[]).map((one) => ({
          destination: one['ip'],
          via: one['via'],
          device: one['dev'],
          source: one['src'],
          metric: one['metric'],
        })),
      );
    }
  });

  it.skipIf(!there)(`/proc/net/tcp and tcp6: the same ends and queues${why}`, () => {
    for (const name of ['net_tcp', 'net_tcp6']) {
      const [{ file, theirs } = { file: '', theirs: [] }] = recorded(new RegExp(`^${name}$`));
      const { value, problems } = read(procNetTcp, file);
      expect(problems).toBe(0);
      const all = [
        ...(value.listeners ?? []).map(({ address: host, port }) => ({ local: { address: host, port } })),
        ...(value.sockets ?? []),
      ];
      const ours = all.map(({ local }) => `${local.address} ${local.port}`).sort();
      const other = (theirs as { local_address: string; local_port: number }[])
        .map((one) => `${address(one.local_address) ?? ''} ${one.local_port}`)
        .sort();
      expect(ours).toEqual(other);
      expect(ours.length).toBeGreaterThan(5);
    }
  });

  it.skipIf(!there)(`/proc/net/netstat and /proc/net/dev: the same numbers${why}`, () => {
    const [netstat = { file: '', theirs: [] }] = recorded(/^net_netstat$/);
    const { value } = read(procNetNetstat, netstat.file);
    for (const [name, one] of Object.entries(value)) {
      const [group = '', short = ''] = name.split('.');
      const theirs = (netstat.theirs as Record<string, unknown>[]).find(
        (other) => other['type'] === group && short in other,
      );
      expect(theirs?.[short], name).toBe(one.value);
    }
    const [dev = { file: '', theirs: [] }] = recorded(/^net_dev$/);
    const devices = read(procNetDev, dev.file).value;
    for (const theirs of dev.theirs as Record<string, number | string>[]) {
      expect(devices[`dev.${theirs['interface']}.rx_bytes`]?.value).toBe(theirs['r_bytes']);
      expect(devices[`dev.${theirs['interface']}.tx_carrier`]?.value).toBe(theirs['t_carrier']);
    }
  });

  it.skipIf(!there)(`ping: the same answers and totals${why}`, () => {
    const files = recorded(/^ping.*\.out$/);
    expect(files.length).toBeGreaterThan(25);
    for (const { file, theirs } of files) {
      const { value, problems } = read(ping, file);
      if (!/unpars/.test(file)) expect(problems, file).toBe(0);
      const other = theirs as {
        packets_transmitted: number;
        packets_received: number;
        responses: { type: string; icmp_seq: number; time_ms: number; duplicate: boolean }[];
      };
      expect({ sent: value.sent, received: value.received }, file).toEqual({
        sent: other.packets_transmitted,
        received: other.packets_received,
      });
      if (/unpars/.test(file)) continue;
      expect(
        value.replies.map(({ sequence, timeMs, duplicate }) => ({ sequence, timeMs, duplicate })),
        file,
      ).toEqual(
        other.responses
          .filter(({ type }) => type === 'reply')
          .map((one) => ({ sequence: one.icmp_seq, timeMs: one.time_ms, duplicate: one.duplicate })),
      );
    }
  });

  it.skipIf(!there)(`tracepath: the same hops${why}`, () => {
    const files = recorded(/^tracepath.*\.out$/);
    expect(files).toHaveLength(2);
    for (const { file, theirs } of files) {
      const { value, problems } = read(tracepath, file);
      expect(problems).toBe(0);
      const other = theirs as {
        pmtu: number;
        hops: { ttl: number; guess: boolean; host: string | null; reply_ms: number | null; reached: boolean }[];
      };
      expect(value.pmtu).toBe(other.pmtu);
      expect(value.hops.map(({ hop, host = null, rttMs = null, reached }) => ({ hop, host, rttMs, reached }))).toEqual(
        other.hops
          .filter(({ guess }) => !guess)
          .map((one) => ({ hop: one.ttl, host: one.host, rttMs: one.reply_ms, reached: one.reached })),
      );
    }
  });

  it.skipIf(!there)(`uname, ethtool, resolv.conf: the same fields${why}`, () => {
    for (const { file, theirs } of recorded(/^uname-a.*\.out$/)) {
      const other = theirs as { kernel_release: string; node_name: string };
      expect(withoutAt(read(uname, file).value), file).toEqual({
        release: other.kernel_release,
        hostname: other.node_name,
      });
    }
    for (const { file, theirs } of recorded(/^ethtool--(?:default|link-partner).*\.out$/)) {
      const other = theirs as { name: string; speed: string; duplex: string; link_detected: boolean };
      expect(read(ethtool, file).value, file).toMatchObject({
        device: other.name,
        speedMbitPerSec: Number.parseInt(other.speed, 10),
        duplex: other.duplex.toLowerCase(),
        linkDetected: other.link_detected,
      });
    }
    const files = recorded(/^resolve\.conf-\d$/);
    expect(files).toHaveLength(4);
    for (const { file, theirs } of files) {
      const { value, problems } = read(resolvConf, file);
      const other = theirs as { nameservers: string[]; search?: string[]; domain?: string; options?: string[] };
      expect(problems).toBe(0);
      expect(value.nameservers.map((one) => one.address)).toEqual(other.nameservers);
      expect(value.options).toEqual(other.options ?? []);
      // resolv.conf(5): the last search or domain line wins; they add all of them up.
      expect([...(other.search ?? []), other.domain]).toEqual(expect.arrayContaining([...value.search]));
    }
  });

  it.skipIf(!there)(`node_exporter's /proc: values checked by hand${why}`, () => {
    const values = (parser: Parser<CounterReading>, file: string): Record<string, unknown> => {
      const { value, problems } = read(parser, join(nodeExporter, file));
      expect(problems, file).toBe(0);
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, one.value]));
    };
    expect(values(procNetNetstat, 'netstat')).toMatchObject({
      'TcpExt.TW': 388_812,
      'TcpExt.PAWSEstab': 6,
      'IpExt.InOctets': 6_286_396_970,
    });
    expect(values(procNetSnmp, 'snmp')).toMatchObject({
      'Ip.InAddrErrors': 25,
      'Tcp.OutRsts': 1003,
      'IcmpMsg.OutType3': 120,
      'Udp.NoPorts': 120,
    });
    expect(values(procNetSnmp6, 'snmp6')).toMatchObject({ 'Ip6.InNoRoutes': 5, 'Ip6.OutNoRoutes': 3003 });
    expect(values(procNetSockstat, 'sockstat')).toMatchObject({
      'sockstat.sockets.used': 229,
      'sockstat.TCP.alloc': 17,
    });
    expect(values(procNetSockstat, 'sockstat6')).toMatchObject({
      'sockstat.TCP6.inuse': 17,
      'sockstat.UDP6.inuse': 9,
    });
    expect(values(procNfConntrackStat, 'stat/nf_conntrack')).toMatchObject({
      'conntrack.entries': 33,
      'conntrack.invalid': 53,
      'conntrack.ignore': 89_738,
    });
    expect(values(arpCache, 'stat/arp_cache')).toMatchObject({
      'arp_cache.table_fulls': 36,
      'arp_cache.unresolved_discards': 34,
    });
    expect(values(softnetStat, 'softnet_stat')).toMatchObject({
      'softnet.processed': 9_907_571,
      'softnet.dropped': 41,
      'softnet.time_squeeze': 146,
    });
    const { services } = read(procNetIpVs, join(nodeExporter, 'ip_vs')).value;
    expect(services.map(({ protocol, servers }) => `${protocol} ${servers.length}`)).toEqual([
      'tcp 3',
      'tcp 3',
      'tcp 2',
      'fwm 2',
    ]);
    const { connections } = read(procNetIpVsConn, join(ipVsConn, 'proc_ip_vs_conn2')).value;
    expect(connections.map(({ state, expireSec }) => `${state} ${expireSec}`)).toEqual([
      'SYN_RECV 57',
      'ESTABLISHED 58',
      'FIN_WAIT 59',
      'TIME_WAIT 59',
    ]);
  });
});

describe('outputs of a real Linux 4.9', () => {
  const kinds: readonly (readonly [RegExp, string, readonly string[]])[] = [
    [/\.uname(?:-r)?$/, 'uname', []],
    [/\.sysctl-(?:a|few)$|^sysctl-vs$/, 'sysctl', []],
    [/\.proc-net-netstat$/, 'proc-net-netstat', []],
    [/\.proc-net-snmp$/, 'proc-net-snmp', []],
    [/\.sockstat$/, 'proc-net-sockstat', []],
    [/\.nstat(?:-asz|\.json)$/, 'nstat', []],
    [/\.netstat-s$/, 'netstat-s', []],
    [/\.netstat-tan$/, 'netstat-n', []],
    [/\.ss-ltnme$/, 'ss', ['ss', '-ltnme']],
    [/\.ss-tan$/, 'ss', ['ss', '-tan']],
    [/\.ss-s$/, 'ss-summary', []],
    [/\.ip-route$/, 'ip-route', []],
    [/\.ip-s-link$/, 'ip-link', []],
    [/\.tcp_metrics$/, 'ip-tcp-metrics', []],
    [/^Ln-\d$/, 'ipvsadm', []],
    [/^Lnc-/, 'ipvsadm-connections', []],
    [/^timeout-/, 'ipvsadm-timeouts', []],
    [/^stats-/, 'ipvsadm-stats', []],
    [/^proc-ip_vs_conn/, 'proc-net-ip-vs-conn', []],
    [/^(?:rs|client)-ss-/, 'ss', []],
  ];

  it.skipIf(!there)(`are all read without a problem${why}`, () => {
    let count = 0;
    for (const name of readdirSync(captures, { recursive: true, encoding: 'utf8' })) {
      const found = kinds.find(([pattern]) => pattern.test(basename(name)));
      if (found === undefined) continue;
      const { value, problems } = read(parserOf(found[1]), join(captures, name), found[2]);
      expect(problems, name).toBe(0);
      expect(value, name).toBeDefined();
      count += 1;
    }
    expect(count).toBeGreaterThan(90);
  });

  it.skipIf(!there)(`say the same of the counters by four ways of asking${why}`, () => {
    const at = (suffix: string): string => join(captures, '02-modern-clients', `2-faulty.${suffix}`);
    const numbers = (parser: Parser<CounterReading>, suffix: string): Map<string, number> =>
      new Map(Object.entries(read(parser, at(suffix)).value).map(([name, one]) => [name, one.value]));
    const proc = new Map([...numbers(procNetSnmp, 'proc-net-snmp'), ...numbers(procNetNetstat, 'proc-net-netstat')]);
    expect(proc.get('TcpExt.PAWSPassive')).toBe(150);
    expect(proc.get('TcpExt.ListenDrops')).toBe(150);
    for (const [parser, suffix, least] of [
      [nstat, 'nstat.json', 150],
      [nstat, 'nstat-asz', 150],
      [netstatS, 'netstat-s', 40],
    ] as const) {
      const other = numbers(parser, suffix);
      // Asking goes over the network too: what counts packets in general moves on between two commands.
      const steady = [...other].filter(
        ([name]) =>
          /^TcpExt\.(?!TCPPureAcks|TCPHP|TCPOrigDataSent|DelayedACK)/.test(name) || /^(?:Udp|Icmp)/.test(name),
      );
      for (const [name, value] of steady) if (proc.has(name)) expect(value, `${suffix} ${name}`).toBe(proc.get(name));
      expect([...other.keys()].filter((name) => proc.has(name)).length, suffix).toBeGreaterThanOrEqual(least);
    }
  });

  it.skipIf(!there)(`say what tcp_tw_recycle left behind${why}`, () => {
    const folder = join(captures, '02-modern-clients');
    expect(withoutAt(read(sysctl, join(folder, '2-faulty.sysctl-few')).value)).toMatchObject({
      'net.ipv4.tcp_tw_recycle': { value: '1' },
    });
    expect(withoutAt(read(ipTcpMetrics, join(folder, '2-faulty.tcp_metrics')).value)).toEqual([
      { address: '10.98.0.1', ageSec: 32.56, twTs: { value: 4_246_596_899, ageSec: 32 } },
      { address: '10.98.0.60', ageSec: 18.13, twTs: { value: 2_993_857_158, ageSec: 18 } },
    ]);
    expect(withoutAt(read(ipvsadmTimeouts, join(captures, '03-ipvs', 'timeout-default')).value)).toEqual({
      timeoutsSec: { tcp: 900, tcpfin: 120, udp: 300 },
    });
  });
});
