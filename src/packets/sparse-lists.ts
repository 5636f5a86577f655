import type { EntryBudget } from './entry-budget.ts';

/** Lists that few connections have, by number. A list counts as an entry of the budget, as each of its own entries does. */
export class SparseLists<List extends { readonly clear: () => void }> {
  readonly #budget: EntryBudget;
  readonly #make: (budget: EntryBudget) => List;
  readonly #lists = new Map<number, List>();

  constructor(budget: EntryBudget, make: (budget: EntryBudget) => List) {
    this.#budget = budget;
    this.#make = make;
  }

  get(key: number): List | undefined {
    return this.#lists.get(key);
  }

  /** The list, made at first need; undefined: there is no room for it. */
  need(key: number): List | undefined {
    const known = this.#lists.get(key);
    if (known !== undefined || !this.#budget.take()) return known;
    const list = this.#make(this.#budget);
    this.#lists.set(key, list);
    return list;
  }

  drop(key: number): void {
    const list = this.#lists.get(key);
    if (list === undefined) return;
    list.clear();
    this.#lists.delete(key);
    this.#budget.give(1);
  }
}
