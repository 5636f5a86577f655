import type { ServiceCount } from '../model/packet-facts.ts';
import { AddressTable, leastHalf } from './address-table.ts';
import { addressText } from './address-text.ts';

/** Services told apart at once; the less busy half is forgotten when there are more. */
const maxServices = 16_384;
/** Services reported. */
const maxReported = 1000;
/** Clients of one service that are counted. */
const maxClients = 1000;

/*
 * Layout of the counts: 7 numbers per service.
 */
const serviceCounts = 7;
const connectionsOf = 0;
const completeOf = 1;
const unansweredOf = 2;
const refusedOf = 3;
const resetOf = 4;
const packetsOf = 5;
const retransmittedOf = 6;

/** What became of one connection. */
export interface ServiceOutcome {
  readonly complete: boolean;
  readonly unanswered: boolean;
  readonly refused: boolean;
  readonly reset: boolean;
  readonly packets: number;
  readonly retransmitted: number;
}

/** Connections per server address and port, those that are not kept included. */
export class ServiceCounts {
  readonly #services = new AddressTable();
  /** Counts of connections that were let go; `connections` of all. */
  #counts = new Float64Array(64 * serviceCounts);
  /** Per service: hashes of client addresses in open addressing; 0: free. */
  readonly #clients: Int32Array[] = [];
  readonly #clientCounts: number[] = [];
  /** Services that were forgotten to make room for others. */
  forgotten = 0;

  /**
   * Counts a new connection.
   * @param clientHash of the client's address
   * @returns a reference to the service, for {@link add}
   */
  open(
    version: number,
    word0: number,
    word1: number,
    word2: number,
    word3: number,
    port: number,
    clientHash: number,
  ): number {
    if (this.#services.size >= maxServices) this.#forget();
    const reference = this.#services.reference(version, word0, word1, word2, word3, port);
    const entry = reference >>> 16;
    if ((entry + 1) * serviceCounts > this.#counts.length) {
      const counts = new Float64Array(this.#counts.length * 2);
      counts.set(this.#counts);
      this.#counts = counts;
    }
    const at = entry * serviceCounts + connectionsOf;
    const connections = this.#counts[at] ?? 0;
    if (connections === 0) {
      this.#clients[entry] = new Int32Array(8);
      this.#clientCounts[entry] = 0;
    }
    this.#counts[at] = connections + 1;
    this.#client(entry, clientHash === 0 ? 1 : clientHash);
    return reference;
  }

  #client(entry: number, hash: number): void {
    const count = this.#clientCounts[entry] ?? 0;
    if (count >= maxClients) return;
    let clients = this.#clients[entry];
    if (clients === undefined) return;
    if (!insertHash(clients, hash)) return;
    this.#clientCounts[entry] = count + 1;
    if ((count + 1) * 2 <= clients.length) return;
    const old = clients;
    clients = new Int32Array(old.length * 2);
    for (const each of old) if (each !== 0) insertHash(clients, each);
    this.#clients[entry] = clients;
  }

  /** Adds what became of a connection that is let go. */
  close(reference: number, outcome: ServiceOutcome): void {
    this.#add(this.#counts, reference, outcome);
  }

  #add(counts: Float64Array, reference: number, outcome: ServiceOutcome): void {
    const entry = this.#services.entryOf(reference);
    if (entry < 0) return;
    const at = entry * serviceCounts;
    const became = outcome.complete ? completeOf : outcome.unanswered ? unansweredOf : outcome.refused ? refusedOf : -1;
    if (became >= 0) counts[at + became] = (counts[at + became] ?? 0) + 1;
    if (outcome.reset) counts[at + resetOf] = (counts[at + resetOf] ?? 0) + 1;
    counts[at + packetsOf] = (counts[at + packetsOf] ?? 0) + outcome.packets;
    counts[at + retransmittedOf] = (counts[at + retransmittedOf] ?? 0) + outcome.retransmitted;
  }

  /**
   * The busiest services first, by connections.
   * @param kept calls back with the outcome of every connection that is still kept
   */
  facts(kept: (each: (reference: number, outcome: ServiceOutcome) => void) => void): ServiceCount[] {
    const counts = this.#counts.slice();
    kept((reference, outcome) => {
      this.#add(counts, reference, outcome);
    });
    const found: ServiceCount[] = [];
    for (let entry = 0; entry < this.#services.entries; entry++) {
      if (!this.#services.isUsed(entry)) continue;
      const { version, address, port } = this.#services.key(entry);
      const count = (offset: number): number => counts[entry * serviceCounts + offset] ?? 0;
      found.push({
        server: { address: addressText(version, ...address), port },
        connections: count(connectionsOf),
        complete: count(completeOf),
        unanswered: count(unansweredOf),
        refused: count(refusedOf),
        reset: count(resetOf),
        packets: count(packetsOf),
        retransmitted: count(retransmittedOf),
        clients: this.#clientCounts[entry] ?? 0,
      });
    }
    found.sort((one, other) => other.connections - one.connections || (textOf(one) < textOf(other) ? -1 : 1));
    return found.slice(0, maxReported);
  }

  #forget(): void {
    const scores = new Float64Array(this.#services.entries);
    for (let entry = 0; entry < scores.length; entry++) {
      scores[entry] = this.#counts[entry * serviceCounts + connectionsOf] ?? 0;
    }
    for (const entry of leastHalf(scores, (entry) => this.#services.isUsed(entry))) {
      this.#services.remove(entry);
      this.#counts.fill(0, entry * serviceCounts, (entry + 1) * serviceCounts);
      this.#clients[entry] = new Int32Array(0);
      this.forgotten++;
    }
  }
}

function textOf({ server }: ServiceCount): string {
  return `${server.address} ${server.port}`;
}

/** Whether the hash was not there before. */
function insertHash(table: Int32Array, hash: number): boolean {
  const mask = table.length - 1;
  for (let at = hash & mask; ; at = (at + 1) & mask) {
    const there = table[at] ?? 0;
    if (there === hash) return false;
    if (there === 0) {
      table[at] = hash;
      return true;
    }
  }
}
