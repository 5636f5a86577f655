import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { createRunDirectory } from '../../src/adapters/files/run-directory.ts';
import { collectors } from '../../src/collectors/index.ts';
import { parseAsk } from '../../src/engine/ask.ts';
import type { Inventory } from '../../src/engine/inventory.ts';
import { judge } from '../../src/engine/judge.ts';
import { makePlan } from '../../src/engine/plan.ts';
import type { ClusterObserver } from '../../src/engine/ports.ts';
import { run } from '../../src/engine/run.ts';
import { readPlaybooks } from '../../src/load-playbooks.ts';
import type { ClusterAnswer, ClusterPart } from '../../src/model/cluster-facts.ts';
import { clusterParts, partOfKind } from '../../src/model/cluster-facts.ts';
import type { KubeObject } from '../../src/model/cluster-objects.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Budget } from '../../src/model/plan.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';
import { createScriptedTransport, type ScriptedNode } from '../fakes/transport.ts';
import { capture } from '../packets/build-capture.ts';
import { cluster, container, kubeEndpoint, kubePod, kubeService } from '../rules/cluster-facts.ts';

const registries = { collectors, parsers, rules };
const { playbooks } = readPlaybooks([], { collectors, rules });
const nodes = ['node-1', 'node-2'].map((name, index) => InventoryNode.parse({ name, address: `10.0.0.${index + 1}` }));
const inventory: Inventory = {
  externalAllowed: true,
  names: () => nodes.map(({ name }) => name),
  find: async (name) => nodes.find((node) => node.name === name) ?? null,
  ownerOf: async (address) => nodes.find((node) => node.address === address) ?? null,
};
const address = '10.96.0.44';
const answer = async <T>(value: T) => ({ how: 'read', value }) as const;
const service = {
  namespace: 'shop',
  name: 'cart',
  type: 'ClusterIP',
  addresses: [address],
  externalAddresses: [],
  ports: [{ name: 'http', protocol: 'tcp', port: 80, nodePort: null }],
  externalTrafficPolicy: null,
  sessionAffinity: null,
} as const;

const planned = (text: string) =>
  makePlan(
    parseAsk(text),
    inventory,
    { collectors, rules, playbooks },
    {
      probeFrom: ['node-1'],
      budget: Budget.parse({ windowMs: 1000 }),
      kubernetes: {
        podsOnNodes: async () => [],
        cluster: {
          where: 'https://api',
          pods: () => answer([]),
          podsOf: () => answer(null),
          podAt: () => answer(null),
          services: () => answer([service]),
          serviceAt: () => answer(null),
          serviceOfNodePort: () => answer(null),
          endpoints: () => answer([]),
          ingresses: () => answer([]),
          nodes: () => answer([]),
        },
      },
    },
  );

const seen = 'uid 0\ntool tcpdump /usr/sbin/tcpdump\ntool tcpdump:immediate-mode yes\n';
const node = (name: string): ScriptedNode => ({
  name,
  replies: [
    [(argv) => argv.at(-1) === 'look', { stdout: seen }],
    [
      (argv) => argv[0] === 'sh' && argv[3] === 'sh',
      {
        stdout:
          'attempt 1 1795234472.2 1795234476.2 124 timed out\nattempt 2 1795234472.2 1795234476.2 124 timed out\n',
      },
    ],
    [
      ['tcpdump'],
      {
        stderr: 'tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 160 bytes\n',
        stdout: capture({ linkType: 276 }).bytes(),
        hang: true,
      },
    ],
  ],
});

/** What an API has, told part by part. */
function observer(objects: readonly KubeObject[], trouble?: ClusterAnswer['trouble']) {
  const asked: string[] = [];
  const tellPart =
    (tell: (one: ClusterAnswer) => Promise<void>) =>
    (part: ClusterPart): Promise<void> => {
      const own = trouble === undefined ? objects.filter(({ kind }) => partOfKind[kind] === part) : [];
      const times = { startedAtMs: Date.now(), endedAtMs: Date.now() };
      return tell({ part, path: `/${part}`, ...times, objects: own, ...(trouble === undefined ? {} : { trouble }) });
    };
  const port: ClusterObserver = {
    where: 'https://api',
    async observe(question, phase, tell) {
      asked.push(`${phase} ${question.target.address}:${question.target.port}`);
      const parts =
        trouble !== undefined ? (['nodes'] as const) : phase === 'after' ? (['endpoints'] as const) : clusterParts;
      for (const part of parts) await tellPart(tell)(part);
    },
  };
  return { asked, port };
}

