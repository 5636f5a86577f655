import { writeFileSync } from 'node:fs';
import { NetcheckError } from '../model/errors.ts';

/** @throws NetcheckError where the file cannot be written */
export function writeOutput(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw new NetcheckError(
      'usage/missing-argument',
      `${file} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
      'Name another file.',
      { cause },
    );
  }
}
