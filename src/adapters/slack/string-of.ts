/** A JSON value that should be a string; anything else is the empty string. */
export function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
