import type { Symptom } from '../model/symptom.ts';
import type { FoundObject, KubernetesOptions, KubernetesTarget } from './kubernetes-place.ts';
import { clusterFor, theOnly, valueOf } from './kubernetes-refusals.ts';
import { placeOfPod, resolveDeployment, resolvePod } from './resolve-pod.ts';
import { fromMemory, resolveIngress, resolveNodePort, throughService } from './resolve-service.ts';

/**
 * A Kubernetes object as a place: through the API, or, where it is of no use, from what the nodes themselves know.
 *
 * @throws NetcheckError `ask/no-kubernetes` (it cannot be looked up, and why), `ask/unknown-object` (it is not there, or
 *   several are), `ask/unknown-node` (its node is not in the inventory), `ask/no-namespace`
 */
export async function resolveKubernetes(
  target: KubernetesTarget,
  question: Pick<Symptom, 'port' | 'protocol' | 'from'>,
  options: KubernetesOptions,
): Promise<FoundObject> {
  const { port, protocol } = question;
  switch (target.object) {
    case 'pod':
      return resolvePod(target, options);
    case 'deploy':
      return resolveDeployment(target, options);
    case 'svc': {
      const cluster = clusterFor(target, options);
      const read = await cluster.services(target.name, target.namespace ?? null);
      if (read.how === 'failed') {
        const known = fromMemory(target, read, port, protocol, options);
        if (known !== undefined) return known;
      }
      const services = valueOf(read, target, cluster);
      return throughService(target, theOnly(services, target), port, protocol, options);
    }
    case 'nodeport':
      return resolveNodePort(target, question, options);
    case 'ingress':
      return resolveIngress(target, options);
  }
}

/**
 * An address that no node owns: a pod's, or a Service's. Undefined where nobody knows it; the API being down is no
 * error here, the address may be anything.
 */
export async function resolveClusterAddress(
  address: string,
  { port, protocol }: Pick<Symptom, 'port' | 'protocol'>,
  options: KubernetesOptions,
): Promise<FoundObject | undefined> {
  const { cluster } = options;
  if (cluster === null) return undefined;
  const pod = await cluster.podAt(address);
  if (pod.how === 'read' && pod.value !== null)
    return placeOfPod(pod.value, `${address} is pod ${pod.value.namespace}/${pod.value.name}`, options);
  const service = await cluster.serviceAt(address);
  if (service.how !== 'read' || service.value === null) return undefined;
  const { namespace, name } = service.value;
  const target: KubernetesTarget = { kind: 'kubernetes', object: 'svc', namespace, name };
  return throughService(target, service.value, port, protocol, options, address);
}
