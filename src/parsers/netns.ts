import type { Namespace } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** A network namespace that was looked for: `netns INODE PID START OWN`, `-` for what may not be seen. */
export const netns: Parser<Namespace> = {
  kind: 'netns',
  reads: 'the look for a network namespace on a node',
  fact: 'namespace',
  sample: 'netns net:[4026532281] 4321 183204 net:[4026531840]\n',
  parse(input) {
    const problems = problemList();
    for (const { text, line } of outputLines(input, problems)) {
      const [, inode, pid, start, own] =
        /^netns (-|net:\[\d{1,20}\]) (-|\d{1,10}) (-|\d{1,20}) (unknown|net:\[\d{1,20}\])$/.exec(text) ?? [];
      if (inode === undefined || pid === undefined || start === undefined) {
        if (text.trim() !== '') problems.add(`not a network namespace: ${excerpt(text)}`, line);
        continue;
      }
      addStderr(input, problems);
      const seen = (value: string): string | null => (value === '-' ? null : value);
      return {
        value: {
          inode: seen(inode),
          pid: seen(pid),
          startTicks: seen(start),
          isOwn: inode === '-' || own === 'unknown' ? null : inode === own,
          at: { evidence: input.evidence, line },
        },
        problems: problems.all(),
      };
    }
    return nothingUsable(input, problems, 'network namespace');
  },
};
