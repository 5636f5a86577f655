import type { Collector } from './model/command.ts';
import type { AnyRule } from './model/rule.ts';

/**
 * What a rule brings with it: the same for netcheck's own rules (`test/conventions.test.ts`) and for those of plug-ins
 * (`netcheck rules check`). Each function gives what is missing, one sentence each.
 */
export function pageProblems(id: string, page: string): readonly string[] {
  return [
    ...(page.includes(`\`${id}\``) || page.includes(`# ${id}`) ? [] : [`the page does not name ${id}`]),
    ...['What decides it', 'Remedy', 'False positives', 'Sources']
      .filter((heading) => !new RegExp(`^#+ ${heading}`, 'im').test(page))
      .map((heading) => `the page has no "${heading}"`),
  ];
}

export const caseKinds = ['fires', 'stays silent', 'missing evidence'] as const;

/** @param names of the cases: `fires: …` */
export function caseProblems(names: readonly string[]): readonly string[] {
  return caseKinds
    .filter((kind) => !names.some((name) => name.startsWith(`${kind}: `)))
    .map((kind) => `no case "${kind}: …"`);
}

export function textProblems({ text }: Pick<AnyRule, 'text'>): readonly string[] {
  const [en, zh] = [text.en, text.zh].map((one) => Object.keys(one).sort().join(', '));
  return [
    ...(en === zh ? [] : [`the texts do not have the same keys (en: ${en}; zh: ${zh})`]),
    ...(/[\u4e00-\u9fff]/.test(text.zh.title) ? [] : ['the title is not in Chinese (text.zh.title)']),
    ...(/[\u4e00-\u9fff]/.test(text.en.title) ? ['the title is not in English (text.en.title)'] : []),
  ];
}

export function factProblems(rule: AnyRule, collectors: ReadonlyMap<string, Collector>): readonly string[] {
  const provided = new Set([...collectors.values()].flatMap((collector) => collector.provides));
  const read =
    rule.scope === 'path'
      ? [...rule.needs.client, ...rule.needs.target, ...rule.optional]
      : rule.scope === 'capture'
        ? (['capture', ...(rule.optional ?? [])] as const)
        : [...rule.needs, ...rule.optional];
  return [
    ...(read.length > 0 ? [] : ['it reads no fact at all']),
    // the table of `expect` may read what only plug-ins give
    ...read
      .filter((fact) => !provided.has(fact) && fact !== 'ownValues')
      .map((fact) => `no collector gives the fact "${fact}" (there are: ${[...provided].sort().join(', ')})`),
  ];
}

export function originProblems({ fault, sources }: Pick<AnyRule, 'fault' | 'sources'>): readonly string[] {
  return [
    ...(sources.length > 0 ? [] : ['it does not say where its knowledge comes from (sources)']),
    ...(/^F\d{2,3}$|^-$/.test(fault)
      ? []
      : [`its fault is an entry of docs/faults.md (F01 …), or "-", not "${fault.slice(0, 20)}"`]),
  ];
}
