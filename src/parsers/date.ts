import type { Clock } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { epochMsOf } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** `date +%s.%N`. Where `date` knows no `%N` (busybox), the resolution is whole seconds. */
export const date: Parser<Clock> = {
  kind: 'date',
  reads: 'date +%s.%N',
  fact: 'clock',
  sample: '1795234472.275310376\n',
  parse(input) {
    const problems = problemList();
    let value: Clock | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      const epochMs = epochMsOf(text.trim());
      if (epochMs !== undefined && value === undefined) value = { epochMs, at: { evidence: input.evidence, line } };
      else problems.add(`not seconds since the epoch: ${excerpt(text)}`, line);
    }
    if (value === undefined) return nothingUsable(input, problems, 'time of day');
    addStderr(input, problems);
    return { value, problems: problems.all() };
  },
};
