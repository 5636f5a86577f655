import type { ClusterTrouble } from '../../model/cluster.ts';
import type { ClusterObserver, ClusterReader } from '../../engine/ports.ts';
import { createKubeClient, type KubeClientOptions } from './kube-client.ts';
import { createKubeCluster } from './kube-cluster.ts';
import { loadKubeAccess } from './kube-config.ts';
import { createClusterObserver, observedKinds } from './observe-cluster.ts';

export type OpenCluster = ClusterReader &
  ClusterObserver & {
    /** Kinds of objects beside those of questions that cannot be read, and why. */
    mayObserve(): Promise<readonly { readonly kind: string; readonly why: ClusterTrouble; readonly message: string }[]>;
    close(): void;
  };

/**
 * The cluster of a kubeconfig, or the one that netcheck runs in. Nothing is sent before the first look.
 *
 * @param file    undefined: the service account of this pod
 * @param context undefined: the current one
 * @throws NetcheckError `config/invalid`
 */
export async function openCluster(
  { file, context }: { readonly file: string | undefined; readonly context: string | undefined },
  options: KubeClientOptions = {},
): Promise<OpenCluster> {
  const access = await loadKubeAccess(file, context);
  const client = createKubeClient(access, options);
  return {
    ...createKubeCluster(client, access.server),
    ...createClusterObserver(client, access.server),
    mayObserve: async () => {
      const answers = await Promise.all(
        observedKinds.map(async ([kind, path]) => ({ kind, answer: await client.get(path) })),
      );
      return answers.flatMap(({ kind, answer }) => (answer.how === 'failed' ? [{ kind, ...answer }] : []));
    },
    close: () => client.close(),
  };
}
