import type { Connection, Reset } from '../model/facts.ts';

/** Silences from this on are what idle timeouts are made of. */
export const longSilenceMs = 60_000;

/** Whether a RST ended a long silence, or answered what ended it: the idle-reset rule speaks of it, and no other. */
export function isAfterSilence({ idleGaps }: Connection, reset: Reset): boolean {
  return idleGaps.some(
    ({ fromMs, idleMs, with: spoken, answer }) =>
      idleMs >= longSilenceMs && (spoken === 'rst' || answer === 'rst') && reset.atMs >= fromMs + idleMs - 1,
  );
}
