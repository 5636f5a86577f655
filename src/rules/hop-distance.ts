/** What operating systems set the TTL (hop limit) of a new packet to. */
const initialTtls = [64, 128, 255];

/** Longer ways are rare; a TTL further below was more likely set by the application (BGP sends with 1). */
const longestWay = 32;

/**
 * How many hops a packet with this TTL has probably come: 0 = made on this machine or its own network; null: it cannot
 * be told. Two packets of one sender agree in this even where it starts RSTs with another TTL than data.
 */
export function hopDistance(ttl: number): number | null {
  const hops = (initialTtls.find((initial) => ttl <= initial) ?? 255) - ttl;
  return hops <= longestWay ? hops : null;
}

/** Whether a packet has come another distance than others of its sender did; false where that cannot be told. */
export function isOtherDistance(ttl: number, others: readonly number[]): boolean {
  const distance = hopDistance(ttl);
  if (distance === null || others.length === 0 || others.includes(ttl)) return false;
  return others.every((other) => {
    const otherDistance = hopDistance(other);
    return otherDistance !== null && otherDistance !== distance;
  });
}
