import type { At } from '../model/evidence.ts';
import type { OwnValue } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** Names that are kept; what has more is not a status. */
const most = 1000;
const nameCharacters = 120;
const valueCharacters = 400;

/**
 * What shells, sudo and tools print instead of an answer, in English or as `program: what: why` in any language; it has
 * the shape of a value as well.
 */
const complaint =
  /^[\w./-]+: .*: |not found|未找到命令|no such (?:file|device)|denied|not permitted|password is required|no tty|a tty to|can(?:no|')t |cannot |not available|not supported|not compiled|operation failed|must be root|is unknown|not in the sudoers|closed by|^(?:error|fatal|sudo|usage)\b/i;

/**
 * `name: value` or `name=value`, one per line: the shape of systemctl show, chronyc tracking, ethtool and of most status
 * commands. For the collectors of plug-ins, which have no parser of their own. Of a name that stands twice the first
 * counts.
 */
export const keyValues: Parser<Readonly<Record<string, OwnValue>>> = {
  kind: 'key-values',
  reads: 'lines of "name: value" or "name=value", for collectors of plug-ins',
  fact: 'ownValues',
  sample: `Reference ID    : C0A80001 (ntp.example.com)
Stratum         : 3
System time     : 0.000012345 seconds slow of NTP time
Leap status     : Normal
ActiveState=active
`,
  parse(input) {
    const problems = problemList();
    const found = new Map<string, { value: string; at: At }>();
    if (input.exitCode !== 0) return nothingUsable(input, problems, 'values of a command that came to its end');
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      const mark = text.search(/[:=]/);
      const name = text.slice(0, Math.max(0, Math.min(mark, nameCharacters + 1))).trim();
      const isPair = mark !== -1 && /^[\p{L}\p{N}_][^\p{C}]*$/u.test(name) && name.length <= nameCharacters;
      if (!isPair || (found.size === 0 && complaint.test(text.slice(0, 1000))))
        problems.add(`not "name: value": ${excerpt(text)}`, line);
      else if (found.size >= most) {
        problems.add(`the output has more than ${most} names; only those were kept`, line);
        break;
      } else if (!found.has(name)) {
        const value = text.slice(mark + 1, mark + 1 + valueCharacters).trim();
        found.set(name, { value, at: { evidence: input.evidence, line } });
      }
    }
    if (found.size === 0) return nothingUsable(input, problems, 'lines of "name: value"');
    addStderr(input, problems);
    return { value: Object.fromEntries(found), problems: problems.all() };
  },
};
