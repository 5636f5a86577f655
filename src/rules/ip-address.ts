interface Ip {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

/** `::ffff:10.0.0.1` counts as the IPv4 address in it, as the kernel treats it. Null for what is no address. */
function parseIp(text: string): Ip | null {
  const bare = text.replace(/%.*$/, '');
  return bare.includes(':') ? parseIpv6(bare) : parseIpv4(bare);
}

function parseIpv4(text: string): Ip | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let bits = 0n;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null;
    bits = (bits << 8n) | BigInt(part);
  }
  return { family: 4, bits };
}

function parseIpv6(text: string): Ip | null {
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  let head = text;
  if (embedded !== null) {
    const v4 = parseIpv4(embedded[2] ?? '');
    if (v4 === null) return null;
    head = `${embedded[1] ?? ''}${(v4.bits >> 16n).toString(16)}:${(v4.bits & 0xffffn).toString(16)}`;
  }
  const halves = head.split('::');
  if (halves.length > 2) return null;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const left = groups[0] ?? [];
  const right = groups[1] ?? [];
  const gap = 8 - left.length - right.length;
  if (halves.length === 1 ? gap !== 0 : gap < 1) return null;
  const all = [...left, ...Array<string>(gap).fill('0'), ...right];
  let bits = 0n;
  for (const group of all) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return null;
    bits = (bits << 16n) | BigInt(`0x${group}`);
  }
  if (bits >> 32n === 0xffffn) return { family: 4, bits: bits & 0xffffffffn };
  return { family: 6, bits };
}

/** 4 or 6, or null where it is no address. */
export function familyOf(address: string): 4 | 6 | null {
  return parseIp(address)?.family ?? null;
}

/** Whether two spellings are one address. */
export function sameAddress(a: string, b: string): boolean {
  if (a === b) return true;
  const one = parseIp(a);
  const other = parseIp(b);
  return one !== null && other !== null && one.family === other.family && one.bits === other.bits;
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(address: string): boolean {
  const ip = parseIp(address);
  if (ip === null) return false;
  return ip.family === 4 ? ip.bits >> 24n === 127n : ip.bits === 1n;
}

/** 0.0.0.0 or ::. */
export function isWildcard(address: string): boolean {
  const ip = parseIp(address);
  return ip !== null && ip.bits === 0n;
}

/**
 * Whether `address` lies in `prefix` (`10.0.0.0/8`, `10.0.0.1`, `10.0.0.0/255.0.0.0`, `10.0.0.1-10.0.0.9`).
 * Null where `prefix` is none of these (a set name, a host name).
 */
export function inPrefix(address: string, prefix: string): boolean | null {
  const ip = parseIp(address);
  if (ip === null) return null;
  const range = /^([^-/]+)-([^-/]+)$/.exec(prefix);
  if (range !== null) {
    const from = parseIp(range[1] ?? '');
    const to = parseIp(range[2] ?? '');
    if (from === null || to === null) return null;
    return ip.family === from.family && ip.family === to.family && ip.bits >= from.bits && ip.bits <= to.bits;
  }
  const [base = '', length] = prefix.split('/');
  const network = parseIp(base);
  if (network === null) return null;
  const width = network.family === 4 ? 32 : 128;
  const ones = length === undefined ? width : prefixLength(length, network.family);
  if (ones === null) return null;
  if (ip.family !== network.family) return false;
  const shift = BigInt(width - ones);
  return ip.bits >> shift === network.bits >> shift;
}

function prefixLength(text: string, family: 4 | 6): number | null {
  if (/^\d{1,3}$/.test(text)) return Number(text) <= (family === 4 ? 32 : 128) ? Number(text) : null;
  const mask = family === 4 ? parseIpv4(text) : null;
  if (mask === null) return null;
  const ones = mask.bits.toString(2).replace(/0+$/, '');
  return /^1*$/.test(ones) && (mask.bits === 0n || ones.length + trailingZeros(mask.bits) === 32) ? ones.length : null;
}

function trailingZeros(bits: bigint): number {
  return bits.toString(2).length - bits.toString(2).replace(/0+$/, '').length;
}
