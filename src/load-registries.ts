import path from 'node:path';
import { collectors } from './collectors/index.ts';
import type { LoadedConfig } from './config.ts';
import type { Registries } from './engine/playbook-set.ts';
import { readPlaybooks } from './load-playbooks.ts';
import { readPlugins } from './load-plugins.ts';
import { NetcheckError } from './model/errors.ts';
import type { RemedyNote } from './model/remedy-note.ts';
import type { Parser } from './model/parser.ts';
import { parsers } from './parsers/index.ts';
import { rules } from './rules/index.ts';

/** Everything that a run and its judge choose from. */
export interface LoadedRegistries extends Registries {
  readonly parsers: ReadonlyMap<string, Parser>;
  readonly remedyNotes: ReadonlyMap<string, readonly RemedyNote[]>;
  /** Where each playbook was read. */
  readonly playbookFiles: ReadonlyMap<string, string>;
  /** Rules and collectors of plug-ins: `rules ID` or `collectors ID` -> the file that it came from. */
  readonly pluginFiles: ReadonlyMap<string, string>;
}

/** netcheck's own, and what the configuration adds; with everything that is wrong with the latter. */
export async function readRegistries(
  loaded: Pick<LoadedConfig, 'config' | 'directory'> | undefined,
): Promise<{ readonly registries: LoadedRegistries; readonly problems: readonly string[] }> {
  const inConfigDirectory = (one: string): string => path.resolve(loaded?.directory ?? '', one);
  const own = { collectors, rules, parsers };
  const plugins = await readPlugins(loaded?.config.plugins.map(inConfigDirectory) ?? [], own);
  const all = {
    collectors: new Map([...collectors, ...plugins.collectors]),
    rules: new Map([...rules, ...plugins.rules]),
  };
  const { playbooks, remedyNotes, files, problems } = readPlaybooks(
    loaded?.config.playbooks.map(inConfigDirectory) ?? [],
    all,
  );
  return {
    registries: { ...all, parsers, playbooks, remedyNotes, playbookFiles: files, pluginFiles: plugins.files },
    problems: [...plugins.problems, ...problems.map(({ text }) => text)],
  };
}

/** @throws NetcheckError `playbook/invalid` with every problem, one line each */
export async function loadRegistries(loaded: Pick<LoadedConfig, 'config' | 'directory'>): Promise<LoadedRegistries> {
  const { registries, problems } = await readRegistries(loaded);
  if (problems.length > 0)
    throw new NetcheckError(
      'playbook/invalid',
      problems.join('\n'),
      'netcheck playbooks lint and netcheck rules check show the same; nothing was run.',
    );
  return registries;
}
