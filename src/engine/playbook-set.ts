import type { Collector } from '../model/command.ts';
import { NetcheckError } from '../model/errors.ts';
import type { FactName } from '../model/facts.ts';
import type { PlaybookChoice, Role } from '../model/plan.ts';
import type { Playbook } from '../model/playbook.ts';
import type { RemedyNote } from '../model/remedy-note.ts';
import type { AnyRule } from '../model/rule.ts';
import type { Symptom } from '../model/symptom.ts';
import { closestNames } from './inventory.ts';
import { expectationReads, expect as expectRule } from '../rules/expect.ts';

/** What is looked at on every node, whatever the playbook says: everything else is chosen from it. */
export const alwaysCollected = ['look', 'kernel', 'clock'] as const;
const alwaysProvided: readonly FactName[] = ['features', 'kernel', 'clock'];

/** Playbook that is used when no word of the question chooses another. */
export const defaultPlaybook = 'port-check';

/** The registries that a plan is made from. */
export interface Registries {
  readonly collectors: ReadonlyMap<string, Collector>;
  readonly rules: ReadonlyMap<string, AnyRule>;
  readonly playbooks: ReadonlyMap<string, Playbook>;
  /** What the team adds to the remedies of a rule. */
  readonly remedyNotes?: ReadonlyMap<string, readonly RemedyNote[]>;
}

/**
 * The playbook that was named, or the one whose symptom words stand in the question (longest match first; the default
 * only where no other has one), or those that are for its port and protocol, or the default. The report says which and
 * by what.
 *
 * @throws NetcheckError `ask/unknown-playbook`
 */
export function choosePlaybooks(symptom: Symptom, playbooks: ReadonlyMap<string, Playbook>): readonly Chosen[] {
  if (symptom.playbook !== undefined) {
    const named = playbooks.get(symptom.playbook);
    if (named) return [{ playbook: named, by: 'named' }];
    throw new NetcheckError(
      'ask/unknown-playbook',
      `There is no playbook "${symptom.playbook}".`,
      `There are: ${[...playbooks.keys()].sort().join(', ')}.`,
      {
        zh: {
          message: `没有剧本 "${symptom.playbook}"。`,
          hint: `现有：${[...playbooks.keys()].sort().join('、')}。`,
        },
      },
    );
  }
  const text = symptom.text.toLowerCase();
  let best: { playbook: Playbook; word: string; weight: number } | undefined;
  for (const playbook of playbooks.values())
    for (const word of [...playbook.words.en, ...playbook.words.zh]) {
      // the default needs no word: "timed out" says less than "rolling update", however long it is
      const weight = playbook.id === defaultPlaybook ? 0 : word.length;
      if (contains(text, word.toLowerCase()) && weight > (best?.weight ?? -1)) best = { playbook, word, weight };
    }
  if (best && best.weight > 0) return [{ playbook: best.playbook, by: 'word', word: best.word }];
  const meant = [...playbooks.values()].filter(
    ({ when }) => when !== undefined && when.seen === undefined && isForQuestion(when, symptom),
  );
  if (meant.length > 0) return meant.map((playbook) => ({ playbook, by: 'question' }));
  if (best) return [{ playbook: best.playbook, by: 'word', word: best.word }];
  const fallback = playbooks.get(defaultPlaybook) ?? [...playbooks.values()][0];
  if (!fallback)
    throw new NetcheckError(
      'playbook/unknown-id',
      'There is no playbook at all.',
      'The directory playbooks/ belongs to netcheck; install it again.',
    );
  return [{ playbook: fallback, by: 'default' }];
}

/** A playbook of a run, and why. */
export interface Chosen {
  readonly playbook: Playbook;
  readonly by: PlaybookChoice['by'];
  readonly word?: string;
}

/** Whether the port and the protocol of the question are those that a playbook is for. */
export function isForQuestion(
  { ports, protocol }: Pick<NonNullable<Playbook['when']>, 'ports' | 'protocol'>,
  symptom: Symptom,
): boolean {
  return (ports?.includes(symptom.port) ?? true) && (protocol === undefined || protocol === symptom.protocol);
}

/** English words match whole words only; Chinese has none, so a part of the text is enough. */
function contains(text: string, word: string): boolean {
  if (/[^\p{ASCII}]/u.test(word)) return text.includes(word);
  return new RegExp(`(^|[^a-z0-9])${word.replaceAll(/[^a-z0-9]+/g, '[^a-z0-9]+')}($|[^a-z0-9])`).test(text);
}

/**
 * Everything that is wrong with a playbook, one sentence each: unknown ids, parameters that do not parse, and facts
 * that a chosen rule needs but that nothing collects on the role it judges.
 */
