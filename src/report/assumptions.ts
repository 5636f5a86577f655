import type { Language } from '../model/language.ts';
import type { Assumption, Plan } from '../model/plan.ts';

const sentences: Readonly<
  Record<Language, Readonly<Record<Assumption['what'], (one: Assumption, address: string) => string>>>
> = {
  en: {
    from: ({ node, others }) =>
      `The question does not say where it fails from: ${node} was taken. Name another with "from", for example: from ${others[0] ?? node}`,
    words: ({ node, others }) =>
      `The question is about ${node}; ${others.join(', ')} stands in it as a word only. The other way round: ${others[0] ?? ''} port … from ${node}`,
    owner: ({ node, others }, address) =>
      `${address} is on ${[node, ...others].join(', ')}: ${node} was taken. Name another with "on": ${address} on ${others[0] ?? node}`,
  },
  zh: {
    from: ({ node, others }) =>
      `问题没有说明从哪里访问失败：已选用 ${node}。可用 "from" 指定，例如：from ${others[0] ?? node}`,
    words: ({ node, others }) =>
      `问题针对的是 ${node}；${others.join('、')} 只作为普通词出现。反过来请写：${others[0] ?? ''} port …… from ${node}`,
    owner: ({ node, others }, address) =>
      `${address} 同时在 ${[node, ...others].join('、')} 上：已选用 ${node}。可用 "on" 指定：${address} on ${others[0] ?? node}`,
  },
};

/** One sentence for each thing that the question did not say and netcheck chose. */
export function assumptionLines(
  { assumed = [], targetAddress }: Pick<Plan, 'assumed' | 'targetAddress'>,
  language: Language,
): readonly string[] {
  return assumed.map((one) => sentences[language][one.what](one, targetAddress));
}
