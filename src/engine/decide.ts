import type { Language } from '../model/language.ts';
import type { Finding, Missing } from '../model/report.ts';
import type { AnyRule, Outcome, Undecided } from '../model/rule.ts';
import type { EngineText } from './wording.ts';

/** A rule that is being asked about one node, path or capture. */
export interface Asked {
  readonly rule: AnyRule;
  readonly node: string;
  readonly path?: Finding['path'];
  readonly language: Language;
  readonly say: EngineText;
}

/** Asks the rule. What it cannot tell becomes `unknown`, and what it throws becomes `error`. */
export function decide(asked: Asked, evaluateRule: () => Outcome | Undecided): Finding {
  try {
    const outcome = evaluateRule();
    if ('undecided' in outcome) return unknown(asked, outcome.undecided);
    return finding(asked, {
      verdict: outcome.verdict,
      because: [...outcome.because],
      remedies: [...outcome.remedies],
      missing: [],
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return finding(asked, {
      verdict: 'error',
      because: [],
      remedies: [],
      missing: [{ fact: 'rule', node: asked.node, why: asked.say.crashed(message) }],
    });
  }
}

/** The finding of a rule that could not be asked, or could not tell: with what is missing. */
export function unknown(asked: Asked, missing: readonly Missing[]): Finding {
  return finding(asked, { verdict: 'unknown', because: [], remedies: [], missing: [...missing] });
}

function finding(
  { rule, node, path, language }: Asked,
  rest: Pick<Finding, 'verdict' | 'because' | 'remedies' | 'missing'>,
): Finding {
  return {
    rule: rule.id,
    verdict: rest.verdict,
    node,
    ...(path === undefined ? {} : { path }),
    title: rule.text[language].title,
    because: rest.because,
    remedies: rest.remedies,
    missing: rest.missing,
  };
}

const order: readonly Finding['verdict'][] = ['confirmed', 'likely', 'unknown', 'error', 'ruledOut', 'notApplicable'];

/** Causes first; within one verdict the order that they were asked in stands. */
export function rank(findings: readonly Finding[]): readonly Finding[] {
  return findings
    .map((one, index) => ({ one, index }))
    .sort((a, b) => order.indexOf(a.one.verdict) - order.indexOf(b.one.verdict) || a.index - b.index)
    .map(({ one }) => one);
}
