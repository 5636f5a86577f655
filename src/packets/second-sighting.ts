import type { DecodedPacket } from './decode-packet.ts';

const slots = 4096;
/** Sightings of one packet that are told apart. */
const perSlot = 8;
/** A packet crosses the devices of one node in less than this; who asks again waits longer. */
const withinMs = 20;
/** What is compared of a payload. */
const maxHashedBytes = 512;

/**
 * Tells the second sighting of a packet that is not TCP from a second packet. `-i any` shows one packet once per device
 * that it passes: the same IP id and the same bytes, within milliseconds, on another device or in another direction. A
 * fixed table of the latest packets; memory does not grow.
 */
export class SecondSighting {
  readonly #times = new Float64Array(slots).fill(Number.NEGATIVE_INFINITY);
  readonly #hashes = new Int32Array(slots * 2);
  readonly #places = new Int32Array(slots * perSlot);
  readonly #counts = new Uint8Array(slots);

  /**
   * @param from where what is compared begins; it ends at `end`
   * @returns whether the packet was seen before, at another place
   */
  isSecond(packet: DecodedPacket, view: DataView, from: number, end: number, atMs: number): boolean {
    // what is compared has no TTL and no link layer: both change from device to device
    let one = packet.ipId ^ (packet.ipVersion << 16) ^ Math.imul(end - from, 0x9e37_79b1);
    let other = Math.imul(packet.sourcePort, 0x85eb_ca6b) ^ packet.destinationPort ^ packet.protocol;
    if (packet.ipVersion !== 0) {
      const words = [
        packet.source0,
        packet.source1,
        packet.source2,
        packet.source3,
        packet.destination0,
        packet.destination1,
        packet.destination2,
        packet.destination3,
      ];
      for (const word of words) {
        one = step(one, word);
        other = step(other, ~word);
      }
    }
    const last = Math.min(end, from + maxHashedBytes);
    for (let at = from; at < last; at++) {
      const byte = view.getUint8(at);
      one = Math.imul(one ^ byte, 0x0100_0193);
      other = Math.imul(other + byte, 0x85eb_ca6b) ^ (other >>> 15);
    }

    const place = (packet.interfaceIndex << 2) | (packet.direction === 'in' ? 0 : packet.direction === 'out' ? 1 : 2);
    const slot = (one ^ (one >>> 16)) & (slots - 1);
    const first = slot * perSlot;
    const same = this.#hashes[slot * 2] === one && this.#hashes[slot * 2 + 1] === other;
    if (same && Math.abs(atMs - (this.#times[slot] ?? 0)) <= withinMs) {
      const count = this.#counts[slot] ?? 0;
      let known = false;
      // SLL v1 does not name the device: whatever comes again so soon is the same packet.
      if (packet.interfaceIndex >= 0) {
        for (let i = 0; i < count; i++) if (this.#places[first + i] === place) known = true;
      }
      if (!known) {
        if (count < perSlot) {
          this.#places[first + count] = place;
          this.#counts[slot] = count + 1;
        }
        return true;
      }
    }
    this.#times[slot] = atMs;
    this.#hashes[slot * 2] = one;
    this.#hashes[slot * 2 + 1] = other;
    this.#places[first] = place;
    this.#counts[slot] = 1;
    return false;
  }
}

function step(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x85eb_ca6b);
  return mixed ^ (mixed >>> 13);
}
