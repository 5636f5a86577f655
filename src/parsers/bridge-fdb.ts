import type { FdbEntry } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

const most = 20_000;

/** `bridge fdb show` (bridge(8)): which MAC is behind which port or VTEP. */
export const bridgeFdb: Parser<readonly FdbEntry[]> = {
  kind: 'bridge-fdb',
  reads: 'bridge fdb show',
  fact: 'fdb',
  sample: `33:33:00:00:00:01 dev eth0 self permanent
0a:58:0a:f4:00:05 dev veth1a2b master cni0
6e:2b:11:7f:ab:01 dev flannel.1 dst 192.168.7.12 self permanent
`,
  parse(input) {
    const problems = problemList();
    const entries: FdbEntry[] = [];
    let dropped = 0;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      const [mac = ''] = parts;
      if (mac === '') continue;
      const after = (word: string): string | undefined => {
        const at = parts.indexOf(word, 1);
        return at === -1 ? undefined : parts[at + 1];
      };
      const device = after('dev');
      if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(mac) || device === undefined || !/^\S{1,15}$/.test(device)) {
        problems.add(`not an entry of a forwarding table: ${excerpt(text)}`, line);
        continue;
      }
      if (entries.length >= most) {
        dropped++;
        continue;
      }
      const destination = address(after('dst') ?? '');
      const master = after('master');
      const state = parts.find((part) => part === 'permanent' || part === 'static' || part === 'stale');
      entries.push({
        mac,
        device,
        ...(destination === undefined ? {} : { destination }),
        ...(master === undefined ? {} : { master }),
        ...(state === undefined ? {} : { state }),
        at: { evidence: input.evidence, line },
      });
    }
    if (entries.length === 0 && (!silentlyNone(input) || problems.all().length > 0))
      return nothingUsable(input, problems, 'forwarding table');
    if (dropped > 0) problems.add(`${dropped} more entries than the ${most} that are kept`);
    addStderr(input, problems);
    return { value: entries, problems: problems.all() };
  },
};
