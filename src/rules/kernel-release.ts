/**
 * Whether `uname -r` is older than `major.minor`. Only for a remark in a sentence or to hold a verdict back:
 * distributions backport, so a version alone never decides. Null where the release could not be read.
 */
export function isOlderThan(release: string, major: number, minor: number): boolean | null {
  const found = /^(\d+)\.(\d+)/.exec(release);
  if (found === null) return null;
  const [is, patch] = [Number(found[1]), Number(found[2])];
  return is < major || (is === major && patch < minor);
}
