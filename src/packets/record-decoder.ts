import type { FragmentCounts } from '../model/packet-facts.ts';
import type { CaptureRecord } from './capture-reader.ts';
import { DecodedPacket, decodePacket, decodeDatagram } from './decode-packet.ts';
import { FragmentReassembler } from './fragment-reassembler.ts';

/** Fragmented datagrams inside fragmented datagrams that are put together. */
const maxNested = 4;

/**
 * Decodes records one after the other and puts IP datagrams together from their fragments.
 *
 * The frame that completes a datagram is decoded as the whole of it (`fragmented` is set), as Wireshark shows it; `view`,
 * `headersEnd` and `capturedEnd` are then about the bytes that were put together. Before that, a first fragment is what
 * its own bytes say, with `moreFragments` and without lengths: who counts, counts one of the two. As Wireshark, it is
 * only a fragment. Of fragments that were not captured whole the lengths are put together, and the bytes as far as they
 * are there.
 */
export class RecordDecoder {
  readonly #packet: DecodedPacket;
  readonly #fragments: FragmentReassembler;

  /** @param mode `wireshark`: dissects what tshark 4.0 dissects, and nothing else; see {@link DecodedPacket} */
  constructor(mode: 'netcheck' | 'wireshark' = 'netcheck') {
    this.#packet = new DecodedPacket({ asWireshark: mode === 'wireshark', inflate: true });
    this.#fragments = new FragmentReassembler(mode === 'wireshark');
  }

  /** The decoded packet; the same object again for the next record. */
  decode(record: CaptureRecord): DecodedPacket {
    const packet = this.#packet;
    decodePacket(record, packet);
    if (packet.fragmentAt >= 0) this.#fragment(record, packet);
    return packet;
  }

  /** Fragments so far, counted once per place that they were captured at. */
  fragments(): FragmentCounts {
    return this.#fragments.counts();
  }

  #fragment(record: CaptureRecord, packet: DecodedPacket): void {
    const fragments = this.#fragments;
    const atMs = record.seconds * 1000 + record.nanoseconds / 1e6;
    const place = ` ${record.interfaceId} ${packet.interfaceIndex} ${packet.direction}`;
    if (!packet.stopAtFragment && packet.fragmentOffset === 0) {
      // What lies in a first fragment was looked at: back to the layer that is fragmented.
      packet.stopAtFragment = true;
      decodePacket(record, packet);
      const whole = fragments.add(packet, place, atMs);
      packet.stopAtFragment = false;
      if (!whole) {
        decodePacket(record, packet);
        return;
      }
    } else if (!fragments.add(packet, place, atMs)) return;
    packet.stopAtFragment = true;
    for (let nested = 0; nested < maxNested; nested++) {
      decodeDatagram(fragments.protocol, fragments.view, fragments.length, packet);
      if (packet.fragmentAt < 0 || !fragments.add(packet, place, atMs)) break;
    }
    packet.stopAtFragment = false;
  }
}
