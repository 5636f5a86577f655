/** Share of the packets that a counter must have seen, where there were a few. */
const leastShare = 0.8;

/**
 * Whether a counter that moved by `delta` accounts for `packets` of a capture. Counters are read while the capture
 * already runs and before it ends, so under steady traffic packets of its first and last moments are not in them.
 */
export function countedEnough(delta: number, packets: number): boolean {
  return delta >= packets || (delta >= 3 && delta >= packets * leastShare);
}
