import type { At } from '../model/evidence.ts';
import { CounterSnapshot } from '../model/node-audit.ts';
import type { Parser } from '../model/parser.ts';
import { jsonDocument } from './json-document.ts';
import { problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';

/** What an audit has kept of a node's counters: netcheck's own JSON, but a saved run may come from anywhere. */
export const lastAudit: Parser<CounterSnapshot & { readonly at: At }> = {
  kind: 'last-audit',
  reads: 'the counters that an audit keeps of a node (JSON)',
  fact: 'sinceAudit',
  sample: '{"readAtMs":1795228800000,"uptimeSec":86400,"values":{"TcpExt.ListenOverflows":12}}\n',
  parse(input) {
    const problems = problemList();
    const document = jsonDocument(input, problems);
    const parsed = CounterSnapshot.safeParse(document?.json);
    if (!parsed.success) return nothingUsable(input, problems, 'counters of an audit');
    addStderr(input, problems);
    return {
      value: { ...parsed.data, at: { evidence: input.evidence, line: document?.line ?? 1 } },
      problems: problems.all(),
    };
  },
};
