/**
 * The shortest list found that still fails: halves, quarters … are taken out while what is left fails (delta debugging,
 * Zeller 2002). `fails` is called at most `mostCalls` times.
 */
export function minimise<T>(
  list: readonly T[],
  fails: (list: readonly T[]) => boolean,
  mostCalls = 2000,
): readonly T[] {
  let kept = list;
  let calls = 0;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      if (calls++ >= mostCalls) return kept;
      const without = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (fails(without)) kept = without;
      else at += size;
    }
  }
  return kept;
}
