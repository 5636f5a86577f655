import type { At } from '../model/evidence.ts';
import type { NameServiceSwitch } from '../model/node-facts.ts';
import type { Parser } from '../model/parser.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** The databases of nsswitch.conf(5) and of sudo, automount and shadow. */
const databases = new Set(
  (
    'aliases automount bootparams ethers group gshadow hosts initgroups ipnodes netgroup netmasks networks passwd ' +
    'passwd_compat group_compat shadow_compat project protocols publickey rpc sendmailvars services shadow subid sudoers'
  ).split(' '),
);

/** nsswitch.conf(5). What matters here is `hosts`: whether DNS is asked at all, and before or after /etc/hosts. */
export const nsswitch: Parser<NameServiceSwitch> = {
  kind: 'nsswitch',
  reads: 'cat /etc/nsswitch.conf',
  fact: 'resolver',
  sample: `# /etc/nsswitch.conf
passwd:         files systemd
hosts:          files mdns4_minimal [NOTFOUND=return] dns
networks:       files
`,
  parse(input) {
    const problems = problemList();
    const found = new Map<string, { sources: readonly string[]; at: At }>();
    for (const { text, line } of outputLines(input, problems)) {
      const comment = text.indexOf('#');
      const bare = (comment === -1 ? text : text.slice(0, comment)).trim();
      if (bare === '') continue;
      const colon = bare.indexOf(':');
      const database = bare.slice(0, Math.max(0, colon)).trim();
      const rest = bare.slice(colon + 1, colon + 1000);
      const sources = words(
        rest.replaceAll(/\[\s*([^[\]]{1,80}?)\s*\]/g, (_all, inner: string) => `[${inner.replaceAll(/\s+/g, ',')}]`),
      );
      if (
        !databases.has(database) ||
        !sources.every((source) => /^(?:[A-Za-z0-9_-]+|\[[!A-Za-z=,]+\])$/.test(source))
      ) {
        problems.add(`not a line of nsswitch.conf: ${excerpt(text)}`, line);
      } else {
        found.set(database, { sources, at: { evidence: input.evidence, line } });
      }
    }
    if (found.size === 0) return nothingUsable(input, problems, 'databases of nsswitch.conf');
    addStderr(input, problems);
    return { value: Object.fromEntries(found), problems: problems.all() };
  },
};
