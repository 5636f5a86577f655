import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAuditBaselines } from '../src/adapters/files/audit-baselines.ts';
import { createAccessCheck } from '../src/check-access.ts';
import { type Config, inventoryNodes, parseConfig } from '../src/config.ts';
import type { Inventory } from '../src/engine/inventory.ts';
import type { PastRun } from '../src/model/past-run.ts';
import { slackKnowledge } from '../src/slack-knowledge.ts';
import { pastRun } from './adapters/slack/known-world.ts';

const nodesYaml = `
nodes:
  node-12: { address: 10.0.0.12 }
  node-50: { address: 10.0.0.50, target: 172.16.0.50 }
  node-51: { address: 10.0.0.51 }
  web-1: { address: 10.0.0.60 }
`;
const anna = { user: 'U0ANNA', channel: 'C0NET', language: 'en' } as const;
const eve = { ...anna, user: 'U0EVE' };

function knowledge(yaml = nodesYaml, runs: readonly PastRun[] | 'down' = [], directory = '/nowhere') {
  const config: Config = parseConfig(yaml, 'netcheck.yaml');
  const loaded = { config, file: 'netcheck.yaml', directory };
  const nodes = inventoryNodes(loaded);
  const inventory: Inventory = {
    names: () => nodes.map(({ name }) => name).sort(),
    externalAllowed: false,
    find: async (name) => nodes.find((node) => node.name === name) ?? null,
    ownerOf: async (address) => nodes.find((node) => node.address === address) ?? null,
  };
  const access = createAccessCheck(config.access, {
    isIn: async () => 'no',
    groupHandle: async () => undefined,
    channelName: async () => undefined,
  });
  const playbooks = new Map([
    ['port-check', { id: 'port-check', title: { en: 'Port', zh: '端口' }, words: { en: ['refused'], zh: [] } }],
  ]);
  const recent = async ({ node, limit }: { node?: string; limit: number }) => {
    if (runs === 'down') throw new Error('Redis is away');
    return runs.filter((run) => node === undefined || run.nodes.includes(node)).slice(0, limit);
  };
  return slackKnowledge(
    { loaded, inventory, cluster: null, registries: { playbooks } as never },
    {
      history: { recent } as never,
      health: async () => ({ version: '7.0.15' }) as never,
      load: async () => ({ waiting: 3, active: 1, oldestWaitingMs: 0 }),
      workers: async () => [{ host: 'bot-1', pid: 42, sinceMs: 1, runs: 1 }],
    },
    { access, judge: { mayDo: async () => undefined } },
  );
}
const restricted = `${nodesYaml}
access:
  - { users: [U0ANNA], nodes: [node-5*] }
`;

describe('what the Slack front knows', () => {
  it('names every node with the address that is diagnosed, playbooks in both languages, and Redis', async () => {
    const known = knowledge();
    expect(await known.nodes(anna)).toContainEqual({ name: 'node-50', about: '172.16.0.50' });
    expect(known.playbooks('zh')).toEqual([{ id: 'port-check', title: '端口' }]);
    expect(await known.status()).toMatchObject({
      redis: '7.0.15',
      waiting: 3,
      running: 1,
      workers: [{ host: 'bot-1', pid: 42, runs: 1 }],
    });
  });

  it('understands prose with the words of the playbooks', async () => {
    expect(await knowledge().interpret(anna, '', 'node-12 cannot reach 172.16.0.50:80, refused', [])).toEqual({
      kind: 'question',
      text: '172.16.0.50 port 80 from node-12 refused',
      wasRead: true,
    });
  });

  it('takes earlier questions for choices, and does without them while Redis is away', async () => {
    const runs = [
      pastRun({ text: 'node-50 port 1301 from web-1', nodes: ['node-50', 'web-1'] }),
      pastRun({ text: 'not a question' }),
    ];
    expect(await knowledge(nodesYaml, runs).interpret(anna, 'node-50', '', [])).toMatchObject({
      kind: 'doubt',
      doubt: { open: 'port', choices: [{ text: 'node-50 port 1301' }] },
    });
    expect(await knowledge(nodesYaml, 'down').interpret(anna, 'node-50', '', [])).toMatchObject({ kind: 'unclear' });
  });
});

it('what the last audit left open, newest first, of nodes that a person may know', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'netcheck-knowledge-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const node = (name: string, ...seen: readonly number[]) => ({
    node: name,
    lookedAtMs: 1,
    troubles: seen.map((firstSeenMs) => ({
      fingerprint: `f${firstSeenMs}`,
      rule: 'r',
      title: `since ${firstSeenMs}`,
      firstSeenMs,
    })),
  });
  const nodes = new Map([node('node-50', 5, 7), node('web-1', 9)].map((one) => [one.node, one]));
  const known = () => knowledge(nodesYaml, [], directory);
  expect(await known().openTroubles?.(anna)).toBeUndefined();
  await createAuditBaselines(path.join(directory, '.netcheck', 'audits'), { keep: 2 }).keep({
    id: 'a1',
    playbook: 'node-audit',
    selector: '',
    startedAtMs: 42,
    nodes,
  });
  expect(await known().openTroubles?.(anna)).toMatchObject({
    auditedAtMs: 42,
    total: 3,
    troubles: [{ node: 'web-1' }, { node: 'node-50', sinceMs: 7 }, { sinceMs: 5 }],
  });
  expect(await knowledge(restricted, [], directory).openTroubles?.(anna)).toMatchObject({ total: 2 });
});

describe('with access', () => {
  const runs = [
    pastRun({ id: 'r1', nodes: ['node-50@77', 'node-51'] }),
    pastRun({ id: 'r2', nodes: ['node-50', 'web-1'] }),
  ];

  it('everybody knows the nodes of their grants only', async () => {
    const known = knowledge(restricted, runs);
    expect((await known.nodes(anna)).map(({ name }) => name)).toEqual(['node-50', 'node-51']);
    expect(await known.nodes(eve)).toEqual([]);
    expect((await known.recentRuns(anna, { limit: 10 })).map(({ id }) => id)).toEqual(['r1']);
    expect(await known.recentRuns(eve, { limit: 10 })).toEqual([]);
  });

  it('who may look but not ask is asked nothing back: the refusal comes from the judge', async () => {
    const looker = `${nodesYaml}\naccess:\n  - { users: [U0ANNA], actions: [look] }\n`;
    expect(await knowledge(looker).interpret(anna, 'node-5 port 1301', '', [])).toMatchObject({ kind: 'question' });
  });

  it('a question back offers no others, and a stranger gets none', async () => {
    const known = knowledge(restricted, runs);
    const said = await known.interpret(anna, 'node-5 port 1301', '', []);
    expect(said).toMatchObject({ doubt: { open: 'name', choices: [{ label: 'node-50' }, { label: 'node-51' }] } });
    expect(JSON.stringify(await known.interpret(anna, 'web port 1301', 'web-1 port 80', []))).not.toContain('web-1');
    expect(await known.interpret(eve, 'node-5 port 1301', 'node-50 port 80', [])).toEqual({
      kind: 'question',
      text: 'node-5 port 1301',
      wasRead: false,
    });
  });
});
