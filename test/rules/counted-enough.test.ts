import { describe, expect, it } from 'vitest';
import { countedEnough } from '../../src/rules/counted-enough.ts';

describe('whether a counter accounts for the packets of a capture', () => {
  it('does, where it moved as much or more, or lacks only the edges of a busy window', () => {
    expect(countedEnough(3, 3)).toBe(true);
    expect(countedEnough(40, 3)).toBe(true);
    expect(countedEnough(30, 31)).toBe(true);
    expect(countedEnough(4, 5)).toBe(true);
  });

  it('does not, where a fair share is missing, or there are too few to tell', () => {
    expect(countedEnough(24, 31)).toBe(false);
    expect(countedEnough(2, 3)).toBe(false);
    expect(countedEnough(1, 2)).toBe(false);
    expect(countedEnough(0, 1)).toBe(false);
  });
});
