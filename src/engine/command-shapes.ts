import type { CollectContext, Collector, Command } from '../model/command.ts';
import { mostServers, nothingLearned } from '../model/command.ts';
import { Budget } from '../model/plan.ts';
import type { Playbook } from '../model/playbook.ts';
import { inNamespace } from './in-namespace.ts';

/**
 * What a command may look like: its words in single quotes, as `adapters/ssh/quote-argv.ts` writes them, with blanks
 * between, line feeds as {@link lineFeed}. One extended regular expression that means the same to POSIX (grep -E) and to
 * JavaScript; it is about the whole line. Word for word: where sudoers compares words that it has joined with blanks
 * (`-w '- -Z user'` looks like `-w - -Z user` to it), here each word has its own quotes.
 */
export interface CommandShape {
  readonly tool: string;
  readonly privilege: Command['privilege'];
  readonly pattern: string;
  /** Its arguments where a run fills nothing in, else undefined. */
  readonly exact: readonly string[] | undefined;
}

/** Stands for a line feed inside a word, so that a command is one line. No word of ours has it. */
export const lineFeed = '\u0001';

/** Values that stand for "whatever a run puts here" while the collectors are asked for their commands. */
const stand = {
  target: '203.0.113.77',
  target6: '2001:db8::77',
  client: '198.51.100.78',
  client6: '2001:db8::78',
  server: '203.0.113.79',
  port: 64999,
  serverPort: 64998,
  maxPackets: 999_983,
  user: 'netcheck_login_user',
  pid: '4194301',
  device: 'standdev0',
  host: 'stand-in.example',
  netns: 'standnetns',
  sysctl: 'stand.in',
  attempts: 43,
  timeoutSec: 57,
  size: 7919,
} as const;

const pattern = {
  /** No zone, no prefix: what `IpAddress` takes. */
  address: '[0-9A-Fa-f.:]{2,45}',
  port: '[0-9]{1,5}',
  number: '[0-9]{1,7}',
  device: '[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}',
  host: '[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}',
  netns: '[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}',
  /** No part of it begins with a dot: it stays below /proc/sys. */
  sysctl: '/proc/sys(/[A-Za-z0-9_@:-][A-Za-z0-9_.@:-]*)+',
  /** The namespace of a process, or one that `ip netns` has given a name. */
  entered: '/(proc/[0-9]{1,7}/ns/net|run/netns/[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})',
} as const;

/** Parameters of the collectors that cannot do without, for listings. */
export const exampleParams: Readonly<Record<string, unknown>> = {
  sysctl: { keys: ['net.ipv4.ip_forward'] },
  'name-lookup': { names: ['example.com'] },
  netns: { name: '4321' },
};

/** Parameters that put stand-ins into the commands, and those that make other commands. */
const shapeParams: Readonly<Record<string, readonly unknown[]>> = {
  sysctl: [{ keys: [stand.sysctl] }],
  'name-lookup': [{ names: [stand.host] }],
  netns: [{ name: stand.netns }],
  'tcp-probe': [{ attempts: stand.attempts, timeoutSec: stand.timeoutSec }],
  'ping-sizes': [{ sizes: [stand.size] }],
  capture: [{}, { filter: 'dns' }],
};

export interface ShapeOptions {
  /** The account on the nodes, unless it is root. */
  readonly loginUser: string | undefined;
  /** Their parameters make further commands of plug-ins. */
  readonly playbooks?: Iterable<Playbook>;
}

/**
 * Every command of every collector, on the node and in network namespaces, from the collectors themselves: what guards
 * a node cannot say less or more than what is run.
 */
