import type { Connection, Facts } from '../model/facts.ts';
import type { PathHop } from '../model/report.ts';
import { sameAddress } from '../rules/ip-address.ts';
import { tunnelOf } from '../rules/tunnel-overhead.ts';
import { tunnelKindOf } from '../rules/tunnel-way.ts';
import type { Leaving } from './hop-translations.ts';
import type { SeenAt } from './seen-at.ts';

/** The device of the first SYN that tells one; bare where the packets were in a tunnel as well. */
export function deviceOf(
  direction: 'in' | 'out',
  connections: readonly Connection[],
  { links = [] }: Facts,
): { readonly in?: NonNullable<PathHop['in']>; readonly out?: NonNullable<PathHop['out']> } {
  const sightings = connections
    .flatMap(({ syns }) => syns.flatMap((syn) => syn.sightings))
    .filter((one) => one.direction === direction && one.inTunnel === undefined);
  // the first place that a packet comes in by, the last that it goes out by: a bridge and its port see it both
  const [index] = (direction === 'in' ? sightings : sightings.toReversed()).flatMap(({ interfaceIndex }) =>
    interfaceIndex === null ? [] : [interfaceIndex],
  );
  const link = links.find((one) => one.index === index);
  if (link === undefined) return {};
  const { name: device, mtu, type, master } = link;
  const kind = tunnelOf(link)?.kind ?? tunnelKindOf(link) ?? undefined;
  const outside = connections.find(({ tunnel }) => tunnel !== null && tunnel.kind === kind)?.tunnel?.outer;
  const to = direction === 'out' ? outside?.destination : outside?.source;
  return {
    [direction]: {
      device,
      mtu,
      ...(type === undefined ? {} : { type }),
      ...(master === undefined ? {} : { bridge: master }),
      ...(kind === undefined ? {} : { tunnel: { kind, ...(to === undefined ? {} : { to }) } }),
    },
  };
}

/** Devices that the connects use on a hop, with the bridge that they are ports of and the card below a tunnel. */
export function usedDevices({ in: first, out }: Pick<PathHop, 'in' | 'out'>, { links = [] }: Facts): readonly string[] {
  const names = [first, out].flatMap((one) => (one === undefined ? [] : [one.device, one.bridge ?? '']));
  const below = links.flatMap(({ name, lower }) => (names.includes(name) && lower !== undefined ? [lower] : []));
  return [...new Set([...names, ...below])].filter((name) => name !== '');
}

/** Whether the node passes packets on of the family that the target has; undefined where that was not read. */
export function forwardingOf({ sysctl }: Facts, target: string): boolean | undefined {
  const value = sysctl?.[target.includes(':') ? 'net.ipv6.conf.all.forwarding' : 'net.ipv4.ip_forward']?.value;
  return value === '0' || value === '1' ? value === '1' : undefined;
}

/** What its routing table says of the way to where the connects go from here; that to itself tells nothing. */
export function routeOf({ facts: { routeGet = [] }, seen }: SeenAt, { servers, clients }: Leaving): PathHop['route'] {
  if (seen.flat().length === 0) return undefined;
  const ways = routeGet.filter(({ to }) => servers.some(({ address }) => sameAddress(to, address)));
  const passing = ways.filter(
    ({ iif, from }) => iif !== undefined && clients.some((one) => from !== undefined && sameAddress(from, one)),
  );
  // the last of the addresses is where they go from here
  const on = [...passing, ...ways].filter(({ verdict }) => verdict !== 'local');
  const way = on.find(({ to }) => sameAddress(to, servers.at(-1)?.address ?? '')) ?? on[0];
  if (way === undefined) return undefined;
  const { verdict, device, via, at } = way;
  return {
    verdict,
    ...(device === undefined ? {} : { device }),
    ...(via === undefined ? {} : { via }),
    ...at,
  };
}
