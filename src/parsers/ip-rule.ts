import type { PolicyRule } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

const actions = new Set('blackhole unreachable prohibit nop goto nat masquerade throw'.split(' '));

/** The order in which routing tables are asked. */
export const ipRule: Parser<readonly PolicyRule[]> = {
  kind: 'ip-rule',
  reads: 'ip rule | ip -6 rule',
  fact: 'policyRules',
  sample: `0:	from all lookup local
999:	from all to 10.3.0.0/16 fwmark 0x4000/0x4000 iif v0 blackhole
1000:	from 10.9.0.77 lookup 100
32766:	from all lookup main
`,
  parse(input) {
    const problems = problemList();
    const rules: PolicyRule[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const [first = '', ...rest] = parts;
      const priority = first.endsWith(':') ? count(first.slice(0, -1)) : undefined;
      const after = (word: string): string | undefined => {
        const found = rest.indexOf(word);
        return found === -1 ? undefined : rest[found + 1];
      };
      const looked = after('lookup') ?? after('table');
      // busybox names a table for rules that have none (RT_TABLE_UNSPEC), in front of what they do.
      const table = looked === 'unspec' ? undefined : looked;
      const action = table === undefined ? rest.find((word) => actions.has(word)) : 'lookup';
      const from = after('from');
      if (priority === undefined || action === undefined || from === undefined) {
        problems.add(`not a rule of the routing policy: ${excerpt(text)}`, line);
        continue;
      }
      const [to, fwmark, iif, oif] = [after('to'), after('fwmark'), after('iif'), after('oif')];
      rules.push({
        priority,
        from,
        ...(to === undefined ? {} : { to }),
        ...(fwmark === undefined ? {} : { fwmark }),
        ...(iif === undefined ? {} : { iif }),
        ...(oif === undefined ? {} : { oif }),
        action,
        ...(table === undefined ? {} : { table }),
        text: rest.join(' '),
        at: { evidence: input.evidence, line },
      });
    }
    if (rules.length === 0) return nothingUsable(input, problems, 'rules of the routing policy');
    addStderr(input, problems);
    return { value: rules, problems: problems.all() };
  },
};
