import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Document, isMap, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import * as z from 'zod';
import { cronProblem, timeZoneProblem } from './cron.ts';
import { accessActions, namedActions } from './model/access-action.ts';
import { AlertSettings } from './model/alert-settings.ts';
import { NetcheckError } from './model/errors.ts';
import { InventoryNode, IpAddress, NodeName, Port } from './model/inventory.ts';
import { languages } from './model/language.ts';
import { Budget } from './model/plan.ts';
import { nameOf } from './schedules.ts';

/** `250ms`, `8s`, `2m`, `1h` as people write it -> milliseconds. */
const Duration = z
  .string()
  .regex(/^\d{1,7}(ms|s|m|h)$/, 'a duration is a number with ms, s, m or h, for example 8s')
  .transform(
    (text) =>
      Number.parseInt(text, 10) *
      (text.endsWith('ms') ? 1 : text.endsWith('s') ? 1000 : text.endsWith('m') ? 60_000 : 3_600_000),
  );

const OneOrMore = z.union([
  z
    .string()
    .min(1)
    .transform((one) => [one]),
  z.array(z.string().min(1)),
]);

const ConfigNode = z.strictObject({
  address: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[A-Za-z0-9_.:][A-Za-z0-9_.:-]*$/, 'an IP address or a host name'),
  target: IpAddress.optional(),
  serves: z.array(IpAddress).default([]),
  port: Port.optional(),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_.-]*\$?$/i, 'a user name')
    .optional(),
  jump: z
    .string()
    .regex(/^[A-Za-z0-9_.@:-]+$/, 'the name of a node, or [user@]host[:port]')
    .optional(),
  labels: z.record(z.string(), z.string()).default({}),
  sudo: z.boolean().optional(),
});

/**
 * One grant of `access`: who may do what about which nodes, and where. No `access` at all: everybody in the workspace may.
 * What a grant leaves out it does not restrict; `*` at the end of a word stands for any rest.
 */
