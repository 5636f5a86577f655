import type { Evidence } from '../../src/model/evidence.ts';

/** Evidence of one command that came to its end, with whatever a test is about. */
export function evidenceOf(
  entry: Partial<Evidence['entry']> & { readonly kind: string },
  stdout = '',
  stderr = '',
): Evidence {
  const encoder = new TextEncoder();
  return {
    entry: {
      id: '01-test',
      node: 'node-1',
      collector: 'test',
      phase: 'once',
      argv: [],
      privilege: 'none',
      startedAtMs: 0,
      endedAtMs: 1,
      exit: { how: 'exited', code: 0 },
      outBytes: stdout.length,
      errBytes: stderr.length,
      ...entry,
    },
    stdout: encoder.encode(stdout),
    stderr: encoder.encode(stderr),
  };
}
