import type { Collector } from '../model/command.ts';
import { addresses } from './addresses.ts';
import { arpProbe } from './arp-probe.ts';
import { bridgeFdb } from './bridge-fdb.ts';
import { capture } from './capture.ts';
import { clock } from './clock.ts';
import { conntrackTable } from './conntrack-table.ts';
import { conntrack } from './conntrack.ts';
import { counters } from './counters.ts';
import { deviceCounters } from './device-counters.ts';
import { firewall } from './firewall.ts';
import { interrupts } from './interrupts.ts';
import { ipsets } from './ipsets.ts';
import { ipvs } from './ipvs.ts';
import { kernelLog } from './kernel-log.ts';
import { kernel } from './kernel.ts';
import { kubeProxy } from './kube-proxy.ts';
import { kubernetes } from './kubernetes.ts';
import { lastAudit } from './last-audit.ts';
import { links } from './links.ts';
import { listenerProcess } from './listener-process.ts';
import { listeners } from './listeners.ts';
import { look } from './look.ts';
import { nameLookup } from './name-lookup.ts';
import { neighbours } from './neighbours.ts';
import { netns } from './netns.ts';
import { nicCounters } from './nic-counters.ts';
import { nics } from './nics.ts';
import { pathMtu } from './path-mtu.ts';
import { pingSizes } from './ping-sizes.ts';
import { podLogs } from './pod-logs.ts';
import { policyRules } from './policy-rules.ts';
import { resolver } from './resolver.ts';
import { routeGetIn } from './route-get-in.ts';
import { routeGet } from './route-get.ts';
import { serverRoute } from './server-route.ts';
import { routes } from './routes.ts';
import { socketOwners } from './socket-owners.ts';
import { socketSummary } from './socket-summary.ts';
import { sockets } from './sockets.ts';
import { sysctl } from './sysctl.ts';
import { targetName } from './target-name.ts';
import { tcpMetrics } from './tcp-metrics.ts';
import { tcpProbe } from './tcp-probe.ts';
import { tunnelPing } from './tunnel-ping.ts';

/** Everything netcheck may ever run on a node. */
export const collectors: ReadonlyMap<string, Collector> = new Map(
  [
    look,
    netns,
    kernel,
    clock,
    sysctl,
    counters,
    listeners,
    sockets,
    addresses,
    links,
    routes,
    routeGet,
    neighbours,
    firewall,
    ipvs,
    conntrack,
    tcpMetrics,
    podLogs,
    policyRules,
    deviceCounters,
    nicCounters,
    interrupts,
    socketOwners,
    socketSummary,
    resolver,
    kubeProxy,
    kubernetes,
    ipsets,
    bridgeFdb,
    capture,
    tcpProbe,
    pathMtu,
    pingSizes,
    tunnelPing,
    nameLookup,
    targetName,
    arpProbe,
    routeGetIn,
    nics,
    listenerProcess,
    conntrackTable,
    kernelLog,
    serverRoute,
    lastAudit,
  ].map((collector) => [collector.id, collector as Collector]),
);
