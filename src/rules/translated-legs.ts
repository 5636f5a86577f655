import type { Connection } from '../model/facts.ts';

/**
 * Connections of one capture with the legs of a translation (IPVS, DNAT) made one: the same SYN with other
 * addresses, on its way in and on its way out again. What stays is the leg that was seen first, and its SYNs say where
 * the other was seen as well; without that a packet that was passed on counts twice and looks swallowed.
 */
export function withoutTranslatedLegs(connections: readonly Connection[]): readonly Connection[] {
  const first = new Map<number, Connection>();
  const others = new Map<Connection, Connection[]>();
  const kept: Connection[] = [];
  for (const connection of connections) {
    const [syn] = connection.syns;
    const known = syn === undefined ? undefined : first.get(syn.sequence);
    if (known !== undefined && isTranslationOf(known, connection))
      others.set(known, [...(others.get(known) ?? []), connection]);
    else {
      if (syn !== undefined) first.set(syn.sequence, connection);
      kept.push(connection);
    }
  }
  return kept.map((connection) => {
    const legs = others.get(connection);
    return legs === undefined ? connection : withSightings(connection, legs);
  });
}

/** Both sides of one translation lie closer together than this, milliseconds. */
const translationMs = 20;

const isAtOnce = (one: { readonly atMs: number }, other: { readonly atMs: number }): boolean =>
  Math.abs(one.atMs - other.atMs) <= translationMs;

function isTranslationOf(one: Connection, other: Connection): boolean {
  const isSame = (a: Connection['client'], b: Connection['client']): boolean =>
    a.address === b.address && a.port === b.port;
  return (
    !(isSame(one.server, other.server) && isSame(one.client, other.client)) &&
    other.syns.slice(0, 1).every((copy) => one.syns.some((syn) => syn.tsval === copy.tsval && isAtOnce(syn, copy)))
  );
}

function withSightings(connection: Connection, legs: readonly Connection[]): Connection {
  return {
    ...connection,
    syns: connection.syns.map((syn) => ({
      ...syn,
      sightings: [
        ...syn.sightings,
        ...legs.flatMap(({ syns }) => syns.filter((copy) => isAtOnce(syn, copy)).flatMap(({ sightings }) => sightings)),
      ],
    })),
  };
}
