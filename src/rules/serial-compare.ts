/** TCP_PAWS_MSL of include/net/tcp.h: how long the kernel holds a peer's timestamp against it, seconds. */
export const pawsMslSec = 60;
/** TCP_PAWS_WINDOW of include/net/tcp.h: how far a timestamp may lie behind without being rejected. */
export const pawsWindow = 1;

/**
 * `(s32)(a - b)`: how far `a` is ahead of `b` on the circle of 2^32, as the kernel compares TCP timestamps and
 * sequence numbers (RFC 7323 section 5.2). Positive: `a` is newer. Both are unsigned 32-bit values.
 */
export function aheadBy(a: number, b: number): number {
  return (a - b) | 0;
}
