import { describe, expect, it } from 'vitest';
import { aheadBy } from '../../src/rules/serial-compare.ts';

describe('aheadBy', () => {
  it.each([
    [2993857158, 2450346507, 543510651],
    [5, 5, 0],
    [5, 6, -1],
    [3, 4294967290, 9],
    [4294967290, 3, -9],
    [0, 2147483648, -2147483648],
    // from the recording: the kernel let this SYN in, since the difference is more than half of the circle
    [4123251691, 1765106941, -1936822546],
  ])('%d is ahead of %d by %d', (a, b, difference) => {
    expect(aheadBy(a, b)).toBe(difference);
  });
});
