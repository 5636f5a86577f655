import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import * as z from 'zod';
import { plainCommandProblems } from './collectors/plain-command.ts';
import { closestNames } from './engine/inventory.ts';
import { noContext } from './engine/no-context.ts';
import { type CollectContext, type Collector, type Command, nothingLearned } from './model/command.ts';
import { Role } from './model/plan.ts';
import type { AnyRule } from './model/rule.ts';
import { pluginKit } from './plugin.ts';
import { factProblems, originProblems } from './rule-conventions.ts';

/** What netcheck has itself: a plug-in adds to it and takes nothing away. */
export interface OwnRegistries {
  readonly rules: ReadonlyMap<string, AnyRule>;
  readonly collectors: ReadonlyMap<string, Collector>;
  readonly parsers: ReadonlyMap<string, unknown>;
}

export interface Plugins {
  readonly rules: ReadonlyMap<string, AnyRule>;
  readonly collectors: ReadonlyMap<string, Collector>;
  /** Id -> the file that it came from. */
  readonly files: ReadonlyMap<string, string>;
  /** `file:line: what is wrong; what to do`. Where there is one, nothing of the plug-ins should be used. */
  readonly problems: readonly string[];
}

const Id = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'an id is kebab-case: letters, digits and "-"');
const isFunction = z.custom<(...args: never) => unknown>((value) => typeof value === 'function', 'is not a function');
const Schema = z.custom<z.ZodType>(
  (value) => typeof value === 'object' && value !== null && 'safeParse' in value,
  'is not a schema; for none: kit.z.strictObject({})',
);
const Facts = z.array(z.string());
const Text = z.looseObject({ title: z.string().min(1) });
const ruleShape = {
  id: Id,
  fault: z.string(),
  params: Schema,
  anyProtocol: z.literal(true).optional(),
  text: z.strictObject({ en: Text, zh: Text }),
  sources: z.array(z.string().min(1)),
  evaluate: isFunction,
};
const Rule = z.discriminatedUnion('scope', [
  z.strictObject({
    ...ruleShape,
    scope: z.literal('node'),
    roles: z.array(Role).min(1),
    needs: Facts,
    optional: Facts,
  }),
  z.strictObject({
    ...ruleShape,
    scope: z.literal('path'),
    needs: z.strictObject({ client: Facts, target: Facts }),
    optional: Facts,
  }),
  z.strictObject({ ...ruleShape, scope: z.literal('capture') }),
]);
const PlainCollector = z.strictObject({
  id: Id,
  purpose: z.string().min(10).max(160),
  params: Schema,
  when: z.enum(['once', 'delta', 'active', 'last'], 'is "once", "delta", "active" or "last" for a plug-in'),
  afterOthers: z.literal(true).optional(),
  provides: Facts.min(1),
  commands: isFunction,
});

const rooms = { rules: 'rule', collectors: 'collector' } as const;
type Room = keyof typeof rooms;

/**
 * Loads the plug-ins of some directories: `rules/*.ts|js|mjs`, each exporting `rule`, and `collectors/*`, each exporting
 * `collector`: functions that are given the {@link pluginKit}. Runs their code; nothing of netcheck's own can be
 * replaced.
 *
 * @param refused is told about a command that a collector gives in a run and that is not allowed: it is not run
 */
