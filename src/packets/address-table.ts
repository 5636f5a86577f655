/*
 * Layout of {@link AddressTable}: 8 words of 32 bits per entry.
 */
const entryWords = 8;
/** Four words of the address begin here. */
const addressOf = 0;
/** IP version · 65536 + port. */
const versionAndPort = 4;
const hashOf = 5;
/** Next entry of the same bucket, or of the free ones; -1: none. */
const nextOf = 6;
/** Counts up when the entry is removed, so that old references are told from new ones. 16 bits; -1 while not in use. */
const generationOf = 7;

/** The most entries that a reference can tell apart. */
export const maxAddressEntries = 65_536;

/**
 * Finds small entry numbers for addresses with ports. A reference (entry and generation in one number) goes stale when
 * its entry is removed, so whoever kept it need not be told.
 */
export class AddressTable {
  /** Unpredictable, so that nobody can send addresses that all fall into one bucket. */
  readonly #seed = (Math.random() * 0x1_0000_0000) | 1;
  readonly #portFactor = (Math.random() * 0x1_0000_0000) | 1;
  #words = new Int32Array(64 * entryWords);
  #buckets = new Int32Array(64).fill(-1);
  #generations = new Uint16Array(64);
  #free = -1;
  #used = 0;
  /** Entries in use. */
  size = 0;

  /** Entry numbers are below this. */
  get entries(): number {
    return this.#used;
  }

  /** The entry of an address and port, made if it is not there. The caller keeps the number of entries bounded. */
  reference(version: number, word0: number, word1: number, word2: number, word3: number, port: number): number {
    const key = (version << 16) | port;
    let hash = mix(this.#seed ^ word3 ^ Math.imul(key, this.#portFactor));
    if ((word0 | word1 | word2) !== 0) hash = mix(mix(mix(hash ^ word0) ^ word1) ^ word2);
    const mask = this.#buckets.length - 1;
    for (let entry = this.#buckets[hash & mask] ?? -1; entry >= 0; ) {
      const words = this.#words;
      const at = entry * entryWords;
      if (
        words[at + hashOf] === hash &&
        words[at + versionAndPort] === key &&
        words[at + 3] === word3 &&
        words[at + 2] === word2 &&
        words[at + 1] === word1 &&
        words[at] === word0
      ) {
        return (entry << 16) | (this.#generations[entry] ?? 0);
      }
      entry = words[at + nextOf] ?? -1;
    }
    if (this.#free < 0 && this.#used >= this.#buckets.length) this.#grow();
    let entry = this.#free;
    if (entry >= 0) this.#free = this.#words[entry * entryWords + nextOf] ?? -1;
    else entry = this.#used++;
    const words = this.#words;
    const at = entry * entryWords;
    const bucket = hash & (this.#buckets.length - 1);
    words[at] = word0;
    words[at + 1] = word1;
    words[at + 2] = word2;
    words[at + 3] = word3;
    words[at + versionAndPort] = key;
    words[at + hashOf] = hash;
    words[at + generationOf] = 0;
    words[at + nextOf] = this.#buckets[bucket] ?? -1;
    this.#buckets[bucket] = entry;
    this.size++;
    return (entry << 16) | (this.#generations[entry] ?? 0);
  }

  /** The entry that a reference means; -1: it was removed since. */
  entryOf(reference: number): number {
    const entry = reference >>> 16;
    return (this.#generations[entry] ?? 0) === (reference & 0xffff) ? entry : -1;
  }

  isUsed(entry: number): boolean {
    return this.#words[entry * entryWords + generationOf] === 0;
  }

  remove(entry: number): void {
    const words = this.#words;
    const at = entry * entryWords;
    const bucket = (words[at + hashOf] ?? 0) & (this.#buckets.length - 1);
    const next = words[at + nextOf] ?? -1;
    let before = this.#buckets[bucket] ?? -1;
    if (before === entry) this.#buckets[bucket] = next;
    else {
      while (before >= 0 && words[before * entryWords + nextOf] !== entry) {
        before = words[before * entryWords + nextOf] ?? -1;
      }
      if (before >= 0) words[before * entryWords + nextOf] = next;
    }
    words[at + generationOf] = -1;
    this.#generations[entry] = (this.#generations[entry] ?? 0) + 1;
    words[at + nextOf] = this.#free;
    this.#free = entry;
    this.size--;
  }

  /** Address words, version and port of an entry. */
  key(entry: number): {
    readonly version: 4 | 6;
    readonly address: readonly [number, number, number, number];
    readonly port: number;
  } {
    const at = entry * entryWords + addressOf;
    const word = (offset: number): number => this.#words[at + offset] ?? 0;
    const key = word(versionAndPort);
    return { version: key >> 16 === 6 ? 6 : 4, address: [word(0), word(1), word(2), word(3)], port: key & 0xffff };
  }

  #grow(): void {
    const capacity = this.#buckets.length * 4;
    const words = new Int32Array(capacity * entryWords);
    words.set(this.#words);
    const buckets = new Int32Array(capacity).fill(-1);
    const generations = new Uint16Array(capacity);
    generations.set(this.#generations);
    for (let entry = 0; entry < this.#used; entry++) {
      const at = entry * entryWords;
      const bucket = (words[at + hashOf] ?? 0) & (capacity - 1);
      words[at + nextOf] = buckets[bucket] ?? -1;
      buckets[bucket] = entry;
    }
    this.#words = words;
    this.#buckets = buckets;
    this.#generations = generations;
  }
}

/** Which entries to remove so that about half are left: those with the smallest score. */
export function leastHalf(scores: Float64Array, isUsed: (entry: number) => boolean): readonly number[] {
  const used: number[] = [];
  for (let entry = 0; entry < scores.length; entry++) if (isUsed(entry)) used.push(entry);
  const sorted = Float64Array.from(used, (entry) => scores[entry] ?? 0).sort();
  const limit = sorted[sorted.length >> 1] ?? 0;
  const most = sorted.length >> 1;
  const least = used.filter((entry) => (scores[entry] ?? 0) < limit);
  for (const entry of used) {
    if (least.length >= most) break;
    if (scores[entry] === limit) least.push(entry);
  }
  return least;
}

function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}
