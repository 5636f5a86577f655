import type { Flow, IdleGap } from '../model/packet-facts.ts';
import type { DecodedPacket } from './decode-packet.ts';

/** What is known of each connection and direction, by slot number. First form: signatures only. */
export class ConnectionDetails {
  /** Entries that were not kept because of the bounds. */
  get dropped(): number {
    return 0;
  }

  /** A new connection begins in this slot. */
  open(_slot: number): void {}

  /** The connection of this slot is no longer kept. */
  release(_slot: number): void {}

  /** One TCP packet (not a second sighting), in order. `verdicts`: bits of tcp-flags.ts; side 0: client, 1: server. */
  segment(
    _slot: number,
    _side: 0 | 1,
    _packet: DecodedPacket,
    _verdicts: number,
    _frame: number,
    _atMs: number,
  ): void {}

  /** ISNs as signed words. */
  facts(
    _slot: number,
    _isnClient: number,
    _isnServer: number,
  ): { readonly flow: { readonly client: Flow; readonly server: Flow }; readonly idleGaps: readonly IdleGap[] } {
    return { flow: { client: noFlow, server: noFlow }, idleGaps: [] };
  }
}

const noFlow: Flow = {
  dataSegments: 0,
  largestPayload: 0,
  retransmissions: { fast: 0, spurious: 0, timeout: 0, unseenOriginal: 0 },
  outOfOrder: 0,
  duplicateAcks: 0,
  gaps: 0,
  bySize: [],
  rtt: null,
  ttl: null,
  zeroWindows: [],
  windowFull: 0,
  zeroWindowProbes: 0,
  keepAlives: null,
  holes: [],
  delayedAckStalls: null,
  fin: null,
};
