import { closeSync, createReadStream, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { NetcheckError } from '../model/errors.ts';

/** Bytes that are read at once. */
const readBytes = 1 << 20;
/** After so many bytes the event loop gets its turn: signals, and a reader of our output that has gone. */
const turnBytes = 16 << 20;

/** What is told while a capture is read. */
export interface ReadingProgress {
  /** Bytes taken from the file or from standard input, as they lie there (packed, where it is gzip). */
  readonly readBytes: number;
  /** Length of the file; null where it cannot be known (standard input, a pipe). */
  readonly totalBytes: number | null;
}

/**
 * Gives the bytes of a capture to `take`, unpacked where they are gzip (by their first bytes, not by the name). The
 * chunk is filled again after `take` has returned.
 *
 * @param file a path, or `-` for standard input
 * @param onProgress called after every chunk
 * @returns what stopped the reading early (a gzip that was cut, a disk that failed), else null: what came before counts
 * @throws NetcheckError `pcap/unreadable` where it cannot be opened or read at all
 */
export async function readCapture(
  file: string,
  take: (chunk: Uint8Array) => void,
  onProgress: (progress: ReadingProgress) => void,
): Promise<string | null> {
  if (file === '-') return fromStream(file, process.stdin, null, take, onProgress);
  const fd = orUnreadable(file, () => openSync(file, 'r'));
  let isOurs = true;
  try {
    const stats = orUnreadable(file, () => fstatSync(fd));
    if (stats.isDirectory()) throw unreadable(file, 'it is a directory');
    const buffer = Buffer.allocUnsafeSlow(stats.isFile() ? readBytes : 0);
    let length = stats.isFile() ? orUnreadable(file, () => readSync(fd, buffer, 0, buffer.length, null)) : 0;
    if (!stats.isFile() || isGzip(buffer.subarray(0, length))) {
      // The stream closes it.
      isOurs = false;
      return await fromDescriptor(file, fd, stats, take, onProgress);
    }
    let read = 0;
    let turnAt = turnBytes;
    while (length > 0) {
      read += length;
      take(length === buffer.length ? buffer : buffer.subarray(0, length));
      onProgress({ readBytes: read, totalBytes: Math.max(stats.size, read) });
      if (read >= turnAt) {
        turnAt += turnBytes;
        await setImmediate();
      }
      try {
        length = readSync(fd, buffer, 0, buffer.length, null);
      } catch (error) {
        return messageOf(error);
      }
    }
    return null;
  } finally {
    if (isOurs) closeSync(fd);
  }
}

function fromDescriptor(
  file: string,
  fd: number,
  stats: Stats,
  take: (chunk: Uint8Array) => void,
  onProgress: (progress: ReadingProgress) => void,
): Promise<string | null> {
  // A file is read from its beginning again; a pipe has not been touched yet.
  const source = createReadStream(file, {
    fd,
    highWaterMark: readBytes,
    ...(stats.isFile() ? { start: 0 } : {}),
  });
  return fromStream(file, source, stats.isFile() ? stats.size : null, take, onProgress);
}

/** From something that cannot be read at will, or has to be unpacked: the unpacking runs in a thread beside us. */
function fromStream(
  file: string,
  source: Readable,
  totalBytes: number | null,
  take: (chunk: Uint8Array) => void,
  onProgress: (progress: ReadingProgress) => void,
): Promise<string | null> {
  return new Promise((resolve, reject) => {
    let read = 0;
    let began = false;
    let gunzip: ReturnType<typeof createGunzip> | null = null;
    /** The first bytes, until there are two of them. */
    let held: Buffer | null = Buffer.alloc(0);
    const ended = (why: string | null): void => {
      source.destroy();
      resolve(why);
    };
    const consume = (chunk: Uint8Array): void => {
      try {
        take(chunk);
        onProgress({ readBytes: read, totalBytes: totalBytes === null ? null : Math.max(totalBytes, read) });
      } catch (error) {
        source.destroy();
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const begin = (first: Buffer): void => {
      began = true;
      held = null;
      if (!isGzip(first)) {
        if (first.length > 0) consume(first);
        return;
      }
      gunzip = createGunzip({ chunkSize: readBytes });
      gunzip.on('data', consume);
      gunzip.on('end', () => {
        ended(null);
      });
      gunzip.on('error', (error) => {
        ended(messageOf(error));
      });
      gunzip.on('drain', () => source.resume());
      if (!gunzip.write(first)) source.pause();
    };
    source.on('data', (chunk: Buffer) => {
      read += chunk.length;
      if (held !== null) {
        const first = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
        if (first.length < 2) held = first;
        else begin(first);
      } else if (gunzip === null) consume(chunk);
      else if (!gunzip.write(chunk)) source.pause();
    });
    source.on('end', () => {
      if (held !== null) begin(held);
      if (gunzip === null) ended(null);
      else gunzip.end();
    });
    source.on('error', (error) => {
      if (began) ended(messageOf(error));
      else {
        source.destroy();
        reject(unreadable(file, reasonOf(error), error));
      }
    });
  });
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function orUnreadable<Result>(file: string, work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    throw unreadable(file, reasonOf(cause), cause);
  }
}

function unreadable(file: string, why: string, cause?: unknown): NetcheckError {
  return new NetcheckError(
    'pcap/unreadable',
    `${file} cannot be read: ${why}.`,
    'Name a pcap, pcapng or gzip of either, or - for standard input.',
    { cause },
  );
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EISDIR':
      return 'it is a directory';
    default:
      return messageOf(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
