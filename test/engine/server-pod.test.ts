import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/engine/evaluate.ts';
import { contextOf } from '../../src/engine/open-node.ts';
import { targetOf } from '../../src/engine/target-of.ts';
import { engineText } from '../../src/engine/wording.ts';
import { nothingLearned } from '../../src/model/command.ts';
import type { Facts } from '../../src/model/facts.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import type { PlannedNode } from '../../src/model/plan.ts';
import { rules } from '../../src/rules/index.ts';
import { answered, at, capture, listener, plan, symptom } from '../rules/facts.ts';

const server = { address: '10.244.3.2', port: 8080 };
const place = (
  name: string,
  role: 'target' | 'client' | 'forwarder',
  more: Partial<PlannedNode> = {},
): PlannedNode => ({
  node: { ...InventoryNode.parse({ name: 'node', address: '10.0.0.3' }), name },
  roles: [role],
  address: '10.0.0.3',
  why: 'asked',
  ...more,
});
const client = place('node-2', 'client');
const pod = place('node-3@shop.web-1', 'target', { netns: 'pod1', address: server.address, server });
const question = plan({
  symptom: symptom({ port: 80 }),
  targetAddress: '10.96.0.44',
  nodes: [client, place('node-3', 'forwarder', { server }), pod],
  rules: ['port-closed', 'path-drop'].map((rule) => ({ rule, params: {} })),
});

describe('a pod that serves behind a Service', () => {
  it('is asked about its own address and port, and everybody else about those of the Service', () => {
    const asked = (planned: PlannedNode) => {
      const { target, port } = contextOf(question, planned, 0, nothingLearned);
      return { address: target, port };
    };
    expect(asked(pod)).toEqual(server);
    expect(asked(client)).toEqual({ address: '10.96.0.44', port: 80 });
    expect(question.nodes.map(asked)[1]).toEqual({ address: '10.96.0.44', port: 80 });
  });

  it('is judged as a target by what it serves; the way that was asked about still ends at the Service', () => {
    const facts: Facts = {
      listeners: [listener({ port: 8080, at: at('05-listeners.out', 2) })],
      capture: capture([answered()]),
    };
    const knowledge = new Map(
      question.nodes.map(({ node }) => [
        node.name,
        { facts, whyMissing: () => 'not collected', problems: [] as never[] },
      ]),
    );
    const found = evaluate(rules, {
      plan: question,
      knowledge,
      clockOffsetsMs: {},
      language: 'en',
      say: engineText.en,
    });
    expect(found.filter(({ rule }) => rule === 'port-closed').map(({ node, verdict }) => [node, verdict])).toEqual([
      ['node-3@shop.web-1', 'ruledOut'],
    ]);
    expect(found.find(({ rule }) => rule === 'path-drop')?.path).toEqual({ from: 'node-2', to: '10.96.0.44' });
    expect(targetOf(question.nodes)).toBeUndefined();
  });

  it('is the far end for rules that need its packets; who of several was not reached says nothing', () => {
    const asked = { address: '10.96.0.44', port: 80 };
    const other = place('node-4@shop.web-2', 'target', { server: { address: '10.244.4.2', port: 8080 } });
    const left = answered({ server: asked });
    const arrived = { ...left, server };
    const captures: Readonly<Record<string, Facts>> = {
      'node-2': { capture: capture([left]) },
      'node-3@shop.web-1': { capture: capture([arrived]) },
      'node-4@shop.web-2': { capture: capture([]) },
    };
    const both = { ...question, nodes: [client, other, pod], rules: [{ rule: 'middlebox-options', params: {} }] };
    const knowledge = new Map(
      Object.entries(captures).map(([node, facts]) => [
        node,
        { facts, whyMissing: () => 'not collected', problems: [] as never[] },
      ]),
    );
    const judged = (input: typeof both) =>
      evaluate(rules, { plan: input, knowledge, clockOffsetsMs: {}, language: 'en', say: engineText.en }).map(
        ({ verdict, path }) => [verdict, path?.to],
      );
    expect(judged(both)).toEqual([['ruledOut', 'node-3@shop.web-1']]);
    // nobody who serves it can be looked at
    expect(judged({ ...both, nodes: [client] })).toEqual([['unknown', '10.96.0.44']]);
  });
});
