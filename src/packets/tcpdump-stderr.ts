/** What tcpdump said of itself on stderr. Null where it did not say. */
export interface TcpdumpMessages {
  /** It got as far as opening the device: packets after this moment are in the capture. */
  readonly listening: boolean;
  readonly device: string | null;
  /** `EN10MB`, `LINUX_SLL2` … */
  readonly linkType: string | null;
  /** Bytes kept of each packet. */
  readonly snapshotBytes: number | null;
  readonly captured: number | null;
  readonly receivedByFilter: number | null;
  readonly droppedByKernel: number | null;
  readonly droppedByInterface: number | null;
  /** Why it never listened: its own last words (`eth9: No such device exists`); null where it listened. */
  readonly failure: string | null;
}

/** The longest stderr that is kept while waiting for "listening on". */
const maxKept = 16_384;

/**
 * Reads tcpdump's stderr, of 4.9 (`capture size 262144 bytes`) and of 4.99 (`snapshot length 262144 bytes`), with or
 * without `-v`, in the C locale (tcpdump.c: `main()`, `info()`). Never throws.
 */
export function parseTcpdumpStderr(stderr: Uint8Array | string): TcpdumpMessages {
  const text = typeof stderr === 'string' ? stderr : new TextDecoder('utf-8', { fatal: false }).decode(stderr);
  const line = /listening on [^\n\r]*/.exec(text)?.[0];
  const count = (pattern: RegExp): number | null => {
    const found = pattern.exec(text)?.[1];
    return found === undefined ? null : Number(found);
  };
  const snapshotBytes = word(/, (?:capture size|snapshot length) (\d+) bytes/, line);
  return {
    listening: line !== undefined,
    device: word(/^listening on ([^\s,]+)/, line),
    linkType: word(/, link-type ([^\s,]+)/, line),
    snapshotBytes: snapshotBytes === null ? null : Number(snapshotBytes),
    captured: count(/(\d+) packets? captured/),
    receivedByFilter: count(/(\d+) packets? received by filter/),
    droppedByKernel: count(/(\d+) packets? dropped by kernel/),
    droppedByInterface: count(/(\d+) packets? dropped by interface/),
    failure: line === undefined ? lastWords(text) : null,
  };
}

function word(pattern: RegExp, line: string | undefined): string | null {
  return line === undefined ? null : (pattern.exec(line)?.[1] ?? null);
}

/** The last line that says something; tcpdump prefixes its own with its name. */
function lastWords(text: string): string | null {
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('tcpdump: WARNING') && !line.startsWith('dropped privs to '));
  return lines.at(-1)?.replace(/^tcpdump: /, '') ?? null;
}

export interface ListeningWatch {
  /** Takes the next bytes of stderr; returns whether tcpdump has said by now that it listens. */
  push(chunk: Uint8Array): boolean;
  readonly listening: boolean;
}

/** Tells the moment from which on packets are captured, from stderr as it comes, cut anywhere. */
export function createListeningWatch(): ListeningWatch {
  const decoder = new TextDecoder('utf-8', { fatal: false });
  let kept = '';
  let listening = false;
  return {
    push(chunk) {
      if (listening) return true;
      kept = (kept + decoder.decode(chunk, { stream: true })).slice(-maxKept);
      listening = kept.includes('listening on ');
      if (listening) kept = '';
      return listening;
    },
    get listening() {
      return listening;
    },
  };
}
