import type { Parser } from '../model/parser.ts';
import { arpCache } from './arp-cache.ts';
import { arping } from './arping.ts';
import { bridgeFdb } from './bridge-fdb.ts';
import { conntrackCount } from './conntrack-count.ts';
import { conntrackList } from './conntrack-list.ts';
import { conntrackStats } from './conntrack-stats.ts';
import { cpuStat } from './cpu-stat.ts';
import { date } from './date.ts';
import { dmesg } from './dmesg.ts';
import { ethtoolG } from './ethtool-g.ts';
import { ethtoolI } from './ethtool-i.ts';
import { ethtoolK } from './ethtool-k.ts';
import { ethtoolS } from './ethtool-s.ts';
import { ethtool } from './ethtool.ts';
import { fdCount } from './fd-count.ts';
import { getentAhosts } from './getent-ahosts.ts';
import { hosts } from './hosts.ts';
import { interrupts } from './interrupts.ts';
import { ipAddr } from './ip-addr.ts';
import { ipLink } from './ip-link.ts';
import { ipNeigh } from './ip-neigh.ts';
import { ipRouteGet } from './ip-route-get.ts';
import { ipRoute } from './ip-route.ts';
import { ipRule } from './ip-rule.ts';
import { ipTcpMetrics } from './ip-tcp-metrics.ts';
import { ipVsStats } from './ip-vs-stats.ts';
import { ip6tablesSave } from './ip6tables-save.ts';
import { ipset } from './ipset.ts';
import { iptablesSave } from './iptables-save.ts';
import { iptablesVersion } from './iptables-version.ts';
import { ipvsadmConnections } from './ipvsadm-connections.ts';
import { ipvsadmStats } from './ipvsadm-stats.ts';
import { ipvsadmTimeouts } from './ipvsadm-timeouts.ts';
import { ipvsadm } from './ipvsadm.ts';
import { keyValues } from './key-values.ts';
import { kubeObjects } from './kube-objects.ts';
import { kubeProxy } from './kube-proxy.ts';
import { lastAudit } from './last-audit.ts';
import { look } from './look.ts';
import { netstatN } from './netstat-n.ts';
import { netstatS } from './netstat-s.ts';
import { netns } from './netns.ts';
import { nftJson } from './nft-json.ts';
import { nsswitch } from './nsswitch.ts';
import { nstat } from './nstat.ts';
import { osRelease } from './os-release.ts';
import { ping } from './ping.ts';
import { podLogs } from './pod-logs.ts';
import { procLimits } from './proc-limits.ts';
import { procNetArp } from './proc-net-arp.ts';
import { procNetDev } from './proc-net-dev.ts';
import { procNetFibTrie } from './proc-net-fib-trie.ts';
import { procNetIfInet6 } from './proc-net-if-inet6.ts';
import { procNetIpVsConn } from './proc-net-ip-vs-conn.ts';
import { procNetIpVs } from './proc-net-ip-vs.ts';
import { procNetIpv6Route } from './proc-net-ipv6-route.ts';
import { procNetNetstat } from './proc-net-netstat.ts';
import { procNetRoute } from './proc-net-route.ts';
import { procNetSnmp } from './proc-net-snmp.ts';
import { procNetSnmp6 } from './proc-net-snmp6.ts';
import { procNetSockstat } from './proc-net-sockstat.ts';
import { procNetTcp } from './proc-net-tcp.ts';
import { procNfConntrackStat } from './proc-nf-conntrack-stat.ts';
import { procUptime } from './proc-uptime.ts';
import { resolvConf } from './resolv-conf.ts';
import { rtCache } from './rt-cache.ts';
import { socketOwners } from './socket-owners.ts';
import { softirqs } from './softirqs.ts';
import { softnetStat } from './softnet-stat.ts';
import { ssSummary } from './ss-summary.ts';
import { ss } from './ss.ts';
import { sysctl } from './sysctl.ts';
import { tcpProbe } from './tcp-probe.ts';
import { tracepath } from './tracepath.ts';
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
    ipvsadmStats,
    conntrackStats,
    procNfConntrackStat,
    conntrackList,
    tcpProbe,
    nstat,
    netstatS,
    netstatN,
    ssSummary,
    procNetDev,
    softnetStat,
    rtCache,
    arpCache,
    ethtool,
    ethtoolI,
    ethtoolK,
    ethtoolG,
    ethtoolS,
    resolvConf,
    nsswitch,
    tracepath,
    ping,
    dmesg,
    arping,
    bridgeFdb,
    cpuStat,
    fdCount,
    getentAhosts,
    hosts,
    interrupts,
    ipVsStats,
    ipset,
    kubeProxy,
    kubeObjects,
    procLimits,
    softirqs,
    conntrackCount,
    iptablesVersion,
    procNetArp,
    procNetIfInet6,
    procNetIpv6Route,
    procNetRoute,
    socketOwners,
    netns,
    procNetFibTrie,
    podLogs,
    keyValues,
    lastAudit,
  ].map((parser: Parser) => [parser.kind, parser]),
);
