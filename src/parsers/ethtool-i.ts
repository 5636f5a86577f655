import type { Driver } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { colonPairs } from './colon-pairs.ts';
import { problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';

/** `ethtool -i DEV` (ethtool(8)). */
export const ethtoolI: Parser<Driver> = {
  kind: 'ethtool-i',
  reads: 'ethtool -i DEV',
  fact: 'nics',
  sample: `driver: veth
version: 1.0
firmware-version: 
bus-info: 
supports-statistics: yes
`,
  parse(input) {
    const problems = problemList();
    const told = new Map(colonPairs(input, problems).map((pair) => [pair.name, pair]));
    const driver = told.get('driver');
    if (driver === undefined || driver.value === '') return nothingUsable(input, problems, 'driver');
    addStderr(input, problems);
    const filled = (name: string): string | undefined => told.get(name)?.value || undefined;
    const [version, firmwareVersion, busInfo] = [filled('version'), filled('firmware-version'), filled('bus-info')];
    return {
      value: {
        driver: driver.value,
        ...(version === undefined ? {} : { version }),
        ...(firmwareVersion === undefined ? {} : { firmwareVersion }),
        ...(busInfo === undefined ? {} : { busInfo }),
        at: { evidence: input.evidence, line: driver.line },
      },
      problems: problems.all(),
    };
  },
};