const withoutAt = (all: readonly (KubeObject & { at?: unknown })[] = []): readonly KubeObject[] =>
  all.map(({ at: _at, ...object }) => object);
const broken = container({ ready: false, state: 'waiting', reason: 'CrashLoopBackOff' });
const unready = cluster({
  services: [kubeService({ addresses: [address], ports: [{ ...service.ports[0], targetPort: 8080 }] })],
  endpoints: [kubeEndpoint({ ready: false, serving: false })],
  pods: [kubePod({ ready: false, containers: [broken] })],
});
const objects = [unready.services, unready.endpoints, unready.pods, unready.nodes].flatMap((one) => withoutAt(one));

describe('a run with Kubernetes', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'netcheck-cluster-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const report = async (text: string, port: ClusterObserver | undefined) =>
    run(
      { id: 'run-1', plan: await planned(text), language: 'en', netcheck: '0' },
      registries,
      {
        sink: createRunDirectory(folder),
        redact: (bytes) => bytes,
        now: Date.now,
        transport: createScriptedTransport([node('node-1'), node('node-2')]),
        slots: { acquire: async () => ({ release: async () => undefined }) },
        ...(port === undefined ? {} : { cluster: port }),
      },
      { signal: new AbortController().signal, onProgress: () => undefined },
    );

  it('reads the objects before and after, keeps them as evidence, and a replay says the same', async () => {
    const { asked, port } = observer(objects);
    const told = await report('svc shop/cart port 80 from node-1', port);
    expect(asked).toEqual([`before ${address}:80`, `after ${address}:80`]);
    expect(told.run.playbooks).toContain('kubernetes-objects');
    const found = told.findings.find(({ rule }) => rule === 'no-endpoints');
    expect(found?.verdict).toBe('confirmed');
    const pods = found?.because.find(({ text }) => text.includes('CrashLoopBackOff'));
    expect(pods).toMatchObject({ evidence: 'evidence/_kubernetes/03-pods.out', line: 1 });
    expect(readdirSync(path.join(folder, 'evidence', '_kubernetes'))).toContain('index.json');

    const saved = await loadRun(folder);
    const again = judge(saved.record, saved.evidence, registries);
    expect(`${JSON.stringify(again, null, 2)}\n`).toBe(Buffer.from(saved.reportBytes ?? []).toString());
  });

  it('an API that is down is asked once, and what it would have decided is unknown, with the reason', async () => {
    const { asked, port } = observer([], { why: 'unreachable', message: 'the connection is refused' });
    const told = await report('svc shop/cart port 80 from node-1', port);
    expect(asked).toEqual([`before ${address}:80`]);
    const restarts = told.findings.find(({ rule }) => rule === 'pod-restarts');
    expect(restarts?.verdict).toBe('unknown');
    expect(restarts?.missing[0]).toMatchObject({ fact: 'cluster' });
    expect(restarts?.missing[0]?.why).toContain('the connection is refused');
    expect(told.findings.filter(({ verdict }) => verdict === 'confirmed').map(({ rule }) => rule)).not.toContain(
      'no-endpoints',
    );
  });

  it('an API that may not be asked about something leaves the rest', async () => {
    const { port } = observer(objects);
    const forbidding: ClusterObserver = {
      ...port,
      observe: (question, phase, tell, signal) =>
        port.observe(
          question,
          phase,
          (one) =>
            tell(one.part === 'policies' ? { ...one, objects: [], trouble: { why: 'forbidden', message: 'no' } } : one),
          signal,
        ),
    };
    const told = await report('svc shop/cart port 80 from node-1', forbidding);
    expect(told.findings.find(({ rule }) => rule === 'no-endpoints')?.verdict).toBe('confirmed');
  });

  it('a question that has nothing to do with Kubernetes asks nobody', async () => {
    const { asked, port } = observer(objects);
    const told = await report('node-2 port 80 from node-1', port);
    expect(asked).toEqual([]);
    expect(told.run.playbooks).not.toContain('kubernetes-objects');
  });

  it('without access nothing joins', async () => {
    const told = await report('svc shop/cart port 80 from node-1', undefined);
    expect(told.run.playbooks).not.toContain('kubernetes-objects');
  });
});
