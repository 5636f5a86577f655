import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { capture } from '../packets/build-capture.ts';
import { randomTalk } from '../packets/random-talk.ts';
import { SeededRandom } from '../packets/seeded-random.ts';
import { joined, pcapOf } from './check-engine.ts';

/** A stream that tries to make the engine keep, or look through, ever more. */
export interface HostileShape {
  readonly name: string;
  /** @returns the frame (Ethernet) number `index` */
  readonly frame: (index: number, random: SeededRandom) => Uint8Array;
}

const a = '10.0.0.1:40000';
const b = '10.0.0.2:80';
const only = (builder: { packets(): readonly Uint8Array[] }): Uint8Array => builder.packets()[0] ?? new Uint8Array(0);
/** A frame whose bytes at `offsets` are drawn anew for every packet. */
function varied(frame: Uint8Array, ...ranges: readonly (readonly [number, number])[]): HostileShape['frame'] {
  return (_index, random) => {
    const bytes = frame.slice();
    for (const [from, to] of ranges) for (let at = from; at < to; at++) bytes[at] = random.bits() & 255;
    return bytes;
  };
}

const question =
  '\u0012\u0034\u0001\u0000\u0000\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0003www\u0007example\u0000\u0000\u0001\u0000\u0001';
const arp = Uint8Array.of(
  2,
  0,
  0,
  0,
  0,
  2,
  2,
  0,
  0,
  0,
  0,
  1,
  8,
  6,
  0,
  1,
  8,
  0,
  6,
  4,
  0,
  2,
  ...Array.from({ length: 20 }, () => 0),
);

/** Byte 26 is the source address, 34 the source port, 38 the sequence number, 42 the acknowledgement number. */
export const hostileShapes: readonly HostileShape[] = [
  {
    name: 'SYNs from everywhere',
    frame: varied(only(capture().syn({ from: a, to: b, tsval: 1 })), [26, 36], [38, 42]),
  },
  {
    name: 'SYNs of one address',
    frame: varied(only(capture().syn({ from: a, to: b, tsval: 1 })), [34, 36], [38, 42], [62, 66]),
  },
  { name: 'SYNs on one pair of ports', frame: varied(only(capture().syn({ from: a, to: b })), [38, 42]) },
  { name: 'one SYN', frame: varied(only(capture().syn({ from: a, to: b })), [18, 20]) },
  {
    name: 'data anywhere in one connection',
    frame: varied(only(capture().data({ from: a, to: b, payload: 10 })), [38, 40]),
  },
  {
    name: 'SACK blocks anywhere',
    frame: varied(
      only(
        capture().ack({
          from: a,
          to: b,
          sack: [
            [1, 2],
            [3, 4],
            [5, 6],
          ],
        }),
      ),
      [42, 44],
      [58, 82],
    ),
  },
  { name: 'windows that open and shut', frame: varied(only(capture().ack({ from: a, to: b })), [26, 27], [48, 49]) },
  { name: 'connections from the middle', frame: varied(only(capture().data({ from: a, to: b })), [26, 38]) },
  { name: 'resets', frame: varied(only(capture().rst({ from: a, to: b })), [34, 35], [38, 42]) },
  { name: 'UDP from everywhere', frame: varied(only(capture().udp({ from: a, to: b, payload: 4 })), [26, 36]) },
  {
    name: 'DNS questions',
    frame: varied(
      only(capture().udp({ from: a, to: '10.0.0.2:53', payload: question })),
      [34, 36],
      [42, 44],
      [55, 58],
      [59, 66],
    ),
  },
  {
    name: 'DNS over TCP',
    frame: varied(
      only(capture().data({ from: a, to: '10.0.0.2:53', payload: `\u0000\u001d${question}` })),
      [34, 36],
      [38, 42],
      [56, 58],
    ),
  },
  { name: 'ARP claims', frame: varied(arp, [22, 42]) },
  {
    name: 'first fragments',
    frame: varied(
      only(capture().tcp({ from: a, to: b, flags: 'A', payload: 400, fragment: { offset: 0, more: true } })),
      [18, 20],
      [26, 30],
    ),
  },
  {
    name: 'fragments in any order',
    frame: (index, random) =>
      only(
        capture().tcp({
          from: a,
          to: b,
          flags: 'A',
          payload: 40,
          ipId: index >> 6,
          fragment: { offset: random.between(0, 8000) * 8, more: random.bits() % 9 !== 0 },
        }),
      ),
  },
  {
    name: 'ICMP errors',
    frame: varied(
      only(capture().icmpError({ from: b, to: a, type: 3, code: 1, about: { from: a, to: b, seq: 1 } })),
      [26, 30],
      [54, 70],
    ),
  },
  {
    name: 'noise',
    frame: (_index, random) => Uint8Array.from({ length: random.between(0, 90) }, () => random.bits() & 255),
  },
];

function* streamOf(shape: HostileShape, packets: number, seed: number): Generator<Uint8Array> {
  const random = new SeededRandom(seed);
  const batch = 1000;
  for (let from = 0; from < packets; from += batch) {
    const pieces = pcapOf(
      Array.from({ length: Math.min(batch, packets - from) }, (_, index) => {
        const bytes = shape.frame(from + index, random);
        return { bytes, wireLength: bytes.length, atUs: (from + index) * 50 };
      }),
      1,
    );
    // The file header only once.
    yield joined(from === 0 ? pieces : pieces.slice(1));
  }
}

function sinceMs(began: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000;
}

/** Milliseconds of processor time that the engine itself took, and bytes that it still held at the end (where the collector can be asked). */
export function measureGrowth(
  shape: HostileShape,
  packets: number,
  seed: number,
): { readonly tookMs: number; readonly heldBytes: number } {
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => undefined);
  const held = (): number => {
    collect();
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    return heapUsed + Math.max(external, arrayBuffers);
  };
  const before = held();
  const analyser = createCaptureAnalyser({ evidence: 'fuzz' });
  let tookMs = 0;
  for (const piece of streamOf(shape, packets, seed)) {
    const began = process.cpuUsage();
    analyser.push(piece);
    tookMs += sinceMs(began);
  }
  const began = process.cpuUsage();
  const facts = analyser.finish();
  tookMs += sinceMs(began);
  const heldBytes = held() - before;
  // The facts are part of what is held.
  if (facts.packets < 0) throw new Error('no facts');
  return { tookMs, heldBytes };
}

/** The same for one long random talk, which reaches every state of a connection. */
export const talkShape: HostileShape = (() => {
  const frames = randomTalk(1, 20_000).packets();
  return {
    name: 'a random talk again and again',
    frame: (index) => frames[index % frames.length] ?? new Uint8Array(0),
  };
})();
