import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { quoteArgv } from '../../../src/adapters/ssh/quote-argv.ts';
import {
  labOf,
  baseline,
  command,
  configOf,
  insideLab,
  type Lab,
  type LabNode,
  type LabService,
  labRoot,
  makeKey,
  must,
  type SteppedNode,
  whyOutside,
} from '../network.ts';
import { type Guest, type GuestSwitch, startGuest } from './guest.ts';

/** A node with a kernel of its own. Its services answer `GET /N` with N bytes. */
export interface GuestNode extends Omit<LabNode, 'management' | 'oldKernel'> {
  /** Where SSH listens: netcheck's own network, apart from the data path. */
  readonly management: string;
  /** Kernel modules that are loaded before anybody can log in, with what they depend on. */
  readonly modules?: readonly string[];
  readonly memoryMiB?: number;
  readonly services?: readonly GuestService[];
}

export interface GuestService extends LabService {
  /** Name of a namespace of the node (`ip netns`), as a pod's server has it. */
  readonly netns?: string;
}

/** Nodes that are user-mode Linux 6.1 instead of namespaces: IPVS, IPIP, limits that a kernel has only once. */
export interface GuestLabDefinition {
  readonly name: string;
  readonly kernel: 'guests';
  readonly nodes: readonly GuestNode[];
  /** Run once when the nodes are up, where the switches are: what the network between them always does to packets. */
  readonly fabric?: readonly (readonly string[])[];
}

/** Steps on this name are done where the switches are: what the network between the nodes does to packets. */
export const fabric = 'fabric';

/**
 * Boots all nodes side by side. Only inside test/lab/enter.mjs. Labs of guests that are up at the same time need
 * other names and management networks.
 * @throws Error when not inside a lab, when a guest does not come up, or a command of the set-up fails
 */
export async function startGuestLab(definition: GuestLabDefinition): Promise<Lab> {
  if (!insideLab) throw new Error(whyOutside);
  await mkdir(labRoot, { recursive: true });
  const dir = await mkdtemp(join(labRoot, `${definition.name}-`));
  const nodes = new Map<string, SteppedNode>();
  const guests: Guest[] = [];
  const switches = switchesOf(definition);
  const stop = async () => {
    await Promise.all(guests.map((guest) => guest.stop()));
    for (const { name } of switches.values()) await command(['ip', 'link', 'del', name]);
    if (definition.fabric !== undefined) await command(['nft', 'flush', 'ruleset']);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const identityFile = join(dir, 'identity');
    await makeKey(identityFile, 'netcheck');
    const read = (name: string) => readFile(new URL(`./${name}`, import.meta.url), 'utf8');
    const files = { 'service.pl': await read('service.pl'), 'talk.pl': await read('talk.pl') };
    const hosts = definition.nodes.flatMap(({ name, interfaces }) =>
      interfaces.slice(0, 1).map(({ address }) => `${address.replace(/\/.*$/, '')} ${name}`),
    );
    const booted = await Promise.allSettled(
      definition.nodes.map(async (node) => {
        const guest = await startGuest({ ...guestOf(node, switches), hosts, identityFile, files });
        guests.push(guest);
        const handle = handleOf(node, guest);
        nodes.set(node.name, handle);
        for (const argv of node.setup ?? []) {
          const { code, stdout, stderr } = await handle.exec(argv);
          if (code !== 0) throw new Error(`${node.name}: ${argv.join(' ')}: ${stderr || stdout}`);
        }
        for (const service of node.services ?? []) await handle.start(service);
      }),
    );
    for (const one of booted) if (one.status === 'rejected') throw one.reason;
    // a chain of the bridge family that is there before the first bridge is never asked (seen on Linux 6.18)
    for (const argv of definition.fabric ?? []) await must(argv);
    const knownHostsFile = join(dir, 'known_hosts');
    await writeFile(knownHostsFile, guests.map(({ address, hostKey }) => `${address} ${hostKey}\n`).join(''));
    const configFile = join(dir, 'netcheck.yaml');
    await writeFile(configFile, stringify(configOf(definition, { identityFile, knownHostsFile })));
    nodes.set(fabric, fabricHandle());
    return labOf(definition.name, nodes, { configFile, knownHostsFile, identityFile, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

const managementNetwork = 'management';

/** Names of devices hold 15 characters (IFNAMSIZ - 1). */
function switchesOf({ name, nodes }: GuestLabDefinition): ReadonlyMap<string, GuestSwitch> {
  const [first] = nodes;
  const networks = new Set(nodes.flatMap(({ interfaces }) => interfaces.map(({ network }) => network)));
  const all = new Map<string, GuestSwitch>(
    [...networks].map((network) => [network, { name: `${name}-${network}`.slice(0, 15) }]),
  );
  const own = first?.management.replace(/\.\d+$/, '.1/24') ?? '';
  all.set(managementNetwork, { name: `${name}-mgmt`.slice(0, 15), address: own });
  if (new Set([...all.values()].map((one) => one.name)).size < all.size)
    throw new Error(`lab ${name}: the names of its switches are too long to differ in 15 characters`);
  return all;
}

function guestOf(node: GuestNode, switches: ReadonlyMap<string, GuestSwitch>): Parameters<typeof startGuest>[0] {
  const on = (network: string): GuestSwitch => {
    const found = switches.get(network);
    if (!found) throw new Error(`${node.name}: there is no switch ${network}`);
    return found;
  };
  const { name, modules, memoryMiB, routes, login } = node;
  return {
    name,
    iptables: 'legacy',
    interfaces: [
      { on: on(managementNetwork), address: `${node.management}/24`, device: 'mgmt0' },
      ...node.interfaces.map(({ network, device, address }) => ({ on: on(network), address, device })),
    ],
    sysctls: { ...baseline, ...node.sysctls },
    ...(modules === undefined ? {} : { modules }),
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
    ...(routes === undefined ? {} : { routes }),
    ...(login === undefined ? {} : { login }),
  };
}

function handleOf(definition: GuestNode, guest: Guest): SteppedNode {
  const pids = new Map<string, string>();
  const pidOf = (service: string): string => {
    const pid = pids.get(service);
    if (pid === undefined) throw new Error(`${definition.name} runs no service ${service}`);
    return pid;
  };
  const exec: SteppedNode['exec'] = (argv, options) => guest.exec(quoteArgv(argv), options);
  const signal = async (service: string, name: string): Promise<void> => {
    await exec(['kill', `-${name}`, '--', `-${pidOf(service)}`]);
  };
  return {
    name: definition.name,
    definition,
    exec,
    async start({ name, address, port, backlog = 511, netns }: GuestService) {
      const inside = netns === undefined ? [] : ['ip', 'netns', 'exec', netns];
      const serve = ['perl', `${labRoot}/service.pl`, address, String(port), String(backlog)];
      const { stdout, stderr } = await exec([...inside, ...serve]);
      const pid = /^listening (\d+)$/m.exec(stdout)?.[1];
      if (pid === undefined) throw new Error(`${definition.name}: ${name}: ${stderr || stdout}`);
      pids.set(name, pid);
    },
    async stop(name) {
      await signal(name, 'KILL');
      pids.delete(name);
    },
    signal,
  };
}

/** Only commands: what stands between the nodes runs no services. */
function fabricHandle(): SteppedNode {
  const none = async (): Promise<never> => {
    throw new Error('the fabric runs no services');
  };
  return {
    name: fabric,
    definition: { name: fabric, interfaces: [] },
    exec: (argv, { timeoutMs = 30_000 } = {}) => command(argv, { timeoutMs }),
    start: none,
    stop: none,
    signal: none,
  };
}
