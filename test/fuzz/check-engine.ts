import { isDeepStrictEqual } from 'node:util';
import type { Capture, Connection } from '../../src/model/facts.ts';
import type { ConversationPacket } from '../../src/model/packet-facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import type { CaptureRecord } from '../../src/packets/capture-reader.ts';
import { DecodedPacket, decodePacket } from '../../src/packets/decode-packet.ts';
import { PacketLog } from '../../src/packets/packet-log.ts';
import { createPayloadStripper } from '../../src/packets/payload-stripper.ts';
import type { FlagMode } from '../../src/packets/tcp-flags.ts';
import type { SeededRandom } from '../packets/seeded-random.ts';

/** A captured packet, as a capture would give it. */
export interface FuzzedPacket {
  /** With an ArrayBuffer of exactly its size. */
  readonly bytes: Uint8Array;
  readonly wireLength: number;
  /** Microseconds since the capture began; may go back. */
  readonly atUs: number;
}

/** What the engine promises and did not keep, as a sentence; null: all is well. Thrown errors are the caller's. */
export type Complaint = string | null;

let exact = new DecodedPacket();
let padded = new DecodedPacket();
/** Both hold the same of packets before this one: not where one of them was left by a throw. */
let alike = true;
const surroundings = new Uint8Array(1 << 17);
const surroundingsView = new DataView(surroundings.buffer);
const before = 64;
const all = Object.keys(exact) as readonly (keyof DecodedPacket)[];
/** Places in the view; 0 or -1 where there was none yet. */
const places = all.filter((field) => /(End|At)$/.test(field));
const fields = all.filter((field) => field !== 'view' && field !== 'sackEdges' && !places.includes(field));

function recordOf(view: DataView, start: number, packet: FuzzedPacket, linkType: number): CaptureRecord {
  return {
    frame: 1,
    seconds: 0,
    nanoseconds: 0,
    view,
    start,
    capturedLength: packet.bytes.length,
    wireLength: packet.wireLength,
    linkType,
    interfaceId: 0,
    direction: null,
  };
}

/**
 * Decodes one packet twice: alone in its own ArrayBuffer, where reading beyond it throws (or gives undefined), and
 * between other bytes, which must not matter.
 * @param decode another decoder, to see that this finds its faults
 */
export function checkDecode(
  packet: FuzzedPacket,
  linkType: number,
  decode: typeof decodePacket = decodePacket,
): Complaint {
  const { bytes } = packet;
  const length = bytes.length;
  if (length > surroundings.length - before * 2) return null;
  if (!alike) {
    exact = new DecodedPacket();
    padded = new DecodedPacket();
  }
  alike = false;
  decode(recordOf(new DataView(bytes.buffer), 0, packet, linkType), exact);
  surroundings.fill(0xa5, 0, before);
  surroundings.set(bytes, before);
  surroundings.fill(0x45, before + length, before * 2 + length);
  decode(recordOf(surroundingsView, before, packet, linkType), padded);
  alike = true;
  for (const field of fields) {
    const found = exact[field];
    const other = padded[field];
    if (!Object.is(found, other))
      return `${field} depends on bytes outside the packet: ${JSON.stringify([found, other])}`;
    if (typeof found === 'number' && !Number.isInteger(found)) return `${field} is ${found}`;
  }
  for (const field of places) {
    const found = Number(exact[field]);
    const other = Number(padded[field]);
    if (found !== other - before && !(found === other && found <= 0))
      return `${field} depends on bytes outside the packet: ${found}, ${other - before}`;
  }
  if (exact.headersEnd < 0 || exact.headersEnd > length)
    return `headersEnd ${exact.headersEnd} is not within ${length} bytes`;
  if (exact.capturedEnd < 0 || exact.capturedEnd > length)
    return `capturedEnd ${exact.capturedEnd} is not within ${length} bytes`;
  if (exact.sackBlocks < 0 || exact.sackBlocks > 4) return `${exact.sackBlocks} SACK blocks`;
  if (exact.kind === 'tcp') {
    if (exact.payloadLength < -1 || exact.payloadLength > packet.wireLength)
      return `payloadLength ${exact.payloadLength} of ${packet.wireLength} bytes`;
    for (let i = 0; i < exact.sackBlocks * 2; i++) {
      if (exact.sackEdges[i] !== padded.sackEdges[i]) return 'SACK edges depend on bytes outside the packet';
    }
  }
  return null;
}

