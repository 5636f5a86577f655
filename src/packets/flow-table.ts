import type { DecodedPacket } from './decode-packet.ts';

/*
 * Layout of {@link FlowTable}: 12 words of 32 bits per slot, of which finding an IPv4 packet takes the first 6.
 */
const slotWords = 12;
const hashAt = 0;
/** Next slot of the same bucket, plus 1; 0: none. */
const nextOf = 1;
/** Last words of the addresses: all of an IPv4 address. */
const client3 = 2;
const server3 = 3;
/** Client's port · 65536 + server's port. */
const portsOf = 4;
/** IP version, plus `takenOut` where the connection is not found any more; 0: never used. */
const versionOf = 5;
const client0 = 6;
const client1 = 7;
const client2 = 8;
const server0 = 9;
const server1 = 10;
const server2 = 11;

const takenOut = 8;

/** IP addresses as 32-bit words, and ports, of one slot. */
export interface FlowKey {
  readonly version: 4 | 6;
  readonly client: readonly [number, number, number, number];
  readonly clientPort: number;
  readonly server: readonly [number, number, number, number];
  readonly serverPort: number;
}

/**
 * The current connection of each 4-tuple, found from either direction without making a key: a hash over the addresses
 * and ports that is the same both ways. Connections are slot numbers that the caller gives out; everything is in typed
 * arrays.
 */
export class FlowTable {
  /** Unpredictable, so that nobody can send packets that all fall into one bucket. Order and results do not depend on it. */
  readonly #seed = (Math.random() * 0x1_0000_0000) | 1;
  /** Ports are multiplied with it: only xor-ed to the address, the two would cancel out as a scanner counts both up. */
  readonly #portFactor = (Math.random() * 0x1_0000_0000) | 1;
  #words = new Int32Array(0);
  /** First slot of each bucket, plus 1; 0: none. There are at least as many as slots. */
  #buckets = new Int32Array(1);
  #mask = 0;
  /** Slots from here on were never used. */
  #slots = 0;

