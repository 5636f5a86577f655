import type { LinkSettings } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { colonPairs } from './colon-pairs.ts';
import { problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';

/** `ethtool DEV` (ethtool(8)). */
export const ethtool: Parser<LinkSettings> = {
  kind: 'ethtool',
  reads: 'ethtool DEV',
  fact: 'nics',
  sample: `Settings for eth0:
	Supported ports: [ TP ]
	Supported link modes:   10baseT/Half 10baseT/Full 
	                        1000baseT/Full 
	Speed: 1000Mb/s
	Duplex: Full
	Auto-negotiation: on
	Port: Twisted Pair
	Link detected: yes
`,
  parse(input) {
    const problems = problemList();
    const pairs = colonPairs(input, problems);
    const heading = pairs.find(({ name, value }) => name.startsWith('Settings for ') && value === '');
    const told = new Map(pairs.map(({ name, value }) => [name, value]));
    const [speed, duplex, negotiation, port, link] = [
      told.get('Speed'),
      told.get('Duplex'),
      told.get('Auto-negotiation'),
      told.get('Port'),
      told.get('Link detected'),
    ];
    const known = [speed, duplex, negotiation, port, link].some((value) => value !== undefined);
    if (heading === undefined || !known) return nothingUsable(input, problems, 'link settings');
    addStderr(input, problems);
    const megabits = /^(\d{1,7})Mb\/s$/.exec(speed ?? '')?.[1];
    return {
      value: {
        device: heading.name.slice('Settings for '.length),
        ...(speed === undefined ? {} : { speedMbitPerSec: megabits === undefined ? null : Number(megabits) }),
        ...(duplex === undefined ? {} : { duplex: duplex === 'Full' ? 'full' : duplex === 'Half' ? 'half' : null }),
        ...(negotiation === undefined ? {} : { autoNegotiation: negotiation === 'on' }),
        ...(port === undefined ? {} : { port }),
        ...(link === undefined ? {} : { linkDetected: link === 'yes' }),
        at: { evidence: input.evidence, line: heading.line },
      },
      problems: problems.all(),
    };
  },
};
