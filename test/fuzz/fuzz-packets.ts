import { SeededRandom } from '../packets/seeded-random.ts';
import { randomTalk } from '../packets/random-talk.ts';
import {
  checkDecode,
  checkFile,
  checkStream,
  type Complaint,
  type FuzzedPacket,
  joined,
  pcapOf,
} from './check-engine.ts';
import type { Corpus } from './corpus.ts';
import { minimise } from './minimise.ts';
import { mutateBytes } from './mutate-bytes.ts';

export interface FuzzFailure {
  /** Seed of the round: `fuzzRound(corpus, seed)` fails in the same way. */
  readonly seed: number;
  readonly complaint: string;
  /** A capture file that shows it, as short as was found. */
  readonly capture: Uint8Array;
}

export interface FuzzRound {
  readonly packets: number;
  readonly files: number;
  readonly failures: readonly FuzzFailure[];
}

/** An analyser is half a megabyte of tables: many packets for each, or it is their making that is tested. */
const packetsPerRound = 3000;
const filesPerRound = 4;

/** One round: some thousand mutated packets, alone and as a stream, and a few mutated files. All of it from the seed. */
export function fuzzRound(corpus: Corpus, seed: number): FuzzRound {
  const random = new SeededRandom(seed);
  const failures: FuzzFailure[] = [];
  const { linkType, packets } = random.bits() % 3 === 0 ? talk(random) : strangers(corpus, random);

  for (const packet of packets) {
    const asIf = random.bits() % 16 === 0 ? (random.pick([...corpus.packets.keys()]) ?? linkType) : linkType;
    const complaint = complaintOf(() => checkDecode(packet, asIf));
    if (complaint === null) continue;
    const shortest = minimise([...packet.bytes], (bytes) => {
      const shorter = { ...packet, bytes: Uint8Array.from(bytes) };
      return complaintOf(() => checkDecode(shorter, asIf)) !== null;
    });
    const capture = joined(pcapOf([{ ...packet, bytes: Uint8Array.from(shortest) }], asIf));
    failures.push({ seed, complaint: `decoding: ${complaint}`, capture });
  }

  const streamSeed = random.bits();
  const stream = (list: readonly FuzzedPacket[]): Complaint =>
    complaintOf(() => checkStream(pcapOf(list, linkType), new SeededRandom(streamSeed)));
  const complaint = stream(packets);
  if (complaint !== null) {
    const shortest = minimise(packets, (list) => stream(list) !== null);
    failures.push({ seed, complaint: `stream: ${complaint}`, capture: joined(pcapOf(shortest, linkType)) });
  }

  for (let i = 0; i < filesPerRound; i++) {
    const original = random.pick(corpus.files) ?? new Uint8Array(0);
    const donor = random.pick(corpus.files) ?? original;
    const file = mutateBytes(random, original, donor, 400);
    const fileSeed = random.bits();
    const wrong = complaintOf(() => checkFile(file, new SeededRandom(fileSeed)));
    if (wrong !== null) failures.push({ seed, complaint: `file: ${wrong}`, capture: file });
  }
  return { packets: packets.length, files: filesPerRound, failures };
}

/** Packets that have nothing to do with each other, every one mutated. */
function strangers(
  corpus: Corpus,
  random: SeededRandom,
): { readonly linkType: number; readonly packets: FuzzedPacket[] } {
  // Half of the rounds are Ethernet: most of what can go wrong is behind it.
  const linkType = random.bits() % 2 === 0 ? 1 : (random.pick([...corpus.packets.keys()]) ?? 1);
  const originals = corpus.packets.get(linkType) ?? [];
  let atUs = 0;
  const packets = Array.from({ length: packetsPerRound }, () => {
    const original = random.pick(originals) ?? new Uint8Array(0);
    const bytes = mutateBytes(random, original, random.pick(originals) ?? original);
    atUs = nextUs(random, atUs);
    return { bytes, wireLength: wireLengthOf(random, bytes.length), atUs };
  });
  return { linkType, packets };
}

/** Conversations of which some packets are mutated: they reach states that strangers do not. */
function talk(random: SeededRandom): { readonly linkType: number; readonly packets: FuzzedPacket[] } {
  const frames = randomTalk(random.bits(), packetsPerRound).packets().slice(0, packetsPerRound);
  let atUs = 0;
  const packets = frames.map((frame, index): FuzzedPacket => {
    atUs = nextUs(random, atUs);
    // Frames of the talk are Ethernet, IPv4 without options, TCP: ports, numbers, flags and options stand from byte 34 on.
    const bytes =
      random.bits() % 2 === 0 ? mutateTcp(random, frame) : mutateBytes(random, frame, frames[index - 1] ?? frame);
    return { bytes, wireLength: bytes.length, atUs };
  });
  return { linkType: 1, packets };
}

function mutateTcp(random: SeededRandom, frame: Uint8Array): Uint8Array {
  const bytes = frame.slice();
  if (bytes.length < 54) return bytes;
  const view = new DataView(bytes.buffer);
  switch (random.bits() % 6) {
    case 0:
      view.setUint32(38, view.getUint32(38) + random.between(-3000, 3000));
      break;
    case 1:
      view.setUint32(42, view.getUint32(42) + random.between(-3000, 3000));
      break;
    case 2:
      view.setUint8(47, random.bits() & 255);
      break;
    case 3:
      view.setUint16(48, random.pick([0, 1, 100, 1000, 65_535] as const));
      break;
    case 4:
      view.setUint16(16, random.between(20, 1600));
      break;
    default:
      view.setUint8(46, random.between(0, 15) << 4);
  }
  return bytes;
}

function nextUs(random: SeededRandom, atUs: number): number {
  return random.bits() % 50 === 0
    ? random.bits()
    : Math.max(0, atUs + random.pick([0, 1, 100, 2900, 20_000, 300_000, -500] as const));
}

function wireLengthOf(random: SeededRandom, captured: number): number {
  switch (random.bits() % 12) {
    case 0:
      return random.bits() % (captured + 1);
    case 1:
      return captured + random.between(1, 2000);
    case 2:
      return random.pick([0, 65_535, 65_536, 262_144, 0x7fff_ffff, 0xffff_ffff] as const);
    default:
      return captured;
  }
}

/** The first line of whatever is wrong, thrown or said. */
function complaintOf(check: () => Complaint): Complaint {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof Error)) return `threw ${String(error)}`;
    const where = error.stack?.split('\n').find((line) => line.includes('/src/')) ?? '';
    return `threw ${error.name}: ${error.message}${where.replace(/^\s+/, ' ').replace(/\(.*\/src\//, '(src/')}`;
  }
}
