/*
 * Layout of {@link RecordPool}: 10 words of 32 bits per record; `…Time` are offsets in units of 64 bits. What the fields
 * hold is up to the kind of the record.
 */
const recordWords = 10;
const recordTimes = 5;
/** Time of capture, ns. */
const atTime = 0;
/** RST: time since the packet before it, ns. */
const afterTime = 1;
/** Next record of the same chain, or of the free ones; -1: none. */
const nextOf = 4;
const firstField = 5;
const fieldCount = 5;

/** Fields of a record by number; {@link RecordPool.get} and {@link RecordPool.set}. */
export type RecordField = 0 | 1 | 2 | 3 | 4;

/**
 * Small records in chains, in one typed array: the SYNs, answers, RSTs, sightings and places of all connections. A
 * record is a number; there are never more than the bound, and none of them is an object.
 */
export class RecordPool {
  readonly #maxRecords: number;
  #words = new Int32Array(0);
  /** The same bytes. */
  #times = new Float64Array(0);
  #capacity = 0;
  #used = 0;
  #free = -1;

  constructor(maxRecords: number) {
    this.#maxRecords = maxRecords;
  }

  /** A record, not in any chain, its fields 0; -1: all are in use. */
  take(): number {
    let record = this.#free;
    if (record >= 0) this.#free = this.#words[record * recordWords + nextOf] ?? -1;
    else {
      if (this.#used >= this.#maxRecords) return -1;
      if (this.#used >= this.#capacity) this.#grow();
      record = this.#used++;
    }
    const at = record * recordWords;
    for (let i = at; i < at + firstField + fieldCount; i++) this.#words[i] = 0;
    this.#words[at + nextOf] = -1;
    return record;
  }

  #grow(): void {
    this.#capacity = Math.min(this.#maxRecords, Math.max(1024, this.#capacity * 4));
    const words = new Int32Array(this.#capacity * recordWords);
    words.set(this.#words);
    this.#words = words;
    this.#times = new Float64Array(words.buffer);
  }

  next(record: number): number {
    return this.#words[record * recordWords + nextOf] ?? -1;
  }

  /** Puts `record` after `last` in its chain. */
  append(last: number, record: number): void {
    this.#words[record * recordWords + nextOf] = this.next(last);
    this.#words[last * recordWords + nextOf] = record;
  }

  /** Gives back a whole chain. */
  release(first: number, last: number): void {
    this.#words[last * recordWords + nextOf] = this.#free;
    this.#free = first;
  }

  get(record: number, field: RecordField): number {
    return this.#words[record * recordWords + firstField + field] ?? 0;
  }

  set(record: number, field: RecordField, value: number): void {
    this.#words[record * recordWords + firstField + field] = value;
  }

  atNs(record: number): number {
    return this.#times[record * recordTimes + atTime] ?? 0;
  }

  afterNs(record: number): number {
    return this.#times[record * recordTimes + afterTime] ?? 0;
  }

  setTimes(record: number, atNs: number, afterNs: number): void {
    this.#times[record * recordTimes + atTime] = atNs;
    this.#times[record * recordTimes + afterTime] = afterNs;
  }
}