/** A pcap of the packets, one array per record (the file header first), each with an ArrayBuffer of its own. */
export function pcapOf(packets: readonly FuzzedPacket[], linkType: number): readonly Uint8Array[] {
  const header = new Uint8Array(24);
  const view = new DataView(header.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 262_144, true);
  view.setUint32(20, linkType, true);
  return [
    header,
    ...packets.map(({ bytes, wireLength, atUs }) => {
      const record = new Uint8Array(16 + bytes.length);
      const at = new DataView(record.buffer);
      at.setUint32(0, 1_767_225_600 + Math.floor(atUs / 1e6), true);
      at.setUint32(4, ((atUs % 1e6) + 1e6) % 1e6, true);
      at.setUint32(8, bytes.length, true);
      at.setUint32(12, wireLength, true);
      record.set(bytes, 16);
      return record;
    }),
  ];
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Few enough that lists overflow in a stream of some hundred packets. */
const maxConnections = 40;
const mostPerList = 5000;
const mostLogged = 500;

interface Outcome {
  readonly capture: Capture;
  readonly connections: readonly Connection[];
  /** Of the first connections. */
  readonly packets: readonly (readonly ConversationPacket[])[];
  /** Verdicts, frames and times of all TCP packets, folded to a number. */
  readonly verdicts: number;
}

/** After so many pieces the facts are asked for, as they are while a capture runs. */
const looks: ReadonlySet<number> = new Set([1, 3, 10, 30, 100, 1000]);

function analyse(pieces: Iterable<Uint8Array>, mode: FlagMode, snapshots: boolean): Outcome {
  let verdicts = 0;
  const analyser = createCaptureAnalyser({
    evidence: 'fuzz',
    maxConnections,
    maxSynsPerConnection: 4,
    maxIcmpErrors: 10,
    maxFacts: 20,
    log: new PacketLog({ maxPackets: mostLogged }),
    mode,
    onTcpPacket: (packet, frame, atMs, bits) => {
      verdicts = (Math.imul(verdicts, 31) + Math.imul(frame, 7) + bits + packet.sequence + Math.floor(atMs)) | 0;
    },
  });
  let count = 0;
  for (const piece of pieces) {
    analyser.push(piece);
    if (snapshots && looks.has(++count)) analyser.snapshot();
  }
  const capture = analyser.finish();
  const connections = [...analyser.connections()];
  const packets = connections.slice(0, 10).map(({ number }) => analyser.packetsOf(number));
  return { capture, connections, packets, verdicts };
}

export function* randomPieces(bytes: Uint8Array, random: SeededRandom): Generator<Uint8Array> {
  const largest =
    bytes.length < 20_000 ? random.pick([3, 40, 400, 5000] as const) : random.pick([100, 1000, 70_000] as const);
  for (let at = 0; at < bytes.length; ) {
    const length = random.between(1, largest);
    // Copied: what the engine keeps of a piece that is gone must be its own.
    const piece = bytes.slice(at, at + length);
    yield piece;
    piece.fill(0xee);
    at += length;
  }
}

/** The same facts whether a capture comes packet by packet, whole, or in pieces cut anywhere, with looks in between. */
export function checkStream(pieces: readonly Uint8Array[], random: SeededRandom): Complaint {
  const mode: FlagMode = random.bits() % 2 === 0 ? 'netcheck' : 'wireshark';
  const whole = joined(pieces);
  const first = analyse(pieces, mode, false);
  const wrong = checkFacts(first);
  if (wrong !== null) return wrong;
  const others: readonly (readonly [string, Outcome])[] = [
    ['whole', analyse([whole], mode, false)],
    ['in pieces', analyse(randomPieces(whole, random), mode, true)],
  ];
  for (const [how, other] of others) {
    if (other.verdicts !== first.verdicts) return `the verdicts are others when the capture comes ${how}`;
    if (!isDeepStrictEqual(other, first)) {
      return `the facts are others when the capture comes ${how}: ${difference(first, other)}`;
    }
  }
  return null;
}

/** Anything that claims to be a capture: read whole and in pieces, and stripped of payload whole and in pieces. */
export function checkFile(file: Uint8Array, random: SeededRandom): Complaint {
  const wrong = checkStream([file], random);
  if (wrong !== null) return wrong;
  const strip = (pieces: Iterable<Uint8Array>): Uint8Array => {
    const stripper = createPayloadStripper({ keepDns: true });
    const out: Uint8Array[] = [];
    for (const piece of pieces) out.push(stripper.push(piece).slice());
    out.push(stripper.finish().slice());
    return joined(out);
  };
  const whole = strip([file]);
  if (!isDeepStrictEqual(strip(randomPieces(file, random)), whole)) return 'stripped otherwise when it comes in pieces';
  return null;
}

function difference(left: unknown, right: unknown, path = ''): string {
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
    return `${path}: ${JSON.stringify([left, right])}`;
  }
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const one = (left as Record<string, unknown>)[key];
    const other = (right as Record<string, unknown>)[key];
    if (!isDeepStrictEqual(one, other)) return difference(one, other, `${path}.${key}`);
  }
  return path;
}

