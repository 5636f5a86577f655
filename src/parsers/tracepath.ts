import type { PathHop, TracedPath } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** tracepath(8) of iputils. The target is asked several times per hop: a hop may stand on several lines. */
export const tracepath: Parser<TracedPath> = {
  kind: 'tracepath',
  reads: 'tracepath -n TARGET',
  fact: 'tracedPaths',
  sample: ` 1?: [LOCALHOST]                      pmtu 1500
 1:  10.9.0.254                                            0.071ms 
 1:  10.9.0.254                                            0.040ms 
 2:  10.9.0.254                                            0.038ms pmtu 1400
 2:  no reply
 3:  10.10.0.2                                             0.062ms reached
     Resume: pmtu 1400 hops 3 back 3 
`,
  parse(input) {
    const problems = problemList();
    const hops: PathHop[] = [];
    let pmtu: number | null = null;
    let understood = false;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const told = count(parts[parts.indexOf('pmtu') + 1]);
      const hopPmtu = parts.includes('pmtu') ? told : undefined;
      const at = { evidence: input.evidence, line };
      const hop = count(/^(\d{1,3})\??:$/.exec(parts[0] ?? '')?.[1]);
      if (hop === undefined) {
        if (/^\s+(?:Resume:|Too many hops:)/.test(text)) {
          understood = true;
          if (hopPmtu !== undefined) pmtu = hopPmtu;
        } else {
          problems.add(`not a hop: ${excerpt(text)}`, line);
        }
        continue;
      }
      if (hopPmtu !== undefined) pmtu = hopPmtu;
      if (parts[1] === '[LOCALHOST]') {
        understood = true;
        continue;
      }
      const time = parts.find((part) => /^\d{1,9}\.\d{1,3}ms$/.test(part));
      const silent = parts[1] === 'no' && parts[2] === 'reply';
      if (!silent && time === undefined) {
        // `send failed`, `!H` and the like come without a time.
        problems.add(`no time for this hop: ${excerpt(text)}`, line);
        continue;
      }
      hops.push({
        hop,
        ...(silent ? {} : { host: parts[1] ?? '' }),
        ...(time === undefined ? {} : { rttMs: Number(time.slice(0, -2)) }),
        ...(hopPmtu === undefined ? {} : { pmtu: hopPmtu }),
        reached: parts.includes('reached'),
        at,
      });
    }
    if (hops.length === 0 && !understood) return nothingUsable(input, problems, 'hops');
    addStderr(input, problems);
    return { value: { hops, pmtu, reached: hops.some(({ reached }) => reached) }, problems: problems.all() };
  },
};
