import type { RunFile } from './run-files.ts';

/** POSIX.1-1988 ustar: 512-byte headers (pax(1), "ustar Interchange Format"). */
const blockBytes = 512;

/** What is wrong with an archive, as the end of a sentence that starts with its name. */
export class TarProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TarProblem';
  }
}

export interface TarLimits {
  /** Of the unpacked archive, headers included. */
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/**
 * Reads the regular files of a tar archive as it streams. Knows ustar, the long names of GNU tar (type L) and of pax
 * (type x); directories are skipped.
 *
 * @throws TarProblem where it is cut off, is not a tar archive, is beyond the limits, or holds what a run never
 *   holds: links, devices, absolute paths, `..`, the same path twice
 */
export async function readTar(chunks: AsyncIterable<Uint8Array>, limits: TarLimits): Promise<Map<string, Uint8Array>> {
  const source = createReader(chunks, limits.maxBytes);
  try {
    const files = await readFiles(source, limits);
    // To the very end: only there a gzip stream tells whether it is whole.
    await source.drain();
    return files;
  } finally {
    await source.close();
  }
}

async function readFiles(source: Reader, limits: TarLimits): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  let longName: string | undefined;
  let seen = 0;
  for (;;) {
    const header = await source.take(blockBytes);
    if (header === undefined)
      throw new TarProblem(seen > 0 ? 'is cut off' : source.isEmpty() ? 'is empty' : 'is not a tar archive');
    // Two blocks of zeros end an archive; what follows the first is padding.
    if (header.every((byte) => byte === 0)) return files;
    const { name, size, type } = readHeader(header);
    seen += 1;
    if (seen > limits.maxFiles) throw new TarProblem(`holds more than ${limits.maxFiles} files`);
    if (size > limits.maxBytes) throw new TarProblem(tooBig(limits.maxBytes));
    const body = await source.take(Math.ceil(size / blockBytes) * blockBytes);
    if (body === undefined) throw new TarProblem('is cut off');
    const content = body.subarray(0, size);
    switch (type) {
      case 'L':
        longName = text(content);
        continue;
      case 'x':
        longName = paxPath(content) ?? longName;
        continue;
      case 'g':
        continue;
      case '5':
        break;
      case '0':
      case '\0':
      case '7': {
        const path = safePath(longName ?? name);
        if (files.has(path)) throw new TarProblem(`holds ${path} twice`);
        files.set(path, content);
        break;
      }
      default:
        throw new TarProblem(`holds ${JSON.stringify(longName ?? name)}, which is not a plain file (type ${type})`);
    }
    longName = undefined;
  }
}

/** The same bytes for the same files, on every machine: sorted by path, no times, no owners. */
export function writeTar(files: readonly RunFile[]): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (const file of files) {
    const split = splitPath(file.path);
    if (split === undefined) {
      const record = paxRecord('path', file.path);
      blocks.push(writeHeader('PaxHeader', '', record.length, 'x'), record, padding(record.length));
    }
    const { name, prefix } = split ?? { name: 'long-name', prefix: '' };
    blocks.push(writeHeader(name, prefix, file.bytes.length, '0'), file.bytes, padding(file.bytes.length));
  }
  blocks.push(new Uint8Array(2 * blockBytes));
  return Buffer.concat(blocks);
}

function tooBig(maxBytes: number): string {
  return `unpacks to more than ${Math.floor(maxBytes / (1024 * 1024))} MiB`;
}

interface Reader {
  /** Exactly so many bytes, or undefined where fewer are left. */
  take(bytes: number): Promise<Uint8Array | undefined>;
  /** Whether not one byte came. */
  isEmpty(): boolean;
  drain(): Promise<void>;
  close(): Promise<void>;
}

