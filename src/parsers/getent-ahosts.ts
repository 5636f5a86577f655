import type { NameLookup } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, stderrLines } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** getent(1): "one or more supplied key could not be found in the database". */
const notFoundStatus = 2;

/** `getent ahosts NAME` (getent(1), getaddrinfo(3)): each address stands there once per socket type. */
export const getentAhosts: Parser<NameLookup> = {
  kind: 'getent-ahosts',
  reads: 'getent ahosts NAME',
  fact: 'nameLookups',
  sample: `10.96.0.1       STREAM kubernetes.default.svc.cluster.local
10.96.0.1       DGRAM
10.96.0.1       RAW
fd00:10::1      STREAM
fd00:10::1      DGRAM
fd00:10::1      RAW
`,
  parse(input) {
    const problems = problemList();
    const addresses = new Set<string>();
    let first: number | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      const [where = '', socket = ''] = words(text);
      if (where === '') continue;
      const canonical = address(where);
      if (canonical === undefined || !/^(?:STREAM|DGRAM|RAW|SEQPACKET)$/.test(socket)) {
        problems.add(`not an address: ${excerpt(text)}`, line);
        continue;
      }
      addresses.add(canonical);
      first ??= line;
    }
    const [tool, database, name = ''] = input.argv;
    const isNone = input.exitCode === notFoundStatus && tool === 'getent' && database === 'ahosts';
    if (addresses.size === 0 && (!isNone || stderrLines(input).length > 0))
      return nothingUsable(input, problems, 'addresses');
    addStderr(input, problems);
    return {
      value: {
        name,
        addresses: [...addresses],
        at: { evidence: input.evidence, ...(first === undefined ? {} : { line: first }) },
      },
      problems: problems.all(),
    };
  },
};
