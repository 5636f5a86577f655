import { rootWrapper } from '../adapters/ssh/root-wrapper.ts';
import type { Options } from '../cli.ts';
import { collectors } from '../collectors/index.ts';
import { type LoadedConfig, loadConfig } from '../config.ts';
import { selectNodes } from '../engine/audit-selector.ts';
import { privilegedCommands } from '../engine/privileged-commands.ts';
import { noContext } from '../engine/no-context.ts';
import type { NodeConnection } from '../engine/ports.ts';
import type { Features } from '../model/facts.ts';
import { NetcheckError } from '../model/errors.ts';
import type { InventoryNode } from '../model/inventory.ts';
import { parsers } from '../parsers/index.ts';
import { renderTable } from '../report/table.ts';
import { httpTokenOf } from '../serve-health.ts';
import { type Wiring, wire } from '../wiring.ts';
import { checkCluster } from './check-cluster.ts';
import { checkSchedules } from './check-schedules.ts';
import { checkSlackNames } from './check-slack-names.ts';
import { terminalOf } from './terminal-of.ts';

/** One line of `netcheck doctor`. */
export interface Check {
  readonly what: string;
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly detail: string;
  /** What to do about it; empty where it is in order. */
  readonly todo: string;
}

/** So many nodes are looked at side by side. */
const nodesAtOnce = 8;

/** `netcheck doctor`: everything that a run depends on, checked by using it. 1 where something failed. */
export async function doctor(args: readonly string[], options: Options): Promise<number> {
  if (args.length > 0)
    throw new NetcheckError(
      'usage/missing-argument',
      'netcheck doctor takes no further words.',
      'netcheck doctor --config FILE',
    );
  const checks: Check[] = [];
  let wiring: Wiring | undefined;
  try {
    const loaded = loadConfig(options.config);
    checks.push(
      {
        what: 'configuration',
        state: 'ok',
        detail: `${loaded.file}: ${Object.keys(loaded.config.nodes).length} nodes`,
        todo: '',
      },
      ...checkAlerts(loaded),
    );
    wiring = await wire(loaded);
    checks.push({ what: 'playbooks', state: 'ok', detail: `${wiring.registries.playbooks.size} in order`, todo: '' });
    const plugins = [...wiring.registries.pluginFiles.keys()];
    if (plugins.length > 0)
      checks.push({ what: 'plug-ins', state: 'ok', detail: `${plugins.join(', ')}: loaded`, todo: '' });
  } catch (error) {
    checks.push(failureOf('configuration', error));
  }
  if (wiring) {
    checks.push(...(await checkGroups(wiring)));
    const [schedules, redis, slack, cluster, nodes] = await Promise.all([
      checkSchedules(wiring),
      checkRedis(wiring),
      checkSlack(wiring.loaded),
      checkCluster(wiring),
      checkNodes(wiring),
    ]);
    checks.push(...schedules, ...redis, ...slack, ...cluster, ...nodes);
    await wiring.close();
  }
  const failed = checks.filter(({ state }) => state === 'failed').length;
  if (options.json) process.stdout.write(`${JSON.stringify({ checks, failed }, null, 2)}\n`);
  else {
    const mark = { ok: '✓', warning: '!', failed: '✗', skipped: '–' } as const;
    const rows = checks.map(({ what, state, detail, todo }) => [mark[state], what, detail, todo]);
    process.stdout.write(
      `${renderTable([{ header: '' }, { header: 'what' }, { header: 'found' }, { header: 'what to do' }], rows, terminalOf(process.stdout))}\n\n`,
    );
    process.stdout.write(
      failed === 0 ? 'Everything that was checked works.\n' : `${failed} of ${checks.length} checks failed.\n`,
    );
  }
  return failed === 0 ? 0 : 1;
}

function checkAlerts({ config: { alerts } }: LoadedConfig): readonly Check[] {
  const isOpen = httpTokenOf(process.env, 'NETCHECK_ALERT_TOKEN') !== undefined;
  const channels = new Set([alerts.channel, ...alerts.routes.map(({ channel }) => channel)].filter((one) => one));
  const isWanted = channels.size > 0 || alerts.routes.length > 0;
  if (!isOpen && !isWanted) return [];
  const found = `${alerts.routes.length} routes, ${channels.size} channels`;
  if (!isOpen)
    return [
      {
        what: 'alerts',
        state: 'warning',
        detail: `${found}, and NETCHECK_ALERT_TOKEN is not set here: there is no /alerts`,
        todo: 'set it for the bot: docs/alerts.md',
      },
    ];
  if (channels.size === 0)
    return [
      {
        what: 'alerts',
        state: 'warning',
        detail: 'NETCHECK_ALERT_TOKEN is set, and no channel is named: every alert is dropped',
        todo: 'set alerts.channel, or routes with channels: docs/alerts.md',
      },
    ];
  return [{ what: 'alerts', state: 'ok', detail: found, todo: '' }];
}

