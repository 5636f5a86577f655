import type { SeededRandom } from '../packets/seeded-random.ts';

const bytesThatDecide = [
  0, 1, 2, 4, 5, 6, 8, 10, 17, 41, 44, 47, 51, 58, 60, 0x45, 0x46, 0x4f, 0x50, 0x60, 0x7f, 0x80, 0xf0, 0xff,
] as const;
const wordsThatDecide = [
  0, 1, 7, 8, 19, 20, 28, 39, 40, 53, 0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x8847, 0x8864, 0x6558, 0x88be, 0x22eb,
  0x2000, 0x1fff, 1500, 2152, 4789, 6081, 8472, 0x7fff, 0x8000, 0xc00c, 0xfffe, 0xffff,
] as const;
const longsThatDecide = [
  0, 1, 12, 28, 32, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff, 262_144, 262_145, 1_048_576, 0x0a0d_0d0a,
  0x0101_080a,
] as const;

const scratch = new Uint8Array(1 << 20);
const scratchView = new DataView(scratch.buffer);

/**
 * Bytes with one to four things wrong: flipped bits, numbers on the edge of what a length can be, cut, lengthened, parts
 * missing, twice or from elsewhere.
 * @param donor where parts from elsewhere come from
 * @param headBytes most changes are made within so many bytes from the start
 * @returns an array with an ArrayBuffer of exactly its size: a read beyond it cannot go unseen
 */
export function mutateBytes(random: SeededRandom, bytes: Uint8Array, donor: Uint8Array, headBytes = 90): Uint8Array {
  let length = Math.min(bytes.length, scratch.length / 2);
  scratch.set(bytes.subarray(0, length));
  for (let times = random.between(1, 4); times > 0; times--) {
    const reach = length > headBytes && random.bits() % 4 !== 0 ? headBytes : length;
    const at = reach === 0 ? 0 : random.bits() % reach;
    switch (random.bits() % 12) {
      case 0:
      case 1:
        scratch[at] = (scratch[at] ?? 0) ^ (1 << (random.bits() % 8));
        break;
      case 2:
        scratch[at] = random.bits() & 255;
        break;
      case 3:
      case 4:
        scratch[at] = random.pick(bytesThatDecide);
        break;
      case 5:
        if (at + 2 <= length)
          scratchView.setUint16(
            at,
            random.bits() % 3 === 0 ? length + random.between(-2, 2) : random.pick(wordsThatDecide),
            random.bits() % 8 === 0,
          );
        break;
      case 6:
        if (at + 4 <= length) scratchView.setUint32(at, random.pick(longsThatDecide), random.bits() % 2 === 0);
        break;
      case 7:
        length = random.bits() % 2 === 0 ? at : random.bits() % (length + 1);
        break;
      case 8: {
        const more = random.between(1, 40);
        for (let i = 0; i < more; i++) scratch[length + i] = random.bits() & 255;
        length += more;
        break;
      }
      case 9: {
        const gone = Math.min(random.between(1, 24), length - at);
        scratch.copyWithin(at, at + gone, length);
        length -= gone;
        break;
      }
      case 10: {
        const twice = Math.min(random.between(1, 48), length - at);
        scratch.copyWithin(at + twice, at, length);
        length += twice;
        break;
      }
      default: {
        if (donor.length === 0) break;
        const from = random.bits() % donor.length;
        const taken = Math.min(random.between(1, 64), donor.length - from);
        scratch.set(donor.subarray(from, from + taken), at);
        length = Math.max(length, at + taken);
      }
    }
  }
  return scratch.slice(0, length);
}
