import type { Language } from '../model/language.ts';
import type { Ladder, LadderMark } from '../model/report.ts';
import { shortDuration } from './duration-text.ts';
import { pcapWording } from './pcap-wording.ts';

type Step = Ladder['steps'][number];

/** At most `most` items: the steps, or the first and the last of them around the number of those left out. */
export function shortenedSteps(steps: Ladder['steps'], most: number): (Step | number)[] {
  if (steps.length <= most) return [...steps];
  const last = Math.floor(most / 4);
  const first = most - last - 1;
  return [...steps.slice(0, first), steps.length - first - last, ...steps.slice(steps.length - last)];
}

/** Marks whose word stands in the label or the note already. */
const silent: readonly LadderMark[] = ['reset', 'gap'];

/** The words for what is remarkable about a step, the most telling first; at most two. */
export function ladderTrouble({ marks = [], attempt }: Step, language: Language): readonly string[] {
  const said = marks.filter((mark) => !silent.includes(mark));
  // A duplicate ACK that tells of a hole, and a probe that looks like a keep-alive, are told by the stronger word.
  const strong = said.filter((mark) => !(mark === 'duplicateAck' && said.includes('hole')));
  const say = pcapWording[language];
  return strong
    .slice(0, 2)
    .map((mark) => (mark === 'retransmission' && attempt !== undefined ? say.attempt(attempt) : say.mark[mark]));
}

/** Time in a ladder, at most 8 columns: as `shortDuration`, and `37 µs` where that would say 0.0 ms. */
export function ladderTime(ms: number): string {
  return ms > 0 && ms < 0.1 ? `${Math.max(1, Math.round(ms * 1000))} µs` : shortDuration(ms);
}
