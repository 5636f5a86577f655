/** Random numbers that a seed repeats: xorshift32 (Marsaglia 2003), fast enough to be asked several times per packet. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds shall not begin alike, and 0 would stay 0.
    let mixed = Math.imul(seed ^ (seed >>> 16), 0x45d9_f3b);
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9_f3b);
    this.#state = mixed ^ (mixed >>> 16) || 0x9e37_79b9;
  }

  /** 32 bits, not negative. */
  bits(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  /** At least 0, less than 1. */
  fraction(): number {
    return this.bits() / 2 ** 32;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + (this.bits() % (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(list: readonly [T, ...T[]]): T;
  pick<T>(list: readonly T[]): T | undefined;
  pick<T>(list: readonly T[]): T | undefined {
    return list[this.bits() % list.length];
  }
}
