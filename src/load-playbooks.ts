import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeIssue, readYaml, tellingFirst } from './config.ts';
import { includePlaybooks } from './engine/include-playbooks.ts';
import { lintPlaybook, type Registries } from './engine/playbook-set.ts';
import { Playbook } from './model/playbook.ts';

export interface PlaybookProblem {
  /** `file:line:column: what is wrong` */
  readonly text: string;
}

/** The playbooks that come with netcheck. */
export const ownPlaybooks = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'playbooks');

/**
 * Every `*.yaml` of netcheck's own playbooks and of the configured directories. A later directory may replace a
 * playbook of the same id, so that a team can tune one without a fork.
 *
 * @returns the playbooks that can be used, and everything that is wrong with the others
 */
export function readPlaybooks(
  directories: readonly string[],
  registries: Pick<Registries, 'collectors' | 'rules'>,
): {
  playbooks: ReadonlyMap<string, Playbook>;
  /** The file that each was read from. */
  files: ReadonlyMap<string, string>;
  problems: readonly PlaybookProblem[];
} {
  const playbooks = new Map<string, Playbook>();
  const files = new Map<string, string>();
  const problems: PlaybookProblem[] = [];
  const read: ReadPlaybook[] = [];
  const keep = ({ file }: ReadPlaybook, playbook: Playbook): void => {
    playbooks.set(playbook.id, playbook);
    files.set(playbook.id, file);
  };
  for (const directory of [ownPlaybooks, ...directories]) {
    if (!existsSync(directory)) {
      problems.push({ text: `${directory}: there is no such directory` });
      continue;
    }
    for (const name of readdirSync(directory)
      .filter((entry) => /\.ya?ml$/.test(entry))
      .sort()) {
      const file = path.join(directory, name);
      const shown = path.relative('', file);
      const { value, positionOf, problems: broken } = readYaml(readFileSync(file, 'utf8'));
      const parsed = Playbook.safeParse(value);
      if (broken.length > 0)
        problems.push(
          ...broken.map(({ line, column, message }) => ({ text: `${shown}:${line}:${column}: ${message}` })),
        );
      else if (!parsed.success)
        problems.push(
          ...tellingFirst(parsed.error.issues).flatMap((issue) =>
            describeIssue(issue, shown, positionOf, Playbook).map((text) => ({ text })),
          ),
        );
      else
        read.push({
          playbook: parsed.data,
          file,
          place: (at, message) => {
            const { line, column } = positionOf(at);
            return { text: `${shown}:${line}:${column}: ${message}` };
          },
        });
    }
  }
  const whole = read.filter(({ playbook }) => playbook.include.length === 0);
  const including = read.filter(({ playbook }) => playbook.include.length > 0);
  for (const one of whole) {
    const found = lintPlaybook(one.playbook, registries);
    problems.push(...found.map((message) => one.place(stepOf(message), message)));
    if (found.length === 0) keep(one, one.playbook);
  }
  const all = new Map([...playbooks, ...including.map(({ playbook }) => [playbook.id, playbook] as const)]);
  for (const one of including) {
    const included = includePlaybooks(one.playbook, all);
    const found = 'problem' in included ? [included.problem] : lintPlaybook(included.playbook, registries);
    // numbers in what lint says are those of the whole lists, not of the file
    problems.push(...found.map((message) => one.place(['include'], message)));
    if ('playbook' in included && found.length === 0) keep(one, included.playbook);
  }
  return { playbooks, files, problems };
}

interface ReadPlaybook {
  readonly playbook: Playbook;
  readonly file: string;
  readonly place: (at: readonly (string | number)[], message: string) => PlaybookProblem;
}

/** `collect[3] (sysctl): …` is about that step. */
function stepOf(message: string): readonly (string | number)[] {
  const step = /^(collect|rules)\[(\d+)\]/.exec(message);
  return step === null ? [] : [step[1] ?? '', Number(step[2])];
}
