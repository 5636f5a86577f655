import type { RingSizes } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { colonPairs } from './colon-pairs.ts';
import { count } from './number.ts';
import { problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';

/** `ethtool -g DEV` (ethtool(8)): what is possible, then what is set. */
export const ethtoolG: Parser<RingSizes> = {
  kind: 'ethtool-g',
  reads: 'ethtool -g DEV',
  fact: 'nics',
  sample: `Ring parameters for ens5:
Pre-set maximums:
RX:		16384
RX Mini:	n/a
RX Jumbo:	n/a
TX:		1024
Current hardware settings:
RX:		1024
RX Mini:	n/a
RX Jumbo:	n/a
TX:		1024
`,
  parse(input) {
    const problems = problemList();
    const sizes = { maximum: new Map<string, number | null>(), current: new Map<string, number | null>() };
    let section: 'maximum' | 'current' | undefined;
    let line: number | undefined;
    for (const pair of colonPairs(input, problems)) {
      if (pair.name === 'Pre-set maximums') section = 'maximum';
      else if (pair.name === 'Current hardware settings') {
        section = 'current';
        line = pair.line;
      } else if (section !== undefined && (pair.name === 'RX' || pair.name === 'TX')) {
        const size = pair.value === 'n/a' ? null : count(pair.value);
        if (size !== undefined) sizes[section].set(pair.name, size);
      }
    }
    if (line === undefined || sizes.current.size === 0) return nothingUsable(input, problems, 'ring sizes');
    addStderr(input, problems);
    const of = (one: ReadonlyMap<string, number | null>) => ({ rx: one.get('RX') ?? null, tx: one.get('TX') ?? null });
    return {
      value: { maximum: of(sizes.maximum), current: of(sizes.current), at: { evidence: input.evidence, line } },
      problems: problems.all(),
    };
  },
};
