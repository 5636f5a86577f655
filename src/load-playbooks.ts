import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeIssue, readYaml, tellingFirst } from './config.ts';
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
      else {
        const found = lintPlaybook(parsed.data, registries);
        const place = (message: string): string => {
          const step = /^(collect|rules)\[(\d+)\]/.exec(message);
          const { line, column } = positionOf(step ? [step[1] ?? '', Number(step[2])] : []);
          return `${shown}:${line}:${column}: ${message}`;
        };
        problems.push(...found.map((message) => ({ text: place(message) })));
        if (found.length > 0) continue;
        playbooks.set(parsed.data.id, parsed.data);
        files.set(parsed.data.id, file);
      }
    }
  }
  return { playbooks, files, problems };
}
