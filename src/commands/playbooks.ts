import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Options } from '../cli.ts';
import { closestNames } from '../engine/inventory.ts';
import { defaultPlaybook } from '../engine/playbook-set.ts';
import { NetcheckError } from '../model/errors.ts';
import { type PlaybookSource, renderPlaybookList, renderPlaybookReference } from '../report/playbook-reference.ts';
import { registriesFor, warnOf } from './registries-for.ts';
import { terminalOf } from './terminal-of.ts';

/** `netcheck playbooks [list|lint|show ID]`. Lint ends with 1 where something is wrong. */
export async function playbooks(args: readonly string[], options: Options): Promise<number> {
  const [verb = 'list', id] = args;
  const { registries, problems, language } = await registriesFor(options);
  const { playbooks: found, playbookFiles } = registries;
  const view = { ...terminalOf(process.stdout), language };
  if (verb !== 'lint') warnOf(problems);
  switch (verb) {
    case 'lint':
      for (const text of problems) process.stdout.write(`${text}\n`);
      process.stdout.write(`${found.size} playbooks in order, ${problems.length} problems\n`);
      return problems.length === 0 ? 0 : 1;
    case 'list':
      process.stdout.write(
        options.json
          ? `${JSON.stringify([...found.values()], null, 2)}\n`
          : renderPlaybookList([...found.values()], { defaultPlaybook }, view),
      );
      return 0;
    case 'show': {
      const playbook = id === undefined ? undefined : found.get(id);
      if (!playbook) {
        const close = id === undefined ? [] : closestNames(id, [...found.keys()]);
        throw new NetcheckError(
          'playbook/unknown-id',
          id === undefined ? 'netcheck playbooks show takes an id.' : `There is no playbook "${id.slice(0, 60)}".`,
          close.length > 0 ? `Did you mean ${close.join(', ')}?` : `There are: ${[...found.keys()].join(', ')}.`,
        );
      }
      const rules = new Map(
        [...registries.rules].map(([key, { text, fault }]) => [key, { title: text[language].title, fault }]),
      );
      process.stdout.write(
        options.json
          ? `${JSON.stringify(playbook, null, 2)}\n`
          : renderPlaybookReference(
              playbook,
              sourceOf(playbookFiles.get(playbook.id) ?? ''),
              { collectors: registries.collectors, rules, defaultPlaybook },
              view,
            ),
      );
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

/** The comment at the top of the file says what a playbook is for. */
function sourceOf(file: string): PlaybookSource {
  const lines = readFileSync(file, 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('#'));
  const about = lines
    .slice(0, end)
    .map((line) => line.replace(/^#+\s?/, ''))
    .join(' ');
  const near = path.relative('', file);
  return { about, file: near.startsWith('..') ? file : near };
}
