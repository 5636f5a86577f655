import type { Collector } from '../model/command.ts';
import { addresses } from './addresses.ts';
import { capture } from './capture.ts';
import { clock } from './clock.ts';
import { conntrack } from './conntrack.ts';
import { counters } from './counters.ts';
import { firewall } from './firewall.ts';
import { ipvs } from './ipvs.ts';
import { kernel } from './kernel.ts';
import { links } from './links.ts';
import { listeners } from './listeners.ts';
import { look } from './look.ts';
import { neighbours } from './neighbours.ts';
import { routeGet } from './route-get.ts';
import { routes } from './routes.ts';
import { sockets } from './sockets.ts';
import { sysctl } from './sysctl.ts';
import { tcpMetrics } from './tcp-metrics.ts';
import { tcpProbe } from './tcp-probe.ts';

/** Everything netcheck may ever run on a node. */
export const collectors: ReadonlyMap<string, Collector> = new Map(
  [
    look,
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
    capture,
    tcpProbe,
  ].map((collector) => [collector.id, collector as Collector]),
);