  /** Makes room for slots 0 to `slots` - 1. Memory that no slot has touched yet is not resident. */
  grow(slots: number): void {
    const words = new Int32Array(slots * slotWords);
    words.set(this.#words);
    this.#words = words;
    let count = 256;
    while (count < slots) count *= 2;
    this.#mask = count - 1;
    this.#buckets = new Int32Array(count);
    for (let slot = 0; slot < this.#slots; slot++) {
      const at = slot * slotWords;
      const version = words[at + versionOf] ?? 0;
      if (version === 0 || (version & takenOut) !== 0) continue;
      const bucket = (words[at + hashAt] ?? 0) & this.#mask;
      words[at + nextOf] = this.#buckets[bucket] ?? 0;
      this.#buckets[bucket] = slot + 1;
    }
  }

  hashOf(packet: DecodedPacket): number {
    return this.#hash(
      this.#end(packet.source0, packet.source1, packet.source2, packet.source3, packet.sourcePort),
      this.#end(
        packet.destination0,
        packet.destination1,
        packet.destination2,
        packet.destination3,
        packet.destinationPort,
      ),
    );
  }

  #end(word0: number, word1: number, word2: number, word3: number, port: number): number {
    let h = this.#seed ^ Math.imul(port, this.#portFactor);
    if ((word0 | word1 | word2) !== 0) {
      h = mix(h ^ word0);
      h = mix(h ^ word1);
      h = mix(h ^ word2);
    }
    return mix(h ^ word3);
  }

  #hash(one: number, other: number): number {
    return mix((one + other) | 0) ^ (one ^ other);
  }

  /**
   * The latest connection on the packet's 4-tuple, in either direction.
   * @returns slot · 2, plus 1 where the server sent the packet; -1: there is none
   */
  find(packet: DecodedPacket, hash: number): number {
    const words = this.#words;
    const source = packet.source3;
    const destination = packet.destination3;
    const forward = (packet.sourcePort << 16) | packet.destinationPort;
    const backward = (packet.destinationPort << 16) | packet.sourcePort;
    let slot = (this.#buckets[hash & this.#mask] ?? 0) - 1;
    while (slot >= 0) {
      const at = slot * slotWords;
      if (words[at + hashAt] === hash && words[at + versionOf] === packet.ipVersion) {
        const isV6 = packet.ipVersion === 6;
        if (words[at + client3] === source && words[at + server3] === destination && words[at + portsOf] === forward) {
          if (!isV6 || this.#sameV6(at, packet, false)) return slot * 2;
        }
        if (words[at + server3] === source && words[at + client3] === destination && words[at + portsOf] === backward) {
          if (!isV6 || this.#sameV6(at, packet, true)) return slot * 2 + 1;
        }
      }
      slot = (words[at + nextOf] ?? 0) - 1;
    }
    return -1;
  }

  #sameV6(at: number, packet: DecodedPacket, fromServer: boolean): boolean {
    const words = this.#words;
    const source = at + (fromServer ? server0 : client0);
    const destination = at + (fromServer ? client0 : server0);
    return (
      words[source + 2] === packet.source2 &&
      words[source + 1] === packet.source1 &&
      words[source] === packet.source0 &&
      words[destination + 2] === packet.destination2 &&
      words[destination + 1] === packet.destination1 &&
      words[destination] === packet.destination0
    );
  }

  /**
   * The latest connection that the packet inside an ICMP error belongs to.
   * @returns as {@link find}
   */
  findInner(packet: DecodedPacket): number {
    if (packet.innerVersion === 0) return -1;
    const hash = this.#hash(
      this.#end(
        packet.innerSource0,
        packet.innerSource1,
        packet.innerSource2,
        packet.innerSource3,
        packet.innerSourcePort,
      ),
      this.#end(
        packet.innerDestination0,
        packet.innerDestination1,
        packet.innerDestination2,
        packet.innerDestination3,
        packet.innerDestinationPort,
      ),
    );
    let slot = (this.#buckets[hash & this.#mask] ?? 0) - 1;
    while (slot >= 0) {
      const at = slot * slotWords;
      if (this.#words[at + hashAt] === hash && this.#words[at + versionOf] === packet.innerVersion) {
        if (this.#isInner(at, packet, client0, client3, server0, server3, false)) return slot * 2;
        if (this.#isInner(at, packet, server0, server3, client0, client3, true)) return slot * 2 + 1;
      }
      slot = (this.#words[at + nextOf] ?? 0) - 1;
    }
    return -1;
  }

  #isInner(
    at: number,
    packet: DecodedPacket,
    source0: number,
    source3: number,
    destination0: number,
    destination3: number,
    swapped: boolean,
  ): boolean {
    const words = this.#words;
    const ports = words[at + portsOf] ?? 0;
    const first = swapped ? packet.innerDestinationPort : packet.innerSourcePort;
    const second = swapped ? packet.innerSourcePort : packet.innerDestinationPort;
    return (
      ports === ((first << 16) | second) &&
      words[at + source3] === packet.innerSource3 &&
      words[at + destination3] === packet.innerDestination3 &&
      words[at + source0 + 2] === packet.innerSource2 &&
      words[at + source0 + 1] === packet.innerSource1 &&
      words[at + source0] === packet.innerSource0 &&
      words[at + destination0 + 2] === packet.innerDestination2 &&
      words[at + destination0 + 1] === packet.innerDestination1 &&
      words[at + destination0] === packet.innerDestination0
    );
  }

  /** Puts a connection in a free slot that nothing else is in. */
  insert(slot: number, packet: DecodedPacket, senderIsClient: boolean, hash: number): void {
    if (slot >= this.#slots) this.#slots = slot + 1;
    const words = this.#words;
    const at = slot * slotWords;
    const bucket = hash & this.#mask;
    const source0 = at + (senderIsClient ? client0 : server0);
    const destination0 = at + (senderIsClient ? server0 : client0);
    words[at + hashAt] = hash;
    words[at + nextOf] = this.#buckets[bucket] ?? 0;
    words[at + versionOf] = packet.ipVersion;
    words[at + (senderIsClient ? client3 : server3)] = packet.source3;
    words[at + (senderIsClient ? server3 : client3)] = packet.destination3;
    words[at + portsOf] = senderIsClient
      ? (packet.sourcePort << 16) | packet.destinationPort
      : (packet.destinationPort << 16) | packet.sourcePort;
    words[source0] = packet.source0;
    words[source0 + 1] = packet.source1;
    words[source0 + 2] = packet.source2;
    words[destination0] = packet.destination0;
    words[destination0 + 1] = packet.destination1;
    words[destination0 + 2] = packet.destination2;
    this.#buckets[bucket] = slot + 1;
  }

  /** Takes a connection out, so that it is not found any more; its addresses can still be read. */
  remove(slot: number): void {
    const words = this.#words;
    const own = slot * slotWords;
    const bucket = (words[own + hashAt] ?? 0) & this.#mask;
    words[own + versionOf] = (words[own + versionOf] ?? 0) | takenOut;
    let entry = (this.#buckets[bucket] ?? 0) - 1;
    if (entry === slot) {
      this.#buckets[bucket] = words[own + nextOf] ?? 0;
      return;
    }
    while (entry >= 0) {
      const at = entry * slotWords;
      entry = (words[at + nextOf] ?? 0) - 1;
      if (entry !== slot) continue;
      words[at + nextOf] = words[own + nextOf] ?? 0;
      return;
    }
  }

  /** Addresses and ports of a connection, also after {@link remove}. */
  key(slot: number): FlowKey {
    const at = slot * slotWords;
    const word = (offset: number): number => this.#words[at + offset] ?? 0;
    const ports = word(portsOf);
    return {
      version: (word(versionOf) & ~takenOut) === 6 ? 6 : 4,
      client: [word(client0), word(client1), word(client2), word(client3)],
      clientPort: ports >>> 16,
      server: [word(server0), word(server1), word(server2), word(server3)],
      serverPort: ports & 0xffff,
    };
  }
}

/** Finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}
