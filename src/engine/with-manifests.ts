import type { Cluster } from '../model/cluster-facts.ts';
import type { KubePod } from '../model/cluster-objects.ts';
import type { Facts } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import { nodeOfPlace } from '../model/netns.ts';
import type { Plan } from '../model/plan.ts';
import type { Finding, KernelSetting, KubeDraft, Remedy } from '../model/report.ts';
import { sameAddress } from '../rules/ip-address.ts';
import { hasKubeRules } from '../rules/kube-service.ts';
import { kubeObjectText, nodeSysctlDrafts, podSysctlDrafts } from '../rules/kube-objects.ts';
import type { NodeKnowledge } from './parse.ts';
import {
  addressesAt,
  commonMaker,
  containerFor,
  lastingLabels,
  podWith,
  servingPods,
  type Workload,
  workloadAt,
} from './pod-makers.ts';
import { yamlComment, yamlText } from './yaml-text.ts';

/** Devices that only nodes of a cluster have: of kube-proxy, Calico, flannel, Cilium, kube-router, and most bridges of pods. */
const clusterDevice =
  /^(?:kube-ipvs0|kube-bridge|nodelocaldns|cali.*|vxlan\.calico|wireguard\.cali|cni\d+|flannel[.-].*|cilium_.*|lxc.*|antrea-gw0|ovn-k8s-mp0)$/;
/** RFC 1123 names, as Kubernetes has them: what may stand in a command as it is. */
const objectName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const kindOf: ReadonlyMap<string, string> = new Map(
  Object.entries({
    deployment: 'Deployment',
    statefulset: 'StatefulSet',
    daemonset: 'DaemonSet',
  }),
);

/**
 * A finding with its remedies in Kubernetes' form, as files for `kubectl diff --server-side -f`, where what it is about
 * belongs to a cluster; without any trace of them where it does not.
 */
export function withManifests(
  finding: Finding,
  plan: Plan,
  knowledge: ReadonlyMap<string, NodeKnowledge>,
  language: Language,
): Finding {
  const place = placeOf(finding, plan);
  const withSettings = finding.remedies.flatMap(({ settings }) => settings ?? []);
  const isAccused = finding.verdict === 'confirmed' || finding.verdict === 'likely';
  const cluster = [...knowledge.values()].map(({ facts }) => facts.cluster).find((one) => one !== undefined);
  const isCluster = isAccused && isOfCluster(place, plan, knowledge);
  const remedies = isCluster ? withSysctls(finding, place, withSettings, plan, knowledge, language) : finding.remedies;
  let files = 0;
  return {
    ...finding,
    remedies: remedies.map((remedy) => {
      const { objects, ...rest } = remedy;
      const drafts = isCluster ? (objects ?? []).flatMap((draft) => named(draft, place, plan, cluster)) : [];
      if (drafts.length === 0) return rest;
      files += 1;
      return withManifest({ ...rest, objects: drafts }, finding.rule, files, language);
    }),
  };
}

/** The pod that a finding is about, where there is one: of a path, the end that stands in a namespace of its own. */
function placeOf({ node, path }: Finding, plan: Plan): string {
  const places = [node, ...(path === undefined ? [] : [path.from, path.to])];
  return places.find((one) => workloadAt(one, plan) !== undefined) ?? node;
}

/** What makes the pods behind the target; undefined where nobody looked it up. */
function workloadOfTarget(plan: Plan): Workload | undefined {
  const targets = plan.nodes.filter(({ roles }) => !roles.includes('client')).map(({ node }) => node.name);
  const found = (plan.lookedUp ?? []).filter(({ place }) => place !== undefined && targets.includes(place));
  return found.map(({ workload }) => workload).find((one) => one !== undefined);
}

function isPod(place: string, plan: Plan): boolean {
  return (
    workloadAt(place, plan) !== undefined ||
    plan.nodes.some(({ node, netns }) => node.name === place && netns !== undefined)
  );
}

function isOfCluster(place: string, plan: Plan, knowledge: ReadonlyMap<string, NodeKnowledge>): boolean {
  if ((plan.lookedUp ?? []).some(({ place: known }) => known === place)) return true;
  const own = nodeOfPlace(place);
  const facts = [place, own].map((one): Facts => knowledge.get(one)?.facts ?? {});
  const cluster = facts.find((one) => one.cluster !== undefined)?.cluster;
  if (podWith(cluster, addressesAt(place, plan)) !== undefined) return true;
  if (kubeNodeOf(place, plan, cluster) !== undefined) return true;
  return facts.some(
    ({ kubeProxy, links, firewall }) =>
      kubeProxy?.mode !== undefined ||
      kubeProxy?.healthy !== undefined ||
      (links ?? []).some(({ name }) => clusterDevice.test(name)) ||
      (firewall !== undefined && hasKubeRules(firewall)),
  );
}

