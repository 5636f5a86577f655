import type { UdpFlow } from '../model/packet-facts.ts';
import { addressText } from './address-text.ts';
import type { DecodedPacket } from './decode-packet.ts';
import { FlowTable } from './flow-table.ts';

/** How many of those that were active longest ago are looked at for one to let go. */
const candidates = 8;
const lowestEphemeralPort = 32_768;

interface FlowState {
  /** In order of the first packet. */
  serial: number;
  clientPackets: number;
  serverPackets: number;
  clientBytes: number;
  serverBytes: number;
  firstAtMs: number;
  lastAtMs: number;
  /** IP id of the last first fragment: the datagram that is put together later is the same packet. */
  fragmentIpId: number;
  fact: UdpFlow | null;
}

/**
 * UDP packets by 4-tuple, both directions together. Bounded: for a new flow, one that was answered and has been silent
 * longest is let go.
 *
 * The client is the side with the port that looks ephemeral, else with the higher port, else the first sender.
 */
export class UdpFlows {
  readonly #maxFlows: number;
  readonly #table = new FlowTable();
  readonly #states: FlowState[] = [];
  #nextSerial = 0;
  #hand = 0;
  /** Flows that were let go. */
  dropped = 0;

  constructor(maxFlows: number) {
    this.#maxFlows = maxFlows;
    this.#table.grow(maxFlows);
  }

  /** @param bytes UDP payload on the wire */
  add(packet: DecodedPacket, bytes: number, atMs: number): void {
    const table = this.#table;
    const hash = table.hashOf(packet);
    let found = table.find(packet, hash);
    if (found < 0) {
      const slot = this.#freeSlot(atMs);
      const senderIsClient = isClient(packet.sourcePort, packet.destinationPort);
      table.insert(slot, packet, senderIsClient, hash);
      found = slot * 2 + (senderIsClient ? 0 : 1);
    }
    const state = this.#states[found >> 1];
    if (state === undefined) return;
    if (atMs > state.lastAtMs) state.lastAtMs = atMs;
    state.fact = null;
    // of a first fragment and the datagram that it became, one is counted
    if (packet.fragmented && state.fragmentIpId === packet.ipId) {
      state.fragmentIpId = -1;
      return;
    }
    if (packet.moreFragments) state.fragmentIpId = packet.ipId;
    if ((found & 1) === 0) {
      state.clientPackets++;
      state.clientBytes += bytes;
    } else {
      state.serverPackets++;
      state.serverBytes += bytes;
    }
  }

  facts(): readonly UdpFlow[] {
    return this.#states
      .map((state, slot) => ({ state, slot }))
      .sort((a, b) => a.state.serial - b.state.serial)
      .map(({ state, slot }) => (state.fact ??= this.#fact(state, slot)));
  }

  #fact(state: FlowState, slot: number): UdpFlow {
    const { version, client, clientPort, server, serverPort } = this.#table.key(slot);
    return {
      client: { address: addressText(version, ...client), port: clientPort },
      server: { address: addressText(version, ...server), port: serverPort },
      packets: { client: state.clientPackets, server: state.serverPackets },
      bytes: { client: state.clientBytes, server: state.serverBytes },
      firstAtMs: state.firstAtMs,
      lastAtMs: state.lastAtMs,
    };
  }

  /** A slot with a state that is as new. */
  #freeSlot(atMs: number): number {
    const fresh: FlowState = {
      serial: this.#nextSerial++,
      clientPackets: 0,
      serverPackets: 0,
      clientBytes: 0,
      serverBytes: 0,
      firstAtMs: atMs,
      lastAtMs: atMs,
      fragmentIpId: -1,
      fact: null,
    };
    if (this.#states.length < this.#maxFlows) return this.#states.push(fresh) - 1;
    let chosen = this.#hand;
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < candidates; i++) {
      const slot = (this.#hand + i) % this.#maxFlows;
      const state = this.#states[slot];
      if (state === undefined) continue;
      // an answered flow goes before any that nobody answered
      const answered = state.clientPackets > 0 && state.serverPackets > 0;
      const rank = state.lastAtMs + (answered ? 0 : 1e15);
      if (rank < best) {
        best = rank;
        chosen = slot;
      }
    }
    this.#hand = (this.#hand + 1) % this.#maxFlows;
    this.#table.remove(chosen);
    this.#states[chosen] = fresh;
    this.dropped++;
    return chosen;
  }
}

function isClient(source: number, destination: number): boolean {
  if (source >= lowestEphemeralPort !== destination >= lowestEphemeralPort) return source >= lowestEphemeralPort;
  return source >= destination;
}
