import { createKeptBytes, type KeptBytes } from './kept-bytes.ts';
import type { StartState } from './remote-script.ts';

export interface EndedItem {
  readonly started: StartState;
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

export interface BatchOutput {
  readonly stdout: (chunk: Uint8Array) => void;
  readonly stderr: (chunk: Uint8Array) => void;
  /** What has come of a command that did not end. */
  soFar(index: number): { readonly stdout: Uint8Array; readonly stderr: Uint8Array };
}

/** How many of the last bytes may be the beginning of a mark. */
function beginningOf(mark: string, bytes: Buffer): number {
  const first = mark.charCodeAt(0);
  const from = Math.max(0, bytes.length - mark.length + 1);
  for (let at = bytes.indexOf(first, from); at !== -1; at = bytes.indexOf(first, at + 1))
    if (mark.startsWith(bytes.toString('latin1', at))) return bytes.length - at;
  return 0;
}

/** Longest line of a mark beyond the mark itself: number, word, status. */
const longestTail = 40;

interface Half {
  started?: StartState;
  code?: number;
}

/**
 * Takes the two streams of a batch apart: `MARK N STATE` begins command N, `MARK N end STATUS` ends it, on both. The
 * streams come at their own pace: a command has ended when both have said so.
 *
 * @param maxBytes per command and stream
 */
export function createBatchOutput(
  mark: string,
  maxBytes: readonly number[],
  on: { onEnd(index: number, item: EndedItem): void; onOverflow(keptBytes: number): void },
): BatchOutput {
  const kept = maxBytes.map((max) => ({ out: createKeptBytes(max), err: createKeptBytes(max) }));
  const halves = maxBytes.map(() => ({ out: {} as Half, err: {} as Half }));
  let told = 0;

  const tellEnds = (): void => {
    for (;;) {
      const half = halves[told];
      const bytes = kept[told];
      if (half?.out.code === undefined || half.err.code === undefined || bytes === undefined) return;
      const index = told++;
      on.onEnd(index, {
        started: half.out.started ?? 'run',
        code: half.out.code,
        stdout: bytes.out.whole(),
        stderr: bytes.err.whole(),
      });
    }
  };

  const splitter = (stream: 'out' | 'err'): ((chunk: Uint8Array) => void) => {
    let rest = Buffer.alloc(0);
    let inside: number | undefined;
    const keep = (bytes: Buffer): void => {
      const into: KeptBytes | undefined = inside === undefined ? undefined : kept[inside]?.[stream];
      if (into === undefined || bytes.length === 0) return;
      into.add(bytes);
      if (into.overflowed && inside !== undefined)
        on.onOverflow((kept[inside]?.out.length ?? 0) + (kept[inside]?.err.length ?? 0));
    };
    return (chunk) => {
      let bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
      for (;;) {
        const at = bytes.indexOf(mark);
        const lineEnd = at === -1 ? -1 : bytes.indexOf(0x0a, at);
        if (at === -1 || lineEnd === -1) {
          // A mark may be cut in the middle by the end of this piece.
          const safe = at === -1 ? bytes.length - beginningOf(mark, bytes) : at;
          keep(bytes.subarray(0, safe));
          rest = bytes.subarray(safe);
          if (rest.length > mark.length + longestTail) rest = rest.subarray(0, mark.length + longestTail);
          break;
        }
        keep(bytes.subarray(0, at));
        const line = bytes.toString('latin1', at + mark.length + 1, lineEnd);
        const [, number = '', word = '', status = ''] = /^(\d{1,5}) ([a-z]{1,8})(?: (\d{1,3}))?$/.exec(line) ?? [];
        const index = number === '' ? -1 : Number(number);
        const half = halves[index]?.[stream];
        if (half !== undefined && word === 'end') {
          half.code = Number(status);
          inside = undefined;
        } else if (half !== undefined) {
          half.started = word as StartState;
          inside = index;
        }
        bytes = bytes.subarray(lineEnd + 1);
      }
      tellEnds();
    };
  };

  return {
    stdout: splitter('out'),
    stderr: splitter('err'),
    soFar: (index) => ({
      stdout: kept[index]?.out.whole() ?? new Uint8Array(),
      stderr: kept[index]?.err.whole() ?? new Uint8Array(),
    }),
  };
}
