import { NetcheckError } from '../model/errors.ts';
import type { AuditHead } from '../model/audit-report.ts';
import type { AuditBaseline } from '../model/audit-baseline.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { AuditJob } from '../model/node-audit.ts';
import { Budget, type Plan, type PlannedRule } from '../model/plan.ts';
import type { Playbook } from '../model/playbook.ts';
import { expect } from '../rules/expect.ts';
import { selectNodes } from './audit-selector.ts';
import { withClusterLabels } from './cluster-labels.ts';
import type { Inventory } from './inventory.ts';
import type { ClusterReader } from './ports.ts';
import { alwaysCollected, type Registries } from './playbook-set.ts';

export const defaultAuditPlaybook = 'node-audit';

/** Time for one node, milliseconds: a fleet does not wait longer for one that does not answer. */
const nodeWallMs = 30_000;

/** What an audit will do: itself, and one job per node. */
export interface AuditPlan {
  readonly head: AuditHead;
  readonly jobs: readonly AuditJob[];
}

/**
 * Which nodes an audit looks at, and with what.
 *
 * @throws NetcheckError `audit/bad-selector`, `audit/no-nodes`, `audit/no-playbook`
 */
export async function planAudit(
  asked: Omit<AuditHead, 'playbook'> & { readonly playbook?: string },
  inventory: Pick<Inventory, 'names' | 'find'>,
  { playbooks }: Pick<Registries, 'playbooks'>,
  options: {
    readonly groups?: Readonly<Record<string, string>>;
    readonly baseline?: AuditBaseline | null;
    /** Nodes are selected, and compared, by the labels that Kubernetes gives them as well. */
    readonly cluster?: Pick<ClusterReader, 'nodes' | 'where'> | null;
  } = {},
): Promise<AuditPlan> {
  const playbook = auditPlaybook(asked.playbook ?? defaultAuditPlaybook, playbooks);
  const found = await Promise.all(inventory.names().map((name) => inventory.find(name)));
  const known = found.flatMap((node) => (node === null ? [] : [node]));
  const { nodes, trouble } = await withClusterLabels(known, options.cluster ?? null);
  const selected = orSayWhatIsMissing(trouble, () => selectNodes(asked.selector, nodes, options.groups ?? {}));
  const { id, selector, startedAtMs, language, netcheck, compareBy } = asked;
  return {
    head: { id, playbook: playbook.id, selector, startedAtMs, language, netcheck, compareBy },
    jobs: selected.map(({ name, labels }) => {
      const last = options.baseline?.nodes.get(name)?.counters;
      return {
        audit: id,
        node: name,
        playbook: playbook.id,
        language,
        labels,
        ...(last === undefined ? {} : { last }),
      };
    }),
  };
}

/** A label that nobody has may be one of Kubernetes, which could not be asked. */
function orSayWhatIsMissing<Value>(trouble: string | undefined, select: () => Value): Value {
  try {
    return select();
  } catch (error) {
    if (trouble === undefined || !(error instanceof NetcheckError)) throw error;
    const hint = `${error.hint} Labels of Kubernetes are not known: the API could not be asked (${trouble}).`;
    throw new NetcheckError(error.code, error.message, hint.trim(), { cause: error });
  }
}

/** @throws NetcheckError `audit/no-playbook` */
export function auditPlaybook(
  id: string,
  playbooks: ReadonlyMap<string, Playbook>,
): Playbook & { readonly audit: NonNullable<Playbook['audit']> } {
  const playbook = playbooks.get(id);
  if (playbook?.audit !== undefined) return { ...playbook, audit: playbook.audit };
  const able = [...playbooks.values()].filter(({ audit }) => audit !== undefined).map((one) => one.id);
  throw new NetcheckError(
    'audit/no-playbook',
    playbook === undefined
      ? `There is no playbook "${id}".`
      : `The playbook "${id}" is about one port, not for audits.`,
    `For audits there are: ${able.sort().join(', ')}. A playbook with a section "audit" is one.`,
  );
}

/** One node of an audit as a plan: what its record keeps, so that `netcheck replay` says the same again. */
export function planNode(job: AuditJob, node: InventoryNode, { playbooks, remedyNotes }: Registries): Plan {
  const { audit } = auditPlaybook(job.playbook, playbooks);
  const address = node.target ?? node.address;
  const always = alwaysCollected.map((collector) => ({ node: node.name, collector, params: {} }));
  return {
    symptom: {
      text: `audit ${job.playbook} --nodes ${job.node}`,
      target: { kind: 'node', node: node.name },
      port: node.port,
      about: 'node',
      protocol: 'tcp',
      from: [],
      via: [],
      playbook: job.playbook,
      words: [],
    },
    playbooks: [job.playbook],
    choice: [{ playbook: job.playbook, by: 'named' }],
    mayJoin: [],
    targetAddress: address,
    externalClients: [],
    nodes: [{ node, roles: ['target', 'forwarder'], address, why: 'audit' }],
    steps: [...always, ...audit.collect.map(({ use, with: params }) => ({ node: node.name, collector: use, params }))],
    rules: audit.rules.flatMap(asChecks),
    ...(remedyNotes === undefined || remedyNotes.size === 0
      ? {}
      : { remedyNotes: Object.fromEntries([...remedyNotes].map(([rule, notes]) => [rule, [...notes]])) }),
    budget: Budget.parse({ wallMs: nodeWallMs }),
  };
}

/** Every row of a table of expectations is a check of its own: new, gone and still are said of each. */
function asChecks({ use, with: params }: Playbook['rules'][number]): PlannedRule[] {
  const table = use === expect.id ? expect.params.safeParse(params) : undefined;
  return table?.success
    ? table.data.table.map((row) => ({ rule: use, params: { table: [row] } }))
    : [{ rule: use, params }];
}
