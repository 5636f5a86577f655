import type { Capture } from '../model/facts.ts';
import type { Outcome, Undecided } from '../model/rule.ts';
import { because } from './because.ts';
import { type CaptureSentences, weakness } from './capture-weakness.ts';
import { ruledOut, undecided } from './outcomes.ts';

/**
 * Nothing of the kind was seen in traffic that would have shown it: `ruledOut` with that sentence, or undecided where
 * the capture is too weak to argue from what is missing.
 */
export function notSeen(capture: Capture, place: string, say: CaptureSentences, sentence: string): Outcome | Undecided {
  const weak = weakness(capture, say);
  return weak === null ? ruledOut(because(sentence, capture.at)) : undecided('capture', place, weak);
}
