import type { ConnectionState } from './connection-state.ts';
import type { DecodedPacket } from './decode-packet.ts';

/**
 * The current connection of each 4-tuple, found from either direction without making a key: a hash over the addresses
 * and ports that is the same both ways, chained through the connections themselves.
 */
export class FlowTable {
  /** Unpredictable, so that nobody can send packets that all fall into one bucket. Order and results do not depend on it. */
  readonly #seed = (Math.random() * 0x7fff_ffff) | 1;
  #buckets: (ConnectionState | null)[] = emptyBuckets(1024);
  #mask = 1023;
  #size = 0;

  /** Number of 4-tuples. */
  get size(): number {
    return this.#size;
  }

  hashOf(packet: DecodedPacket): number {
    return this.hash(
      this.end(packet.source0, packet.source1, packet.source2, packet.source3, packet.sourcePort),
      this.end(
        packet.destination0,
        packet.destination1,
        packet.destination2,
        packet.destination3,
        packet.destinationPort,
      ),
    );
  }

  /** Hash of the flow that an ICMP error's embedded packet belongs to. */
  hashOfInner(packet: DecodedPacket): number {
    return this.hash(
      this.end(
        packet.innerSource0,
        packet.innerSource1,
        packet.innerSource2,
        packet.innerSource3,
        packet.innerSourcePort,
      ),
      this.end(
        packet.innerDestination0,
        packet.innerDestination1,
        packet.innerDestination2,
        packet.innerDestination3,
        packet.innerDestinationPort,
      ),
    );
  }

  private end(word0: number, word1: number, word2: number, word3: number, port: number): number {
    let h = this.#seed ^ port;
    if ((word0 | word1 | word2) !== 0) {
      h = mix(h ^ word0);
      h = mix(h ^ word1);
      h = mix(h ^ word2);
    }
    return mix(h ^ word3);
  }

  private hash(one: number, other: number): number {
    return mix((one + other) | 0) ^ (one ^ other);
  }

  /** The latest connection on the packet's 4-tuple, in either direction. */
  find(packet: DecodedPacket, hash: number): ConnectionState | null {
    let entry = this.#buckets[hash & this.#mask] ?? null;
    while (entry !== null) {
      if (entry.hash === hash && isOn(entry, packet)) return entry;
      entry = entry.nextInBucket;
    }
    return null;
  }

  /** The latest connection whose client sent the packet that an ICMP error returns. */
  findInner(packet: DecodedPacket, hash: number): ConnectionState | null {
    let entry = this.#buckets[hash & this.#mask] ?? null;
    while (entry !== null) {
      if (
        entry.hash === hash &&
        entry.version === packet.innerVersion &&
        entry.clientPort === packet.innerSourcePort &&
        entry.serverPort === packet.innerDestinationPort &&
        entry.client3 === packet.innerSource3 &&
        entry.server3 === packet.innerDestination3 &&
        entry.client2 === packet.innerSource2 &&
        entry.server2 === packet.innerDestination2 &&
        entry.client1 === packet.innerSource1 &&
        entry.server1 === packet.innerDestination1 &&
        entry.client0 === packet.innerSource0 &&
        entry.server0 === packet.innerDestination0
      ) {
        return entry;
      }
      entry = entry.nextInBucket;
    }
    return null;
  }

  insert(connection: ConnectionState, hash: number): void {
    if (this.#size >= this.#buckets.length) this.#grow();
    const slot = hash & this.#mask;
    connection.hash = hash;
    connection.nextInBucket = this.#buckets[slot] ?? null;
    this.#buckets[slot] = connection;
    this.#size++;
  }

  remove(connection: ConnectionState): void {
    const slot = connection.hash & this.#mask;
    let entry = this.#buckets[slot] ?? null;
    let before: ConnectionState | null = null;
    while (entry !== null && entry !== connection) {
      before = entry;
      entry = entry.nextInBucket;
    }
    if (entry === null) return;
    if (before === null) this.#buckets[slot] = entry.nextInBucket;
    else before.nextInBucket = entry.nextInBucket;
    entry.nextInBucket = null;
    this.#size--;
  }

  #grow(): void {
    const old = this.#buckets;
    this.#mask = old.length * 4 - 1;
    this.#buckets = emptyBuckets(this.#mask + 1);
    for (const head of old) {
      let entry = head;
      while (entry !== null) {
        const next: ConnectionState | null = entry.nextInBucket;
        const slot = entry.hash & this.#mask;
        entry.nextInBucket = this.#buckets[slot] ?? null;
        this.#buckets[slot] = entry;
        entry = next;
      }
    }
  }
}

function emptyBuckets(count: number): (ConnectionState | null)[] {
  return Array.from({ length: count }, () => null);
}

function isOn(entry: ConnectionState, packet: DecodedPacket): boolean {
  if (entry.version !== packet.ipVersion) return false;
  if (
    entry.client3 === packet.source3 &&
    entry.server3 === packet.destination3 &&
    entry.clientPort === packet.sourcePort &&
    entry.serverPort === packet.destinationPort
  ) {
    return (
      entry.version === 4 ||
      (entry.client2 === packet.source2 &&
        entry.client1 === packet.source1 &&
        entry.client0 === packet.source0 &&
        entry.server2 === packet.destination2 &&
        entry.server1 === packet.destination1 &&
        entry.server0 === packet.destination0)
    );
  }
  return (
    entry.server3 === packet.source3 &&
    entry.client3 === packet.destination3 &&
    entry.serverPort === packet.sourcePort &&
    entry.clientPort === packet.destinationPort &&
    (entry.version === 4 ||
      (entry.server2 === packet.source2 &&
        entry.server1 === packet.source1 &&
        entry.server0 === packet.source0 &&
        entry.client2 === packet.destination2 &&
        entry.client1 === packet.destination1 &&
        entry.client0 === packet.destination0))
  );
}

/** Finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}
