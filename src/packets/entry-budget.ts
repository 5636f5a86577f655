/**
 * One bound for many small lists: each list takes before it grows and gives back what it lets go. Hostile captures can
 * make every connection eventful; what finds no room is counted.
 */
export class EntryBudget {
  #left: number;
  /** Entries that were not kept, for want of room here or in their own list. */
  dropped = 0;

  constructor(maxEntries: number) {
    this.#left = maxEntries;
  }

  /** Whether there is room for one more entry; where not, it counts as dropped. */
  take(): boolean {
    if (this.#left > 0) {
      this.#left--;
      return true;
    }
    this.dropped++;
    return false;
  }

  give(entries: number): void {
    this.#left += entries;
  }
}