const Grant = z.strictObject({
  /** Slack user ids; `alert` and `schedule:NAME` stand for what no person asked. With `groups`: either is enough. */
  users: z.array(z.string().min(1)).optional(),
  /** Slack user groups: `@handle` or the id. */
  groups: z
    .array(
      z.string().regex(/^(@?[\p{L}\p{N}][\p{L}\p{N}._-]{0,79})$/u, 'a user group is written @handle, or as its id'),
    )
    .optional(),
  channels: z
    .array(z.string().regex(/^[^#\s]+$/u, 'a channel is written as its id (C0123ABCD, at the bottom of its details)'))
    .optional(),
  /** Node names. */
  nodes: z.array(z.string().min(1)).optional(),
  /** Every node must carry all of these labels, each with one of the values. */
  labels: z.record(z.string(), OneOrMore).optional(),
  playbooks: z.array(z.string().min(1)).optional(),
  actions: z.array(z.enum(accessActions)).optional(),
});
export type Grant = z.infer<typeof Grant>;

/** Text that `problemOf` finds nothing wrong with. */
const checked = (problemOf: (text: string) => string | undefined): z.ZodType<string> =>
  z.string().superRefine((text, context) => {
    const problem = problemOf(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

/** What is done by the clock, see docs/schedules.md. */
const ScheduleConfig = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,39}$/, 'a name has letters, digits and "-", at most 40')
      .optional(),
    cron: checked(cronProblem),
    timeZone: checked(timeZoneProblem).default('UTC'),
    /** A question, as it would be typed. */
    ask: z.string().min(1).max(500).optional(),
    /** Id of the playbook of an audit … */
    audit: z.string().min(1).max(100).optional(),
    /** … and of which nodes; every node where it is left out. */
    nodes: z.string().min(1).max(2000).optional(),
    channel: z.string().regex(/^[CG][A-Z0-9]{2,20}$/, 'a channel is written as its id (C0123ABCD)'),
    language: z.enum(languages).optional(),
    summary: z.union([z.enum(['weekly', 'none']), checked(cronProblem)]).default('weekly'),
  })
  .superRefine(({ ask, audit, nodes }, context) => {
    const say = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if ((ask === undefined) === (audit === undefined))
      say(ask === undefined ? 'cron' : 'ask', 'a schedule says either ask (a question) or audit (a playbook)');
    if (nodes !== undefined && ask !== undefined) say('nodes', 'nodes goes with audit; a question names its own');
  });

/** netcheck.yaml. Strict: people write it. Secrets are not in it, they come from the environment. */
export const Config = z.strictObject({
  nodes: z.record(NodeName, ConfigNode).default({}),
  targets: z.strictObject({ external: z.boolean().default(false) }).prefault({}),
  sshConfig: z.boolean().default(false),
  ssh: z
    .strictObject({
      identity: OneOrMore.optional(),
      agent: z.boolean().default(true),
      knownHosts: OneOrMore.optional(),
      user: z
        .string()
        .regex(/^[a-z_][a-z0-9_.-]*\$?$/i, 'a user name')
        .optional(),
      sudo: z.boolean().default(false),
      timeouts: z
        .strictObject({
          connect: Duration.default(8000),
          keepalive: Duration.default(5000),
          idle: Duration.default(30_000),
        })
        .prefault({}),
    })
    .prefault({}),
  defaults: z
    .strictObject({
      probeFrom: z.array(NodeName).default([]),
      budget: z
        .strictObject({
          wall: Duration.default(60_000),
          window: Duration.default(12_000),
          maxPackets: Budget.shape.maxPackets,
          maxCaptureBytes: Budget.shape.maxCaptureBytes,
          maxOutputBytes: Budget.shape.maxOutputBytes,
        })
        .prefault({}),
    })
    .prefault({}),
  access: z.array(Grant).optional(),
  /** Whether a remedy may be tried from Slack, by two people, see docs/changes.md. */
  remedies: z.strictObject({ apply: z.boolean().default(false) }).prefault({}),
  playbooks: z.array(z.string().min(1)).default([]),
  /** Directories of plug-ins; their code runs inside netcheck. */
  plugins: z.array(z.string().min(1)).default([]),
  language: z.enum(languages).default('en'),
  /** Pods and Services are looked up through its API; `kubernetes: {}` uses the service account of this pod. */
  kubernetes: z.strictObject({ kubeconfig: z.string().optional(), context: z.string().optional() }).optional(),
  schedules: z.array(ScheduleConfig).max(200).optional(),
  /** What to do with alerts that come in over HTTP (`NETCHECK_ALERT_TOKEN`). */
  alerts: AlertSettings.prefault({}),
  slack: z
    .strictObject({
      command: z
        .string()
        .regex(/^\/[a-z0-9_-]{1,31}$/)
        .default('/netcheck'),
      httpPort: Port.default(3000),
    })
    .prefault({}),
  /** Names for sets of nodes, to be used in selectors: a selector (`role=web,rack!=r9`), or a list of them that add up. */
  groups: z
    .record(
      NodeName,
      z.union([
        z.string().min(1),
        z
          .array(z.string().min(1))
          .min(1)
          .transform((parts) => parts.join(' ')),
      ]),
    )
    .default({}),
  audit: z
    .strictObject({
      /** Nodes that one process looks at side by side. */
      concurrency: z.number().int().min(1).max(512).default(32),
      /** Labels by which nodes are compared: a node with those that have the same value of each. */
      compareBy: z.array(z.string().min(1)).max(5).default(['role']),
      /** Audits of one playbook and selector that are kept for comparison. */
      keep: z.number().int().min(1).max(1000).default(30),
    })
    .prefault({}),
  /** Where the private Redis, saved runs and the audit log live. */
  data: z.string().min(1).default('.netcheck'),
  workers: z
    .strictObject({
      concurrency: z.number().int().min(1).max(100).default(4),
      runsPerNode: z.number().int().min(1).max(10).default(2),
    })
    .prefault({}),
});
export type Config = z.infer<typeof Config>;

/** A configuration with where it came from: relative paths in it are relative to the file. */
export interface LoadedConfig {
  readonly config: Config;
  readonly file: string | null;
  readonly directory: string;
}

export const configFileName = 'netcheck.yaml';

/**
 * Reads the file that was named, or netcheck.yaml of this directory, or /etc/netcheck/netcheck.yaml.
 *
 * @throws NetcheckError `config/not-found`; `config/invalid` with one `file:line:column: what is wrong` per line
 */
export function loadConfig(named: string | undefined): LoadedConfig {
  const candidates = named === undefined ? [configFileName, `/etc/netcheck/${configFileName}`] : [named];
  const file = candidates.find((candidate) => existsSync(candidate));
  if (file === undefined)
    throw new NetcheckError(
      'config/not-found',
      named === undefined ? `There is no ${configFileName} here.` : `There is no file ${named}.`,
      'Name the configuration with --config FILE; the README shows a small one.',
    );
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new NetcheckError(
      'config/not-found',
      `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
      'Check the path and its permissions.',
      { cause },
    );
  }
  return { config: parseConfig(text, file), file, directory: path.dirname(path.resolve(file)) };
}

/** @throws NetcheckError `config/invalid` */
export function parseConfig(text: string, file: string): Config {
  const { value, positionOf, problems } = readYaml(text);
  if (problems.length > 0)
    throw invalid(problems.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`));
  const parsed = Config.safeParse(value ?? {});
  if (!parsed.success) throw invalid(describeIssues(parsed.error.issues, file, positionOf, Config));
  const { nodes, defaults } = parsed.data;
  const strangers = defaults.probeFrom.filter((name) => !Object.hasOwn(nodes, name) && !parsed.data.sshConfig);
  if (strangers.length > 0) {
    const { line, column } = positionOf(['defaults', 'probeFrom']);
    throw invalid([
      `${file}:${line}:${column}: defaults.probeFrom names ${strangers.join(', ')}, and nodes does not (there are: ${Object.keys(nodes).join(', ') || 'none'})`,
    ]);
  }
  const { access, remedies } = parsed.data;
  const missing = namedActions.filter((action) => !access?.some(({ actions }) => actions?.includes(action)));
  if (remedies.apply && missing.length > 0) {
    const { line, column } = positionOf(['remedies', 'apply']);
    throw invalid([
      `${file}:${line}:${column}: remedies.apply: no grant of access names the action ${missing.join(' and ')}, so nobody could; docs/changes.md shows one that does`,
    ]);
  }
  const names = (parsed.data.schedules ?? []).map(nameOf);
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice !== -1) {
    const { line, column } = positionOf(['schedules', twice]);
    throw invalid([
      `${file}:${line}:${column}: schedules.${twice}: another schedule is called "${names[twice]}"; give it a name of its own`,
    ]);
  }
  return parsed.data;
}

