import type { Capture } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { Finding } from '../model/report.ts';
import type { AnyRule } from '../model/rule.ts';
import { decide, rank } from './decide.ts';
import { engineText } from './wording.ts';

/**
 * Every rule that needs only packets, on one capture that was given as a file: all its traffic, with the rules' own
 * parameters. Pure: the same capture gives the same findings.
 *
 * @param input.place where the capture was taken, as the findings are to say it: the name of the file
 * @returns one finding per rule of scope `capture`: confirmed, likely, unknown, error, ruledOut, notApplicable; within
 *   one verdict in the order of `rules`
 */
export function judgeCapture(input: {
  readonly rules: ReadonlyMap<string, AnyRule>;
  readonly capture: Capture;
  readonly place: string;
  readonly language: Language;
}): readonly Finding[] {
  const { rules, capture, place, language } = input;
  const say = engineText[language];
  return rank(
    [...rules.values()].flatMap((rule) =>
      rule.scope === 'capture'
        ? [
            decide({ rule, node: place, language, say }, () =>
              rule.evaluate({
                capture,
                facts: {},
                place,
                params: rule.params.parse({}),
                say: rule.text[language],
              } as never),
            ),
          ]
        : [],
    ),
  );
}
