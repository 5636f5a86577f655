/**
 * An address kept as four 32-bit words (IPv4 in the last one) as text: dotted quad, or the canonical form of RFC 5952.
 * IPv4-mapped IPv6 addresses are written `::ffff:192.0.2.1`.
 */
export function addressText(version: 0 | 4 | 6, word0: number, word1: number, word2: number, word3: number): string {
  if (version !== 6) return quad(word3);
  if (word0 === 0 && word1 === 0 && word2 === 0xffff) return `::ffff:${quad(word3)}`;
  const groups = [
    word0 >>> 16,
    word0 & 0xffff,
    word1 >>> 16,
    word1 & 0xffff,
    word2 >>> 16,
    word2 & 0xffff,
    word3 >>> 16,
    word3 & 0xffff,
  ];
  // The longest run of zero groups, the first of equals, of at least two, becomes `::`.
  let bestStart = -1;
  let bestLength = 1;
  let start = 0;
  while (start < 8) {
    let next = start;
    while (next < 8 && groups[next] === 0) next++;
    if (next - start > bestLength) {
      bestStart = start;
      bestLength = next - start;
    }
    start = next + 1;
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return bestStart === -1 ? text(0, 8) : `${text(0, bestStart)}::${text(bestStart + bestLength, 8)}`;
}

function quad(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}
