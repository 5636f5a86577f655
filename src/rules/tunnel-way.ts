import type { Connection, FactCatalogue, Link, RouteVerdict } from '../model/facts.ts';
import type { PingResult } from '../model/node-facts.ts';
import type { Tunnel } from '../model/packet-facts.ts';
import type { Plan } from '../model/plan.ts';
import { sameAddress } from './ip-address.ts';
import { tunnelOf } from './tunnel-overhead.ts';

/** Kinds of tunnels that pod networks are made of, as the packet engine and `ip -d` name them. */
export type TunnelKind = 'ipip' | 'vxlan' | 'geneve';

/** Whether packets of a side were seen in such a tunnel, going this way. */
export function wasInTunnel(
  { places }: Connection,
  kinds: readonly string[],
  from: 'client' | 'server',
  direction: 'in' | 'out',
): boolean {
  return places.some(
    (place) =>
      place.tunnel !== null && kinds.includes(place.tunnel) && place.direction === direction && place[from] > 0,
  );
}

/** Whether packets of a side were seen outside of any tunnel. */
export function wasBare({ places }: Connection, from: 'client' | 'server'): boolean {
  return places.some((place) => place.tunnel === null && place[from] > 0);
}

/** The tunnel that the client's packets left in, with the addresses outside; null: they were not seen to. */
export function tunnelLeftIn(connection: Connection, kinds: readonly string[]): Tunnel | null {
  return wasInTunnel(connection, kinds, 'client', 'out') ? connection.tunnel : null;
}

/** The kind of tunnel that a device is for packets that go into it; null: none of these. */
export function tunnelKindOf(link: Pick<Link, 'name' | 'type'>): TunnelKind | null {
  const kind = tunnelOf(link)?.kind ?? link.type;
  if (kind === 'ipip' || kind === 'vxlan' || kind === 'geneve') return kind;
  if (/^(?:cilium_vxlan|vxlan_sys_\d+|vxlan-\d+)$/.test(link.name)) return 'vxlan';
  return /^(?:cilium_geneve|genev_sys_\d+)$/.test(link.name) ? 'geneve' : null;
}

/** The node's own decision about the way to an address, not about a packet that comes in somewhere. */
export function wayTo(routeGet: readonly RouteVerdict[] | undefined, address: string): RouteVerdict | undefined {
  return routeGet?.find(({ to, iif }) => iif === undefined && sameAddress(to, address));
}

export function pingOf(pings: readonly PingResult[] | undefined, address: string): PingResult | undefined {
  return pings?.find(({ target }) => sameAddress(target, address));
}

/** Whether an address is one of the node's, as far as it is known. */
export function isAddressOf(
  node: string,
  addresses: FactCatalogue['addresses'] | undefined,
  plan: Plan,
  address: string,
): boolean {
  const planned = plan.nodes.find((one) => one.node.name === node);
  const known = [planned?.address, ...(planned?.node.serves ?? []), ...(addresses?.map((one) => one.address) ?? [])];
  return known.some((one) => one !== undefined && sameAddress(one, address));
}

/** Whether it is a place in a namespace of its own, where tunnels of the node are not seen. */
export function isPod(node: string, plan: Plan): boolean {
  return plan.nodes.some((one) => one.node.name === node && one.netns !== undefined);
}
