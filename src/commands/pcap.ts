import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Options } from '../cli.ts';
import { NetcheckError } from '../model/errors.ts';
import type { Capture, Connection, ParseProblem } from '../model/facts.ts';
import { createPcapSession } from '../packets/analyse-file.ts';
import { renderConversations } from '../report/pcap-text.ts';
import { terminalOf } from './terminal-of.ts';

/** Output lines are written in pieces of about this many characters: one write per line would be slow. */
const outputPiece = 64 * 1024;

/** `netcheck pcap FILE...`: conversations worst first, or with --packets one line per TCP packet. 1 where a connection failed, 2 where a file gave nothing. */
export async function pcap(files: readonly string[], options: Options): Promise<number> {
  if (files.length === 0)
    throw new NetcheckError(
      'usage/missing-argument',
      'netcheck pcap takes at least one capture file, or - for standard input.',
      'For example: netcheck pcap incident.pcap',
    );
  if (options.as !== undefined && options.as !== 'wireshark')
    throw new NetcheckError(
      'usage/unknown-option',
      `--as takes only wireshark, not "${options.as}".`,
      'Leave it out for our own reading of retransmissions.',
    );
  let failed = false;
  let unreadable = false;
  for (const file of files) {
    const { capture, problems } = await readCapture(file, options);
    for (const { message } of problems) process.stderr.write(`${file}: ${message}\n`);
    unreadable ||= capture.packets === 0 && problems.length > 0;
    if (options.packets) continue;
    failed ||= capture.connections.some(isFailure);
    const { width, colour } = terminalOf(process.stdout);
    const heading = files.length > 1 ? `${file}\n` : '';
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ file, ...capture })}\n`
        : `${heading}${renderConversations(capture, { width, colour })}\n`,
    );
  }
  return failed ? 1 : unreadable ? 2 : 0;
}

function isFailure({ handshake, syns }: Connection): boolean {
  return handshake === 'refused' || handshake === 'icmpError' || (handshake === 'unanswered' && syns.length > 1);
}

async function readCapture(
  file: string,
  options: Options,
): Promise<{ capture: Capture; problems: readonly ParseProblem[] }> {
  let pending = '';
  const write = (line: string): void => {
    pending += line;
    if (pending.length < outputPiece) return;
    process.stdout.write(pending);
    pending = '';
  };
  const session = createPcapSession({
    mode: options.as === 'wireshark' ? 'wireshark' : 'netcheck',
    packets: options.packets ?? false,
    evidence: file,
    ...(options.packets
      ? {
          onTcpPacket: ({ frame, atMs, src, dst, flagsText, seq, len, analysis }) =>
            write(
              options.json
                ? `${JSON.stringify({ frame, flags: analysis })}\n`
                : `${frame} ${(atMs / 1000).toFixed(6)} ${src} > ${dst} ${flagsText} seq ${seq} len ${len}${analysis.length > 0 ? ` [${analysis.join(', ')}]` : ''}\n`,
            ),
        }
      : {}),
  });
  const progress = await progressOf(file);
  const damage: ParseProblem[] = [];
  try {
    for await (const chunk of await open(file)) {
      session.push(chunk as Uint8Array);
      progress.add((chunk as Uint8Array).length);
    }
  } catch (error) {
    // A gzip that ends too early, or a disk that fails in the middle: what came before counts.
    if (error instanceof NetcheckError) throw error;
    damage.push({ message: `reading stopped: ${error instanceof Error ? error.message : String(error)}` });
  } finally {
    progress.end();
  }
  const { capture, problems } = session.finish();
  process.stdout.write(pending);
  return { capture, problems: [...problems, ...damage] };
}

/** The file's bytes, unpacked where they are gzip (by their first bytes, not by the name). */
async function open(file: string): Promise<Readable> {
  const source: Readable = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 1 << 18 });
  try {
    const first = await firstChunk(source);
    const stream = new PassThrough({ highWaterMark: 1 << 18 });
    const isGzip = first !== null && first[0] === 0x1f && first[1] === 0x8b;
    if (first !== null) source.unshift(first);
    source.on('error', (error) => stream.destroy(error));
    if (!isGzip) return source;
    const gunzip = createGunzip();
    gunzip.on('error', (error) => stream.destroy(error));
    source.pipe(gunzip).pipe(stream);
    return stream;
  } catch (cause) {
    throw new NetcheckError(
      'pcap/unreadable',
      `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
      'Name a pcap, pcapng or gzip of either, or - for standard input.',
      { cause },
    );
  }
}

function firstChunk(source: Readable): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const done = (result: Buffer | null): void => {
      source.off('error', failed);
      source.off('end', ended);
      source.off('readable', readable);
      resolve(result);
    };
    const failed = (error: Error): void => {
      source.off('end', ended);
      source.off('readable', readable);
      reject(error);
    };
    const ended = (): void => done(null);
    const readable = (): void => {
      const chunk = source.read() as Buffer | null;
      if (chunk !== null) done(chunk);
    };
    source.on('error', failed);
    source.on('end', ended);
    source.on('readable', readable);
  });
}

/** Progress on stderr for files that take longer than a second. */
async function progressOf(file: string): Promise<{ add(bytes: number): void; end(): void }> {
  const stream = process.stderr;
  if (!stream.isTTY) return { add: () => undefined, end: () => undefined };
  const total =
    file === '-'
      ? 0
      : await stat(file).then(
          ({ size }) => size,
          () => 0,
        );
  const startedAtMs = Date.now();
  let read = 0;
  let shownAtMs = startedAtMs + 800;
  return {
    add(bytes) {
      read += bytes;
      const now = Date.now();
      if (now - shownAtMs < 200) return;
      shownAtMs = now;
      stream.write(
        `\r\u001b[K${file}: ${Math.round(read / 1e6)} MB${total > 0 ? ` of ${Math.round(total / 1e6)} MB` : ''}`,
      );
    },
    end: () => stream.write('\r\u001b[K'),
  };
}
