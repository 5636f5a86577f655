import type { Kernel } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

const release = /^\d+\.\d+\S*$/;

/** `uname -r`, or `uname -a` with the host name in the second place (uname(1)). */
export const uname: Parser<Kernel> = {
  kind: 'uname',
  reads: 'uname -r | uname -a',
  fact: 'kernel',
  sample: '4.9.273-oldk\n',
  parse(input) {
    const problems = problemList();
    let value: Kernel | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const at = { evidence: input.evidence, line };
      const [first = '', hostname = '', third = ''] = parts;
      if (value === undefined && parts.length === 1 && release.test(first)) value = { release: first, at };
      else if (value === undefined && first === 'Linux' && release.test(third))
        value = { release: third, hostname, at };
      else problems.add(`not a kernel release: ${excerpt(text)}`, line);
    }
    if (value === undefined) return nothingUsable(input, problems, 'kernel release');
    addStderr(input, problems);
    return { value, problems: problems.all() };
  },
};
