import type { Playbook } from '../model/playbook.ts';

type Step = Playbook['collect'][number];
type Params = Readonly<Record<string, unknown>>;

/** Playbooks within playbooks within playbooks: nobody understands more of it. */
const deepest = 4;

/**
 * A playbook with the steps and rules of those that it includes, those first. What both have stays where the included
 * one has it, with the parameters of both: lists add up, of other values the including one's counts.
 *
 * @returns the whole playbook, or what is wrong: a sentence
 */
export function includePlaybooks(
  playbook: Playbook,
  all: ReadonlyMap<string, Playbook>,
  within: readonly string[] = [],
): { readonly playbook: Playbook } | { readonly problem: string } {
  const path = [...within, playbook.id];
  let whole: Pick<Playbook, 'collect' | 'rules'> = { collect: [], rules: [] };
  let audit: Playbook['audit'];
  for (const id of playbook.include) {
    const other = all.get(id);
    if (other === undefined) return { problem: `there is no playbook "${id}" to include` };
    if (path.includes(id)) return { problem: `it includes itself: ${[...path, id].join(' -> ')}` };
    if (path.length > deepest) return { problem: `includes within includes go no deeper than ${deepest}` };
    const included = includePlaybooks(other, all, path);
    if ('problem' in included) return included;
    whole = joined(whole, included.playbook);
    audit = joinedAudit(audit, included.playbook.audit);
  }
  audit = joinedAudit(audit, playbook.audit);
  return { playbook: { ...playbook, ...joined(whole, playbook), ...(audit === undefined ? {} : { audit }) } };
}

function joinedAudit(first: Playbook['audit'], then: Playbook['audit']): Playbook['audit'] {
  if (first === undefined || then === undefined) return first ?? then;
  const isSame = (a: { readonly use: string }, b: { readonly use: string }): boolean => a.use === b.use;
  return { collect: added(first.collect, then.collect, isSame), rules: added(first.rules, then.rules, isSame) };
}

/** Steps and rules of both, what both have once: see {@link includePlaybooks}. */
export function joined(
  first: Pick<Playbook, 'collect' | 'rules'>,
  then: Pick<Playbook, 'collect' | 'rules'>,
): Pick<Playbook, 'collect' | 'rules'> {
  return {
    collect: added(first.collect, then.collect, isSameStep),
    rules: added(first.rules, then.rules, (a, b) => a.use === b.use),
  };
}

function added<Item extends { readonly with: Params }>(
  first: readonly Item[],
  then: readonly Item[],
  isSame: (a: Item, b: Item) => boolean,
): Item[] {
  const list = [...first];
  for (const item of then) {
    const at = first.findIndex((known) => isSame(known, item));
    const known = first[at];
    if (known === undefined) list.push(item);
    else list[at] = { ...known, with: joinedParams(known.with, item.with) };
  }
  return list;
}

function isSameStep(a: Step, b: Step): boolean {
  return a.use === b.use && a.on.length === b.on.length && a.on.every((role) => b.on.includes(role));
}

function joinedParams(first: Params, then: Params): Record<string, unknown> {
  const both = Object.entries(then).map(([name, value]) => {
    const known = first[name];
    return [name, Array.isArray(known) && Array.isArray(value) ? [...new Set([...known, ...value])] : value] as const;
  });
  return { ...first, ...Object.fromEntries(both) };
}
