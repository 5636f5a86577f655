import type { ParseInput, Parsed, Parser } from '../../src/model/parser.ts';

/** A parser's answer to text, as `netcheck parse KIND` would give it, unless told otherwise. */
export function parseText<Value>(
  parser: Parser<Value>,
  stdout: string | Uint8Array,
  more: { stderr?: string; argv?: readonly string[]; exitCode?: number | null } = {},
): Parsed<Value> {
  return parser.parse(inputOf(stdout, more));
}

export function inputOf(
  stdout: string | Uint8Array,
  more: { stderr?: string; argv?: readonly string[]; exitCode?: number | null } = {},
): ParseInput {
  const encoder = new TextEncoder();
  return {
    stdout: typeof stdout === 'string' ? encoder.encode(stdout) : stdout,
    stderr: encoder.encode(more.stderr ?? ''),
    argv: more.argv ?? [],
    exitCode: more.exitCode === undefined ? 0 : more.exitCode,
    evidence: 'out',
  };
}

/** A value without its `at`s, for tests that are about everything else. */
export function withoutAt(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAt);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'at')
      .map(([name, item]) => [name, withoutAt(item)]),
  );
}
