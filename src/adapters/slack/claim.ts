import type { KeyValue } from '../../engine/ports.ts';

/** The right to do something once. */
export type Claim =
  | {
      readonly got: 'first';
      /** It is done: nobody does it again for `ttlMs`. */
      keep(ttlMs: number): Promise<void>;
      /** It could not be done: the next one may try. */
      release(): Promise<void>;
    }
  | { readonly got: 'again' }
  /** The store does not answer, so nobody knows. */
  | { readonly got: 'down' };

/** How long the store may take before it counts as down. */
const storeTimeoutMs = 3000;

/**
 * Claims `key`. The claim is a lease first, so that a process that dies in the middle does not block a redelivery
 * for ever. Never rejects.
 */
export async function claim(store: KeyValue, key: string, value: string, leaseMs: number): Promise<Claim> {
  const first = await answerOf(() => store.setOnce(key, value, { ttlMs: leaseMs }));
  if (!first.answered) return { got: 'down' };
  if (!first.value) return { got: 'again' };
  return {
    got: 'first',
    async keep(ttlMs) {
      await answerOf(() => store.set(key, value, { ttlMs }));
    },
    async release() {
      await answerOf(() => store.delete(key));
    },
  };
}

/** Asks the store (or whatever else answers) and takes both a rejection and a long silence for "does not answer". */
export async function answerOf<T>(
  ask: () => Promise<T>,
  withinMs: number = storeTimeoutMs,
): Promise<{ readonly answered: true; readonly value: T } | { readonly answered: false }> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<{ readonly answered: false }>((resolve) => {
    timer = setTimeout(() => resolve({ answered: false }), withinMs);
  });
  try {
    return await Promise.race([ask().then((value) => ({ answered: true as const, value })), silence]);
  } catch {
    return { answered: false };
  } finally {
    clearTimeout(timer);
  }
}
