import type { NameLookup } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, stderrLines } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** getent(1): "one or more supplied key could not be found". Also what it ends with where no DNS server answered. */
const notFoundStatus = 2;
const most = 1000;

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
    let dropped = 0;
    let first: number | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      const [where = '', socket = ''] = words(text);
      if (where === '') continue;
      const canonical = address(where);
      if (canonical === undefined || !/^(?:STREAM|DGRAM|RAW|SEQPACKET)$/.test(socket)) {
        problems.add(`not an address: ${excerpt(text)}`, line);
        continue;
      }
      if (addresses.size < most) addresses.add(canonical);
      else if (!addresses.has(canonical)) dropped += 1;
      first ??= line;
    }
    const asked = input.argv.findIndex(
      (word, at) => word === 'ahosts' && /(?:^|\/)getent$/.test(input.argv[at - 1] ?? ''),
    );
    const name = asked === -1 ? '' : (input.argv[asked + 1] ?? '');
    if (input.exitCode === null && asked !== -1 && addresses.size === 0)
      return {
        value: { name, addresses: [], unanswered: true, at: { evidence: input.evidence } },
        problems: problems.all(),
      };
    const isNone = input.exitCode === notFoundStatus && asked !== -1;
    if (addresses.size === 0 && (!isNone || stderrLines(input).length > 0))
      return nothingUsable(input, problems, 'addresses');
    if (dropped > 0) problems.add(`${dropped} more addresses than the ${most} that are kept`);
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
