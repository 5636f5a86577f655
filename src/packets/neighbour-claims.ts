import type { NeighbourClaim } from '../model/packet-facts.ts';
import { addressText } from './address-text.ts';
import type { DecodedPacket } from './decode-packet.ts';

/** An ARP packet for IPv4 over link-layer addresses of 6 bytes. */
export const arpBytes = 28;
const neighbourSolicitation = 135;
const neighbourAdvertisement = 136;
/** Source link-layer address of a solicitation, target link-layer address of an advertisement (RFC 4861 4.6.1). */
const sourceOption = 1;
const targetOption = 2;

interface ClaimState {
  readonly address: string;
  readonly mac: string;
  readonly firstAtMs: number;
  lastAtMs: number;
  readonly frame: number;
  claims: number;
  asked: number;
  fact: NeighbourClaim | null;
}
interface AddressState {
  /** By MAC address. */
  readonly claims: Map<string, ClaimState>;
  /** Requests since anybody claimed it. */
  asked: number;
  askedFirstMs: number;
  askedLastMs: number;
  askedFrame: number;
}

/**
 * Which MAC address claims which IP address: senders of ARP packets (RFC 826; announcements of RFC 5227 too, probes
 * claim nothing), sources of IPv6 neighbour solicitations and targets of advertisements (RFC 4861 4.3, 4.4), as far as
 * they carry a link-layer address. Link-layer addresses of 6 bytes only. Bounded: what claimed or was asked longest ago
 * is let go.
 */
export class NeighbourClaims {
  readonly #maxClaims: number;
  /** The address that was last heard of is at the end. */
  readonly #addresses = new Map<string, AddressState>();
  #size = 0;
  /** Claims and addresses asked for that were let go. */
  dropped = 0;

  constructor(maxClaims: number) {
    this.#maxClaims = maxClaims;
  }

  /** Takes an ARP packet that ends where the packet's headers end. */
  addArp(view: DataView, headersEnd: number, frame: number, atMs: number): void {
    const at = headersEnd - arpBytes;
    if (at < 0) return;
    // Where fewer bytes were captured, this is not where it begins: then these do not hold.
    if (view.getUint16(at + 2) !== 0x0800 || view.getUint16(at + 4) !== 0x0604) return;
    const operation = view.getUint16(at + 6);
    if (operation !== 1 && operation !== 2) return;
    const sender = view.getInt32(at + 14);
    const target = view.getInt32(at + 24);
    if (sender !== 0) this.#claim(addressText(4, 0, 0, 0, sender), macText(view, at + 8), frame, atMs);
    if (operation === 1 && target !== sender) this.#ask(addressText(4, 0, 0, 0, target), frame, atMs);
  }

  /** Takes an ICMPv6 packet; only neighbour solicitations and advertisements tell something. */
  addIcmpV6(packet: DecodedPacket, view: DataView, end: number, frame: number, atMs: number): void {
    const type = packet.icmpType;
    if (type !== neighbourSolicitation && type !== neighbourAdvertisement) return;
    const at = startOf(packet, view, end);
    if (at < 0) return;
    const target = addressAt(view, at + 8);
    if (type === neighbourSolicitation) {
      const mac = optionOf(view, at + 24, end, sourceOption);
      const isProbe = (packet.source0 | packet.source1 | packet.source2 | packet.source3) === 0;
      if (!isProbe && mac !== null) {
        const source = addressText(6, packet.source0, packet.source1, packet.source2, packet.source3);
        this.#claim(source, mac, frame, atMs);
      }
      this.#ask(target, frame, atMs);
      return;
    }
    const mac = optionOf(view, at + 24, end, targetOption);
    if (mac !== null) this.#claim(target, mac, frame, atMs);
  }

  facts(): readonly NeighbourClaim[] {
    const facts: NeighbourClaim[] = [];
    for (const [address, state] of this.#addresses) {
      for (const claim of state.claims.values()) {
        const { fact: _, ...values } = claim;
        facts.push((claim.fact ??= values));
      }
      if (state.claims.size > 0) continue;
      facts.push({
        address,
        mac: '',
        firstAtMs: state.askedFirstMs,
        lastAtMs: state.askedLastMs,
        frame: state.askedFrame,
        claims: 0,
        asked: state.asked,
      });
    }
    return facts.sort((a, b) => a.frame - b.frame);
  }

