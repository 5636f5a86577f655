import { deflateRawSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inflate } from '../../src/packets/inflate.ts';

/** The bytes end exactly where their buffer ends: reading past them throws. */
const unpack = (packed: Uint8Array, maxBytes = 65_535): Uint8Array => {
  const exact = packed.slice();
  return inflate(new DataView(exact.buffer), 0, exact.length, maxBytes);
};

const content = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc.array(fc.constantFrom(65, 66, 67), { maxLength: 6000 }).map((bytes) => Uint8Array.from(bytes)),
);

describe('inflate', () => {
  it('unpacks what zlib packs: stored, fixed and dynamic codes', () => {
    fc.assert(
      fc.property(content, fc.constantFrom(0, 1, 6, 9), fc.constantFrom(0, 4), (bytes, level, strategy) => {
        expect(unpack(deflateRawSync(bytes, { level, strategy }))).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it('of cut data gives the start', () => {
    const bytes = Uint8Array.from({ length: 2000 }, (_, i) => (i * 7919) >> 5);
    const packed = deflateRawSync(bytes);
    let longest = 0;
    for (let cut = 0; cut < packed.length; cut += 13) {
      const some = unpack(packed.subarray(0, cut));
      expect(some).toEqual(bytes.subarray(0, some.length));
      longest = Math.max(longest, some.length);
    }
    expect(longest).toBeGreaterThan(1500);
  });

  it('never makes more than it may', () => {
    const bomb = deflateRawSync(new Uint8Array(10_000_000));
    expect(unpack(bomb).length).toBe(65_535);
    expect(unpack(bomb, 10).length).toBe(10);
  });

  it('does not throw on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(unpack(bytes, 5000).length).toBeLessThanOrEqual(5000);
      }),
      { numRuns: 3000 },
    );
  });
});
