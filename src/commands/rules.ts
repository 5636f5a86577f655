import { existsSync, readFileSync } from 'node:fs';
import type { Options } from '../cli.ts';
import { closestNames } from '../engine/inventory.ts';
import { NetcheckError } from '../model/errors.ts';
import { languages } from '../model/language.ts';
import { renderTable } from '../report/table.ts';
import { rules as registry } from '../rules/index.ts';
import { terminalOf } from './terminal-of.ts';

/** `netcheck rules [list|show ID]` */
export function rules(args: readonly string[], options: Options): number {
  const [verb = 'list', id] = args;
  const language = languages.find((one) => one === options.lang) ?? 'en';
  if (verb === 'list') {
    const rows = [...registry.values()].map((rule) => ({
      id: rule.id,
      fault: rule.fault,
      judges: rule.scope === 'node' ? rule.roles.join(', ') : rule.scope,
      title: rule.text[language].title,
    }));
    if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    else
      process.stdout.write(
        `${renderTable(
          [{ header: 'rule' }, { header: 'fault' }, { header: 'judges' }, { header: 'what it finds' }],
          rows.map((row) => [row.id, row.fault, row.judges, row.title]),
          terminalOf(process.stdout),
        )}\n`,
      );
    return 0;
  }
  const rule = id === undefined ? undefined : registry.get(id);
  if (verb !== 'show' || !rule) {
    const close = id === undefined ? [] : closestNames(id, [...registry.keys()]);
    throw new NetcheckError(
      'usage/missing-argument',
      id === undefined ? 'netcheck rules takes list, or show and a rule.' : `There is no rule "${id.slice(0, 60)}".`,
      close.length > 0 ? `Did you mean ${close.join(', ')}?` : `There are: ${[...registry.keys()].join(', ')}.`,
    );
  }
  const page = new URL(`../../docs/rules/${rule.id}.md`, import.meta.url);
  process.stdout.write(existsSync(page) ? readFileSync(page, 'utf8') : `${rule.text[language].title}\n`);
  return 0;
}
