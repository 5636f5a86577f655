import type { CpuStat } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/**
 * cpu.stat of a cgroup. Version 1: `nr_periods`, `nr_throttled`, `throttled_time` in nanoseconds
 * (Documentation/scheduler/sched-bwc); version 2: `usage_usec` … and `throttled_usec` (admin-guide/cgroup-v2). Without a
 * quota, version 2 leaves the throttling out.
 */
export const cpuStat: Parser<CpuStat> = {
  kind: 'cpu-stat',
  reads: 'cat /sys/fs/cgroup/…/cpu.stat',
  fact: 'listenerProcesses',
  sample: `usage_usec 94011230
user_usec 60011230
system_usec 34000000
nr_periods 12034
nr_throttled 811
throttled_usec 40233120
`,
  parse(input) {
    const problems = problemList();
    const told = new Map<string, { value: number; line: number }>();
    for (const { text, line } of outputLines(input, problems)) {
      const [name = '', number = '', ...more] = words(text);
      const value = count(number);
      if (name === '') continue;
      if (more.length === 0 && value !== undefined && /^[a-z_.]{3,40}$/.test(name)) told.set(name, { value, line });
      else problems.add(`not a line of cpu.stat: ${excerpt(text)}`, line);
    }
    const known = ['nr_periods', 'usage_usec'].flatMap((name) => told.get(name) ?? []);
    const [first] = known;
    if (first === undefined) return nothingUsable(input, problems, 'CPU statistics');
    addStderr(input, problems);
    const value = (name: string): number | null => told.get(name)?.value ?? null;
    const throttledNs = value('throttled_time');
    return {
      value: {
        periods: value('nr_periods'),
        throttledPeriods: value('nr_throttled'),
        throttledUsec: value('throttled_usec') ?? (throttledNs === null ? null : Math.round(throttledNs / 1000)),
        usageUsec: value('usage_usec'),
        at: { evidence: input.evidence, line: first.line },
      },
      problems: problems.all(),
    };
  },
};
