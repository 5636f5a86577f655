import { vi } from 'vitest';

/** With fake timers: lets virtual time pass in small steps until the promise settles, and gives what it gave. */
export async function settled<T>(promise: Promise<T>, atMostMs = 700_000): Promise<T> {
  const state = { done: false };
  const watched = promise.finally(() => {
    state.done = true;
  });
  watched.catch(() => {});
  const untilMs = Date.now() + atMostMs;
  while (!state.done && Date.now() < untilMs) await vi.advanceTimersByTimeAsync(50);
  if (!state.done) throw new Error(`not settled after ${atMostMs} ms`);
  return watched;
}