function failureOf(what: string, error: unknown): Check {
  if (error instanceof NetcheckError) return { what, state: 'failed', detail: error.message, todo: error.hint };
  return {
    what,
    state: 'failed',
    detail: error instanceof Error ? error.message : String(error),
    todo: 'this is our own fault: please report it',
  };
}

/** Every group selects something. */
async function checkGroups({ loaded, inventory }: Wiring): Promise<readonly Check[]> {
  const { groups } = loaded.config;
  const names = Object.keys(groups);
  if (names.length === 0) return [];
  const nodes = await Promise.all(inventory.names().map((name) => inventory.find(name)));
  const known = nodes.flatMap((node) => (node === null ? [] : [node]));
  const broken = names.flatMap((name): Check[] => {
    try {
      selectNodes(groups[name] ?? '', known, groups);
      return [];
    } catch (error) {
      return [failureOf(`group ${name}`, error)];
    }
  });
  return broken.length > 0
    ? broken
    : [{ what: 'groups', state: 'ok', detail: `${names.length}, each of nodes that there are`, todo: '' }];
}

async function checkRedis({ loaded }: Wiring): Promise<readonly Check[]> {
  const { openQueue } = await import('../open-queue.ts');
  try {
    const adapter = await openQueue(loaded);
    try {
      const { ok, version, evictionPolicy, persistent, where, problems } = await adapter.health();
      const facts = `${where}, version ${version ?? 'unknown'}, maxmemory-policy ${evictionPolicy ?? 'unknown'}, ${persistent ? 'append-only file' : 'no append-only file'}`;
      return [{ what: 'Redis', state: ok ? 'ok' : 'failed', detail: facts, todo: problems.join(' ') }];
    } finally {
      await adapter.close();
    }
  } catch (error) {
    return [failureOf('Redis', error)];
  }
}

async function checkSlack({ config }: LoadedConfig): Promise<readonly Check[]> {
  const botToken = process.env['SLACK_BOT_TOKEN'];
  if (!botToken)
    return [
      {
        what: 'Slack',
        state: 'skipped',
        detail: 'SLACK_BOT_TOKEN is not set',
        todo: 'only the bot needs it: docs/slack-setup.md',
      },
    ];
  const { slackHealth } = await import('../adapters/slack/slack-health.ts');
  const checks = await slackHealth({
    botToken,
    appToken: process.env['SLACK_APP_TOKEN'] || undefined,
    slackApiUrl: process.env['SLACK_API_URL'] || undefined,
  });
  const token = checks.some(({ name, state }) => name === 'bot token' && state === 'ok');
  return [
    ...checks.map(({ name, state, detail, hint }) => ({ what: `Slack ${name}`, state, detail, todo: hint })),
    ...(token ? await checkSlackNames(config, botToken, process.env['SLACK_API_URL'] || undefined) : []),
  ];
}

