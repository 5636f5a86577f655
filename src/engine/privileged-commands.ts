import type { CollectContext, Collector, Command } from '../model/command.ts';
import { mostServers } from '../model/command.ts';
import { Budget } from '../model/plan.ts';

/** Values that stand for "whatever a run puts here" while the collectors are asked for their commands. */
const stand = {
  target: '203.0.113.77',
  port: 64999,
  serverPort: 64998,
  hexAddress: 'cb00714d',
  maxPackets: 999_983,
  user: 'netcheck_login_user',
  pid: '4194301',
  device: 'standdev0',
} as const;

/** A command that needs root: exact arguments, or a regular expression over them where a run fills something in. */
export interface PrivilegedCommand {
  readonly tool: string;
  /** Arguments as sudoers wants them: literal, or `^…$` (sudo 1.9.10 or newer). */
  readonly args: string;
  readonly isPattern: boolean;
}

/**
 * Every command of every collector that asks for root, from the collectors themselves, so that the sudoers file cannot
 * say less or more than what is run.
 */
export function privilegedCommands(
  collectors: ReadonlyMap<string, Collector>,
  loginUser: string,
): readonly PrivilegedCommand[] {
  const found = new Map<string, PrivilegedCommand>();
  for (const collector of collectors.values())
    for (const roles of [['target'], ['client']] as const)
      for (const protocol of ['tcp', 'udp'] as const)
        for (const params of [defaultParams(collector), ...(furtherParams[collector.id] ?? [])])
          for (const command of collector.commands(params, contextFor(roles, protocol)))
            for (const one of withAlternatives(command))
              if (one.privilege === 'root') {
                const entry = entryOf(one.argv, loginUser);
                found.set(`${entry.tool} ${entry.args}`, entry);
              }
  return [...found.values()].sort((a, b) => a.tool.localeCompare(b.tool) || a.args.localeCompare(b.args));
}

function defaultParams(collector: Collector): unknown {
  const parsed = collector.params.safeParse({});
  return parsed.success ? parsed.data : (exampleParams[collector.id] ?? {});
}

/** Parameters of the collectors that cannot do without, for listings. */
export const exampleParams: Readonly<Record<string, unknown>> = {
  sysctl: { keys: ['net.ipv4.ip_forward'] },
  'name-lookup': { names: ['example.com'] },
  netns: { name: '4321' },
};

/** Parameters that make other commands of the same collector. */
const furtherParams: Readonly<Record<string, readonly unknown[]>> = { capture: [{ filter: 'dns' }] };

function contextFor(roles: CollectContext['roles'], protocol: 'tcp' | 'udp'): CollectContext {
  return {
    target: stand.target,
    port: stand.port,
    protocol,
    clientAddresses: [],
    ownAddresses: [],
    roles,
    targetNames: [],
    learned: {
      devices: [stand.device],
      addressed: [stand.device],
      ways: [{ address: stand.target, device: stand.device }],
      listenerPids: [stand.pid],
      servers: [{ address: stand.target, port: stand.serverPort }],
      beyond: [],
      seen: [],
      tunnelPeers: [stand.target],
      searchDomains: [],
    },
    loginUser: stand.user,
    budget: Budget.parse({ maxPackets: stand.maxPackets }),
  };
}

function* withAlternatives(command: Command): Generator<Command> {
  yield command;
  if (command.otherwise) yield* withAlternatives(command.otherwise);
}

function entryOf([tool = '', ...args]: readonly string[], loginUser: string): PrivilegedCommand {
  const text = args.join(' ');
  if (!Object.values(stand).some((value) => text.includes(String(value))))
    return { tool, args: text, isPattern: false };
  const pattern = text
    .replaceAll(/[\\^$.|?*+()[\]{}]/g, String.raw`\$&`)
    .replaceAll(stand.target.replaceAll('.', String.raw`\.`), '[0-9a-f.:]{2,39}')
    .replaceAll(stand.hexAddress, '[0-9a-f]{8}')
    .replaceAll(String(stand.port), '[0-9]{1,5}')
    .replaceAll(String(stand.serverPort), '[0-9]{1,5}')
    .replaceAll(String(stand.maxPackets), '[0-9]{1,7}')
    .replaceAll(stand.pid, '[0-9]{1,7}')
    .replaceAll(stand.device, '[A-Za-z0-9_.:-]{1,15}')
    .replaceAll(stand.user, loginUser);
  return { tool, args: `^${foldVariants(pattern)}$`, isPattern: true };
}

/**
 * The variants of one command as one expression: with and without immediate mode, one host or all, tcp or udp, with up
 * to {@link mostServers} servers behind the port.
 */
function foldVariants(pattern: string): string {
  return pattern
    .replace(/ -s 160(?: --immediate-mode)?(?= )/, ' -s 160( --immediate-mode)?')
    .replace(/\((?:tcp|udp) port /, '((tcp|udp) port ')
    .replaceAll(/((?:ip|udp)\\\[\d\d\\\])=(?:6|17) and /g, '$1=(6|17) and ')
    .replace(/(port \[0-9\]\{1,5\})(?: and host (\S+))?(?=\\\))/, '$1( and host [0-9a-f.:]{2,39})?')
    .replace(
      / or \\\(host \S+ and (?:tcp|udp) (port \S+\\\))/,
      `( or \\(host [0-9a-f.:]{2,39} and (tcp|udp) $1){0,${mostServers}}`,
    )
    .replaceAll(
      / or (\\\(+(?:ip proto 4|\\\(udp dst port).*? and )\\\((ip|udp)\\\[(\d)(\d):4.*?\\\)\\\)/g,
      (_all, what, layer, ten, one) =>
        `( or ${what}\\((${layer}\\[${ten}[${one}6]:4\\]=0x[0-9a-f]{8}( or )?){2,${2 * mostServers + 2}}\\)\\))?`,
    );
}
