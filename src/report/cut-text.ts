import type { Language } from '../model/language.ts';
import { wording } from './wording.ts';

/**
 * Cuts a text to about `most` characters and says how much more there is. For sentences; commands are never cut.
 */
export function cutText(text: string, most: number, language: Language): string {
  if (text.length <= most) return text;
  const kept = text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
  return `${kept}${wording[language].cutCharacters(text.length - kept.length)}`;
}
