/**
 * Addresses in one spelling, so that they can be compared as text: IPv4 in dotted decimal, IPv6 as RFC 5952 writes it
 * (lower case, longest run of zeros as `::`), and an IPv4-mapped IPv6 address as the IPv4 address that is on the wire.
 */

/** Canonical IPv4 address, or undefined where the text is none. */
export function ipv4(text: string): string | undefined {
  if (text.length < 7 || text.length > 15) return undefined;
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
  }
  return parts.map(Number).join('.');
}

/** Canonical IPv6 address without zone, or undefined. IPv4-mapped addresses come back as IPv4. */
export function ipv6(text: string): string | undefined {
  if (text.length < 2 || text.length > 45 || !text.includes(':')) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return spellIpv6([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

/** Canonical address of either family from text that may carry brackets and a zone (`[fe80::1]%eth0`, `127.0.0.53%lo`). */
export function address(text: string): string | undefined {
  const open = text.startsWith('[') ? text.slice(1) : text;
  const zone = open.indexOf('%');
  const unzoned = zone === -1 ? open : open.slice(0, zone);
  const bare = unzoned.endsWith(']') ? unzoned.slice(0, -1) : unzoned;
  return bare.includes(':') ? ipv6(bare) : ipv4(bare);
}

/** 4 or 6, for a canonical address or prefix. */
export function familyOf(text: string): 4 | 6 {
  return text.includes(':') ? 6 : 4;
}

/**
 * Address from the kernel's hexadecimal: `hostOrder` for `/proc/net/tcp` (32-bit words as a little-endian machine
 * prints them), `networkOrder` for `/proc/net/ip_vs*`. 8 digits are IPv4, 32 IPv6; anything else is undefined.
 */
export function addressFromHex(hex: string, order: 'hostOrder' | 'networkOrder'): string | undefined {
  if (!/^[0-9A-Fa-f]+$/.test(hex) || (hex.length !== 8 && hex.length !== 32)) return undefined;
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8) {
    const four: number[] = [];
    for (let at = word; at < word + 8; at += 2) four.push(Number.parseInt(hex.slice(at, at + 2), 16));
    bytes.push(...(order === 'hostOrder' ? four.reverse() : four));
  }
  if (bytes.length === 4) return bytes.join('.');
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push((bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0));
  return spellIpv6(groups);
}

function groupsOf(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [at, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = mayEndInIpv4 && at === parts.length - 1 ? ipv4(part) : undefined;
      if (v4 === undefined) return undefined;
      const [a = 0, b = 0, c = 0, d = 0] = v4.split('.').map(Number);
      groups.push(a * 256 + b, c * 256 + d);
    } else {
      if (!/^[0-9A-Fa-f]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups.length > 8 ? undefined : groups;
}

function spellIpv6(groups: readonly number[]): string {
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6);
    return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  }
  let best = { from: -1, length: 1 };
  for (let from = 0; from < 8; ) {
    let length = 0;
    while (from + length < 8 && groups[from + length] === 0) length += 1;
    if (length > best.length) best = { from, length };
    from += Math.max(1, length);
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.from === -1) return hex.join(':');
  return `${hex.slice(0, best.from).join(':')}::${hex.slice(best.from + best.length).join(':')}`;
}
