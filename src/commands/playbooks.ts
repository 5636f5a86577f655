import { existsSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Options } from '../cli.ts';
import { collectors } from '../collectors/index.ts';
import { configFileName, loadConfig } from '../config.ts';
import { readPlaybooks } from '../load-playbooks.ts';
import { NetcheckError } from '../model/errors.ts';
import { languages } from '../model/language.ts';
import { renderTable } from '../report/table.ts';
import { rules } from '../rules/index.ts';
import { terminalOf } from './terminal-of.ts';

/** `netcheck playbooks [list|lint|show ID]`. Lint ends with 1 where something is wrong. */
export function playbooks(args: readonly string[], options: Options): number {
  const [verb = 'list', id] = args;
  const { playbooks: found, problems } = readPlaybooks(configuredDirectories(options), { collectors, rules });
  const language = languages.find((one) => one === options.lang) ?? 'en';
  switch (verb) {
    case 'lint':
      for (const { text } of problems) process.stdout.write(`${text}\n`);
      process.stdout.write(`${found.size} playbooks in order, ${problems.length} problems\n`);
      return problems.length === 0 ? 0 : 1;
    case 'list': {
      const rows = [...found.values()].map((playbook) => [
        playbook.id,
        playbook.title[language],
        playbook.words[language].join(', '),
        String(playbook.rules.length),
      ]);
      if (options.json) process.stdout.write(`${JSON.stringify([...found.values()], null, 2)}\n`);
      else
        process.stdout.write(
          `${renderTable([{ header: 'playbook' }, { header: 'for' }, { header: 'chosen by' }, { header: 'rules' }], rows, terminalOf(process.stdout))}\n`,
        );
      return 0;
    }
    case 'show': {
      const playbook = id === undefined ? undefined : found.get(id);
      if (!playbook)
        throw new NetcheckError(
          'playbook/unknown-id',
          id === undefined ? 'netcheck playbooks show takes an id.' : `There is no playbook "${id.slice(0, 60)}".`,
          `There are: ${[...found.keys()].join(', ')}.`,
        );
      process.stdout.write(options.json ? `${JSON.stringify(playbook, null, 2)}\n` : stringify(playbook));
      return 0;
    }
    default:
      throw new NetcheckError(
        'usage/missing-argument',
        'netcheck playbooks takes list, lint, or show and an id.',
        'For example: netcheck playbooks show port-check',
      );
  }
}

function configuredDirectories(options: Options): readonly string[] {
  if (options.config === undefined && !existsSync(configFileName)) return [];
  const { config, directory } = loadConfig(options.config);
  return config.playbooks.map((one) => path.resolve(directory, one));
}
