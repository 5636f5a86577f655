import type { At } from '../model/evidence.ts';
import type { ProcessLimits } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** /proc/PID/limits (proc_pid_limits, fs/proc/base.c): names have blanks, so the columns are those of the heading. */
export const procLimits: Parser<ProcessLimits> = {
  kind: 'proc-limits',
  reads: 'cat /proc/PID/limits',
  fact: 'listenerProcesses',
  sample: `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 1048576              files
Max nice priority         0                    0
`,
  parse(input) {
    const problems = problemList();
    const limits = new Map<string, { soft: number | null; hard: number | null; at: At }>();
    let columns: { soft: number; hard: number } | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      if (columns === undefined) {
        const soft = text.indexOf('Soft Limit');
        const hard = text.indexOf('Hard Limit');
        if (text.startsWith('Limit ') && soft > 0 && hard > soft) columns = { soft, hard };
        else problems.add(`not the heading of limits: ${excerpt(text)}`, line);
        continue;
      }
      const name = text.slice(0, columns.soft).trim();
      const soft = limit(text.slice(columns.soft, columns.hard).trim());
      const hard = limit(text.slice(columns.hard).trim().split(' ')[0] ?? '');
      if (/^Max [a-z -]{2,30}$/.test(name) && soft !== undefined && hard !== undefined)
        limits.set(name, { soft, hard, at: { evidence: input.evidence, line } });
      else problems.add(`not a limit: ${excerpt(text)}`, line);
    }
    if (limits.size === 0) return nothingUsable(input, problems, 'limits');
    addStderr(input, problems);
    return { value: Object.fromEntries(limits), problems: problems.all() };
  },
};

function limit(text: string): number | null | undefined {
  return text === 'unlimited' ? null : count(text);
}
