import type { At } from '../model/evidence.ts';
import type { Parser } from '../model/parser.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** `ls /proc/PID/fd`: how many files a process has open. */
export const fdCount: Parser<{ readonly count: number; readonly at: At }> = {
  kind: 'fd-count',
  reads: 'ls /proc/PID/fd',
  fact: 'listenerProcesses',
  sample: `0
1
2
17
`,
  parse(input) {
    const problems = problemList();
    let descriptors = 0;
    let first: number | undefined;
    for (const { text, line } of outputLines(input, problems, Infinity)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      if (parts.every((part) => count(part) !== undefined)) {
        descriptors += parts.length;
        first ??= line;
      } else problems.add(`not a number of a file: ${excerpt(text)}`, line);
    }
    // A list that was cut counts too little.
    if (first === undefined || input.exitCode !== 0) return nothingUsable(input, problems, 'complete list of files');
    addStderr(input, problems);
    return { value: { count: descriptors, at: { evidence: input.evidence, line: first } }, problems: problems.all() };
  },
};
