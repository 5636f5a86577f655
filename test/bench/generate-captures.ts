import { closeSync, openSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '../packets/seeded-random.ts';
import { EventHeap } from './event-heap.ts';
import { LongTransfer, type Meaning } from './long-transfer.ts';
import { ack, emptySegment, fin, psh, rst, type Segment, SegmentWriter, syn } from './segment-writer.ts';

/**
 * Capture files for measurements, the same for the same seed, written as they are made. From a shell:
 *
 *     node --import tsx test/bench/generate-captures.ts short-connections FILE [COUNT] [SEED]
 */
export type CaptureShape = 'short-connections' | 'long-transfers' | 'syn-flood' | 'port-reuse' | 'any-duplicates';

export interface GenerateOptions {
  readonly seed?: number;
  /** Connections (SYNs in the flood); default: see {@link defaultCounts}. */
  readonly count?: number;
  /** Data segments per transfer (long-transfers); default 3400. */
  readonly segments?: number;
  /** New connections per second (short-connections); default 2000. */
  readonly perSecond?: number;
  /** Bytes are handed on after this many packets; default: by the megabyte. */
  readonly flushPackets?: number;
  /** What each frame is by the generator's own book-keeping. */
  readonly onFrame?: (frame: number, meaning: Meaning) => void;
}

export const defaultCounts: Readonly<Record<CaptureShape, number>> = {
  'short-connections': 100_000,
  'long-transfers': 1000,
  'syn-flood': 5_000_000,
  'port-reuse': 250_000,
  'any-duplicates': 30_000,
};

const startUs = Date.UTC(2026, 0, 1) * 1000;
/** Ports that no dissector of tshark claims: it shall not be slow because of payload. */
const serverPorts = [1301, 9501, 9502, 9503] as const;

/** @returns packets written */
export function generateCapture(
  shape: CaptureShape,
  write: (bytes: Uint8Array) => void,
  options: GenerateOptions = {},
): number {
  const random = new SeededRandom(options.seed ?? 1);
  const writer = new SegmentWriter(write, {
    linkType: shape === 'any-duplicates' ? 276 : 1,
    ...(options.flushPackets === undefined ? {} : { flushPackets: options.flushPackets }),
  });
  const count = options.count ?? defaultCounts[shape];
  const put = (segment: Segment, meaning: Meaning = 'plain'): void => {
    const frame = writer.segment(segment);
    options.onFrame?.(frame, meaning);
  };
  switch (shape) {
    case 'short-connections':
      shortConnections(count, options.perSecond ?? 2000, random, put);
      break;
    case 'any-duplicates':
      shortConnections(count, options.perSecond ?? 2000, random, (segment) => {
        seenOnThreeDevices(segment, put);
      });
      break;
    case 'long-transfers':
      longTransfers(count, options.segments ?? 3400, random, put);
      break;
    case 'syn-flood':
      synFlood(count, random, put);
      break;
    case 'port-reuse':
      portReuse(count, random, put);
      break;
  }
  writer.finish();
  return writer.frames;
}

/** Writes one capture to a file. @returns packets written */
export function generateCaptureFile(shape: CaptureShape, file: string, options: GenerateOptions = {}): number {
  const descriptor = openSync(file, 'w');
  try {
    return generateCapture(shape, (bytes) => writeFully(descriptor, bytes), options);
  } finally {
    closeSync(descriptor);
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** A pipe may take less than it is given, and where it does not block, nothing at all for a while. */
export function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(sleeper, 0, 0, 0.1);
    }
  }
}

class ShortConnection {
  step = 0;
  client = 0;
  server = 0;
  clientPort = 0;
  serverPort = 0;
  clientNext = 0;
  serverNext = 0;
  clientClock = 0;
  serverClock = 0;
  clientIpId = 0;
  serverIpId = 0;
  rttUs = 0;
}

/**
 * Request and response, ten packets each, as the server's host sees them: several hundred connections at a time from 4000
 * clients to 64 services.
 */