function createReader(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Reader {
  const iterator = chunks[Symbol.asyncIterator]();
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let total = 0;
  const nextChunk = async (): Promise<Uint8Array | undefined> => {
    const next = await iterator.next();
    if (next.done === true) return undefined;
    total += next.value.length;
    if (total > maxBytes) throw new TarProblem(tooBig(maxBytes));
    return next.value;
  };
  return {
    async drain() {
      while ((await nextChunk()) !== undefined);
    },
    isEmpty: () => total === 0,
    async close() {
      await iterator.return?.();
    },
    async take(bytes) {
      while (waitingBytes < bytes) {
        const chunk = await nextChunk();
        if (chunk === undefined) return undefined;
        waiting.push(chunk);
        waitingBytes += chunk.length;
      }
      const all = waiting.length === 1 ? waiting[0] : undefined;
      const joined = all ?? Buffer.concat(waiting);
      waiting = [joined.subarray(bytes)];
      waitingBytes -= bytes;
      // A copy: a slice would keep the whole stretch of the archive alive.
      return Uint8Array.prototype.slice.call(joined, 0, bytes);
    },
  };
}

function readHeader(header: Uint8Array): { name: string; size: number; type: string } {
  const field = (from: number, length: number): string => text(header.subarray(from, from + length));
  const sum = Number.parseInt(field(148, 8).trim(), 8);
  let actual = 0;
  for (const [index, byte] of header.entries()) actual += index >= 148 && index < 156 ? 0x20 : byte;
  if (sum !== actual) throw new TarProblem('is not a tar archive, or is damaged');
  const sizeText = field(124, 12).trim();
  // GNU's base-256 sizes start at 8 GiB, beyond every limit here.
  if (!/^[0-7]{1,12}$/.test(sizeText)) throw new TarProblem('holds a file of an unreadable size');
  const ustar = field(257, 5) === 'ustar';
  // In GNU's own format these bytes hold times, and its magic has a blank where ustar has a NUL.
  const prefix = ustar && header[262] === 0 ? field(345, 155) : '';
  const name = field(0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: Number.parseInt(sizeText, 8),
    type: String.fromCharCode(header[156] ?? 0),
  };
}

/** Up to the first NUL. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString('utf8');
}

/** `<length> path=<value>\n`, length in decimal and counting itself (pax(1), "pax Header Block"). */
function paxPath(bytes: Uint8Array): string | undefined {
  let path: string | undefined;
  let rest = Buffer.from(bytes);
  while (rest.length > 0) {
    const length = Number.parseInt(rest.subarray(0, 12).toString('latin1'), 10);
    if (!(length > 0) || length > rest.length) throw new TarProblem('holds an unreadable pax header');
    const record = rest.subarray(0, length - 1).toString('utf8');
    path = /^\d+ path=(.*)$/s.exec(record)?.[1] ?? path;
    rest = rest.subarray(length);
  }
  return path;
}

function paxRecord(key: string, value: string): Uint8Array {
  const body = ` ${key}=${value}\n`;
  const bodyBytes = Buffer.byteLength(body);
  let length = bodyBytes;
  while (String(length).length + bodyBytes !== length) length = String(length).length + bodyBytes;
  return Buffer.from(`${length}${body}`);
}

function safePath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '.' && part !== '');
  if (name.startsWith('/') || parts.length === 0 || parts.includes('..') || /[\\\0]/.test(name)) {
    throw new TarProblem(`holds ${JSON.stringify(name)}, which leads out of it`);
  }
  return parts.join('/');
}

function splitPath(path: string): { name: string; prefix: string } | undefined {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  const slash = path.lastIndexOf('/');
  const prefix = path.slice(0, Math.max(0, slash));
  const name = path.slice(slash + 1);
  return prefix !== '' && Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100
    ? { name, prefix }
    : undefined;
}

function writeHeader(name: string, prefix: string, size: number, type: '0' | 'x'): Uint8Array {
  const header = Buffer.alloc(blockBytes);
  header.write(name, 0, 100, 'utf8');
  header.write('0000600\0', 100, 'latin1');
  header.write('0000000\0', 108, 'latin1');
  header.write('0000000\0', 116, 'latin1');
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('00000000000\0', 136, 'latin1');
  header.write('        ', 148, 'latin1');
  header.write(type, 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.write(prefix, 345, 155, 'utf8');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function padding(size: number): Uint8Array {
  return new Uint8Array((blockBytes - (size % blockBytes)) % blockBytes);
}
