import { closeSync, openSync, writeFileSync } from 'node:fs';
import { NetcheckError } from '../model/errors.ts';

/**
 * Asked before the work is done, so that a run is not lost for a file name. An existing file is left as it is.
 *
 * @throws NetcheckError where the file cannot be written
 */
export function claimOutput(file: string): void {
  orRefuse(file, () => closeSync(openSync(file, 'a')));
}

/** @throws NetcheckError where the file cannot be written */
export function writeOutput(file: string, text: string): void {
  orRefuse(file, () => writeFileSync(file, text));
}

function orRefuse(file: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    throw new NetcheckError(
      'usage/missing-argument',
      `${file} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}.`,
      'Name another file.',
      { cause },
    );
  }
}
