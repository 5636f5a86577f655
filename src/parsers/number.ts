/** Whole number of decimal digits only (no sign, no blanks), or undefined. */
export function count(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,20}$/.test(text) ? Number(text) : undefined;
}

/** Whole number with an optional minus sign, as the kernel prints `MaxConn`, or undefined. */
export function signedCount(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,20}$/.test(text) ? Number(text) : undefined;
}

/** Hexadecimal digits without `0x`, or undefined. */
export function hexCount(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9A-Fa-f]{1,16}$/.test(text) ? Number.parseInt(text, 16) : undefined;
}

/** Seconds with an optional fraction (`12.5`), or undefined. */
export function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}(?:\.\d{1,12})?$/.test(text) ? Number(text) : undefined;
}

/**
 * `date +%s.%N` in milliseconds. A `date` without `%N` leaves `.N`, `.%N` or nothing behind the seconds: then the
 * resolution is whole seconds.
 */
export function epochMsOf(text: string | undefined): number | undefined {
  const match = /^(\d{1,12})(?:[.,](?:(\d{1,9})|%?N)?|%?N)?$/.exec(text ?? '');
  if (match === null) return undefined;
  return Number(match[1]) * 1000 + Number((match[2] ?? '').padEnd(9, '0')) / 1e6;
}
