import type { Language } from '../model/language.ts';
import { cutText } from './cut-text.ts';
import type { UnseenGroup } from './report-view.ts';
import { wording, type Wording } from './wording.ts';

/** Rule ids are plain English words: they serve as names there. In Chinese the title comes first. */
export function ruleName(id: string, title: string, language: Language): string {
  return language === 'en' ? id : `${title}（${id}）`;
}

/** `node-50: kernel settings (sysctl), packet capture: sudo refused` */
export function unseenText(group: UnseenGroup, language: Language): string {
  const words = wording[language];
  const facts = group.facts.map((fact) => words.fact[fact as keyof Wording['fact']] ?? fact);
  const what = facts.length === 0 ? '' : `${words.colon}${facts.join(words.list)}`;
  const why = group.why.trim() === '' ? '' : `${language === 'zh' ? '，' : ' — '}${cutText(group.why, 300, language)}`;
  return `${group.node}${what}${why}`;
}
