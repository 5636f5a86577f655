import type { At } from '../model/evidence.ts';
import type { Parser } from '../model/parser.ts';
import { decimal } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** The `uptimeSec` part of the clock fact. */
export interface Uptime {
  readonly uptimeSec: number;
  readonly at: At;
}

/** /proc/uptime (proc(5)): seconds since boot, seconds idle. */
export const procUptime: Parser<Uptime> = {
  kind: 'proc-uptime',
  reads: 'cat /proc/uptime',
  fact: 'clock',
  sample: '1333.58 2594.33\n',
  parse(input) {
    const problems = problemList();
    let value: Uptime | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const uptimeSec = parts.length === 2 && decimal(parts[1]) !== undefined ? decimal(parts[0]) : undefined;
      if (uptimeSec !== undefined && value === undefined) value = { uptimeSec, at: { evidence: input.evidence, line } };
      else problems.add(`not an uptime: ${excerpt(text)}`, line);
    }
    if (value === undefined) return nothingUsable(input, problems, 'uptime');
    addStderr(input, problems);
    return { value, problems: problems.all() };
  },
};
