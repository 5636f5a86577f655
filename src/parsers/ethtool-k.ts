import type { At } from '../model/evidence.ts';
import type { DeviceFeatures } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { colonPairs } from './colon-pairs.ts';
import { problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';

/** `ethtool -k DEV` (ethtool(8)); versions before 3.3 have blanks in some names and say `Offload parameters`. */
export const ethtoolK: Parser<DeviceFeatures> = {
  kind: 'ethtool-k',
  reads: 'ethtool -k DEV',
  fact: 'nics',
  sample: `Features for v0:
rx-checksumming: on
tx-checksumming: on
	tx-checksum-ipv4: off [fixed]
	tx-checksum-ip-generic: on
tcp-segmentation-offload: on
large-receive-offload: off [fixed]
`,
  parse(input) {
    const problems = problemList();
    const features = new Map<string, { on: boolean; fixed: boolean; at: At }>();
    for (const { name, value, line } of colonPairs(input, problems)) {
      const match = /^(on|off)(?: \[(fixed|requested on|requested off|not requested)\])?$/.exec(value);
      if (match === null || !/^[a-z][a-z0-9_ -]{1,60}$/.test(name)) continue;
      features.set(name.replaceAll(' ', '-'), {
        on: match[1] === 'on',
        fixed: match[2] === 'fixed',
        at: { evidence: input.evidence, line },
      });
    }
    if (features.size === 0) return nothingUsable(input, problems, 'device features');
    addStderr(input, problems);
    return { value: Object.fromEntries(features), problems: problems.all() };
  },
};
