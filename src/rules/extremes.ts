/** The largest number, at least `least`. Of any count: `Math.max(...)` takes only so many. */
export function largestOf(numbers: readonly number[], least = 0): number {
  return numbers.reduce((largest, one) => Math.max(largest, one), least);
}

/** The smallest number; infinity where there is none. */
export function smallestOf(numbers: readonly number[]): number {
  return numbers.reduce((smallest, one) => Math.min(smallest, one), Number.POSITIVE_INFINITY);
}