export async function readPlugins(
  directories: readonly string[],
  own: OwnRegistries,
  refused: (sentence: string) => void = (sentence) => process.stderr.write(`netcheck: ${sentence}\n`),
): Promise<Plugins> {
  const rules = new Map<string, AnyRule>();
  const collectors = new Map<string, Collector>();
  const files = new Map<string, string>();
  const problems: string[] = [];
  const kinds = new Set(own.parsers.keys());

  for (const directory of directories) {
    if (!Object.keys(rooms).some((room) => existsSync(path.join(directory, room)))) {
      problems.push(`${shown(directory)}: there is no plug-in; a plug-in has a directory rules/ or collectors/`);
      continue;
    }
    // Collectors first: rules may read what they give.
    for (const room of ['collectors', 'rules'] as const)
      for (const file of moduleFiles(path.join(directory, room))) {
        const source = readFileSync(file, 'utf8');
        const complain = (sentence: string, key?: string): void => {
          problems.push(`${shown(file)}:${lineOf(source, key)}: ${sentence}`);
        };
        const value = await made(file, room, problems, complain);
        if (value === undefined) continue;
        const id = idOf(value, file, room, complain);
        if (id === undefined) continue;
        const key = `${room} ${id}`;
        if (own[room].has(id)) complain(`"${id}" is netcheck's own ${rooms[room]}; give yours a name of its own`, 'id');
        else if (files.has(key)) complain(`"${id}" is already in ${shown(files.get(key) ?? '')}`, 'id');
        else if (room === 'collectors') {
          // the schema has proved the shape; what the functions do is looked at here, and again each time
          const collector = value as Collector;
          const wrong = collectorProblems(collector, kinds, own.collectors);
          for (const sentence of wrong) complain(sentence, sentence.split(':', 1)[0]);
          if (wrong.length > 0) continue;
          collectors.set(
            id,
            guarded(collector, kinds, (sentence) => refused(`${shown(file)}: ${sentence}`)),
          );
          files.set(key, file);
        } else {
          const rule = value as AnyRule;
          const wrong: readonly (readonly [key: string, sentence: string])[] = [
            ...originProblems(rule).map((one) => ['fault', one] as const),
            ...factProblems(rule, new Map([...own.collectors, ...collectors])).map((one) => ['needs', one] as const),
            ...(sameKeys(rule.text.en, rule.text.zh)
              ? []
              : [['text', 'text.en and text.zh do not have the same keys'] as const]),
          ];
          for (const [place, sentence] of wrong) complain(sentence, place);
          if (wrong.length > 0) continue;
          rules.set(id, rule);
          files.set(key, file);
        }
      }
  }
  return { rules, collectors, files, problems };
}

/** The id of a definition that has the right shape and stands in the file of that name. */
function idOf(
  value: unknown,
  file: string,
  room: Room,
  complain: (sentence: string, key?: string) => void,
): string | undefined {
  const parsed = (room === 'rules' ? Rule : PlainCollector).safeParse(value);
  if (!parsed.success) {
    for (const { path: where, message } of parsed.error.issues)
      complain(`${where.map(String).join('.') || rooms[room]}: ${message}`, String(where[0] ?? ''));
    return undefined;
  }
  const { id } = parsed.data;
  const { name, ext } = path.parse(file);
  if (name === id) return id;
  complain(`the file of "${id}" is called ${id}${ext}`, 'id');
  return undefined;
}

const sameKeys = (one: object, other: object): boolean =>
  Object.keys(one).sort().join('\n') === Object.keys(other).sort().join('\n');

/** The modules of a room; where one was compiled, the result and not its source. */
function moduleFiles(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory)
    .filter((name) => /\.(?:ts|mts|js|mjs)$/.test(name) && !/\.(?:d|test|cases)\.\w+$/.test(name))
    .sort();
  return names
    .filter((name) => !name.endsWith('ts') || !names.includes(name.replace(/ts$/, 'js')))
    .map((name) => path.join(directory, name));
}

const shown = (file: string): string => {
  const near = path.relative('', file);
  return near.startsWith('..') || near === '' ? file : near;
};

/** 1-based line of a key of the definition; 1 where it is not found. */
function lineOf(source: string, key: string | undefined): number {
  if (key === undefined || !/^\w+$/.test(key)) return 1;
  const index = source.split('\n').findIndex((line) => new RegExp(`^\\s*${key}\\s*[:(,]`).test(line));
  return index + 1 || 1;
}

