import type { DecodedPacket } from './decode-packet.ts';

/** A set holds the latest packets of one hash, so that a burst does not push its own packets out. */
const ways = 8;
const sets = 1024;
const slots = ways * sets;
/** Sightings of one packet that are told apart. */
const perSlot = 8;
/** A packet crosses the devices of one node in less than this; a retransmission takes longer (RTO ≥ 200 ms). */
const withinNs = 20_000_000;

/**
 * Tells the second sighting of a packet from a second packet. `-i any` shows one packet once per device that it passes
 * (in on eth0, out on the bridge, out on the pod's veth): same addresses, ports, sequence and acknowledgement number,
 * flags, length, IP id and timestamp, within milliseconds, on another device or in another direction. A fixed table of
 * the latest packets; memory does not grow.
 */
export class DuplicateFinder {
  readonly #times = new Float64Array(slots).fill(Number.NEGATIVE_INFINITY);
  /** connection, sequence, ack, flags and length, IP id, tsval */
  readonly #signatures = new Int32Array(slots * 6);
  readonly #places = new Int32Array(slots * perSlot);
  readonly #counts = new Uint8Array(slots);

  /**
   * @param connectionId serial number of the connection, made odd or even by direction
   * @param interfaceId interface of the capture file, for files that have several
   * @returns whether the packet was seen before, at another place
   */
  seenElsewhere(packet: DecodedPacket, connectionId: number, interfaceId: number, atNs: number): boolean {
    const flagsAndLength = (packet.flags << 24) | (packet.payloadLength & 0xff_ffff);
    const tsval = packet.hasTimestamps ? packet.tsval : 0;
    const place =
      ((packet.interfaceIndex >= 0 ? packet.interfaceIndex : interfaceId) << 2) |
      (packet.direction === 'in' ? 0 : packet.direction === 'out' ? 1 : 2);
    let h = Math.imul(connectionId, 0x9e37_79b1) ^ packet.sequence;
    h = Math.imul(h ^ (h >>> 15), 0x85eb_ca6b) ^ packet.acknowledgement ^ Math.imul(flagsAndLength, 0x27d4_eb2f);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35) ^ (packet.ipId << 7);
    h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
    const signatures = this.#signatures;
    const times = this.#times;
    const set = ((h ^ (h >>> 15)) & (sets - 1)) * ways;
    let slot = set;
    let same = false;
    for (let way = set; way < set + ways; way++) {
      const at = way * 6;
      if (
        signatures[at + 1] === packet.sequence &&
        signatures[at] === connectionId &&
        signatures[at + 2] === packet.acknowledgement &&
        signatures[at + 3] === flagsAndLength &&
        signatures[at + 4] === packet.ipId &&
        signatures[at + 5] === tsval
      ) {
        slot = way;
        same = atNs - (times[way] ?? 0) <= withinNs;
        break;
      }
      if ((times[way] ?? 0) < (times[slot] ?? 0)) slot = way;
    }
    const at = slot * 6;
    const first = slot * perSlot;
    if (same) {
      const count = this.#counts[slot] ?? 0;
      let known = false;
      // SLL v1 does not name the device: whatever comes again so soon is the same packet.
      if (packet.interfaceIndex >= 0 || !packet.cooked) {
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
    times[slot] = atNs;
    signatures[at] = connectionId;
    signatures[at + 1] = packet.sequence;
    signatures[at + 2] = packet.acknowledgement;
    signatures[at + 3] = flagsAndLength;
    signatures[at + 4] = packet.ipId;
    signatures[at + 5] = tsval;
    this.#places[first] = place;
    this.#counts[slot] = 1;
    return false;
  }
}
