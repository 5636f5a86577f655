import type { Features } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

type ModuleState = Features['modules'][string];
const moduleStates: readonly ModuleState[] = ['loaded', 'builtin', 'absent', 'unloadable'];

/**
 * The first look at a node: `uid N`, `tool NAME PATH|-`, `file PATH`, `module NAME loaded|builtin|absent|unloadable`,
 * one per line. No value without the uid line: it is the first that the script prints.
 */
export const look: Parser<Features> = {
  kind: 'look',
  reads: 'the first look at a node: account, tools, files and kernel modules that are there',
  fact: 'features',
  sample: `uid 1000
tool tcpdump /usr/sbin/tcpdump
tool ipvsadm -
file /proc/net/tcp
module tcp_diag builtin
module ip_vs absent
`,
  parse(input) {
    const problems = problemList();
    let account: { uid: number; line: number } | undefined;
    const tools = new Map<string, string | null>();
    const modules = new Map<string, ModuleState>();
    const files: string[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      const [word = '', name = '', ...rest] = text.trim().split(' ');
      const value = rest.join(' ');
      const uid = word === 'uid' && value === '' ? count(name) : undefined;
      const state = moduleStates.find((known) => known === value);
      if (uid !== undefined) account ??= { uid, line };
      else if (word === 'tool' && name !== '' && value !== '') tools.set(name, value === '-' ? null : value);
      else if (word === 'module' && name !== '' && state !== undefined) modules.set(name, state);
      else if (word === 'file' && name.startsWith('/')) files.push(value === '' ? name : `${name} ${value}`);
      else problems.add(`not a line of the look: ${excerpt(text)}`, line);
    }
    if (account === undefined) return nothingUsable(input, problems, 'account line of the look');
    addStderr(input, problems);
    return {
      value: {
        uid: account.uid,
        tools: Object.fromEntries(tools),
        modules: Object.fromEntries(modules),
        files,
        at: { evidence: input.evidence, line: account.line },
      },
      problems: problems.all(),
    };
  },
};