export function lintPlaybook(
  playbook: Playbook,
  { collectors, rules }: Pick<Registries, 'collectors' | 'rules'>,
): readonly string[] {
  const problems: string[] = [];
  const isOnlyAudit = playbook.audit !== undefined && playbook.collect.length + playbook.rules.length === 0;
  if (playbook.collect.length === 0 && !isOnlyAudit) problems.push('it collects nothing');
  if (playbook.rules.length === 0 && !isOnlyAudit) problems.push('it has no rules');
  const provided: Record<Role, Set<FactName>> = {
    target: new Set(alwaysProvided),
    client: new Set(alwaysProvided),
    forwarder: new Set(alwaysProvided),
  };
  playbook.collect.forEach((step, index) => {
    const where = `collect[${index}]`;
    const collector = collectors.get(step.use);
    if (!collector) {
      problems.push(`${where}: ${unknownId('collector', step.use, collectors.keys())}`);
      return;
    }
    const params = collector.params.safeParse(step.with);
    if (!params.success) problems.push(`${where} (${step.use}): ${sentenceOf(params.error.issues)}`);
    for (const role of step.on) for (const fact of collector.provides) provided[role].add(fact);
  });
  playbook.rules.forEach((use, index) => {
    const where = `rules[${index}]`;
    const rule = rules.get(use.use);
    if (!rule) {
      problems.push(`${where}: ${unknownId('rule', use.use, rules.keys())}`);
      return;
    }
    const params = rule.params.safeParse(use.with);
    if (!params.success) problems.push(`${where} (${use.use}): ${sentenceOf(params.error.issues)}`);
    // The table is the rule: what its rows read is needed as well.
    const table = rule.id === expectRule.id && params.success ? expectRule.params.parse(use.with).table : [];
    const needed: readonly (readonly [Role, readonly FactName[]])[] =
      rule.scope === 'node'
        ? rule.roles.map((role) => [role, [...rule.needs, ...table.map((row) => expectationReads(row).fact)]] as const)
        : rule.scope === 'capture'
          ? [['target', ['capture']]]
          : [
              ['client', rule.needs.client],
              ['target', rule.needs.target],
            ];
    for (const [role, facts] of needed)
      for (const fact of new Set(facts))
        if (!provided[role].has(fact))
          problems.push(
            `${where} (${use.use}): it needs ${fact} on the ${role}, and no collector of this playbook gives it there`,
          );
  });
  return [...problems, ...lintAudit(playbook.audit, { collectors, rules })];
}

/** The same for its section `audit`: nothing that sends packets or waits for them, and no rule that needs a question. */
function lintAudit(
  audit: Playbook['audit'],
  { collectors, rules }: Pick<Registries, 'collectors' | 'rules'>,
): readonly string[] {
  if (audit === undefined) return [];
  const problems: string[] = [];
  const provided = new Set<FactName>(alwaysProvided);
  if (audit.rules.length === 0) problems.push('audit: it has no rules');
  audit.collect.forEach(({ use, with: given }, index) => {
    const where = `audit.collect[${index}]`;
    const collector = collectors.get(use);
    if (collector === undefined) {
      problems.push(`${where}: ${unknownId('collector', use, collectors.keys())}`);
      return;
    }
    const params = collector.params.safeParse(given);
    if (!params.success) problems.push(`${where} (${use}): ${sentenceOf(params.error.issues)}`);
    if (collector.when === 'capture' || collector.when === 'probe' || collector.when === 'active')
      problems.push(`${where} (${use}): an audit captures nothing and sends nothing`);
    for (const fact of collector.provides) provided.add(fact);
  });
  audit.rules.forEach(({ use, with: given }, index) => {
    const where = `audit.rules[${index}]`;
    const rule = rules.get(use);
    if (rule === undefined) {
      problems.push(`${where}: ${unknownId('rule', use, rules.keys())}`);
      return;
    }
    const params = rule.params.safeParse(given);
    if (!params.success) problems.push(`${where} (${use}): ${sentenceOf(params.error.issues)}`);
    if (rule.scope !== 'node' || rule.asksNothing !== true) {
      problems.push(
        `${where} (${use}): it needs a question (a port, packets, a second reading), and an audit has none`,
      );
      return;
    }
    const table = rule.id === expectRule.id && params.success ? expectRule.params.parse(given).table : [];
    for (const fact of new Set([...rule.needs, ...table.map((row) => expectationReads(row).fact)]))
      if (!provided.has(fact))
        problems.push(`${where} (${use}): it needs ${fact}, and no collector of the section audit gives it`);
  });
  return problems;
}

/** An id that nothing has, with what was meant, or with everything that there is. */
export function unknownId(what: 'collector' | 'playbook' | 'rule', id: string, known: Iterable<string>): string {
  const names = [...known];
  const close = closestNames(id, names);
  return `there is no ${what} "${id}" (${close.length > 0 ? `did you mean ${close.join(', ')}?` : `there are: ${names.join(', ')}`})`;
}

function sentenceOf(issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]): string {
  return issues
    .map((issue) => `${issue.path.map(String).join('.')}${issue.path.length > 0 ? ': ' : ''}${issue.message}`)
    .join('; ');
}
