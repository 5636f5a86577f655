import type { IdleGap } from '../model/packet-facts.ts';
import type { EntryBudget } from './entry-budget.ts';

const maxGaps = 8;

interface Gap extends IdleGap {
  answer: IdleGap['answer'];
}

/** Silences of one connection, longest first. At most 8 are kept: the shortest goes. */
export class IdleGapList {
  readonly #budget: EntryBudget;
  readonly #gaps: Gap[] = [];
  /** The latest, while its answer may still come. */
  #latest: Gap | null = null;

  constructor(budget: EntryBudget) {
    this.#budget = budget;
  }

  add(gap: Omit<IdleGap, 'answer'>): void {
    const gaps = this.#gaps;
    const latest: Gap = { ...gap, answer: 'none' };
    this.#latest = latest;
    if (gaps.length >= maxGaps) {
      this.#budget.dropped++;
      if ((gaps.at(-1)?.idleMs ?? 0) >= latest.idleMs) return;
      gaps.pop();
    } else if (!this.#budget.take()) return;
    const at = gaps.findIndex((other) => other.idleMs < latest.idleMs);
    gaps.splice(at < 0 ? gaps.length : at, 0, latest);
  }

  answered(answer: 'ack' | 'rst'): void {
    if (this.#latest !== null) this.#latest.answer = answer;
    this.#latest = null;
  }

  facts(): readonly IdleGap[] {
    return this.#gaps.map((gap) => ({ ...gap }));
  }

  /** Gives back what the list took. */
  clear(): void {
    this.#budget.give(this.#gaps.length);
    this.#gaps.length = 0;
    this.#latest = null;
  }
}
