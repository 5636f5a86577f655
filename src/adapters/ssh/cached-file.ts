import { readFile, stat } from 'node:fs/promises';

/** Files of one kind that are remembered; more than that are read again each time. */
const maxFiles = 1000;

/**
 * Reads files and remembers what was made of them until they change: hundreds of connections that open together would
 * each read the same keys and hosts. Rejects as `readFile` does, and remembers no failure.
 */
export function createCachedReader<T>(make: (bytes: Buffer, file: string) => T): (file: string) => Promise<T> {
  const known = new Map<string, { readonly stamp: string; readonly made: Promise<T> }>();
  return async (file) => {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    const stamp = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    const before = known.get(file);
    if (before?.stamp === stamp) return before.made;
    const made = readFile(file).then((bytes) => make(bytes, file));
    if (known.size < maxFiles || before !== undefined) {
      const entry = { stamp, made };
      known.set(file, entry);
      made.catch(() => {
        if (known.get(file) === entry) known.delete(file);
      });
    }
    return made;
  };
}
