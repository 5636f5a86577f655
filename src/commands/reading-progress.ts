import type { ReadingProgress } from './read-capture.ts';

/** The line that says how far the reading of a capture is: only on a terminal, and only after a second. */
export interface ProgressLine {
  show(progress: ReadingProgress): void;
  /** Replaces it by what was read in the end, where it was shown at all. */
  end(packets: number): void;
}

const firstAfterMs = 1000;
const everyMs = 200;

/**
 * @param stream where a person looks: standard error
 * @param name of the file, safe to show
 * @param countPackets how many packets were read so far; it may take its time, and is asked the less often for it
 */
export function progressLine(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write' | 'columns'>,
  name: string,
  countPackets: () => number,
  now: () => number = Date.now,
): ProgressLine {
  const startedAtMs = now();
  let nextAtMs = startedAtMs + firstAfterMs;
  let last: ReadingProgress | null = null;
  let shown = false;
  return {
    show(progress) {
      last = progress;
      if (!stream.isTTY || now() < nextAtMs) return;
      const askedAtMs = now();
      const packets = countPackets();
      // Counting may cost at most a twentieth of the time.
      nextAtMs = now() + Math.max(everyMs, (now() - askedAtMs) * 20);
      const { readBytes, totalBytes } = progress;
      const of =
        totalBytes === null || totalBytes === 0
          ? ''
          : ` of ${megabytes(totalBytes)} (${Math.floor((readBytes / totalBytes) * 100)} %)`;
      shown = true;
      stream.write(
        `\r\u001b[K${cut(`${name}: ${megabytes(readBytes)}${of}, ${grouped(packets)} packets`, stream.columns)}`,
      );
    },
    end(packets) {
      if (!shown || last === null) return;
      const seconds = (now() - startedAtMs) / 1000;
      stream.write(
        `\r\u001b[K${cut(`${name}: ${megabytes(last.readBytes)}, ${grouped(packets)} packets, read in ${seconds.toFixed(1)} s`, stream.columns)}\n`,
      );
    },
  };
}

function megabytes(bytes: number): string {
  return `${bytes < 9_950_000 ? (bytes / 1e6).toFixed(1) : grouped(Math.round(bytes / 1e6))} MB`;
}

/** 1 234 567: with narrow spaces, so that no language reads it as a fraction. */
function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** One line only: a line that wraps cannot be overwritten. */
function cut(line: string, columns: number): string {
  const most = Math.max(20, columns || 80) - 1;
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`;
}
