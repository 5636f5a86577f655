import type { Language } from '../model/language.ts';
import type { Symptom, Target } from '../model/symptom.ts';
import { wording } from './wording.ts';

/** What a person pointed at, as they would type it. */
export function targetText(target: Target): string {
  switch (target.kind) {
    case 'node':
      return target.node;
    case 'address':
      return target.address;
    case 'kubernetes':
      break;
  }
  return `${target.object} ${target.namespace === undefined ? '' : `${target.namespace}/`}${target.name}`;
}

/** The question in one line: `node-50 port 1301/tcp, from node-12, via node-30`. */
export function symptomText(symptom: Symptom, language: Language): string {
  const words = wording[language];
  if (symptom.about === 'node') return targetText(symptom.target);
  const parts = [`${targetText(symptom.target)} ${words.port} ${symptom.port}/${symptom.protocol}`];
  if (symptom.from.length > 0) parts.push(`${words.from} ${symptom.from.map(targetText).join(words.list)}`);
  if (symptom.via.length > 0) parts.push(`${words.via} ${symptom.via.map(targetText).join(words.list)}`);
  return parts.join(language === 'zh' ? '，' : ', ');
}