async function made(
  file: string,
  room: Room,
  problems: string[],
  complain: (sentence: string) => void,
): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
    const make = module[rooms[room]];
    if (typeof make === 'function') return (make as (kit: typeof pluginKit) => unknown)(pluginKit);
    const close = closestNames(rooms[room], Object.keys(module));
    complain(
      `it exports no function "${rooms[room]}"${close.length > 0 ? ` (but ${close.join(', ')})` : ''}; write: export const ${rooms[room]} = (kit: PluginKit) => kit.define…`,
    );
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_FILE_EXTENSION')
      complain(
        'this Node does not read TypeScript; compile it (npx tsc -p .) or run netcheck with Node 22.18 or newer',
      );
    else problems.push(placeOf(error, file));
  }
  return undefined;
}

/** Where a module broke: a syntax error, an import that is not there, an exception of its own. */
function placeOf(error: unknown, file: string): string {
  const { message = String(error), stack = '' } = error instanceof Error ? error : {};
  const line =
    new RegExp(`${path.basename(file).replaceAll('.', '\\.')}(?:\\?[^:\\s]*)?:(\\d+)`).exec(stack)?.[1] ?? '1';
  return `${shown(file)}:${line}: it could not be loaded: ${(message.split('\n')[0] ?? '').slice(0, 300)}`;
}

/** Contexts that a collector is asked in before it is used, so that what is not allowed shows before a run. */
function* tryContexts(): Generator<CollectContext> {
  const common = {
    ...noContext,
    clientAddresses: ['192.0.2.77'],
    roles: Role.options,
  };
  const device = 'standdev0';
  for (const target of ['203.0.113.77', '2001:db8::77'])
    for (const protocol of ['tcp', 'udp'] as const)
      for (const learned of [
        nothingLearned,
        {
          ...nothingLearned,
          devices: [device],
          ways: [{ address: target, device }],
          listenerPids: ['4194301'],
          servers: [{ address: target, port: 64998 }],
        },
      ])
        yield { ...common, target, port: 64999, protocol, learned };
}

function collectorProblems(
  collector: Collector,
  kinds: ReadonlySet<string>,
  own: ReadonlyMap<string, Collector>,
): readonly string[] {
  const known = new Set(['ownValues', ...[...own.values()].flatMap(({ provides }) => provides)]);
  const problems = collector.provides
    .filter((fact) => !known.has(fact))
    .map((fact) => `provides: there is no fact "${fact}" (there are: ${[...known].sort().join(', ')})`);
  const params = collector.params.safeParse({});
  if (!params.success) return [...problems, 'params: every parameter of a plug-in needs a default'];
  const asRoot = new Set<string>();
  let asked = 0;
  for (const context of tryContexts()) {
    try {
      const commands = collector.commands(params.data, context);
      problems.push(...commandListProblems(commands, kinds));
      if (commands.length > 0) {
        asked += 1;
        asRoot.add(JSON.stringify(commands.filter(({ privilege }) => privilege === 'root').map(({ argv }) => argv)));
      }
    } catch (error) {
      problems.push(`commands: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (asked === 0 && problems.length === 0) problems.push('commands: it never gives a command');
  if (asRoot.size > 1)
    problems.push('commands: what needs root is the same in every run, so that sudoers can name it word by word');
  return [...new Set(problems)];
}

function commandListProblems(commands: unknown, kinds: ReadonlySet<string>): readonly string[] {
  if (!Array.isArray(commands)) return ['commands: it does not give a list of commands'];
  if (commands.length > 16) return [`commands: ${commands.length} at once are too many (16 at most)`];
  return commands.flatMap((command) => plainCommandProblems(command, kinds).map((one) => `commands: ${one}`));
}

/** The collector, whose commands are looked at again each time: what is not allowed is said and not run. */
function guarded(collector: Collector, kinds: ReadonlySet<string>, refused: (sentence: string) => void): Collector {
  return {
    ...collector,
    commands(params, context): readonly Command[] {
      try {
        const commands = collector.commands(params, context);
        const problems = commandListProblems(commands, kinds);
        if (problems.length === 0) return commands;
        for (const problem of problems) refused(`${problem}; nothing of it was run`);
      } catch (error) {
        refused(`commands: ${error instanceof Error ? error.message : String(error)}; nothing of it was run`);
      }
      return [];
    },
  };
}
