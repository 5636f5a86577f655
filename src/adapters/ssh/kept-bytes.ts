/** Collects a stream up to a cap. */
export interface KeptBytes {
  /** Keeps what still fits and returns it. */
  add(chunk: Buffer): Buffer;
  readonly length: number;
  /** Whether bytes came that did not fit. */
  readonly overflowed: boolean;
  whole(): Uint8Array;
}

export function createKeptBytes(maxBytes: number): KeptBytes {
  const chunks: Buffer[] = [];
  let length = 0;
  let overflowed = false;
  return {
    add(chunk) {
      const fitting = chunk.subarray(0, maxBytes - length);
      overflowed ||= fitting.length < chunk.length;
      if (fitting.length > 0) chunks.push(fitting);
      length += fitting.length;
      return fitting;
    },
    get length() {
      return length;
    },
    get overflowed() {
      return overflowed;
    },
    whole: () => {
      // A plain copy: a Buffer would keep the piece of memory alive that it was cut from.
      const all = new Uint8Array(length);
      let at = 0;
      for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      return all;
    },
  };
}
