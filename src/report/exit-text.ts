import type { Exit } from '../model/evidence.ts';
import type { Language } from '../model/language.ts';
import { durationText } from './duration-text.ts';
import { wording } from './wording.ts';

/** How a command ended, in a few words. */
export function exitText(exit: Exit, language: Language): string {
  const words = wording[language];
  switch (exit.how) {
    case 'exited':
      return words.exited(exit.code);
    case 'signalled':
      return words.signalled(exit.signal);
    case 'timedOut':
      return words.timedOut(durationText(exit.afterMs, language));
    case 'stopped':
      return words.stopped[exit.why];
    case 'tooMuchOutput':
      return words.tooMuchOutput;
    case 'connectionLost':
      return detail(words.connectionLost, exit.message, words.colon);
    case 'notStarted':
      return detail(words.notStarted[exit.why], exit.message, words.colon);
    case 'skipped':
      break;
  }
  return detail(words.skipped, exit.why, words.colon);
}

function detail(what: string, more: string, colon: string): string {
  return more.trim() === '' ? what : `${what}${colon}${more}`;
}
