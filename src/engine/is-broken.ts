import type { Exit } from '../model/evidence.ts';

/** It was begun and did not come to a good end. */
export function isBroken(exit: Exit): boolean {
  return exit.how === 'exited' ? exit.code !== 0 : exit.how !== 'notStarted' && exit.how !== 'skipped';
}
