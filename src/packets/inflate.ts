/**
 * Unpacks raw DEFLATE data (RFC 1951), as far as it goes: data that is cut or damaged gives what came before. Never
 * throws because of its input.
 * @param maxBytes of output
 */
export function inflate(view: DataView, start: number, end: number, maxBytes: number): Uint8Array<ArrayBuffer> {
  const out = new Output(Math.min(maxBytes, Math.max(256, (end - start) * 4)), maxBytes);
  const bits = new Bits(view, start, end);
  for (;;) {
    const last = bits.take(1);
    const kind = bits.take(2);
    if (bits.over) break;
    const whole =
      kind === 0
        ? stored(bits, out)
        : kind === 1
          ? packed(bits, out, fixedLengths, fixedDistances)
          : kind === 2 && dynamic(bits, out);
    if (!whole || last === 1) break;
  }
  return out.bytes.subarray(0, out.length);
}

class Bits {
  /** More was asked for than there is. */
  over = false;
  readonly #view: DataView;
  readonly #end: number;
  #at: number;
  #held = 0;
  #count = 0;

  constructor(view: DataView, start: number, end: number) {
    this.#view = view;
    this.#at = start;
    this.#end = end;
  }

  /** At most 16 bits, lowest first. */
  take(count: number): number {
    while (this.#count < count) {
      if (this.#at >= this.#end) {
        this.over = true;
        return 0;
      }
      this.#held |= this.#view.getUint8(this.#at++) << this.#count;
      this.#count += 8;
    }
    const value = this.#held & ((1 << count) - 1);
    this.#held >>>= count;
    this.#count -= count;
    return value;
  }

  toByte(): void {
    this.take(this.#count & 7);
  }
}

class Output {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  readonly #max: number;

  constructor(size: number, max: number) {
    this.bytes = new Uint8Array(size);
    this.#max = max;
  }

  /** Whether there was room. */
  put(byte: number): boolean {
    if (this.length >= this.bytes.length) {
      if (this.length >= this.#max) return false;
      const bigger = new Uint8Array(Math.min(this.#max, this.bytes.length * 2));
      bigger.set(this.bytes);
      this.bytes = bigger;
    }
    this.bytes[this.length++] = byte;
    return true;
  }
}

/** Canonical Huffman code: how many codes of each length there are, and the symbols in their order. */
interface Code {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

function codeOf(lengths: readonly number[]): Code {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
  counts[0] = 0;
  const next = new Uint16Array(17);
  for (let i = 1; i < 16; i++) next[i + 1] = (next[i] ?? 0) + (counts[i] ?? 0);
  const symbols = new Uint16Array(lengths.length);
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue;
    const at = next[length] ?? 0;
    symbols[at] = symbol;
    next[length] = at + 1;
  }
  return { counts, symbols };
}

/** -1: no such code, or the end of the data. */
function symbolOf(bits: Bits, code: Code): number {
  let value = 0;
  let first = 0;
  let index = 0;
  for (let length = 1; length < 16; length++) {
    value |= bits.take(1);
    if (bits.over) return -1;
    const count = code.counts[length] ?? 0;
    if (value - first < count) return code.symbols[index + value - first] ?? -1;
    index += count;
    first = (first + count) << 1;
    value <<= 1;
  }
  return -1;
}

const fixedLengths = codeOf(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)));
const fixedDistances = codeOf(Array.from({ length: 30 }, () => 5));

const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12_289, 16_385, 24_577,
];
const codeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** The functions below return whether the block was whole. */
function stored(bits: Bits, out: Output): boolean {
  bits.toByte();
  const length = bits.take(16);
  bits.take(16);
  for (let i = 0; i < length; i++) {
    const byte = bits.take(8);
    if (bits.over || !out.put(byte)) return false;
  }
  return !bits.over;
}

function packed(bits: Bits, out: Output, lengths: Code, distances: Code): boolean {
  for (;;) {
    const symbol = symbolOf(bits, lengths);
    if (symbol === 256) return true;
    if (symbol < 0) return false;
    if (symbol < 256) {
      if (!out.put(symbol)) return false;
      continue;
    }
    const base = lengthBase[symbol - 257];
    if (base === undefined) return false;
    const length = base + bits.take(lengthExtra[symbol - 257] ?? 0);
    const far = symbolOf(bits, distances);
    const farBase = distanceBase[far];
    if (farBase === undefined) return false;
    const distance = farBase + bits.take(far < 4 ? 0 : (far >> 1) - 1);
    if (bits.over || distance > out.length) return false;
    for (let i = 0; i < length; i++) if (!out.put(out.bytes[out.length - distance] ?? 0)) return false;
  }
}

function dynamic(bits: Bits, out: Output): boolean {
  const literals = bits.take(5) + 257;
  const distances = bits.take(5) + 1;
  const codes = bits.take(4) + 4;
  const short = Array.from({ length: 19 }, () => 0);
  for (const at of codeLengthOrder.slice(0, codes)) short[at] = bits.take(3);
  if (bits.over) return false;
  const code = codeOf(short);
  const lengths: number[] = [];
  while (lengths.length < literals + distances) {
    const symbol = symbolOf(bits, code);
    if (symbol < 0) return false;
    if (symbol < 16) lengths.push(symbol);
    else {
      const previous = symbol === 16 ? (lengths[lengths.length - 1] ?? 0) : 0;
      const times = symbol === 16 ? 3 + bits.take(2) : symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7);
      for (let i = 0; i < times; i++) lengths.push(previous);
    }
    if (bits.over) return false;
  }
  return packed(bits, out, codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals, literals + distances)));
}
