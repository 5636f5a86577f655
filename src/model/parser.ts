import type { FactName, ParseProblem } from './facts.ts';

export interface ParseInput {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** The command as it was run; some outputs do not repeat what was asked (`ip route get`, sysctl reads). */
  readonly argv: readonly string[];
  /** Exit status where the command exited; null otherwise. */
  readonly exitCode: number | null;
  /** What `at.evidence` is to say: the path inside the run directory, or the file name on the command line. */
  readonly evidence: string;
}

/** `value` is undefined where nothing usable was there; it is never an empty default. Parsers never throw. */
export interface Parsed<Value> {
  readonly value: Value | undefined;
  readonly problems: readonly ParseProblem[];
}

/** Bytes of one command's output -> one typed value. Never throws, never judges. */
export interface Parser<Value = unknown> {
  /** The KIND of `netcheck parse KIND`. */
  readonly kind: string;
  /** What it reads, one line for `netcheck parse --help`. */
  readonly reads: string;
  /** Fact that its value becomes (possibly joined with other outputs), or null: shown by `netcheck parse` only. */
  readonly fact: FactName | null;
  /** A short real sample of the input. */
  readonly sample: string;
  parse(input: ParseInput): Parsed<Value>;
}
