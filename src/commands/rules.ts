import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { checkPlugins } from '../check-plugins.ts';
import type { Options } from '../cli.ts';
import { collectors } from '../collectors/index.ts';
import { closestNames } from '../engine/inventory.ts';
import type { Registries } from '../engine/playbook-set.ts';
import type { Collector } from '../model/command.ts';
import { NetcheckError } from '../model/errors.ts';
import type { FactName } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { Role } from '../model/plan.ts';
import type { AnyRule } from '../model/rule.ts';
import { readPage } from '../report/read-page.ts';
import {
  type FactUse,
  type Parameter,
  renderRuleList,
  renderRuleReference,
  type RuleReference,
} from '../report/rule-reference.ts';
import { parsers } from '../parsers/index.ts';
import { rules as ownRules } from '../rules/index.ts';
import { registriesFor, warnOf } from './registries-for.ts';
import { terminalOf } from './terminal-of.ts';

/** `netcheck rules [list|show ID|check DIR]`. Check ends with 1 where something is wrong. */
export async function rules(args: readonly string[], options: Options): Promise<number> {
  const [verb = 'list', id] = args;
  if (verb === 'check') return check(id, options);
  const { registries, problems, language } = await registriesFor(options);
  warnOf(problems);
  const view = { ...terminalOf(process.stdout), language };
  if (verb === 'list') {
    const all = [...registries.rules.values()].map((rule) => referenceOf(rule, registries, language));
    process.stdout.write(options.json ? `${JSON.stringify(all, null, 2)}\n` : renderRuleList(all, view));
    return 0;
  }
  const rule = id === undefined ? undefined : registries.rules.get(id);
  if (verb !== 'show' || !rule) {
    const close = id === undefined ? [] : closestNames(id, [...registries.rules.keys()]);
    throw new NetcheckError(
      'usage/missing-argument',
      id === undefined || verb !== 'show'
        ? 'netcheck rules takes list, show and a rule, or check and a directory.'
        : `There is no rule "${id.slice(0, 60)}".`,
      close.length > 0 ? `Did you mean ${close.join(', ')}?` : `There are: ${[...registries.rules.keys()].join(', ')}.`,
    );
  }
  const reference = referenceOf(rule, registries, language);
  const plugin = registries.pluginFiles.get(`rules ${rule.id}`);
  const page =
    plugin === undefined
      ? fileURLToPath(new URL(`../../docs/rules/${rule.id}.md`, import.meta.url))
      : plugin.replace(/\.\w+$/, '.md');
  process.stdout.write(
    options.json
      ? `${JSON.stringify(reference, null, 2)}\n`
      : renderRuleReference(reference, existsSync(page) ? readPage(readFileSync(page, 'utf8')) : undefined, view),
  );
  return 0;
}

/** A directory of plug-ins, held to what netcheck's own rules are held to. */
async function check(directory: string | undefined, options: Options): Promise<number> {
  if (directory === undefined)
    throw new NetcheckError(
      'usage/missing-argument',
      'netcheck rules check takes a directory of plug-ins.',
      'For example: netcheck rules check plugins',
    );
  const { plugins, cases, problems } = await checkPlugins(directory, { rules: ownRules, collectors, parsers });
  const found = { rules: [...plugins.rules.keys()], collectors: [...plugins.collectors.keys()], cases, problems };
  if (options.json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
  else {
    for (const text of problems) process.stdout.write(`${text}\n`);
    process.stdout.write(
      `${found.rules.length} rules (${found.rules.join(', ')}), ${found.collectors.length} collectors (${found.collectors.join(', ')}), ${cases} cases, ${problems.length} problems\n`,
    );
  }
  return problems.length === 0 ? 0 : 1;
}

/** A rule with what the registries say about it. */
export function referenceOf(
  rule: AnyRule,
  { collectors, playbooks, remedyNotes }: Registries,
  language: Language,
): RuleReference {
  const use = (fact: FactName, role?: Role): FactUse => ({
    fact,
    ...(role === undefined ? {} : { role }),
    givenBy: giversOf(fact, collectors),
  });
  return {
    id: rule.id,
    fault: rule.fault,
    title: rule.text[language].title,
    scope: rule.scope,
    roles: rule.scope === 'node' ? rule.roles : [],
    needs:
      rule.scope === 'capture'
        ? [use('capture')]
        : rule.scope === 'path'
          ? [
              ...rule.needs.client.map((fact) => use(fact, 'client')),
              ...rule.needs.target.map((fact) => use(fact, 'target')),
            ]
          : rule.needs.map((fact) => use(fact)),
    canUse: (rule.optional ?? []).map((fact) => use(fact)),
    parameters: parametersOf(rule.params),
    playbooks: [...playbooks.values()]
      .filter((one) => one.rules.some(({ use: id }) => id === rule.id))
      .map(({ id }) => id),
    sources: rule.sources,
    isOwn: ownRules.has(rule.id),
    remedyNotes: remedyNotes?.get(rule.id) ?? [],
  };
}

function giversOf(fact: FactName, collectors: ReadonlyMap<string, Collector>): readonly string[] {
  return [...collectors.values()].filter(({ provides }) => provides.includes(fact)).map(({ id }) => id);
}

const ObjectSchema = z.object({
  properties: z.record(z.string(), z.object({ default: z.unknown().optional() })).optional(),
});

/** Names and defaults of an object schema; nothing where it is something else. */
function parametersOf(schema: z.ZodType): readonly Parameter[] {
  const parsed = ObjectSchema.safeParse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  return Object.entries(parsed.data?.properties ?? {}).map(([name, property]) => ({
    name,
    ...('default' in property ? { default: property.default } : {}),
  }));
}