function invalid(lines: readonly string[]): NetcheckError {
  return new NetcheckError('config/invalid', lines.join('\n'), 'The README lists every key; nothing was run.');
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** YAML text -> value, the place of every path in it, and what the YAML itself has wrong. */
export function readYaml(text: string): {
  value: unknown;
  positionOf: (path: readonly PropertyKey[]) => Position;
  problems: readonly (Position & { message: string })[];
} {
  const lines = new LineCounter();
  // yaml compares every key with every other: 14 s for an inventory of 50 000 nodes
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const wrong: readonly YamlProblem[] =
    document.errors.length > 0
      ? document.errors.map(({ pos: [offset], message }) => ({ offset, message }))
      : [...keysTwice(document), ...deadAliases(document)];
  const read = wrong.length > 0 ? { value: undefined, problems: wrong } : unfolded(document);
  return {
    value: read.value,
    problems: read.problems.slice(0, mostProblems).map(({ offset, message }) => ({
      ...place(offset),
      message: message.startsWith('Maximum call stack') ? 'it is nested too deeply' : message,
    })),
    positionOf(path) {
      // The key where there is one (that is where the eye goes), else the nearest parent.
      for (let length = path.length; length > 0; length--) {
        const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
        const key = path[length - 1];
        if (isMap(parent)) {
          const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
          if (pair && isScalar(pair.key) && pair.key.range) return place(pair.key.range[0]);
        }
        const node = document.getIn(path.slice(0, length), true) as { range?: [number, number, number] } | undefined;
        if (node?.range) return place(node.range[0]);
      }
      return { line: 1, column: 1 };
    },
  };
}

interface YamlProblem {
  /** In characters from the start. */
  readonly offset: number;
  readonly message: string;
}
function keysTwice(document: Document): readonly YamlProblem[] {
  const found: YamlProblem[] = [];
  visit(document, {
    Map(_key, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) found.push({ offset: key.range?.[0] ?? 0, message: `${key.source} is there twice` });
        seen.add(key.value);
      }
    },
  });
  return found;
}

/** Aliases that lead nowhere. */
function deadAliases(document: Document): readonly YamlProblem[] {
  const found: YamlProblem[] = [];
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) === undefined)
        found.push({
          offset: alias.range?.[0] ?? 0,
          message: `*${alias.source}: there is no &${alias.source} before it`,
        });
    },
  });
  return found;
}

