import { describe, expect, it, vi } from 'vitest';
import { createDeadline } from '../../src/model/deadline.ts';

describe('a deadline', () => {
  it('ends at its time, not before', () => {
    vi.useFakeTimers();
    try {
      const { signal } = createDeadline(1000);
      vi.advanceTimersByTime(999);
      expect(signal.aborted).toBe(false);
      vi.advanceTimersByTime(1);
      expect(signal.aborted).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  it('ends when a parent ends, with its reason; also one that had ended before', () => {
    const parent = new AbortController();
    const { signal } = createDeadline(null, parent.signal);
    parent.abort('cancelled');
    expect(signal.reason).toBe('cancelled');
    expect(createDeadline(1000, parent.signal).signal.reason).toBe('cancelled');
  });

  it('keeps nothing alive once it is cleared', () => {
    vi.useFakeTimers();
    try {
      const deadline = createDeadline(1000, new AbortController().signal);
      expect(vi.getTimerCount()).toBe(1);
      deadline.clear();
      expect(vi.getTimerCount()).toBe(0);
      vi.advanceTimersByTime(2000);
      expect(deadline.signal.aborted).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });
});
