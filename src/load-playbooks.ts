import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as z from 'zod';
import { describeIssues, readYaml } from './config.ts';
import { includePlaybooks } from './engine/include-playbooks.ts';
import { lintPlaybook, type Registries, unknownId } from './engine/playbook-set.ts';
import { Additions, Playbook } from './model/playbook.ts';
import type { RemedyNote } from './model/remedy-note.ts';

export interface PlaybookProblem {
  /** `file:line:column: what is wrong` */
  readonly text: string;
}

/** The playbooks that come with netcheck. */
export const ownPlaybooks = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'playbooks');

/** What the playbook directories hold: playbooks, and what teams add to them and to the rules. */
export interface ReadPlaybooks {
  readonly playbooks: ReadonlyMap<string, Playbook>;
  readonly remedyNotes: ReadonlyMap<string, readonly RemedyNote[]>;
  /** The file that each playbook was read from. */
  readonly files: ReadonlyMap<string, string>;
  readonly problems: readonly PlaybookProblem[];
}

/**
 * Every `*.yaml` of netcheck's own playbooks and of the configured directories. A later directory may replace a
 * playbook of the same id, so that a team can tune one without a fork. A file without an `id` holds {@link Additions}.
 *
 * @returns the playbooks that can be used, and everything that is wrong with the others
 */
export function readPlaybooks(
  directories: readonly string[],
  registries: Pick<Registries, 'collectors' | 'rules'>,
): ReadPlaybooks {
  const playbooks = new Map<string, Playbook>();
  const files = new Map<string, string>();
  const remedyNotes = new Map<string, readonly RemedyNote[]>();
  const problems: PlaybookProblem[] = [];
  const found: { readonly read: YamlFile; readonly playbook: Playbook }[] = [];
  const additions: { readonly read: YamlFile; readonly value: Additions }[] = [];
  for (const directory of [ownPlaybooks, ...directories]) {
    if (!existsSync(directory)) {
      problems.push({ text: `${directory}: there is no such directory` });
      continue;
    }
    for (const name of readdirSync(directory)
      .filter((entry) => /\.ya?ml$/.test(entry))
      .sort()) {
      const read = readYamlFile(path.join(directory, name));
      problems.push(...read.problems);
      if (read.problems.length > 0) continue;
      if (isAdditions(read.value)) {
        const value = checked(Additions, read, problems);
        if (value !== undefined) additions.push({ read, value });
      } else {
        const playbook = checked(Playbook, read, problems);
        if (playbook !== undefined) found.push({ read, playbook });
      }
    }
  }
  const keep = ({ file }: YamlFile, playbook: Playbook): void => {
    playbooks.set(playbook.id, playbook);
    files.set(playbook.id, file);
  };
  const whole = found.filter(({ playbook }) => playbook.include.length === 0);
  const including = found.filter(({ playbook }) => playbook.include.length > 0);
  for (const { read, playbook } of whole) {
    const wrong = lintPlaybook(playbook, registries);
    problems.push(...wrong.map((message) => read.problem(stepOf(message), message)));
    if (wrong.length === 0) keep(read, playbook);
  }
  const all = new Map([...playbooks, ...including.map(({ playbook }) => [playbook.id, playbook] as const)]);
  for (const { read, playbook } of including) {
    const included = includePlaybooks(playbook, all);
    const wrong = 'problem' in included ? [included.problem] : lintPlaybook(included.playbook, registries);
    // numbers in what lint says are those of the whole lists, not of the file
    problems.push(...wrong.map((message) => read.problem(['include'], message)));
    if ('playbook' in included && wrong.length === 0) keep(read, included.playbook);
  }
  // After all playbooks: what is added to may stand in a later directory.
  for (const { read, value } of additions) {
    for (const [id, words] of Object.entries(value.symptomWords)) {
      const playbook = playbooks.get(id);
      if (playbook === undefined)
        problems.push(read.problem(['symptomWords', id], unknownId('playbook', id, playbooks.keys())));
      else playbooks.set(id, { ...playbook, words: joined(playbook.words, words) });
    }
    for (const [id, notes] of Object.entries(value.remedyNotes)) {
      if (registries.rules.has(id)) remedyNotes.set(id, [...(remedyNotes.get(id) ?? []), ...notes]);
      else problems.push(read.problem(['remedyNotes', id], unknownId('rule', id, registries.rules.keys())));
    }
  }
  return { playbooks, remedyNotes, files, problems };
}

/** `collect[3] (sysctl): …` is about that step. */
function stepOf(message: string): readonly (string | number)[] {
  const step = /^(collect|rules)\[(\d+)\]/.exec(message);
  return step === null ? [] : [step[1] ?? '', Number(step[2])];
}

interface YamlFile {
  readonly file: string;
  readonly value: unknown;
  readonly problems: readonly PlaybookProblem[];
  problem(place: readonly PropertyKey[], message: string): PlaybookProblem;
  issues(found: readonly z.core.$ZodIssue[], schema: z.ZodType): readonly PlaybookProblem[];
}

function readYamlFile(file: string): YamlFile {
  const shown = path.relative('', file);
  const { value, positionOf, problems } = readYaml(readFileSync(file, 'utf8'));
  return {
    file,
    value,
    problems: problems.map(({ line, column, message }) => ({ text: `${shown}:${line}:${column}: ${message}` })),
    problem(place, message) {
      const { line, column } = positionOf(place);
      return { text: `${shown}:${line}:${column}: ${message}` };
    },
    issues: (found, schema) => describeIssues(found, shown, positionOf, schema).map((text) => ({ text })),
  };
}

/** The value where it is as it should be; else what is wrong goes to `problems`. */
function checked<Schema extends z.ZodType>(
  schema: Schema,
  read: YamlFile,
  problems: PlaybookProblem[],
): z.output<Schema> | undefined {
  const parsed = schema.safeParse(read.value);
  if (parsed.success) return parsed.data;
  problems.push(...read.issues(parsed.error.issues, schema));
  return undefined;
}

/** Additions name no playbook of their own. */
function isAdditions(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !('id' in value) &&
    ('symptomWords' in value || 'remedyNotes' in value)
  );
}

function joined(words: Playbook['words'], more: Playbook['words']): Playbook['words'] {
  return { en: [...new Set([...words.en, ...more.en])], zh: [...new Set([...words.zh, ...more.zh])] };
}
