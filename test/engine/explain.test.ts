import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { explainPlan } from '../../src/engine/explain.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Budget, Plan } from '../../src/model/plan.ts';
import { Symptom } from '../../src/model/symptom.ts';

function captureOf(user: string | undefined): readonly string[] {
  const plan = Plan.parse({
    symptom: Symptom.parse({ text: 'x', target: { kind: 'node', node: 'node-50' }, port: 1301 }),
    playbooks: ['port-check'],
    targetAddress: '10.0.0.50',
    externalClients: [],
    nodes: [
      {
        node: InventoryNode.parse({ name: 'node-50', address: '10.0.0.50', ...(user === undefined ? {} : { user }) }),
        roles: ['target'],
        address: '10.0.0.50',
        why: 'asked',
      },
    ],
    steps: [{ node: 'node-50', collector: 'capture', params: {} }],
    rules: [],
    budget: Budget.parse({}),
  });
  const [step] = explainPlan(plan, collectors);
  return step?.argv ?? [];
}

describe('what --explain shows of a capture', () => {
  it('is what will run: as the login user where that is not root', () => {
    expect(captureOf('netcheck').join(' ')).toContain('-Z netcheck ');
    expect(captureOf('root')).not.toContain('-Z');
    expect(captureOf(undefined)).not.toContain('-Z');
  });
});
