import { NetcheckError } from '../model/errors.ts';
import type {
  Assumption,
  Budget,
  LookedUp,
  Plan,
  PlannedNode,
  PlannedRule,
  PlannedStep,
  Role,
  Seen,
} from '../model/plan.ts';
import type { Playbook } from '../model/playbook.ts';
import type { InventoryNode } from '../model/inventory.ts';
import { nodeOfPlace, placeName } from '../model/netns.ts';
import type { Symptom, Target } from '../model/symptom.ts';
import { type Inventory, resolveTarget } from './inventory.ts';
import { joined } from './include-playbooks.ts';
import type { FoundObject, KubernetesOptions, Place, ServerNode } from './kubernetes-place.ts';
import { resolveClusterAddress, resolveKubernetes } from './resolve-kubernetes.ts';
import { alwaysCollected, type Chosen, choosePlaybooks, isForQuestion, type Registries } from './playbook-set.ts';
import { canonicalAddress, isOnEveryNode, type Lookup, settleAddress, settleTarget } from './settle-address.ts';

export interface PlanOptions {
  /** Nodes to probe from when the question names none. */
  readonly probeFrom: readonly string[];
  readonly budget: Budget;
  /** For nodes that the inventory knows by a host name; without it they need an IP address. */
  readonly lookup?: Lookup;
  /**
   * Asks a node for a network namespace: its address, and whether it is the node's own. @throws NetcheckError
   * `ask/no-namespace` where it is not there, or has no address
   */
  readonly namespaceOn?: (
    node: InventoryNode,
    netns: string,
  ) => Promise<{ readonly address: string; readonly isOwn: boolean }>;
  /** For questions about pods and Services; without it they are refused. */
  readonly kubernetes?: Pick<KubernetesOptions, 'cluster' | 'podsOnNodes'>;
}

/**
 * Symptom -> who is asked what. Everything that a run will do is in the plan, so that `--explain` can show it and
 * `run.json` can keep it.
 *
 * @throws NetcheckError `ask/…` where a name, an address or a playbook is not known
 */
export async function makePlan(
  symptom: Symptom,
  inventory: Inventory,
  registries: Registries,
  options: PlanOptions,
): Promise<Plan> {
  const chosen = choosePlaybooks(symptom, registries.playbooks);
  const whole = chosen.map(({ playbook }) => playbook).reduce(joined, { collect: [], rules: [] });
  const lookedUp: LookedUp[] = [];
  const behind: ServerNode[] = [];
  const resolve = async (one: Target): Promise<Place> => {
    const found = await resolvePlace(one, symptom, inventory, options);
    if (!('told' in found)) return found;
    lookedUp.push(found.told);
    behind.push(...found.behind);
    return found.place;
  };
  const asked = await resolve(symptom.target);
  const target: Place = {
    ...asked,
    address:
      asked.kind === 'node' && asked.netns === undefined
        ? await settleTarget(asked.node.name, asked.address, options.lookup)
        : asked.address,
  };
  const nodes = new Map<string, PlannedNode>();
  const externalClients: string[] = [];

  const add = async (resolved: Place, role: Role, why: string, server?: PlannedNode['server']): Promise<void> => {
    if (resolved.kind === 'external') {
      if (role === 'forwarder')
        throw new NetcheckError(
          'ask/external-address',
          `No node of the inventory owns ${resolved.address}, so nothing can be read there.`,
          'After "via" name a node that netcheck can log in to, or leave "via" out.',
          {
            zh: {
              message: `清单中没有节点拥有 ${resolved.address}，那里什么也读不到。`,
              hint: '"via" 之后请写 netcheck 能登录的节点，或去掉 "via"。',
            },
          },
        );
      if (role === 'client' && !externalClients.includes(resolved.address)) externalClients.push(resolved.address);
      return;
    }
    const name = placeName(resolved.node.name, resolved.label ?? resolved.netns);
    const known = nodes.get(name);
    if (known) {
      if (!known.roles.includes(role)) nodes.set(name, { ...known, roles: [...known.roles, role] });
      return;
    }
    // A name that only the jump host knows costs nothing but the look-ups that need an address.
    const address = (await settleAddress(resolved.address, options.lookup)) ?? resolved.address;
    nodes.set(name, {
      node: { ...resolved.node, name },
      ...(resolved.netns === undefined ? {} : { netns: resolved.netns }),
      roles: [role],
      address,
      why,
      ...(server === undefined ? {} : { server }),
    });
    // What goes into a namespace or comes out of it passes the node's own.
    if (resolved.netns !== undefined)
      await add(
        { kind: 'node', node: resolved.node, address: resolved.node.target ?? resolved.node.address },
        'forwarder',
        `the node of ${name}`,
      );
  };

  await add(target, 'target', 'asked');
  for (const one of symptom.via) await add(await resolve(one), 'forwarder', 'via');
  for (const one of symptom.from) await add(await resolve(one), 'client', 'from');
  for (const { node, why, pod, server } of behind) {
    await add({ kind: 'node', node, address: node.target ?? node.address }, 'forwarder', why);
    // a pod that asks for its own Service is there as what it was asked about
    if (pod !== undefined && server !== undefined && !nodes.has(placeName(node.name, pod.label ?? pod.netns)))
      await add(pod, 'target', why, server);
  }
  const assumed: Assumption[] = [
    ...(await otherOwners(target, symptom, inventory)),
    ...otherWords(target, symptom, inventory),
  ];
  if (symptom.from.length === 0)
    for (const { name, why, others } of chooseClients(nodes, inventory, options)) {
      await add(await resolveTarget({ kind: 'node', node: name }, inventory), 'client', why);
      if (others.length > 0) assumed.push({ what: 'from', node: name, others: [...others] });
    }

  for (const { node, roles } of nodes.values())
    if (symptom.from.length > 0 && roles.includes('target') && roles.includes('client'))
      throw new NetcheckError(
        'ask/same-node',
        `${node.name} cannot be both the target and where it fails from.`,
        'Name another node after "from"; what a node sends to itself never leaves it.',
        {
          zh: {
            message: `${node.name} 不能既是目标又是访问失败的一方。`,
            hint: '"from" 之后请写另一个节点：节点发给自己的报文不会离开它。',
          },
        },
      );

  const steps = stepsOfAll(nodes, whole.collect);
  const rules = rulesOf(whole.rules);
  return {
    symptom,
    playbooks: chosen.map(({ playbook }) => playbook.id),
    choice: chosen.map(({ playbook, by, word }) => ({
      playbook: playbook.id,
      by,
      ...(word === undefined ? {} : { word }),
    })),
    mayJoin: chosen.some(({ by }) => by === 'named')
      ? []
      : joiners(symptom, registries, chosen, whole).map(({ id, seen, collect, rules: own }) => ({
          playbook: id,
          seen,
          steps: stepsOfAll(nodes, collect).filter((step) => !steps.some((known) => isSameStep(known, step))),
          rules: rulesOf(own).filter(({ rule }) => !rules.some((known) => known.rule === rule)),
          onward: onwardSteps(collect),
        })),
    targetAddress: target.address,
    externalClients,
    nodes: [...nodes.values()],
    steps: [...steps],
    rules: [...rules],
    onward: onwardSteps(whole.collect),
    ...notesOf(registries),
    ...(lookedUp.length === 0 ? {} : { lookedUp }),
    ...(assumed.length === 0 ? {} : { assumed }),
    budget:
      symptom.watchMs === undefined
        ? options.budget
        : {
            ...options.budget,
            windowMs: symptom.watchMs,
            wallMs: Math.max(options.budget.wallMs, symptom.watchMs + 30_000),
          },
  };
}

