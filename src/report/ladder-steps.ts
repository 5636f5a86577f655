import type { Ladder } from '../model/report.ts';

/** At most `most` items: the steps, or the first and the last of them around the number of those left out. */
export function shortenedSteps(steps: Ladder['steps'], most: number): (Ladder['steps'][number] | number)[] {
  if (steps.length <= most) return [...steps];
  const last = Math.floor(most / 4);
  const first = most - last - 1;
  return [...steps.slice(0, first), steps.length - first - last, ...steps.slice(steps.length - last)];
}
