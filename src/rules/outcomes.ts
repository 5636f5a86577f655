import type { FactName } from '../model/facts.ts';
import type { Because, Remedy } from '../model/report.ts';
import type { Outcome, Undecided } from '../model/rule.ts';

export function confirmed(because: readonly Because[], remedies: readonly Remedy[]): Outcome {
  return { verdict: 'confirmed', because, remedies };
}

export function likely(because: readonly Because[], remedies: readonly Remedy[] = []): Outcome {
  return { verdict: 'likely', because, remedies };
}

export function ruledOut(...because: readonly Because[]): Outcome {
  return { verdict: 'ruledOut', because, remedies: [] };
}

export function notApplicable(...because: readonly Because[]): Outcome {
  return { verdict: 'notApplicable', because, remedies: [] };
}

export function undecided(fact: FactName, node: string, why: string): Undecided {
  return { undecided: [{ fact, node, why }] };
}