function shortConnections(
  count: number,
  perSecond: number,
  random: SeededRandom,
  put: (segment: Segment) => void,
): void {
  const clients = 4000;
  const nextPort = Uint16Array.from({ length: clients }, () => random.between(32_768, 60_999));
  const open: ShortConnection[] = [];
  const free: number[] = [];
  const heap = new EventHeap();
  const segment = emptySegment();
  let opened = 0;
  let nextOpenUs = startUs;
  const openOne = (): void => {
    const client = random.between(0, clients - 1);
    const slot = free.pop() ?? open.push(new ShortConnection()) - 1;
    const connection = open[slot];
    if (connection === undefined) return;
    const port = nextPort[client] ?? 0;
    nextPort[client] = port === 60_999 ? 32_768 : port + 1;
    connection.step = 0;
    connection.client = (0x0a14_0000 + client) >>> 0;
    connection.clientPort = port;
    connection.server = (0x0a32_0100 + random.between(0, 15)) >>> 0;
    connection.serverPort = random.pick(serverPorts);
    connection.clientNext = random.bits();
    connection.serverNext = random.bits();
    connection.clientClock = random.between(1, 2 ** 31);
    connection.serverClock = random.between(1, 2 ** 31);
    connection.clientIpId = random.bits() & 0xffff;
    connection.serverIpId = random.bits() & 0xffff;
    connection.rttUs = random.between(200, 40_000);
    heap.push(nextOpenUs, slot);
    opened++;
    nextOpenUs += Math.max(1, Math.round((-Math.log(1 - random.fraction()) * 1e6) / perSecond));
  };
  openOne();
  while (heap.size > 0) {
    const { atUs, id } = heap.pop();
    const connection = open[id];
    if (connection === undefined) continue;
    if (connection.step === 0 && opened < count) openOne();
    const afterUs = shortStep(connection, segment, random, atUs);
    put(segment);
    connection.step++;
    if (connection.step < 10) heap.push(atUs + afterUs, id);
    else free.push(id);
  }
}

/** Fills in packet `step` of a short connection. @returns microseconds until the next one */
function shortStep(connection: ShortConnection, segment: Segment, random: SeededRandom, atUs: number): number {
  const step = connection.step;
  const byClient = step === 0 || step === 2 || step === 3 || step === 6 || step === 7 || step === 9;
  const carriesData = step === 3 || step === 5;
  const hasFin = step === 7 || step === 8;
  segment.atUs = atUs;
  segment.source = byClient ? connection.client : connection.server;
  segment.destination = byClient ? connection.server : connection.client;
  segment.sourcePort = byClient ? connection.clientPort : connection.serverPort;
  segment.destinationPort = byClient ? connection.serverPort : connection.clientPort;
  segment.sequence = byClient ? connection.clientNext : connection.serverNext;
  segment.acknowledgement = step === 0 ? 0 : byClient ? connection.serverNext : connection.clientNext;
  segment.flags = step === 0 ? syn : step === 1 ? syn | ack : hasFin ? fin | ack : carriesData ? psh | ack : ack;
  segment.window = step < 2 ? 64_240 : byClient ? 502 : 509;
  segment.payload = carriesData ? random.between(60, 400) : 0;
  segment.ttl = byClient ? 61 : 64;
  const ms = Math.floor((atUs - startUs) / 1000);
  segment.tsval = ((byClient ? connection.clientClock : connection.serverClock) + ms) >>> 0;
  segment.tsecr = step === 0 ? 0 : ((byClient ? connection.serverClock : connection.clientClock) + ms) >>> 0;
  segment.mss = step < 2 ? 1460 : 0;
  segment.windowScale = 7;
  segment.sackBlocks = 0;
  const advance = segment.payload + (step < 2 || hasFin ? 1 : 0);
  if (byClient) {
    connection.clientNext = (connection.clientNext + advance) >>> 0;
    segment.ipId = connection.clientIpId = (connection.clientIpId + 1) & 0xffff;
  } else {
    connection.serverNext = (connection.serverNext + advance) >>> 0;
    segment.ipId = connection.serverIpId = (connection.serverIpId + 1) & 0xffff;
  }
  switch (step) {
    case 1:
    case 5:
    case 8:
      return connection.rttUs;
    case 2:
      return random.between(20, 500);
    case 4:
      // The service thinks.
      return Math.min(500_000, 200 + Math.round(-Math.log(1 - random.fraction()) * 10_000));
    case 6:
      return random.between(100, 2000);
    default:
      return random.between(20, 80);
  }
}

/** `-i any` on a node that forwards: in on eth0 (2), through the bridge (5), to or from a container's veth (9). */
function seenOnThreeDevices(segment: Segment, put: (segment: Segment) => void): void {
  const inward = segment.destinationPort < 32_768;
  const devices = inward ? ([2, 5, 9] as const) : ([9, 5, 2] as const);
  const { atUs } = segment;
  segment.ttl = 64;
  for (const [index, device] of devices.entries()) {
    segment.atUs = atUs + index * 2;
    segment.interfaceIndex = device;
    segment.outgoing = index > 0;
    segment.ttl = index === 2 ? 63 : 64;
    put(segment);
  }
}