/** The name that Kubernetes has for the node of a place, by its addresses. */
function kubeNodeOf(place: string, { nodes }: Plan, cluster: Cluster | undefined): string | undefined {
  const own = nodes.flatMap(({ node, address, netns }) =>
    node.name === nodeOfPlace(place) ? [node.address, ...(netns === undefined ? [address] : [])] : [],
  );
  return cluster?.nodes?.find(({ addresses }) => addresses.some((one) => own.some((other) => sameAddress(one, other))))
    ?.name;
}

/** Kernel settings that a remedy changes on the spot, in the form that lasts in a cluster. */
function withSysctls(
  { remedies, rule }: Finding,
  place: string,
  all: readonly KernelSetting[],
  plan: Plan,
  knowledge: ReadonlyMap<string, NodeKnowledge>,
  language: Language,
): readonly Remedy[] {
  const settings = all.filter(({ key }, index) => all.findIndex((one) => one.key === key) === index);
  if (settings.length === 0 || remedies.some(({ objects }) => objects !== undefined)) return remedies;
  const say = kubeObjectText[language];
  const { kernel, cluster } = knowledge.get(nodeOfPlace(place))?.facts ?? {};
  // kubelet's label is the name of the node, which is its host name unless somebody said otherwise
  const host = kubeNodeOf(place, plan, cluster) ?? kernel?.hostname ?? nodeOfPlace(place);
  const risk = remedies.find((one) => one.settings !== undefined)?.risk ?? '';
  if (!isPod(place, plan)) {
    const objects = [...nodeSysctlDrafts(settings, { slug: rule, host }, say)];
    return [...remedies, { kind: 'kubernetes', commands: [], undo: [], risk, objects }];
  }
  const objects = [...podSysctlDrafts(settings, say)];
  const index = remedies.findIndex(({ kind }) => kind === 'kubernetes');
  return index === -1
    ? [...remedies, { kind: 'kubernetes', commands: [], undo: [], risk, objects }]
    : remedies.map((one, at) => (at === index ? { ...one, objects } : one));
}

/** A draft with the names of what made the pods. One of pods is left out where there is no pod. */
function named(draft: KubeDraft, place: string, plan: Plan, cluster: Cluster | undefined): readonly KubeDraft[] {
  const object = withPodLabels(draft.object, plan, cluster);
  const { name, namespace } = object['metadata'] as { name?: unknown; namespace?: unknown };
  if (name !== 'NAME') return [{ ...draft, object }];
  if (draft.serves !== true && !isPod(place, plan)) return [];
  const servers = draft.serves === true && cluster !== undefined ? servingPods(cluster) : [];
  const workload =
    draft.serves === true ? (workloadOfTarget(plan) ?? commonMaker(servers)) : workloadAt(place, plan, cluster);
  const kind = kindOf.get(workload?.kind.toLowerCase() ?? '');
  if (workload === undefined || kind === undefined) return [{ ...draft, object }];
  const metadata = { name: workload.name, namespace: namespace === 'NAMESPACE' ? workload.namespace : namespace };
  return [{ ...draft, object: withContainer(forKind(kind, { ...object, kind, metadata }), servers[0]) }];
}

/** A policy that is to let the target, or the client, through: it selects the pod by its labels, where they were read. */
function withPodLabels(object: KubeDraft['object'], plan: Plan, cluster: Cluster | undefined): KubeDraft['object'] {
  if (object['kind'] !== 'NetworkPolicy') return object;
  const spec = object['spec'] as Record<string, unknown>;
  const role = spec['ingress'] === undefined ? 'client' : 'target';
  const addresses = [
    ...plan.nodes.flatMap(({ roles, address }) => (roles.includes(role) ? [address] : [])),
    ...(role === 'target' ? [plan.targetAddress] : []),
  ];
  const pod = podWith(cluster, addresses);
  const labels = pod === undefined ? {} : lastingLabels(pod);
  if (pod === undefined || Object.keys(labels).length === 0) return object;
  const metadata = { ...(object['metadata'] as object), namespace: pod.namespace };
  return { ...object, metadata, spec: { ...spec, podSelector: { matchLabels: labels } } };
}

