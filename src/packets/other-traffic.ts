import type { ParseProblem } from '../model/facts.ts';
import type { DnsExchange, NeighbourClaim, UdpFlow } from '../model/packet-facts.ts';
import type { DecodedPacket } from './decode-packet.ts';
import { DnsExchanges, dnsPort } from './dns-exchanges.ts';
import { arpBytes, NeighbourClaims } from './neighbour-claims.ts';
import { SecondSighting } from './second-sighting.ts';
import { UdpFlows } from './udp-flows.ts';

export interface OtherTrafficLimits {
  /** Default 5000. */
  readonly maxExchanges?: number;
  /** Default 2000. */
  readonly maxFlows?: number;
  /** Default 1000. */
  readonly maxClaims?: number;
}

/**
 * What a capture holds beside TCP and ICMP errors: UDP, DNS (over TCP too), ARP and neighbour discovery. Bounded.
 *
 * In captures of `-i any` a packet that is seen on several devices counts once. In other captures of several interfaces
 * it counts once per interface.
 */
export class OtherTraffic {
  readonly #maxExchanges: number;
  readonly #maxFlows: number;
  readonly #maxClaims: number;
  readonly #dns: DnsExchanges;
  readonly #claims: NeighbourClaims;
  #udp: UdpFlows | null = null;
  #sightings: SecondSighting | null = null;

  constructor(limits: OtherTrafficLimits = {}) {
    this.#maxExchanges = limits.maxExchanges ?? 5000;
    this.#maxFlows = limits.maxFlows ?? 2000;
    this.#maxClaims = limits.maxClaims ?? 1000;
    this.#dns = new DnsExchanges(this.#maxExchanges);
    this.#claims = new NeighbourClaims(this.#maxClaims);
  }

  /**
   * Takes one packet; for TCP, only segments from or to port 53.
   * @param view where the packet's bytes are: {@link DecodedPacket.headersEnd} up to `end` is the payload's captured part
   */
  add(packet: DecodedPacket, view: DataView, end: number, frame: number, atMs: number): void {
    const from = packet.headersEnd;
    if (packet.kind === 'udp') {
      if (this.#isSecond(packet, view, from, end, atMs)) return;
      // the length field of the header that ends here
      const bytes = from >= 8 ? Math.max(0, view.getUint16(from - 4) - 8) : 0;
      this.#udp ??= new UdpFlows(this.#maxFlows);
      this.#udp.add(packet, bytes, atMs);
      if (packet.sourcePort === dnsPort || packet.destinationPort === dnsPort)
        this.#dns.addUdp(packet, view, from, end, bytes, frame, atMs);
    } else if (packet.kind === 'tcp') {
      if (end > from && !this.#isSecond(packet, view, from, end, atMs))
        this.#dns.addTcp(packet, view, from, end, frame, atMs);
    } else if (packet.kind === 'arp') {
      const arp = Math.max(0, from - arpBytes);
      if (!this.#isSecond(packet, view, arp, from, atMs)) this.#claims.addArp(view, from, frame, atMs);
    } else if (packet.kind === 'icmp' && packet.protocol === 58) {
      const target = Math.max(0, from - 24);
      if (!this.#isSecond(packet, view, target, end, atMs)) this.#claims.addIcmpV6(packet, view, end, frame, atMs);
    }
  }

  facts(): {
    readonly udp: readonly UdpFlow[];
    readonly dns: readonly DnsExchange[];
    readonly neighbourClaims: readonly NeighbourClaim[];
  } {
    return { udp: this.#udp?.facts() ?? [], dns: this.#dns.facts(), neighbourClaims: this.#claims.facts() };
  }

  /** What was not kept, and what could not be read. */
  problems(): readonly ParseProblem[] {
    const problems: ParseProblem[] = [];
    const say = (count: number, message: string): void => {
      if (count > 0) problems.push({ message });
    };
    const { dropped: exchanges, unasked, unreadable } = this.#dns;
    const flows = this.#udp?.dropped ?? 0;
    const claims = this.#claims.dropped;
    say(exchanges, `${exchanges} DNS exchanges were let go: at most ${this.#maxExchanges} are kept`);
    say(unasked, `${unasked} DNS answers belong to questions that are not in the capture`);
    say(unreadable, `${unreadable} DNS messages could not be read: they were cut or are malformed`);
    say(flows, `${flows} UDP flows were let go: at most ${this.#maxFlows} are kept`);
    say(claims, `${claims} ARP and neighbour claims were let go: at most ${this.#maxClaims} are kept`);
    return problems;
  }

  #isSecond(packet: DecodedPacket, view: DataView, from: number, end: number, atMs: number): boolean {
    if (!packet.cooked) return false;
    this.#sightings ??= new SecondSighting();
    return this.#sightings.isSecond(packet, view, from, end, atMs);
  }
}
