import type { Connection, FactCatalogue } from '../model/facts.ts';
import type { Plan } from '../model/plan.ts';
import { sameAddress } from './ip-address.ts';
import { lostBefore } from './lost-syns.ts';
import type { Flow } from './firewall-match.ts';

const maxSources = 8;

/**
 * The flows to follow through a target's firewall: one per source that sent SYNs without an answer (NAT included,
 * since the capture saw them there), else one per client of the plan, else one from anywhere.
 */
export function inboundFlows(input: {
  readonly protocol: 'tcp' | 'udp';
  readonly target: { readonly address: string; readonly port: number };
  readonly failed: readonly Connection[];
  readonly plan: Plan;
  readonly node: string;
  readonly facts: {
    readonly links?: FactCatalogue['links'];
    readonly routeGet?: FactCatalogue['routeGet'];
  };
}): readonly Flow[] {
  const { protocol, target, failed, plan, facts } = input;
  const bySource = new Map<string, Connection[]>();
  for (const connection of failed) {
    const source = connection.client.address;
    bySource.set(source, [...(bySource.get(source) ?? []), connection]);
  }
  const shared = { protocol, destination: target.address, port: target.port };
  if (bySource.size > 0) {
    return [...bySource].slice(0, maxSources).map(([source, connections]) => ({
      ...shared,
      source,
      inDevice: ingressDevice(connections, source, facts),
      packets: connections.reduce((sum, connection) => sum + lostBefore(connection), 0),
    }));
  }
  const clients = [
    ...plan.nodes.filter((n) => n.roles.includes('client') && n.node.name !== input.node).map((n) => n.address),
    ...plan.externalClients,
  ].slice(0, maxSources);
  const sources = clients.length === 0 ? [null] : clients;
  return sources.map((source) => ({ ...shared, source, inDevice: null, packets: 0 }));
}

/** Where the SYNs were seen coming in, else the node's only device. A route back alone would be a guess. */
function ingressDevice(
  connections: readonly Connection[],
  source: string,
  facts: { readonly links?: FactCatalogue['links']; readonly routeGet?: FactCatalogue['routeGet'] },
): string | null {
  const seen = new Set(
    connections.flatMap((c) =>
      c.syns.flatMap((s) =>
        s.sightings.flatMap((i) =>
          i.direction === 'out' || i.interfaceIndex === null || i.inTunnel === true ? [] : [i.interfaceIndex],
        ),
      ),
    ),
  );
  if (seen.size === 1) {
    const [index] = seen;
    const name = facts.links?.find((link) => link.index === index)?.name;
    if (name !== undefined) return name;
  }
  // a node with one device beside lo leaves no choice
  const devices = facts.links?.filter((link) => link.name !== 'lo' && link.flags.includes('UP')) ?? [];
  const back = facts.routeGet?.find((r) => r.iif === undefined && sameAddress(r.to, source))?.device;
  const only = devices[0];
  return devices.length === 1 && only !== undefined && (back === undefined || back === only.name) ? only.name : null;
}
