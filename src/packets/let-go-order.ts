import type { ConnectionTable } from './connection-table.ts';

/** Slots in order of their arrival, with the number of the connection that was in them then. */
class SlotQueue {
  #slots: number[] = [];
  #numbers: number[] = [];
  #from = 0;

  push(slot: number, number: number): void {
    this.#slots.push(slot);
    this.#numbers.push(number);
  }

  /** The first slot that still holds the same connection and passes the test; -1: there is none. */
  take(table: ConnectionTable, passes: (slot: number) => boolean): number {
    while (this.#from < this.#slots.length) {
      const slot = this.#slots[this.#from] ?? 0;
      const number = this.#numbers[this.#from] ?? 0;
      this.#from++;
      if (this.#from > 4096 && this.#from * 2 > this.#slots.length) {
        this.#slots = this.#slots.slice(this.#from);
        this.#numbers = this.#numbers.slice(this.#from);
        this.#from = 0;
      }
      if (table.isUsed(slot) && table.number(slot) === number && passes(slot)) return slot;
    }
    return -1;
  }
}

/** Without any, a rule that asks whether a port ever answers would not know that it did. */
const mostSamples = 100;

/**
 * Which connection is let go when there is no room for another: first those that ended well and that nothing happened
 * to (all but the first few, which show that there were some), then the others that ended well, then the oldest that consists of SYNs without an answer, then the same of the
 * addresses that are to be kept. A connection of those addresses may push out any other. Nothing else is ever pushed
 * out: a SYN flood does not make us forget a connection that was answered.
 */
export class LetGoOrder {
  readonly #table: ConnectionTable;
  /** How many more of those that nothing happened to are to stay. */
  #samples: number;
  readonly #done = new SlotQueue();
  readonly #doneEventful = new SlotQueue();
  readonly #doneKept = new SlotQueue();
  /** Filled when it is empty and needed: half-open connections, the oldest first. */
  readonly #halfOpen = new SlotQueue();
  readonly #halfOpenKept = new SlotQueue();
  readonly #others = new SlotQueue();
  /** How many more calls may fail before it is worth looking through all connections again. */
  #patience = 0;

  /** @param maxConnections that the table keeps */
  constructor(table: ConnectionTable, maxConnections: number) {
    this.#table = table;
    this.#samples = Math.min(mostSamples, Math.floor(maxConnections / 256));
  }

  /** The connection in this slot has ended well. */
  done(slot: number): void {
    (this.#table.isKeptLast(slot) ? this.#doneKept : this.#done).push(slot, this.#table.number(slot));
  }

  /**
   * The connection to let go for another.
   * @param forKept whether the other is one of the addresses that are to be kept
   * @returns slot; -1: there is none that may go
   */
  next(forKept: boolean): number {
    const table = this.#table;
    const isDone = (slot: number): boolean => table.isDone(slot);
    let slot = this.#done.take(table, (candidate) => {
      if (!table.isDone(candidate)) return false;
      if (table.event(candidate) === 'none') return --this.#samples < 0;
      this.#doneEventful.push(candidate, table.number(candidate));
      return false;
    });
    if (slot < 0) slot = this.#doneEventful.take(table, isDone);
    if (slot >= 0) return slot;
    const isHalfOpen = (candidate: number): boolean => table.isHalfOpen(candidate);
    slot = this.#halfOpen.take(table, isHalfOpen);
    if (slot >= 0) return slot;
    if (this.#patience > 0 && !forKept) {
      this.#patience--;
      return -1;
    }
    this.#lookThrough(forKept);
    slot = this.#halfOpen.take(table, isHalfOpen);
    if (slot < 0 && forKept) slot = this.#others.take(table, () => true);
    if (slot < 0 && forKept) slot = this.#doneKept.take(table, isDone);
    if (slot < 0 && forKept) slot = this.#halfOpenKept.take(table, isHalfOpen);
    if (slot < 0) this.#patience = table.kept >> 4;
    return slot;
  }

  #lookThrough(forKept: boolean): void {
    const table = this.#table;
    for (const slot of table.inOrder()) {
      const isKept = table.isKeptLast(slot);
      if (table.isHalfOpen(slot)) (isKept ? this.#halfOpenKept : this.#halfOpen).push(slot, table.number(slot));
      else if (forKept && !isKept) this.#others.push(slot, table.number(slot));
    }
  }
}
