import type { Connection, FactCatalogue } from '../model/facts.ts';

/** Devices by which the SYNs of these connections were seen coming in, out of any tunnel, by name; empty where the capture cannot tell. */
export function ingressDevices(
  connections: readonly Connection[],
  links: FactCatalogue['links'] | undefined,
): readonly string[] {
  const indexes = new Set(
    connections.flatMap((c) =>
      c.syns.flatMap((s) =>
        s.sightings.flatMap((i) =>
          i.direction !== 'in' || i.interfaceIndex === null || i.inTunnel === true ? [] : [i.interfaceIndex],
        ),
      ),
    ),
  );
  return [...indexes].flatMap((index) => links?.find((link) => link.index === index)?.name ?? []);
}