/** All of them, whatever rules are chosen: what a run adds to its rules on the way has its notes as well. */
function notesOf({ remedyNotes }: Pick<Registries, 'remedyNotes'>): Pick<Plan, 'remedyNotes'> {
  if (remedyNotes === undefined || remedyNotes.size === 0) return {};
  return { remedyNotes: Object.fromEntries([...remedyNotes].map(([rule, notes]) => [rule, [...notes]])) };
}

/** A target with its namespace. The namespace of the node itself (hostNetwork) is the node. */
async function resolvePlace(
  asked: Target,
  question: Symptom,
  inventory: Inventory,
  { namespaceOn = noNamespaces, kubernetes }: Pick<PlanOptions, 'namespaceOn' | 'kubernetes'>,
): Promise<Place | FoundObject> {
  const cluster = kubernetes === undefined ? undefined : { ...kubernetes, inventory, namespaceOn };
  if (asked.kind === 'kubernetes' && cluster !== undefined) return resolveKubernetes(asked, question, cluster);
  // with a node ("10.0.0.9 on node-51") the address is that node's, whoever else may have it
  if (asked.kind === 'address' && asked.node === undefined && cluster !== undefined && cluster.cluster !== null) {
    const address = canonicalAddress(asked.address);
    // asks the nodes themselves where the inventory does not know: once is enough
    const owner = await inventory.ownerOf(address);
    const isStrange = owner === null && !isOnEveryNode(address);
    const found = isStrange ? await resolveClusterAddress(address, question, cluster) : undefined;
    return found ?? resolveTarget(asked, { ...inventory, ownerOf: async () => owner });
  }
  const resolved = await resolveTarget(asked, inventory);
  if (asked.kind !== 'node' || asked.netns === undefined || resolved.kind !== 'node') return resolved;
  const { address, isOwn } = await namespaceOn(resolved.node, asked.netns);
  return isOwn ? resolved : { ...resolved, address, netns: asked.netns };
}

function noNamespaces(node: InventoryNode, netns: string): never {
  throw new NetcheckError(
    'ask/no-namespace',
    `Network namespaces cannot be looked up here, so "${netns}" on ${node.name} cannot be asked about.`,
    'Ask with the node and the port instead.',
    {
      zh: {
        message: `这里无法查询网络命名空间，因此不能问 ${node.name} 上的 "${netns}"。`,
        hint: '请改用节点和端口来问。',
      },
    },
  );
}