  #claim(address: string, mac: string, frame: number, atMs: number): void {
    const first = Number.parseInt(mac.slice(0, 2), 16);
    // nobody can be reached by a group address or by all zeros
    if ((first & 1) === 1 || mac === '00:00:00:00:00:00') return;
    const state = this.#stateOf(address, frame, atMs);
    const claim = state.claims.get(mac);
    if (claim === undefined) {
      // the first one takes the place of the address that was only asked for
      if (state.claims.size > 0) {
        this.#makeRoom(state);
        this.#size++;
      }
      state.claims.set(mac, {
        address,
        mac,
        firstAtMs: atMs,
        lastAtMs: atMs,
        frame,
        claims: 1,
        asked: state.asked,
        fact: null,
      });
    } else {
      claim.claims++;
      claim.lastAtMs = Math.max(claim.lastAtMs, atMs);
      claim.fact = null;
    }
    state.asked = 0;
  }

  #ask(address: string, frame: number, atMs: number): void {
    const state = this.#stateOf(address, frame, atMs);
    state.asked++;
    state.askedLastMs = atMs;
  }

  /** The state of an address, made the latest. */
  #stateOf(address: string, frame: number, atMs: number): AddressState {
    let state = this.#addresses.get(address);
    if (state === undefined) {
      this.#makeRoom(null);
      state = { claims: new Map(), asked: 0, askedFirstMs: atMs, askedLastMs: atMs, askedFrame: frame };
      this.#size++;
    } else this.#addresses.delete(address);
    this.#addresses.set(address, state);
    return state;
  }

  #makeRoom(spared: AddressState | null): void {
    if (this.#size < this.#maxClaims) return;
    for (const [address, state] of this.#addresses) {
      if (state === spared) continue;
      const entries = Math.max(1, state.claims.size);
      this.#addresses.delete(address);
      this.#size -= entries;
      this.dropped += entries;
      return;
    }
    // one address, claimed by that many: its oldest claim
    const oldest = spared?.claims.keys().next().value;
    if (oldest === undefined) return;
    spared?.claims.delete(oldest);
    this.#size--;
    this.dropped++;
  }
}

/**
 * Where the ICMPv6 message begins. The packet only says where its known part ends: 32 bytes on, or fewer where it has
 * no option; the source address right before it tells which.
 */
function startOf(packet: DecodedPacket, view: DataView, end: number): number {
  for (const length of [32, 24]) {
    const at = packet.headersEnd - length;
    if (at < 32 || at + 24 > end || view.getUint8(at) !== packet.icmpType || view.getUint8(at + 1) !== packet.icmpCode)
      continue;
    // solicitations and advertisements with extension headers must be ignored anyway where they are fragments (RFC 6980)
    if (
      view.getInt32(at - 32) === packet.source0 &&
      view.getInt32(at - 28) === packet.source1 &&
      view.getInt32(at - 24) === packet.source2 &&
      view.getInt32(at - 20) === packet.source3
    )
      return at;
  }
  return -1;
}

/** Link-layer address of 6 bytes in an option: type, length in units of 8 bytes. */
function optionOf(view: DataView, from: number, end: number, kind: number): string | null {
  let at = from;
  while (end - at >= 8) {
    const units = view.getUint8(at + 1);
    if (units === 0) return null;
    if (view.getUint8(at) === kind) return units === 1 ? macText(view, at + 2) : null;
    at += units * 8;
  }
  return null;
}

function addressAt(view: DataView, at: number): string {
  return addressText(6, view.getInt32(at), view.getInt32(at + 4), view.getInt32(at + 8), view.getInt32(at + 12));
}

function macText(view: DataView, at: number): string {
  const bytes: string[] = [];
  for (let i = 0; i < 6; i++)
    bytes.push(
      view
        .getUint8(at + i)
        .toString(16)
        .padStart(2, '0'),
    );
  return bytes.join(':');
}
