const collator = new Intl.Collator('en', { numeric: true });

/** Names as people order them: `node-2` before `node-10`. Never 0 for two different names. */
export function naturalOrder(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}
