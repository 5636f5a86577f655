import type { ClusterReader } from '../../engine/ports.ts';
import { createKubeClient, type KubeClientOptions } from './kube-client.ts';
import { createKubeCluster } from './kube-cluster.ts';
import { loadKubeAccess } from './kube-config.ts';

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
): Promise<ClusterReader & { close(): void }> {
  const access = await loadKubeAccess(file, context);
  const client = createKubeClient(access, options);
  return { ...createKubeCluster(client, access.server), close: () => client.close() };
}