/** The value with its aliases in place; yaml throws where that is more of the same than any memory holds. */
function unfolded(document: Document): { readonly value: unknown; readonly problems: readonly YamlProblem[] } {
  try {
    return { value: document.toJS({ maxAliasCount: 100 }), problems: [] };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { value: undefined, problems: [{ offset: 0, message }] };
  }
}

/** More are not told: whoever mended these sees the others. */
const mostProblems = 20;

/**
 * zod's issues as `file:line:column: where: what is wrong, what is allowed`. A misspelt key makes another one missing: the
 * misspelling is what the person wants to read first.
 */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  file: string,
  positionOf: (path: readonly PropertyKey[]) => Position,
  schema: z.ZodType,
): readonly string[] {
  const ordered = [...issues].sort(
    (a, b) => Number(b.code === 'unrecognized_keys') - Number(a.code === 'unrecognized_keys'),
  );
  const told = ordered.slice(0, mostProblems).flatMap((issue) => describeIssue(issue, file, positionOf, schema));
  const left = issues.length - mostProblems;
  return left > 0 ? [...told, `${file}: and ${left} more`] : told;
}

function describeIssue(
  issue: z.core.$ZodIssue,
  file: string,
  positionOf: (path: readonly PropertyKey[]) => Position,
  schema: z.ZodType,
): readonly string[] {
  const at = (path: readonly PropertyKey[]): string => {
    const { line, column } = positionOf(path);
    return `${file}:${line}:${column}: ${path.length > 0 ? `${path.map(String).join('.')}: ` : ''}`;
  };
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(
        (key) => `${at([...issue.path, key])}there is no such key${allowedKeys(schema, issue.path)}`,
      );
    case 'invalid_type':
      return [
        `${at(issue.path)}${issue.message.endsWith('received undefined') ? `is missing, a ${issue.expected} is needed` : issue.message}`,
      ];
    case 'invalid_key':
      return [`${at(issue.path)}${issue.issues[0]?.message ?? issue.message}`];
    case 'invalid_value':
      return [`${at(issue.path)}allowed are ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`];
    case 'invalid_union':
      return [
        `${at(issue.path)}${
          issue.errors
            .map((errors) => errors[0]?.message ?? '')
            .filter(Boolean)
            .join(', or ') || issue.message
        }`,
      ];
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'too_big':
    case 'too_small':
      return [`${at(issue.path)}${issue.message}`];
  }
}

/** ", allowed here: a, b, c" for an unknown key; nothing where the place is not known. */
function allowedKeys(schema: z.ZodType, path: readonly PropertyKey[]): string {
  let place: unknown = schema;
  for (const key of path) place = childOf(place, key);
  const shape = shapeOf(place);
  return shape ? `, allowed here: ${Object.keys(shape).join(', ')}` : '';
}

function unwrap(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional)
    inner = inner.def.innerType;
  return inner;
}
function shapeOf(schema: unknown): Record<string, unknown> | undefined {
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? inner.shape : undefined;
}
function childOf(schema: unknown, key: PropertyKey): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) return (inner.shape as Record<string, unknown>)[String(key)];
  if (inner instanceof z.ZodRecord) return inner.def.valueType;
  if (inner instanceof z.ZodArray) return inner.def.element;
  return undefined;
}

/** Where the private Redis, saved runs and the audit log live: NETCHECK_DATA (set in the container image), else `data`. */
export function dataDirectory({ config, directory }: LoadedConfig): string {
  return path.resolve(directory, process.env['NETCHECK_DATA'] || config.data);
}

/** The nodes of the file as the rest of netcheck knows them, with the defaults of `ssh`. */
export function inventoryNodes({ config }: Pick<LoadedConfig, 'config'>): readonly InventoryNode[] {
  return Object.entries(config.nodes).map(([name, node]) =>
    InventoryNode.parse({
      name,
      ...node,
      sudo: node.sudo ?? config.ssh.sudo,
      ...(node.user === undefined && config.ssh.user !== undefined ? { user: config.ssh.user } : {}),
    }),
  );
}

/** @throws NetcheckError `config/missing-secret` */
export function requireSecret(environment: NodeJS.ProcessEnv, name: string, purpose: string): string {
  const value = environment[name];
  if (value) return value;
  throw new NetcheckError(
    'config/missing-secret',
    `${name} is not set: ${purpose}.`,
    'Secrets come from the environment only; docs/slack-setup.md shows where to get them.',
  );
}
