import type { ZeroWindow } from '../model/packet-facts.ts';
import type { EntryBudget } from './entry-budget.ts';

const maxSpans = 16;

interface Span {
  readonly fromMs: number;
  readonly frame: number;
  untilMs: number | null;
  probes: number;
  senderWaits: boolean;
}

/** Times that one side shut its window, in order. At most 16 are kept: the shortest goes. */
export class ZeroWindowList {
  readonly #budget: EntryBudget;
  readonly #spans: Span[] = [];
  #open: Span | null = null;

  constructor(budget: EntryBudget) {
    this.#budget = budget;
  }

  shut(atMs: number, frame: number, senderWaits: boolean): void {
    if (this.#spans.length >= maxSpans) {
      let shortest = 0;
      let least = Number.POSITIVE_INFINITY;
      for (const [index, span] of this.#spans.entries()) {
        const lasted = span.untilMs === null ? Number.POSITIVE_INFINITY : span.untilMs - span.fromMs;
        if (lasted < least) {
          least = lasted;
          shortest = index;
        }
      }
      this.#spans.splice(shortest, 1);
      this.#budget.give(1);
      this.#budget.dropped++;
    }
    this.#open = null;
    if (!this.#budget.take()) return;
    this.#open = { fromMs: atMs, frame, untilMs: null, probes: 0, senderWaits };
    this.#spans.push(this.#open);
  }

  opened(atMs: number): void {
    if (this.#open !== null) this.#open.untilMs = atMs;
    this.#open = null;
  }

  /** The other side wants to send. */
  asked(isProbe: boolean): void {
    if (this.#open === null) return;
    this.#open.senderWaits = true;
    if (isProbe) this.#open.probes++;
  }

  facts(): readonly ZeroWindow[] {
    return this.#spans.map((span) => ({ ...span }));
  }

  /** Gives back what the list took. */
  clear(): void {
    this.#budget.give(this.#spans.length);
    this.#spans.length = 0;
    this.#open = null;
  }
}
