import type { HostsLine } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

const most = 5000;
const mostNames = 200;

/** /etc/hosts (hosts(5)): names that are known without DNS. */
export const hosts: Parser<readonly HostsLine[]> = {
  kind: 'hosts',
  reads: 'cat /etc/hosts',
  fact: 'resolver',
  sample: `127.0.0.1	localhost
# Kubernetes-managed hosts file.
::1	localhost ip6-localhost ip6-loopback
10.244.1.7	web-0.web.default.svc.cluster.local	web-0
`,
  parse(input) {
    const problems = problemList();
    const lines: HostsLine[] = [];
    let comments = 0;
    let dropped = 0;
    for (const { text, line } of outputLines(input, problems)) {
      const comment = text.indexOf('#');
      if (comment !== -1) comments++;
      const [where = '', ...names] = words(comment === -1 ? text : text.slice(0, comment));
      if (where === '') continue;
      const canonical = address(where);
      if (
        canonical === undefined ||
        names.length === 0 ||
        names.slice(0, mostNames).some((name) => name.length > 255)
      ) {
        problems.add(`not a line of hosts: ${excerpt(text)}`, line);
      } else if (lines.length < most) {
        if (names.length > mostNames) problems.add(`${names.length} names: only ${mostNames} of them are kept`, line);
        lines.push({ address: canonical, names: names.slice(0, mostNames), at: { evidence: input.evidence, line } });
      } else dropped++;
    }
    if (
      lines.length === 0 &&
      !silentlyNone(input) &&
      (comments === 0 || input.exitCode !== 0 || problems.all().length > 0)
    )
      return nothingUsable(input, problems, 'names');
    if (dropped > 0) problems.add(`${dropped} more lines than the ${most} that are kept`);
    addStderr(input, problems);
    return { value: lines, problems: problems.all() };
  },
};
