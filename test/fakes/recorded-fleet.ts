import { readdirSync } from 'node:fs';
import path from 'node:path';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { judgeNode } from '../../src/engine/audit-node.ts';
import { planNode } from '../../src/engine/plan-audit.ts';
import { collectors } from '../../src/collectors/index.ts';
import { readPlaybooks } from '../../src/load-playbooks.ts';
import type { Evidence } from '../../src/model/evidence.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import type { AuditJob, NodeAudit } from '../../src/model/node-audit.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';

const cases = path.join(import.meta.dirname, '..', 'cases');
const { playbooks } = readPlaybooks([], { collectors, rules });
export const auditRegistries = { collectors, parsers, rules, playbooks };

/** Names of the recorded runs. */
export function recordedCases(): readonly string[] {
  return readdirSync(cases, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

/** What an audit keeps of every node of a recorded run: what was read before the window, without captures and probes. */
export async function auditsOfCase(
  name: string,
  { language = 'en', last }: { readonly language?: 'en' | 'zh'; readonly last?: AuditJob['last'] } = {},
): Promise<readonly NodeAudit[]> {
  const { record, evidence } = await loadRun(path.join(cases, name, 'run.tar.gz'));
  const own = new Map<string, Evidence[]>();
  for (const one of evidence) {
    const { node, phase, kind } = one.entry;
    if (phase === 'after' || phase === 'during' || kind === 'ip-route-get') continue;
    own.set(node, [...(own.get(node) ?? []), one]);
  }
  return [...own].flatMap(([node, entries]) => {
    if (node.includes('@')) return [];
    const job: AuditJob = {
      audit: 'recorded',
      node,
      playbook: 'node-audit',
      language,
      labels: {},
      ...(last === undefined ? {} : { last }),
    };
    const plan = planNode(job, InventoryNode.parse({ name: node, address: '192.0.2.1' }), auditRegistries);
    return [judgeNode(job, { ...record, language, plan }, entries, auditRegistries)];
  });
}
