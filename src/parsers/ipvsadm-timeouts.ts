import type { Parser } from '../model/parser.ts';
import type { IpvsTimeouts } from './ipvs-parts.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/** The time-outs of IPVS, seconds. They are not sysctls: only this command tells them. */
export const ipvsadmTimeouts: Parser<IpvsTimeouts> = {
  kind: 'ipvsadm-timeouts',
  reads: 'ipvsadm -l --timeout',
  fact: 'ipvs',
  sample: 'Timeout (tcp tcpfin udp): 900 120 300\n',
  parse(input) {
    const problems = problemList();
    let value: IpvsTimeouts | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      const match = /^Timeout \(tcp tcpfin udp\): (\d{1,9}) (\d{1,9}) (\d{1,9})$/.exec(text.trim());
      if (match === null || value !== undefined) {
        problems.add(`not the time-outs of IPVS: ${excerpt(text)}`, line);
        continue;
      }
      const at = { evidence: input.evidence, line };
      value = { timeoutsSec: { tcp: Number(match[1]), tcpfin: Number(match[2]), udp: Number(match[3]), at } };
    }
    if (value === undefined) return nothingUsable(input, problems, 'time-outs of IPVS');
    addStderr(input, problems);
    return { value, problems: problems.all() };
  },
};
