import type { Plan, Seen } from '../model/plan.ts';

/**
 * The plan with the playbooks that join because of what the first look showed: their steps and rules come last. A step
 * or rule that is there already stays as it is.
 */
export function joinPlaybooks(plan: Plan, seen: readonly Seen[]): Plan {
  const joining = plan.mayJoin.flatMap((one) => {
    const by = one.seen.find((what) => seen.includes(what));
    return by === undefined ? [] : [{ ...one, by }];
  });
  if (joining.length === 0) return plan;
  const steps = new Map(
    [...plan.steps, ...joining.flatMap((one) => one.steps)].map((step) => [JSON.stringify(step), step]),
  );
  const rules = [...plan.rules];
  for (const one of joining.flatMap((playbook) => playbook.rules))
    if (!rules.some(({ rule }) => rule === one.rule)) rules.push(one);
  const onward = new Map(
    [...(plan.onward ?? []), ...joining.flatMap((one) => one.onward ?? [])].map((step) => [JSON.stringify(step), step]),
  );
  return {
    ...plan,
    ...(onward.size === 0 ? {} : { onward: [...onward.values()] }),
    playbooks: [...plan.playbooks, ...joining.map(({ playbook }) => playbook)],
    choice: [...plan.choice, ...joining.map(({ playbook, by }) => ({ playbook, by }))],
    mayJoin: plan.mayJoin.filter(({ playbook }) => !joining.some((one) => one.playbook === playbook)),
    steps: [...steps.values()],
    rules,
  };
}
