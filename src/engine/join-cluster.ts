import {
  type Cluster,
  type ClusterPart,
  clusterKind,
  clusterParts,
  clusterPlace,
  partOfKind,
} from '../model/cluster-facts.ts';
import type { KubeObject } from '../model/cluster-objects.ts';
import type { At, Evidence } from '../model/evidence.ts';
import type { Parser } from '../model/parser.ts';

type Kept = KubeObject & { readonly at: At };
type Of<Kind extends KubeObject['kind']> = Extract<Kept, { readonly kind: Kind }>;

/**
 * What the answers of the Kubernetes API say together; undefined where it was not asked. A part that any request of its
 * own could not be read for is in `missing`, with what there is of it.
 */
export function joinCluster(evidence: readonly Evidence[], parsers: ReadonlyMap<string, Parser>): Cluster | undefined {
  const own = evidence.filter(({ entry }) => entry.node === clusterPlace && entry.kind === clusterKind);
  const [first] = own;
  if (first === undefined) return undefined;
  const missing: Partial<Record<ClusterPart, string>> = {};
  const read = new Map<ClusterPart, { readonly before: Kept[]; readonly after: Kept[] }>();
  const readAfter = new Set<ClusterPart>();
  let whole: string | undefined;
  for (const { entry, stdout, stderr } of own) {
    const part = partOf(entry.id);
    if (part === undefined) continue;
    const { exit } = entry;
    const evidenceFile = entry.out ?? entry.err ?? entry.id;
    const parsed =
      exit.how === 'exited' && exit.code === 0
        ? parsers.get(clusterKind)?.parse({ stdout, stderr, argv: entry.argv, exitCode: 0, evidence: evidenceFile })
        : undefined;
    const objects = parsed?.value as readonly Kept[] | undefined;
    if (objects === undefined || (parsed?.problems.length ?? 0) > 0) {
      const why = whyNot(exit, stderr);
      // what was read before the window stands, whatever becomes of the second look
      if (entry.phase !== 'after') missing[part] ??= why;
      if (exit.how === 'notStarted' && exit.why !== 'auth') whole ??= why;
      if (objects === undefined) continue;
    }
    const kept = read.get(part) ?? { before: [], after: [] };
    read.set(part, kept);
    if (entry.phase === 'after') readAfter.add(part);
    for (const object of objects) {
      // an answer about Services may hold nothing else
      const of = partOfKind[object.kind];
      if (of === part || (part === 'dns' && object.kind === 'workload'))
        (entry.phase === 'after' ? kept.after : kept.before).push(object);
    }
  }
  if (whole !== undefined) for (const part of clusterParts) if (!read.has(part)) missing[part] ??= whole;

  const latest = <Kind extends KubeObject['kind']>(part: ClusterPart, ...kinds: readonly Kind[]) => {
    const kept = read.get(part);
    if (kept === undefined) return undefined;
    // pods of the second look are only those behind the Service
    // what was read last counts; a run that began anew with a late node has read it again
    const last = kept.after.toReversed();
    const objects = part === 'pods' ? [...last, ...kept.before] : readAfter.has(part) ? last : kept.before;
    return unique(objects.filter((one): one is Of<Kind> => kinds.some((kind) => kind === one.kind)));
  };
  const before = <Kind extends KubeObject['kind']>(part: ClusterPart, kind: Kind) =>
    unique((read.get(part)?.before ?? []).filter((one): one is Of<Kind> => one.kind === kind));
  const found = {
    services: latest('services', 'service'),
    endpoints: latest('endpoints', 'endpoint'),
    pods: latest('pods', 'pod'),
    policies: latest('policies', 'networkPolicy'),
    namespaces: latest('namespaces', 'namespace'),
    events: latest('events', 'event'),
    nodes: latest('nodes', 'node'),
    proxyConfig: latest('proxy', 'kubeProxyConfig')?.[0],
    workloads: [...(latest('proxy', 'workload') ?? []), ...(latest('dns', 'workload') ?? [])],
    cni: latest('cni', 'cniConfig'),
    dns: latest('dns', 'dnsConfig'),
  };
  const earlier = {
    ...(readAfter.has('endpoints') ? { endpoints: before('endpoints', 'endpoint') } : {}),
    ...(readAfter.has('pods') ? { pods: before('pods', 'pod') } : {}),
  };
  return {
    ...(Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as Partial<Cluster>),
    ...(Object.keys(earlier).length === 0 ? {} : { earlier }),
    missing,
    readAtMs: Math.min(...own.map(({ entry }) => entry.startedAtMs)),
    at: { evidence: first.entry.out ?? first.entry.err ?? first.entry.id },
  };
}

/** `03-pods` -> `pods`. */
function partOf(id: string): ClusterPart | undefined {
  const part = id.slice(id.indexOf('-') + 1);
  return clusterParts.find((one) => one === part);
}

function whyNot(exit: Evidence['entry']['exit'], stderr: Uint8Array): string {
  const said = Buffer.from(stderr.subarray(0, 400)).toString('utf8').trim();
  if (exit.how === 'notStarted') return exit.message;
  if (exit.how === 'tooMuchOutput') return 'there is more of it than is kept';
  return said === '' ? 'its answer is not what it should be' : said;
}

/** One object may come by several requests: as the pod at an address, and as one that a Service selects. */
function unique<T extends Kept>(objects: readonly T[]): readonly T[] {
  const kept = new Map<string, T>();
  for (const object of objects) {
    const key = keyOf(object);
    if (!kept.has(key)) kept.set(key, object);
  }
  return [...kept.values()];
}

function keyOf(object: Kept): string {
  switch (object.kind) {
    case 'endpoint':
      return `${object.service} ${object.address} ${object.ports.map(({ port }) => port).join(' ')}`;
    case 'event':
      return `${object.pod} ${object.reason} ${object.message} ${object.lastAtMs}`;
    case 'cniConfig':
    case 'dnsConfig':
      return object.where;
    case 'kubeProxyConfig':
      return 'kube-proxy';
    case 'namespace':
    case 'node':
      return object.name;
    case 'service':
    case 'pod':
    case 'networkPolicy':
    case 'workload':
      return `${object.namespace}/${object.name}`;
  }
}
