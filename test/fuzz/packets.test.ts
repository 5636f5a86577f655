import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePacket } from '../../src/packets/decode-packet.ts';
import { capture } from '../packets/build-capture.ts';
import { SeededRandom } from '../packets/seeded-random.ts';
import { arbitraryFrame } from './arbitrary-frame.ts';
import { checkDecode, checkFile, checkStream, type FuzzedPacket, pcapOf } from './check-engine.ts';
import { corpus, publicCapturesAreThere } from './corpus.ts';
import { fuzzRound } from './fuzz-packets.ts';
import { minimise } from './minimise.ts';

/** The bounded run of the fuzzer: the same packets every time. `npm run test:fuzz` is the long one. */
const rounds = 16;
const builtOnly = publicCapturesAreThere ? '' : ' (built packets only: ../shared/captures is not here)';

const packetOf = (bytes: Uint8Array): FuzzedPacket => ({ bytes, wireLength: bytes.length, atUs: 0 });

describe('the packet engine, fuzzed', { timeout: 60_000 }, () => {
  it(`neither throws nor reads outside a packet, and says the same of a stream however it is cut${builtOnly}`, () => {
    const seeds = corpus();
    for (let seed = 1; seed <= rounds; seed++) {
      const { failures } = fuzzRound(seeds, seed);
      expect(
        failures.map(({ complaint, capture: shortest }) => `seed ${seed}: ${complaint}\n${hex(shortest)}`),
      ).toEqual([]);
    }
  });

  it('takes frames that are well built but strange', () => {
    fc.assert(
      fc.property(fc.array(arbitraryFrame, { minLength: 1, maxLength: 8 }), fc.integer(), (frames, seed) => {
        const packets = frames.map(packetOf);
        for (const packet of packets) expect(checkDecode(packet, 1)).toBe(null);
        expect(checkStream(pcapOf(packets, 1), new SeededRandom(seed))).toBe(null);
      }),
      { numRuns: 300 },
    );
  });
});

/** What the long run found, as short as it made it. */
const failedOnce: readonly (readonly [string, string])[] = [
  [
    'a packet that claims 4 GiB on the wire and 0 in its IP header had a negative payload',
    'd4c3b2a10200040000000000000000000000040001000000' +
      '87bf5569bb6507004f000000ffffffff' +
      '00000c07ac0178e7d164f800080045000000' +
      '42c9400080060000' +
      '1e07b579c72b44a39a841f9070010004005b50d750180100df550000' +
      '504f535420687474703a2f2f67776d2d6d6c2d61322e77736f',
  ],
];

describe('inputs that the engine once took badly', () => {
  it.each(failedOnce)('%s', (_what, capture) => {
    expect(checkFile(Uint8Array.from(Buffer.from(capture, 'hex')), new SeededRandom(1))).toBe(null);
  });
});

describe('the fuzzer finds', () => {
  const [frame = new Uint8Array(0)] = capture().syn({ from: '10.0.0.1:40000', to: '10.0.0.2:80' }).packets();

  it('a read beyond the packet that throws, and one that gives other bytes', () => {
    const cut = packetOf(frame.slice(0, 40));
    // A decoder that believes the length in the IP header instead of what was captured.
    const believes = (read: (view: DataView, at: number) => number): typeof decodePacket => {
      return (record, packet) => {
        decodePacket(record, packet);
        packet.ttl = read(record.view, record.start + 13 + record.view.getUint16(record.start + 16));
      };
    };
    expect(checkDecode(cut, 1)).toBe(null);
    expect(() =>
      checkDecode(
        cut,
        1,
        believes((view, at) => view.getUint8(at)),
      ),
    ).toThrow(RangeError);
    const silent = believes((view, at) => new Uint8Array(view.buffer)[at] ?? 0);
    expect(checkDecode(cut, 1, silent)).toContain('ttl depends on bytes outside the packet');
    expect(checkDecode(packetOf(frame), 1, silent)).toBe(null);
  });

  it('the shortest list that still fails', () => {
    const fails = (list: readonly number[]): boolean => list.includes(7) && list.includes(90);
    expect(
      minimise(
        Array.from({ length: 100 }, (_, index) => index),
        fails,
      ),
    ).toEqual([7, 90]);
  });
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 400)).toString('hex');
}
