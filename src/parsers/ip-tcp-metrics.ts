import type { TcpMetric } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { count, decimal } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/**
 * `ip tcp_metrics show` (ip-tcp_metrics(8)). Kernels before 4.12 add `tw_ts VALUE/AGE ago` (some versions
 * `…/AGEsec ago`): the last timestamp of that peer and how many seconds ago it was seen.
 */
export const ipTcpMetrics: Parser<readonly TcpMetric[]> = {
  kind: 'ip-tcp-metrics',
  reads: 'ip tcp_metrics show',
  fact: 'tcpMetrics',
  sample: `10.98.0.1 age 32.560sec tw_ts 4246596899/32 ago cwnd 10 rtt 957us rttvar 1914us source 10.98.0.50
10.98.0.60 age 18.130sec cwnd 10 source 10.98.0.50
`,
  parse(input) {
    const problems = problemList();
    const metrics: TcpMetric[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const peer = address(parts[0] ?? '');
      const after = (word: string): string | undefined => {
        const found = parts.indexOf(word);
        return found === -1 ? undefined : parts[found + 1];
      };
      const age = after('age');
      const ageSec = decimal(age?.endsWith('sec') === true ? age.slice(0, -3) : age);
      const remembered = after('tw_ts');
      const twTs = remembered === undefined ? undefined : timestampOf(remembered);
      if (peer === undefined || ageSec === undefined || (remembered !== undefined && twTs === undefined)) {
        problems.add(`not a metric of a peer: ${excerpt(text)}`, line);
        continue;
      }
      const at = { evidence: input.evidence, line };
      metrics.push({ address: peer, ageSec, ...(twTs === undefined ? {} : { twTs }), at });
    }
    if (metrics.length === 0 && !silentlyNone(input)) return nothingUsable(input, problems, 'TCP metrics');
    addStderr(input, problems);
    return { value: metrics, problems: problems.all() };
  },
};

function timestampOf(text: string): TcpMetric['twTs'] {
  const match = /^(\d{1,10})\/(\d{1,10})(?:sec)?$/.exec(text);
  const value = count(match?.[1]);
  const ageSec = count(match?.[2]);
  return value === undefined || ageSec === undefined ? undefined : { value, ageSec };
}
