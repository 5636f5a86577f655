import type { At } from '../model/evidence.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** Which iptables a node has, and where its rules go. */
export interface IptablesVersion {
  readonly version: string;
  /** Versions before 1.8 do not say it: they are all `legacy`. */
  readonly backend: 'legacy' | 'nf_tables';
  readonly at: At;
}

/** `iptables -V` (iptables(8)): rules of the one backend are not seen by the other's tools. */
export const iptablesVersion: Parser<IptablesVersion> = {
  kind: 'iptables-version',
  reads: 'iptables -V | ip6tables -V',
  fact: null,
  sample: 'iptables v1.8.9 (nf_tables)\n',
  parse(input) {
    const problems = problemList();
    let value: IptablesVersion | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      const [, version, told] =
        /^ip6?tables v(\d[\w.-]{0,30})(?: \((legacy|nf_tables)\))?$/.exec(text.trim().slice(0, 100)) ?? [];
      if (version === undefined || value !== undefined) {
        problems.add(`not a version of iptables: ${excerpt(text)}`, line);
        continue;
      }
      const backend = told === 'nf_tables' ? 'nf_tables' : 'legacy';
      value = { version, backend, at: { evidence: input.evidence, line } };
    }
    if (value === undefined) return nothingUsable(input, problems, 'version of iptables');
    addStderr(input, problems);
    return { value, problems: problems.all() };
  },
};