function longTransfers(
  count: number,
  segments: number,
  random: SeededRandom,
  put: (segment: Segment, meaning: Meaning) => void,
): void {
  const heap = new EventHeap();
  const transfers = Array.from({ length: count }, (_, index) => {
    const senderIsClient = random.chance(0.5);
    const clientPort = 33_000 + (index % 30_000);
    const serverPort = random.pick(serverPorts);
    const transfer = new LongTransfer(
      {
        sender: (0x0a14_0000 + random.between(0, 200)) >>> 0,
        receiver: (0x0a32_0100 + random.between(0, 7)) >>> 0,
        senderPort: senderIsClient ? clientPort : serverPort,
        receiverPort: senderIsClient ? serverPort : clientPort,
        senderIsClient,
        segments,
        loss: 0.002,
        startUs: startUs + random.between(0, 20_000_000),
      },
      random,
      put,
    );
    heap.push(transfer.nextUs, index);
    return transfer;
  });
  while (heap.size > 0) {
    const { id } = heap.pop();
    const transfer = transfers[id];
    if (transfer === undefined) continue;
    transfer.proceed();
    if (Number.isFinite(transfer.nextUs)) heap.push(transfer.nextUs, id);
  }
}

/** Every SYN from another address, and one honest connection among 5000 of them. */
function synFlood(count: number, random: SeededRandom, put: (segment: Segment) => void): void {
  const flood = emptySegment();
  flood.destination = 0x0a32_0101;
  flood.destinationPort = 1301;
  flood.flags = syn;
  flood.window = 1024;
  const honest = new ShortConnection();
  const segment = emptySegment();
  for (let index = 0; index < count; index++) {
    const atUs = startUs + index * 5;
    flood.atUs = atUs;
    // An odd factor visits every address once before it comes back.
    flood.source = Math.imul(index + 1, 0x9e37_79b1) >>> 0;
    flood.sourcePort = random.between(1024, 65_535);
    flood.sequence = random.bits();
    flood.ipId = random.bits() & 0xffff;
    put(flood);
    if (index % 5000 !== 2500) continue;
    honest.step = 0;
    honest.client = 0x0a14_0001;
    honest.clientPort = 32_768 + (Math.floor(index / 5000) % 28_000);
    honest.server = 0x0a32_0101;
    honest.serverPort = 1301;
    honest.clientNext = random.bits();
    honest.serverNext = random.bits();
    honest.rttUs = 500;
    for (; honest.step < 10; honest.step++) {
      shortStep(honest, segment, random, atUs);
      put(segment);
    }
  }
}

/** 200 pairs of ports again and again: SYN, SYN+ACK, ACK, and the client resets. */
function portReuse(count: number, random: SeededRandom, put: (segment: Segment, meaning: Meaning) => void): void {
  const pairs = 200;
  const segment = emptySegment();
  const used = new Uint8Array(pairs);
  segment.windowScale = 7;
  let atUs = startUs;
  for (let index = 0; index < count; index++) {
    const pair = index % pairs;
    const clientNext = random.bits();
    const serverNext = random.bits();
    for (let step = 0; step < 4; step++) {
      const byClient = step !== 1;
      segment.atUs = atUs += random.between(5, 50);
      segment.source = byClient ? 0x0a14_0001 + pair : 0x0a32_0101;
      segment.destination = byClient ? 0x0a32_0101 : 0x0a14_0001 + pair;
      segment.sourcePort = byClient ? 40_000 + pair : 1301;
      segment.destinationPort = byClient ? 1301 : 40_000 + pair;
      segment.sequence = byClient ? (clientNext + (step === 0 ? 0 : 1)) >>> 0 : serverNext;
      segment.acknowledgement = step === 0 ? 0 : byClient ? (serverNext + 1) >>> 0 : (clientNext + 1) >>> 0;
      segment.flags = step === 0 ? syn : step === 1 ? syn | ack : step === 2 ? ack : rst | ack;
      segment.window = step === 3 ? 0 : step < 2 ? 64_240 : 502;
      segment.mss = step < 2 ? 1460 : 0;
      segment.tsval = (1000 + Math.floor((atUs - startUs) / 1000)) >>> 0;
      segment.tsecr = step === 0 ? 0 : segment.tsval;
      segment.ipId = random.bits() & 0xffff;
      put(segment, step === 0 && used[pair] === 1 ? 'reused' : 'plain');
    }
    used[pair] = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [shape, file, count, seed] = process.argv.slice(2);
  if (shape === undefined || file === undefined || !(shape in defaultCounts)) {
    process.stderr.write(`SHAPE FILE [COUNT] [SEED]; shapes: ${Object.keys(defaultCounts).join(', ')}\n`);
    process.exit(64);
  }
  const packets = generateCaptureFile(shape as CaptureShape, file, {
    ...(count === undefined ? {} : { count: Number(count) }),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  });
  process.stdout.write(`${packets} packets\n`);
}