async function checkNodes(wiring: Wiring): Promise<readonly Check[]> {
  const waiting = [...wiring.inventory.names()];
  const results = new Map<string, readonly Check[]>();
  const next = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[Kchecking ${name}`);
      const node = await wiring.inventory.find(name);
      results.set(
        name,
        node
          ? await checkNode(node, wiring)
          : [{ what: name, state: 'failed', detail: 'ssh -G does not know it', todo: 'check ssh_config' }],
      );
    }
  };
  await Promise.all(Array.from({ length: nodesAtOnce }, next));
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  return wiring.inventory.names().flatMap((name) => results.get(name) ?? []);
}

async function checkNode(node: InventoryNode, { transport }: Wiring): Promise<readonly Check[]> {
  const signal = AbortSignal.timeout(20_000);
  const connected = await transport.connect(node, { signal });
  const where = `${node.name} (${node.address}${node.port === 22 ? '' : `:${node.port}`})`;
  if (!connected.ok)
    return [{ what: where, state: 'failed', detail: connected.exit.message, todo: todoFor[connected.exit.why] ?? '' }];
  const { connection } = connected;
  try {
    const features = await lookAt(connection, signal);
    if (!features)
      return [
        {
          what: where,
          state: 'failed',
          detail: 'logged in, but sh did not run there',
          todo: 'give the login user an ordinary shell',
        },
      ];
    return [
      { what: where, state: 'ok', detail: `reachable, host key known, uid ${features.uid}`, todo: '' },
      await checkRoot(node, features, connection, signal),
      ...checkTools(node, features),
    ];
  } finally {
    await connection.close();
  }
}

const todoFor: Readonly<Record<string, string>> = {
  unreachable: 'is it up, is sshd running, does a firewall block the port?',
  timeout: 'is it up, is sshd running, does a firewall block the port?',
  hostKey: 'compare the fingerprint with the node, then add the key to known_hosts',
  auth: 'put the public key into authorized_keys of the login user',
  sudo: 'netcheck sudoers prints the file that is needed',
  toolMissing: 'install the tool',
  channel: 'raise MaxSessions of its sshd',
  budget: 'try again',
};

async function lookAt(connection: NodeConnection, signal: AbortSignal): Promise<Features | undefined> {
  const look = collectors.get('look');
  const [command] = look?.commands({}, noContext) ?? [];
  if (!command) return undefined;
  const { stdout, stderr } = await connection.run(command, { signal });
  return parsers.get('look')?.parse({ stdout, stderr, argv: command.argv, exitCode: 0, evidence: '' }).value as
    | Features
    | undefined;
}

async function checkRoot(
  node: InventoryNode,
  features: Features,
  connection: NodeConnection,
  signal: AbortSignal,
): Promise<Check> {
  const what = `${node.name} root`;
  if (features.uid === 0) return { what, state: 'ok', detail: 'logs in as root', todo: '' };
  if (!node.sudo)
    return {
      what,
      state: 'warning',
      detail: 'no root: captures, firewall and IPVS will be unknown',
      todo: `sudo: true for ${node.name}, and netcheck sudoers on the node`,
    };
  const allows = async (argv: readonly string[]): Promise<boolean> => {
    const { exit } = await connection.run(
      {
        argv: ['sudo', '-n', '-k', '-l', '--', ...argv],
        privilege: 'none',
        timeoutMs: 5000,
        maxBytes: 65_536,
      },
      { signal },
    );
    return exit.how === 'exited' && exit.code === 0;
  };
  // a file that is not there is refused as well
  if (await allows([rootWrapper])) return { what, state: 'ok', detail: 'sudo allows what is needed', todo: '' };
  const refused: string[] = [];
  for (const { tool, args } of privilegedCommands(collectors))
    if (features.tools[tool] !== null && !(await allows([tool, ...args]))) refused.push(tool);
  if (refused.length > 0)
    return {
      what,
      state: 'failed',
      detail: `sudo refuses ${[...new Set(refused)].join(', ')}`,
      todo: 'install what netcheck sudoers prints',
    };
  return (await allows(['tcpdump', '-i', 'any', '-nn']))
    ? { what, state: 'ok', detail: 'sudo allows what is needed, and more than that', todo: '' }
    : {
        what,
        state: 'warning',
        detail: 'sudo allows no captures and no namespaces of pods',
        todo: `install what netcheck sudoers --wrapper prints as ${rootWrapper}`,
      };
}

function checkTools({ name }: InventoryNode, { tools }: Features): readonly Check[] {
  const need = { tcpdump: 'packets', ip: 'addresses and routes', ss: 'listeners (falls back to /proc)' } as const;
  const missing = Object.entries(need).filter(([tool]) => tools[tool] === null);
  const firewall = tools['iptables-save'] === null && tools['nft'] === null;
  const probe = ['bash', 'nc', 'busybox', 'python3', 'python', 'perl'].every((tool) => tools[tool] === null);
  const lacks = [
    ...missing.map(([tool, purpose]) => `${tool} (${purpose})`),
    ...(firewall ? ['iptables or nft (firewall)'] : []),
    ...(probe ? ['bash or nc (probes)'] : []),
  ];
  return lacks.length === 0
    ? [
        {
          what: `${name} tools`,
          state: 'ok',
          detail: `tcpdump, ip, ss, ${tools['nft'] === null ? 'iptables' : 'nft'}`,
          todo: '',
        },
      ]
    : [
        {
          what: `${name} tools`,
          state: 'warning',
          detail: `lacks ${lacks.join(', ')}`,
          todo: 'install them, or accept that netcheck says what it could not see',
        },
      ];
}