/** The name of the container that serves, where it was read. */
function withContainer(object: KubeDraft['object'], pod: KubePod | undefined): KubeDraft['object'] {
  const spec = object['spec'] as { template?: { spec?: { containers?: readonly Record<string, unknown>[] } } };
  const [container, ...others] = spec.template?.spec?.containers ?? [];
  if (pod === undefined || container?.['name'] !== 'CONTAINER' || others.length > 0) return object;
  const probe = container['readinessProbe'] as { tcpSocket?: { port?: number } } | undefined;
  const name = containerFor(pod, probe?.tcpSocket?.port ?? null);
  if (name === undefined) return object;
  const template = { spec: { ...spec.template?.spec, containers: [{ ...container, name }] } };
  return { ...object, spec: { ...spec, template } };
}

/** How a rollout goes has other names in other kinds (apps/v1): StatefulSets keep their pods one by one by themselves. */
function forKind(kind: string, object: KubeDraft['object']): KubeDraft['object'] {
  const { strategy, ...spec } = object['spec'] as Record<string, unknown>;
  if (kind === 'Deployment' || strategy === undefined) return object;
  return { ...object, spec: kind === 'DaemonSet' ? { ...spec, updateStrategy: strategy } : spec };
}

function withManifest(remedy: Remedy, rule: string, number: number, language: Language): Remedy {
  const file = `netcheck-${rule}${number === 1 ? '' : `-${number}`}.yaml`;
  const drafts = remedy.objects ?? [];
  // a manager of its own: another change of ours takes nothing of this one away
  const how = `--server-side --field-manager=netcheck-${rule} -f ${file}`;
  const [first] = drafts;
  const unknown = drafts.some(({ object }) => (object['metadata'] as { name?: unknown }).name === 'NAME');
  const say = kubeObjectText[language];
  const head = [`kubectl diff ${how}`, `kubectl apply ${how}`, ...(unknown ? [say.kubeNameWorkload] : [])];
  const documents = drafts.map(({ about, object, instead }) => {
    const body = yamlText(object).trimEnd().split('\n');
    return [...yamlComment(wrapped(about)), ...(instead === true ? body.map((line) => `# ${line}`) : body)];
  });
  const yaml = documents.reduce(
    (text, lines, index) => {
      // what stands in a comment is no document of its own
      const isComment = drafts[index]?.instead === true;
      return `${text}${index === 0 ? '---\n' : isComment ? '\n' : '---\n'}${lines.join('\n')}\n`;
    },
    `${head.flatMap(yamlComment).join('\n')}\n`,
  );
  const { kind, metadata } = (first?.object ?? {}) as {
    kind?: string;
    metadata?: { name?: string; namespace?: string };
  };
  const isSafe = [metadata?.name, metadata?.namespace].every((one) => one === undefined || objectName.test(one));
  const isPatch = remedy.commands.every((command) => /^kubectl (?:-n \S+ )?patch |^calicoctl patch /.test(command));
  const undo =
    remedy.undo.length > 0 || !isSafe || kind === undefined
      ? remedy.undo
      : undoOf(kind, metadata?.name ?? '', metadata?.namespace);
  return {
    ...remedy,
    // a patch does what the file does
    commands: [...(isPatch ? [] : remedy.commands), `kubectl diff ${how}`, `kubectl apply ${how}`],
    undo,
    manifest: { file, yaml },
  };
}

/** Lines of a comment that fit beside each other; a snippet of JSON stays whole. */
function wrapped(text: string): string {
  return text
    .split('\n')
    .flatMap((line) => {
      if (line.startsWith('{')) return [line];
      // Chinese has no spaces, and its letters are twice as wide
      const form = /[\u3000-\u9fff]/u.test(line) ? /(.{1,45})(?:(?<=[，。；：、])|\s+|$)/gu : /(.{1,90})(?:\s+|$)/gu;
      return line.replaceAll(form, '$1\n').trimEnd().split('\n');
    })
    .join('\n');
}

function undoOf(kind: string, name: string, namespace: string | undefined): string[] {
  if (name.startsWith('netcheck-') && namespace !== undefined)
    return [`kubectl -n ${namespace} delete ${kind.toLowerCase()} ${name}`];
  if (/^(?:Deployment|StatefulSet|DaemonSet)$/.test(kind) && namespace !== undefined)
    return [`kubectl -n ${namespace} rollout undo ${kind.toLowerCase()} ${name}`];
  if (kind === 'NetworkPolicy' && namespace !== undefined)
    return [`kubectl -n ${namespace} delete networkpolicy ${name}`];
  return [];
}