/** An address that two nodes have: the first is taken, and it is said. */
async function otherOwners(target: Place, { target: asked }: Symptom, inventory: Inventory): Promise<Assumption[]> {
  if (asked.kind !== 'address' || asked.node !== undefined || target.kind !== 'node') return [];
  const owners = (await inventory.ownersOf?.(target.address)) ?? [];
  const others = owners.map(({ name }) => name).filter((name) => name !== target.node.name);
  return others.length === 0 ? [] : [{ what: 'owner', node: target.node.name, others: others.slice(0, 5) }];
}

/** "node-12 cannot reach node-50 port 1301" asks about node-12; whoever writes it may mean the other one. */
function otherWords(target: Place, { words }: Symptom, inventory: Inventory): Assumption[] {
  if (target.kind !== 'node') return [];
  const names = new Set(inventory.names());
  const others = [...new Set(words)].filter((word) => names.has(word) && word !== target.node.name);
  return others.length === 0 ? [] : [{ what: 'words', node: target.node.name, others: others.slice(0, 5) }];
}

/** `defaults.probeFrom`, else one other node of the inventory: without a probe there may be nothing to see. */
function chooseClients(
  nodes: ReadonlyMap<string, PlannedNode>,
  inventory: Inventory,
  { probeFrom }: PlanOptions,
): readonly { readonly name: string; readonly why: string; readonly others: readonly string[] }[] {
  const there = new Set([...nodes.keys()].map(nodeOfPlace));
  const isThere = (name: string): boolean => there.has(name);
  const configured = probeFrom.filter((name) => !isThere(name));
  if (configured.length > 0) return configured.map((name) => ({ name, why: 'defaults.probeFrom', others: [] }));
  const [other, ...others] = inventory.names().filter((name) => !isThere(name));
  if (other === undefined) return [];
  const why = 'no "from" and no defaults.probeFrom: the first other node';
  return [{ name: other, why, others: others.slice(0, 5) }];
}

type Lists = Pick<Playbook, 'collect' | 'rules'>;

function stepsOfAll(nodes: ReadonlyMap<string, PlannedNode>, collect: Playbook['collect']): PlannedStep[] {
  return [...nodes.values()].flatMap(({ node, roles, netns }) => stepsFor(node.name, roles, collect, netns));
}

/** What a node is asked that joins on the way, whichever it is. */
function onwardSteps(collect: Playbook['collect']): NonNullable<Plan['onward']> {
  return stepsFor('', ['forwarder'], collect, undefined).map(({ collector, params }) => ({ collector, params }));
}

function rulesOf(rules: Playbook['rules']): PlannedRule[] {
  return rules.map((rule) => ({ rule: rule.use, params: rule.with }));
}

function isSameStep(one: PlannedStep, other: PlannedStep): boolean {
  return (
    one.node === other.node &&
    one.collector === other.collector &&
    JSON.stringify(one.params) === JSON.stringify(other.params)
  );
}

/**
 * Playbooks that join as soon as a node shows what they are for. There is one capture and one series of probes per run:
 * they use those of the playbook that was chosen, and one that needs another capture does not join.
 */
function joiners(
  symptom: Symptom,
  { playbooks, collectors }: Registries,
  chosen: readonly Chosen[],
  whole: Lists,
): readonly (Lists & { readonly id: string; readonly seen: Seen[] })[] {
  const whenOf = ({ use }: Playbook['collect'][number]) => collectors.get(use)?.when;
  const providedBy = (use: string): readonly string[] => collectors.get(use)?.provides ?? [];
  // a look-up of the name is no second series of connects: a rule that joins would miss it
  const probed = new Set(['probes', ...whole.collect.flatMap(({ use }) => providedBy(use))]);
  const isProbed = (use: string): boolean => providedBy(use).some((fact) => probed.has(fact));
  return [...playbooks.values()].flatMap(({ id, when, collect, rules }) => {
    if (when?.seen === undefined || !isForQuestion(when, symptom)) return [];
    if (chosen.some(({ playbook }) => playbook.id === id)) return [];
    const captures = collect.filter((step) => whenOf(step) === 'capture');
    const isCaptured = captures.every(({ use, with: params }) =>
      whole.collect.some((step) => step.use === use && JSON.stringify(step.with) === JSON.stringify(params)),
    );
    if (!isCaptured) return [];
    const others = collect.filter(
      (step) => whenOf(step) !== 'capture' && !(whenOf(step) === 'probe' && isProbed(step.use)),
    );
    return [{ id, seen: when.seen, collect: others, rules }];
  });
}

function stepsFor(
  node: string,
  roles: readonly Role[],
  collect: readonly { on: readonly Role[]; use: string; with: Record<string, unknown> }[],
  netns: string | undefined,
): readonly PlannedStep[] {
  const steps: PlannedStep[] = alwaysCollected.map((collector) => ({ node, collector, params: {} }));
  if (netns !== undefined) steps.push({ node, collector: 'netns', params: { name: netns } });
  for (const { on, use, with: params } of collect)
    if (
      roles.some((role) => on.includes(role)) &&
      !steps.some((step) => step.collector === use && JSON.stringify(step.params) === JSON.stringify(params))
    )
      steps.push({ node, collector: use, params });
  return steps;
}
