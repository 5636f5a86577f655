import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { command, type Lab, type LabNodeHandle, labRoot, must, startLab } from '../network.ts';
import type { OtherLab } from '../scenario.ts';
import { guestBlockers } from '../uml/guest.ts';
import { startGuestLab } from '../uml/guest-lab.ts';
import { api, startClusterApi } from './api-handle.ts';
import { guests, namespaces } from './topology.ts';

const tools = [
  ['containerd', 'containerd'],
  ['ctr', 'containerd'],
  ['runc', 'runc'],
] as const;

/** A Kubernetes cluster without Kubernetes: real containers, rules as kube-proxy writes them, an API that only tells. */
export const podLab: OtherLab = {
  name: 'pods',
  kernel: 'Linux 6.1 (user-mode)',
  async blockers() {
    const missing: string[] = [];
    for (const [tool, debianPackage] of tools) {
      const { code } = await command(['sh', '-c', `command -v ${tool}`]);
      if (code !== 0) missing.push(`${tool} is needed (Debian package ${debianPackage}): pods`);
    }
    return missing.length > 0 ? missing : guestBlockers();
  },
  start: startPodLab,
};

/** The switch of the namespaces and the one of the guests become one. */
const [ownEnd, otherEnd] = ['pods-join', 'guests'];

/**
 * Guests, namespaces and the API server as one lab.
 * @throws Error when one of them does not come up; nothing is left then
 */
async function startPodLab(): Promise<Lab> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const dir = await mkdtemp(join(labRoot, 'pods-all-'));
    stops.push(() => rm(dir, { recursive: true, force: true }));
    const started = await Promise.allSettled([startGuestLab(guests), startLab(namespaces), startClusterApi()]);
    const [guestLab, plainLab, clusterApi] = started;
    for (const one of [guestLab, plainLab]) if (one.status === 'fulfilled') stops.push(() => one.value.stop());
    if (clusterApi.status === 'fulfilled') stops.push(() => clusterApi.value.close());
    const failed = started.find((one) => one.status === 'rejected');
    if (guestLab.status === 'rejected' || plainLab.status === 'rejected' || clusterApi.status === 'rejected')
      throw failed?.reason;
    await joinSwitches();
    stops.push(() => command(['ip', 'link', 'del', ownEnd]));
    return await together([guestLab.value, plainLab.value], clusterApi.value, dir, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function joinSwitches(): Promise<void> {
  const inside = 'switch-lan';
  await must(['ip', 'link', 'add', ownEnd, 'type', 'veth', 'peer', 'name', otherEnd, 'netns', inside]);
  await must(['ip', '-n', inside, 'link', 'set', otherEnd, 'master', 'br0', 'up']);
  await must(['ip', 'link', 'set', ownEnd, 'master', 'pods-lan', 'up']);
}

async function together(
  labs: readonly [Lab, Lab],
  clusterApi: Awaited<ReturnType<typeof startClusterApi>>,
  dir: string,
  stop: () => Promise<void>,
): Promise<Lab> {
  const [guestLab, plainLab] = labs;
  const owners = new Map<string, Lab>([
    ...guests.nodes.map(({ name }) => [name, guestLab] as const),
    ['fabric', guestLab],
    ...namespaces.nodes.map(({ name }) => [name, plainLab] as const),
  ]);
  const node = (name: string): LabNodeHandle => {
    if (name === api) return clusterApi.handle;
    const owner = owners.get(name);
    if (owner === undefined) throw new Error(`the cluster has no node ${name}`);
    return owner.node(name);
  };
  // one key logs in everywhere
  const publicKey = (await readFile(`${guestLab.identityFile}.pub`, 'utf8')).trim();
  for (const { name } of namespaces.nodes) {
    const { code, stderr } = await node(name).exec(['sh', '-c', `echo "$0" >> ${labRoot}/authorized_keys`, publicKey]);
    if (code !== 0) throw new Error(`${name}: ${stderr}`);
  }
  const knownHostsFile = join(dir, 'known_hosts');
  const kubeconfig = join(dir, 'kubeconfig');
  const configFile = join(dir, 'netcheck.yaml');
  const knownHosts = await Promise.all(labs.map((lab) => readFile(lab.knownHostsFile, 'utf8')));
  const inventories = await Promise.all(
    labs.map(async (lab) => (parse(await readFile(lab.configFile, 'utf8')) as { nodes: object }).nodes),
  );
  await writeFile(knownHostsFile, knownHosts.join(''));
  await writeFile(kubeconfig, stringify(clusterApi.kubeconfig));
  await writeFile(
    configFile,
    stringify({
      nodes: Object.assign({}, ...inventories),
      targets: { external: true },
      ssh: { identity: guestLab.identityFile, knownHosts: knownHostsFile, agent: false },
      kubernetes: { kubeconfig },
    }),
  );
  return {
    name: podLab.name,
    configFile,
    knownHostsFile,
    identityFile: guestLab.identityFile,
    node,
    async apply(steps) {
      for (const one of steps) {
        if (one.on !== api) {
          await (owners.get(one.on) ?? guestLab).apply([one]);
          continue;
        }
        const { code, stderr } =
          'run' in one ? await clusterApi.handle.exec(one.run) : { code: 1, stderr: 'no command' };
        if (code !== 0) throw new Error(`the API server: ${stderr}`);
      }
    },
    stop,
  };
}