export function commandShapes(
  collectors: ReadonlyMap<string, Collector>,
  { loginUser, playbooks = [] }: ShapeOptions,
): readonly CommandShape[] {
  const found = new Map<string, CommandShape>();
  for (const command of commandsOf(collectors, paramsIn(playbooks), loginUser !== undefined)) {
    const shape = shapeOf(command, loginUser);
    const same = `${shape.privilege} ${shape.pattern}`;
    if (!found.has(same)) found.set(same, shape);
  }
  return [...found.values()].sort((a, b) => compare(a.tool, b.tool) || compare(a.pattern, b.pattern));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function* commandsOf(
  collectors: ReadonlyMap<string, Collector>,
  inPlaybooks: ReadonlyMap<string, readonly unknown[]>,
  asUser: boolean,
): Generator<Command> {
  for (const collector of collectors.values()) {
    const given = shapeParams[collector.id] ?? [
      exampleParams[collector.id] ?? {},
      ...(inPlaybooks.get(collector.id) ?? []),
    ];
    const params = given.flatMap((one) => {
      const parsed = collector.params.safeParse(one);
      return parsed.success ? [parsed.data] : [];
    });
    for (const one of params)
      for (const context of contexts(asUser))
        for (const command of collector.commands(one, context))
          for (const alternative of withAlternatives(command)) {
            yield alternative;
            yield inNamespace(alternative, { name: stand.netns, pid: stand.pid });
            yield inNamespace(alternative, { name: stand.netns, pid: null });
          }
  }
}

/** Parameters by collector. */
function paramsIn(playbooks: Iterable<Playbook>): ReadonlyMap<string, readonly unknown[]> {
  const found = new Map<string, unknown[]>();
  for (const { collect, audit } of playbooks)
    for (const { use, with: params } of [...collect, ...(audit?.collect ?? [])])
      found.set(use, [...(found.get(use) ?? []), params]);
  return found;
}

function* contexts(asUser: boolean): Generator<CollectContext> {
  for (const family of ['4', '6'] as const)
    for (const roles of [['target'], ['client']] as const)
      for (const protocol of ['tcp', 'udp'] as const) {
        const [target, client] =
          family === '4' ? ([stand.target, stand.client] as const) : ([stand.target6, stand.client6] as const);
        yield {
          target,
          port: stand.port,
          protocol,
          clientAddresses: [client],
          ownAddresses: [],
          roles,
          targetNames: [stand.host],
          learned: {
            ...nothingLearned,
            devices: [stand.device],
            addressed: [stand.device],
            ways: [target, client].map((address) => ({ address, device: stand.device })),
            listenerPids: [stand.pid],
            servers: [{ address: stand.server, port: stand.serverPort }],
            tunnelPeers: [target],
            searchDomains: [stand.host],
          },
          ...(asUser ? { loginUser: stand.user } : {}),
          budget: Budget.parse({ maxPackets: stand.maxPackets }),
        };
      }
}

function* withAlternatives(command: Command): Generator<Command> {
  yield command;
  if (command.otherwise) yield* withAlternatives(command.otherwise);
}

/** Stand-in -> what may stand there; those of numbers only where they are a whole word. */
const slots: readonly (readonly [stand: string, pattern: string])[] = [
  ...[stand.target, stand.target6, stand.client, stand.client6, stand.server].map(
    (address) => [address, pattern.address] as const,
  ),
  ...[stand.target, stand.server].map((address) => [hexOf(address), '0x[0-9a-f]{8}'] as const),
  [`/proc/${stand.pid}/ns/net`, pattern.entered],
  [`/run/netns/${stand.netns}`, pattern.entered],
  [`/proc/sys/${stand.sysctl.replaceAll('.', '/')}`, pattern.sysctl],
  [String(stand.port), pattern.port],
  [String(stand.serverPort), pattern.port],
  [stand.pid, pattern.number],
  [stand.device, pattern.device],
  [stand.netns, pattern.netns],
];
const numbers = [stand.maxPackets, stand.attempts, stand.timeoutSec, stand.size - 28, stand.size - 48].map(String);

function hexOf(address: string): string {
  return `0x${address
    .split('.')
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join('')}`;
}

function shapeOf({ argv, privilege }: Command, loginUser: string | undefined): CommandShape {
  const words = argv.map((word) => wordPattern(word, loginUser));
  const [tool = '', ...args] = argv;
  const isExact = argv.every((word, index) => words[index] === escaped(word));
  return {
    tool,
    privilege,
    pattern: words
      .map((word, index) => {
        const text = `'${quoted(word)}'`;
        // any number of settings in one command
        return index === 0 ? text : word === pattern.sysctl ? `( ${text})+` : ` ${text}`;
      })
      .join(''),
    exact: isExact ? args : undefined,
  };
}

function wordPattern(word: string, loginUser: string | undefined): string {
  if (numbers.includes(word)) return pattern.number;
  // names are put together from others: `name.domain.`
  if (word.includes(stand.host)) return pattern.host;
  if (word === stand.user) return escaped(loginUser ?? '');
  let parts: readonly string[] = [word];
  for (const [one] of slots)
    parts = parts.flatMap((part) =>
      isSlot(part) ? [part] : part.split(one).flatMap((rest, index) => (index === 0 ? [rest] : [one, rest])),
    );
  return foldFilter(parts.map((part) => slots.find(([one]) => one === part)?.[1] ?? escaped(part)).join(''));
}

const isSlot = (part: string): boolean => slots.some(([one]) => one === part);

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.|?*+()[{]/g, String.raw`\$&`).replaceAll('\n', lineFeed);
}

/** A quote in a word is written `'\''`. */
function quoted(word: string): string {
  return word.replaceAll("'", String.raw`'\\''`);
}

/**
 * The variants of a capture's filter as one expression: one host or all, tcp or udp, with up to {@link mostServers}
 * servers behind the port, in tunnels or not. Any other word comes back as it is.
 */
function foldFilter(word: string): string {
  if (!/^\\\((?:tcp|udp) port /.test(word)) return word;
  const { address, port } = pattern;
  return word
    .replace(/^\\\((?:tcp|udp) port /, String.raw`\((tcp|udp) port `)
    .replace(`(tcp|udp) port ${port} and host ${address}`, `(tcp|udp) port ${port}`)
    .replace(`(tcp|udp) port ${port}`, `(tcp|udp) port ${port}( and host ${address})?`)
    .replaceAll(/((?:ip|udp)\\\[\d\d])=(?:6|17) and /g, '$1=(6|17) and ')
    .replace(
      / or \\\(host \S+ and (?:tcp|udp) port [^ ]+?\)/,
      (text) => `(${text.replace(/(?:tcp|udp) port/, '(tcp|udp) port')}){0,${mostServers}}`,
    )
    .replaceAll(
      / or ((?:\\\()+(?:ip proto 4|udp dst port 4789[^)]*\)) and )\\\(((?:ip|udp)\\\[\d)(\d):4]=.*?\\\)\\\)/g,
      (_all, what: string, place: string, one: string) =>
        `( or ${what}\\((${place}[${one}6]:4]=0x[0-9a-f]{8}( or )?){2,${2 * mostServers + 2}}\\)\\))?`,
    );
}