/** Relative sequence numbers and differences of times may be below 0, and nothing else. */
const mayBeNegative = /Ms$|^(start|seq|ack|sack)$/;

/** What must be true of the facts of any capture. */
function checkFacts({ capture, connections, packets: logged }: Outcome): Complaint {
  const { packets } = capture;
  if (connections.length > maxConnections)
    return `${connections.length} connections, and ${maxConnections} are allowed`;
  let inConnections = 0;
  for (const { packets: sides, retransmitted, bytes, number } of connections) {
    inConnections += sides.client + sides.server;
    if (retransmitted.client > sides.client || retransmitted.server > sides.server)
      return `connection ${number}: more retransmitted than sent`;
    if (!Number.isSafeInteger(bytes.client) || !Number.isSafeInteger(bytes.server))
      return `connection ${number}: bytes`;
  }
  if (inConnections > packets) return `${inConnections} packets in connections, ${packets} in the capture`;
  if (logged.flat().length > mostLogged) return `${logged.flat().length} packets are kept, ${mostLogged} are allowed`;
  return (
    walk(capture, 'capture', packets) ?? walk(connections, 'connections', packets) ?? walk(logged, 'packetsOf', packets)
  );
}

function walk(value: unknown, path: string, packets: number): Complaint {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return `${path} is ${value}`;
    const key = path.slice(path.lastIndexOf('.') + 1).replace(/\[.*/, '');
    if (value < 0 && !mayBeNegative.test(key)) return `${path} is ${value}`;
    if (/^frame$|Frame$/.test(key) && (!Number.isInteger(value) || value < 1 || value > packets))
      return `${path} is ${value}, and there are ${packets} packets`;
    return null;
  }
  if (typeof value !== 'object' || value === null)
    return value === undefined && !path.endsWith('mtu') ? `${path} is undefined` : null;
  if (Array.isArray(value)) {
    if (value.length > mostPerList) return `${path} has ${value.length} entries`;
    for (const [index, entry] of value.entries()) {
      const wrong = walk(entry, `${path}[${index}]`, packets);
      if (wrong !== null) return wrong;
    }
    return null;
  }
  for (const [key, entry] of Object.entries(value)) {
    const wrong = walk(entry, `${path}.${key}`, packets);
    if (wrong !== null) return wrong;
  }
  return null;
}
