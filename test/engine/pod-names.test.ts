import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import type { Plan } from '../../src/model/plan.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';

const recorded = path.join(import.meta.dirname, '../cases/accept-queue-pod/run.tar.gz');

async function commandsWith(lookedUp: Plan['lookedUp']): Promise<readonly string[]> {
  const { record, evidence } = await loadRun(recorded);
  const plan = { ...record.plan, ...(lookedUp === undefined ? {} : { lookedUp }) };
  const report = judge({ ...record, plan }, evidence, { collectors, parsers, rules });
  return report.findings
    .filter(({ rule }) => rule === 'accept-queue-overflow')
    .flatMap(({ remedies }) => remedies)
    .filter(({ kind }) => kind === 'kubernetes')
    .flatMap(({ commands, undo }) => [...commands, ...undo]);
}

describe('remedies for a pod that was looked up', () => {
  it('name what made it, ready to be run', async () => {
    const workload = { kind: 'deployment', namespace: 'shop', name: 'web' };
    const commands = await commandsWith([
      { asked: 'pod shop/web-1', found: '', by: 'api', place: 'node-50@web', workload },
    ]);
    expect(commands).toEqual([
      'kubectl diff --server-side --field-manager=netcheck-accept-queue-overflow -f netcheck-accept-queue-overflow.yaml',
      'kubectl apply --server-side --field-manager=netcheck-accept-queue-overflow -f netcheck-accept-queue-overflow.yaml',
      'kubectl -n shop rollout undo deployment web',
      'kubectl -n shop scale deployment web --replicas=COUNT',
    ]);
  });

  it('leave the names open where it is another place, or nothing was looked up', async () => {
    const workload = { kind: 'deployment', namespace: 'shop', name: 'web' };
    const other = await commandsWith([{ asked: 'pod shop/api', found: '', by: 'api', place: 'node-12@api', workload }]);
    expect(other[0]).toContain('-n NAMESPACE patch deployment NAME');
    expect(await commandsWith(undefined)).toEqual(other);
  });
});
