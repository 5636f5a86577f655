import type { Parser } from '../model/parser.ts';
import { conntrackStats } from './conntrack-stats.ts';
import { date } from './date.ts';
import { ip6tablesSave } from './ip6tables-save.ts';
import { ipAddr } from './ip-addr.ts';
import { ipLink } from './ip-link.ts';
import { ipNeigh } from './ip-neigh.ts';
import { ipRoute } from './ip-route.ts';
import { ipRouteGet } from './ip-route-get.ts';
import { ipRule } from './ip-rule.ts';
import { ipTcpMetrics } from './ip-tcp-metrics.ts';
import { iptablesSave } from './iptables-save.ts';
import { ipvsadm } from './ipvsadm.ts';
import { ipvsadmConnections } from './ipvsadm-connections.ts';
import { ipvsadmTimeouts } from './ipvsadm-timeouts.ts';
import { look } from './look.ts';
import { nftJson } from './nft-json.ts';
import { osRelease } from './os-release.ts';
import { procNetIpVs } from './proc-net-ip-vs.ts';
import { procNetIpVsConn } from './proc-net-ip-vs-conn.ts';
import { procNetNetstat } from './proc-net-netstat.ts';
import { procNetSnmp } from './proc-net-snmp.ts';
import { procNetSnmp6 } from './proc-net-snmp6.ts';
import { procNetSockstat } from './proc-net-sockstat.ts';
import { procNetTcp } from './proc-net-tcp.ts';
import { procNfConntrackStat } from './proc-nf-conntrack-stat.ts';
import { procUptime } from './proc-uptime.ts';
import { ss } from './ss.ts';
import { sysctl } from './sysctl.ts';
import { tcpProbe } from './tcp-probe.ts';
import { uname } from './uname.ts';

/** Every parser by its kind. */
export const parsers: ReadonlyMap<string, Parser> = new Map(
  [
    look,
    uname,
    osRelease,
    date,
    procUptime,
    sysctl,
    procNetSnmp,
    procNetNetstat,
    procNetSockstat,
    procNetSnmp6,
    ss,
    procNetTcp,
    ipAddr,
    ipLink,
    ipRoute,
    ipRouteGet,
    ipRule,
    ipNeigh,
    ipTcpMetrics,
    iptablesSave,
    ip6tablesSave,
    nftJson,
    ipvsadm,
    ipvsadmConnections,
    ipvsadmTimeouts,
    procNetIpVs,
    procNetIpVsConn,
    conntrackStats,
    procNfConntrackStat,
    tcpProbe,
  ].map((parser: Parser) => [parser.kind, parser]),
);
