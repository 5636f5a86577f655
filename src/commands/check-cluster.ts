import { canonicalAddress } from '../engine/settle-address.ts';
import type { ClusterRead } from '../model/cluster.ts';
import type { Wiring } from '../wiring.ts';
import type { Check } from './doctor.ts';

type Failed = Extract<ClusterRead<unknown>, { how: 'failed' }>;

/** Whether the API answers, every kind of object that questions are answered from, and whether its nodes can be logged in to. */
export async function checkCluster({
  cluster,
  inventory,
}: Pick<Wiring, 'cluster' | 'inventory'>): Promise<readonly Check[]> {
  if (cluster === null) return [];
  const { where } = cluster;
  // One answer about the whole API is enough: another request would only take its time again.
  const nodes = await cluster.nodes();
  if (nodes.how === 'failed' && nodes.why !== 'forbidden') return [outOfReach(where, nodes)];
  const kinds = {
    pods: () => cluster.pods('netcheck', null),
    services: () => cluster.services('netcheck', null),
    endpointslices: () => cluster.endpoints({ namespace: 'default', name: 'kubernetes' }, 'https'),
    deployments: () => cluster.podsOf('netcheck', null),
    ingresses: () => cluster.ingresses('netcheck'),
    nodes: async () => nodes,
  };
  const answers = await Promise.all(
    Object.entries(kinds).map(async ([kind, read]) => ({ kind, answer: await read() })),
  );
  const refused = answers.flatMap(({ kind, answer }) => (answer.how === 'failed' ? [{ kind, ...answer }] : []));
  const [first] = refused;
  if (first !== undefined)
    return [
      {
        what: 'Kubernetes',
        state: 'failed',
        detail: `${where}: ${refused.map(({ kind }) => kind).join(', ')} cannot be read: ${first.message}`,
        todo: todoOf(first),
      },
    ];
  const unseen = await cluster.mayObserve();
  const strangers: string[] = [];
  for (const { name, addresses } of nodes.how === 'read' ? nodes.value : [])
    if (
      (await inventory.find(name)) === null &&
      // no node is asked: a cluster may have thousands that are none of ours
      addresses.every((address) => inventory.knownOwner?.(canonicalAddress(address)) === undefined)
    )
      strangers.push(name);
  const [forbidden] = unseen;
  const facts: readonly Check[] =
    forbidden === undefined
      ? []
      : [
          {
            what: 'Kubernetes objects',
            state: 'warning',
            detail: `${where}: ${unseen.map(({ kind }) => kind).join(', ')} cannot be read: ${forbidden.message}`,
            todo: 'give it the role of deploy/rbac.yaml (get and list, nothing else); until then verdicts say what is missing',
          },
        ];
  const shown = strangers.slice(0, 5).join(', ');
  return [
    ...facts,
    strangers.length === 0
      ? { what: 'Kubernetes', state: 'ok', detail: `${where}: everything that is needed can be read`, todo: '' }
      : {
          what: 'Kubernetes',
          state: 'warning',
          detail: `${where}: ${strangers.length} of its nodes are not in the inventory: ${shown}${strangers.length > 5 ? ' …' : ''}`,
          todo: 'add them to "nodes": pods there cannot be looked at',
        },
  ];
}

function outOfReach(where: string, failed: Failed): Check {
  return { what: 'Kubernetes', state: 'failed', detail: `${where}: ${failed.message}`, todo: todoOf(failed) };
}

function todoOf({ why, message }: Failed): string {
  switch (why) {
    case 'forbidden':
      return 'give it the role of deploy/rbac.yaml: get and list, nothing else';
    case 'unauthorized':
      return 'renew the token or the client certificate that "kubernetes" in netcheck.yaml leads to';
    case 'invalid':
      return 'is this address really an API server? check "kubernetes" in netcheck.yaml';
    case 'unreachable':
    case 'timedOut':
      return message.includes('certificate')
        ? "put the cluster's own certificate-authority-data into the kubeconfig; nothing was sent to this server"
        : 'is the API server up, and may this machine reach it? questions about nodes and addresses work without it';
  }
}
