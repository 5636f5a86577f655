import type { IpSet } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

const most = 10_000;

/**
 * `ipset list -t` (ipset(8)): headers only; members of `ipset list` are passed over. Older versions do not count
 * entries. Nothing is printed for no set.
 */
export const ipset: Parser<readonly IpSet[]> = {
  kind: 'ipset',
  reads: 'ipset list -t',
  fact: 'ipsets',
  sample: `Name: KUBE-CLUSTER-IP
Type: hash:ip,port
Revision: 6
Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x3c5a1b2e
Size in memory: 1544
References: 3
Number of entries: 21

Name: cali40masq-ipam-pools
Type: hash:net
Revision: 7
Header: family inet hashsize 1024 maxelem 1048576
Size in memory: 504
References: 1
`,
  parse(input) {
    const problems = problemList();
    const sets: { set: { -readonly [Key in keyof IpSet]: IpSet[Key] }; typed: boolean }[] = [];
    let dropped = 0;
    let current: (typeof sets)[number] | undefined;
    let members = false;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') {
        members = false;
        continue;
      }
      if (members && !text.startsWith('Name: ')) continue;
      const colon = text.indexOf(': ');
      const key = text.slice(0, Math.max(0, colon));
      const value = text.slice(colon + 2).trim();
      if (text.trimEnd() === 'Members:') members = current !== undefined;
      else if (key === 'Name' && /^\S{1,31}$/.test(value)) {
        members = false;
        const at = { evidence: input.evidence, line };
        current = { set: { name: value, type: '', entries: null, maxEntries: null, at }, typed: false };
        if (sets.length < most) sets.push(current);
        else dropped++;
      } else if (current === undefined) problems.add(`not a line of ipset: ${excerpt(text)}`, line);
      else if (key === 'Type' && /^[a-z]+:[a-z0-9,]+$/.test(value)) {
        current.set.type = value;
        current.typed = true;
      } else if (key === 'Header') {
        const family = /(?:^| )family (inet6?)\b/.exec(value)?.[1];
        if (family !== undefined) current.set.family = family;
        current.set.maxEntries = count(/(?:^| )maxelem (\d+)/.exec(value)?.[1] ?? '') ?? null;
      } else if (key === 'Number of entries') current.set.entries = count(value) ?? null;
      else if (!/^(?:Revision|Size in memory|References|Default|Comment)$/.test(key))
        problems.add(`not a line of ipset: ${excerpt(text)}`, line);
    }
    const found = sets.filter(({ typed }) => typed).map(({ set }) => set);
    if (found.length === 0 && (!silentlyNone(input) || problems.all().length > 0))
      return nothingUsable(input, problems, 'ipset');
    if (dropped > 0) problems.add(`${dropped} more sets than the ${most} that are kept`);
    addStderr(input, problems);
    return { value: found, problems: problems.all() };
  },
};
