import type { EntryBudget } from './entry-budget.ts';

const maxRanges = 16;

/**
 * Bytes of one direction below the highest one seen that this capture has not seen and nobody has acknowledged. Sequence
 * numbers are signed words that wrap.
 */
export class UnseenBytes {
  readonly #budget: EntryBudget;
  /** Start and end of each range, oldest first. */
  readonly #ranges: number[] = [];

  constructor(budget: EntryBudget) {
    this.#budget = budget;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  add(from: number, to: number): void {
    const ranges = this.#ranges;
    if (ranges.length >= maxRanges * 2) {
      ranges.splice(0, 2);
      this.#budget.dropped++;
    } else if (!this.#budget.take()) return;
    ranges.push(from, to);
  }

  /** Whether any byte from `from` to before `to` is unseen. */
  has(from: number, to: number): boolean {
    const ranges = this.#ranges;
    for (let i = 0; i + 1 < ranges.length; i += 2) {
      if (((from - (ranges[i + 1] ?? 0)) | 0) < 0 && (((ranges[i] ?? 0) - to) | 0) < 0) return true;
    }
    return false;
  }

  /** These bytes were seen. */
  fill(from: number, to: number): void {
    const ranges = this.#ranges;
    for (let i = 0; i + 1 < ranges.length; ) {
      const start = ranges[i] ?? 0;
      const end = ranges[i + 1] ?? 0;
      const before = ((from - start) | 0) > 0;
      const after = ((end - to) | 0) > 0;
      if (((from - end) | 0) >= 0 || ((start - to) | 0) >= 0) i += 2;
      else if (before && after) {
        ranges[i + 1] = from;
        this.add(to, end);
        return;
      } else if (before) {
        ranges[i + 1] = from;
        i += 2;
      } else if (after) {
        ranges[i] = to;
        i += 2;
      } else this.#remove(i);
    }
  }

  /** The receiver has everything below: what was not seen here went another way. */
  forgetBelow(acknowledgement: number): void {
    const ranges = this.#ranges;
    for (let i = 0; i + 1 < ranges.length; ) {
      if ((((ranges[i + 1] ?? 0) - acknowledgement) | 0) <= 0) this.#remove(i);
      else {
        if ((((ranges[i] ?? 0) - acknowledgement) | 0) < 0) ranges[i] = acknowledgement;
        i += 2;
      }
    }
  }

  /** Gives back what the list took. */
  clear(): void {
    this.#budget.give(this.#ranges.length / 2);
    this.#ranges.length = 0;
  }

  #remove(i: number): void {
    this.#ranges.splice(i, 2);
    this.#budget.give(1);
  }
}
