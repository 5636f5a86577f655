import { readFile } from 'node:fs/promises';
import type { Options } from '../cli.ts';
import { closestNames } from '../engine/inventory.ts';
import { NetcheckError } from '../model/errors.ts';
import { parsers } from '../parsers/index.ts';

/** `netcheck parse KIND [FILE]`: one command's raw output -> facts and problems as JSON. 2 where nothing was usable. */
export async function parse(args: readonly string[], options: Options): Promise<number> {
  const [kind, file = '-', ...more] = args;
  if (options.help) {
    process.stdout.write(listKinds());
    return 0;
  }
  if (kind === undefined || more.length > 0)
    throw new NetcheckError(
      'usage/missing-argument',
      'netcheck parse takes a kind and at most one file.',
      'netcheck parse --help lists the kinds.',
    );
  const parser = parsers.get(kind);
  if (!parser) {
    const close = closestNames(kind, [...parsers.keys()]);
    throw new NetcheckError(
      'usage/unknown-kind',
      `There is no kind "${kind.slice(0, 60)}".`,
      close.length > 0 ? `Did you mean ${close.join(', ')}?` : 'netcheck parse --help lists the kinds.',
    );
  }
  const stdout = await readInput(file);
  const { value, problems } = parser.parse({
    stdout,
    stderr: new Uint8Array(0),
    argv: [],
    exitCode: 0,
    evidence: file,
  });
  process.stdout.write(`${JSON.stringify({ kind, fact: parser.fact, facts: value ?? null, problems }, null, 2)}\n`);
  if (value !== undefined) return 0;
  process.stderr.write(`${file}: nothing in it could be read as ${kind}; "problems" says why.\n`);
  return 2;
}

/** @throws NetcheckError where the file cannot be read */
async function readInput(file: string): Promise<Uint8Array> {
  try {
    if (file !== '-') return await readFile(file);
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch (cause) {
    throw new NetcheckError(
      'usage/missing-argument',
      `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
      'Name a file, or - for standard input.',
      { cause },
    );
  }
}

function listKinds(): string {
  const entries = [...parsers.values()].map(({ kind, reads, sample }) => {
    const lines = sample.trimEnd().split('\n').slice(0, 4);
    return `${kind}\n  ${reads}\n${lines.map((line) => `    ${line.length > 110 ? `${line.slice(0, 109)}…` : line}`).join('\n')}\n`;
  });
  return `netcheck parse KIND [FILE]   raw output of a command -> facts as JSON\n\n${entries.join('\n')}`;
}
