import type { ParseProblem } from '../model/facts.ts';
import type { DnsExchange, NeighbourClaim, UdpFlow } from '../model/packet-facts.ts';
import type { DecodedPacket } from './decode-packet.ts';

/** What a capture holds beside TCP and ICMP errors: UDP, DNS (over TCP too), ARP and neighbour discovery. Bounded. */
export class OtherTraffic {
  /**
   * Takes one packet; for TCP, only segments from or to port 53.
   * @param view where the packet's bytes are: {@link DecodedPacket.headersEnd} up to `end` is the payload's captured part
   */
  add(_packet: DecodedPacket, _view: DataView, _end: number, _frame: number, _atMs: number): void {}

  facts(): {
    readonly udp: readonly UdpFlow[];
    readonly dns: readonly DnsExchange[];
    readonly neighbourClaims: readonly NeighbourClaim[];
  } {
    return { udp: [], dns: [], neighbourClaims: [] };
  }

  /** What was not kept. */
  problems(): readonly ParseProblem[] {
    return [];
  }
}
