import type { IpvsConnection } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { endpoint } from './endpoint.ts';
import type { IpvsConnections } from './ipvs-parts.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** IPVS connection entries with the time until they expire (`mm:ss`, ipvsadm(8)). */
export const ipvsadmConnections: Parser<IpvsConnections> = {
  kind: 'ipvsadm-connections',
  reads: 'ipvsadm -Lnc',
  fact: 'ipvs',
  sample: `IPVS connection entries
pro expire state       source             virtual            destination
TCP 00:06  ESTABLISHED 10.98.0.60:37632   10.98.0.50:80      10.98.3.2:80
`,
  parse(input) {
    const problems = problemList();
    const connections: IpvsConnection[] = [];
    let header = false;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      if (text.startsWith('IPVS connection entries') || parts[0] === 'pro') {
        header = true;
        continue;
      }
      const [protocol = '', expires = '', state = '', ...ends] = parts;
      const [source, virtual, destination] = ends.slice(0, 3).map(endpoint);
      const [minutes, seconds] = expires.split(':').map(count);
      if (
        !/^[A-Z]{2,4}$/.test(protocol) ||
        minutes === undefined ||
        seconds === undefined ||
        source === undefined ||
        virtual === undefined ||
        destination === undefined
      ) {
        problems.add(`not a connection entry: ${excerpt(text)}`, line);
        continue;
      }
      const at = { evidence: input.evidence, line };
      const expireSec = minutes * 60 + seconds;
      connections.push({ protocol: protocol.toLowerCase(), state, expireSec, source, virtual, destination, at });
    }
    if (connections.length === 0 && (!header || problems.all().length > 0))
      return nothingUsable(input, problems, 'IPVS connection entries');
    addStderr(input, problems);
    return { value: { connections }, problems: problems.all() };
  },
};
