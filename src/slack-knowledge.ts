import path from 'node:path';
import { createAuditBaselines } from './adapters/files/audit-baselines.ts';
import type { QueueAdapter } from './adapters/queue/connect-queue.ts';
import type { Knowledge, NamedNode, Reader } from './adapters/slack/knowledge.ts';
import type { AccessCheck } from './check-access.ts';
import { dataDirectory, inventoryNodes } from './config.ts';
import { parseAsk } from './engine/ask.ts';
import { interpret } from './engine/interpret.ts';
import type { Inventory } from './engine/inventory.ts';
import { defaultAuditPlaybook } from './engine/plan-audit.ts';
import { canonicalAddress } from './engine/settle-address.ts';
import type { ClusterReader } from './engine/ports.ts';
import type { Judge } from './judge-ask.ts';
import type { AuditBaseline } from './model/audit-baseline.ts';
import { NetcheckError } from './model/errors.ts';
import type { InventoryNode } from './model/inventory.ts';
import type { PastRun } from './model/past-run.ts';
import type { Symptom, Target } from './model/symptom.ts';
import type { Wiring } from './wiring.ts';

/** Earlier questions make better choices; nobody waits for them for longer. */
const earlier = { runs: 50, withinMs: 800 } as const;
/** Runs that are read to show some that a person may see. */
const runsRead = 100;
const troublesShown = 20;
const auditKeptMs = 60_000;

/** What the Slack front knows of the world: as much of it as `access` lets each person know. */
export function slackKnowledge(
  wiring: Pick<Wiring, 'loaded' | 'registries' | 'inventory' | 'cluster'>,
  queue: Pick<QueueAdapter, 'history' | 'health'> & Partial<Pick<QueueAdapter, 'load' | 'workers'>>,
  { access, judge }: { readonly access: AccessCheck; readonly judge: Pick<Judge, 'mayDo'> },
): Knowledge {
  const { loaded, registries, inventory } = wiring;
  const { config } = loaded;
  const stated = new Map(inventoryNodes(loaded).map((node) => [node.name, node]));
  const owners = new Map(
    [...stated.values()]
      .reverse()
      .flatMap((node) =>
        [node.target, node.address, ...node.serves].flatMap((one) =>
          one === undefined ? [] : [[canonicalAddress(one), node.name] as const],
        ),
      ),
  );
  const baselines = createAuditBaselines(path.join(dataDirectory(loaded), 'audits'), { keep: config.audit.keep });
  let audit: { readonly untilMs: number; readonly last: Promise<AuditBaseline | null> } | undefined;
  const symptoms = [...registries.playbooks.values()].flatMap(({ words }) => [...words.en, ...words.zh]);

  /** All names, or those that this person may know. */
  async function visibleNames(who: Pick<Reader, 'user' | 'channel'>): Promise<readonly string[]> {
    const names = inventory.names();
    if (config.access === undefined) return names;
    const nodes = names.map((name): Pick<InventoryNode, 'name' | 'labels'> => stated.get(name) ?? { name, labels: {} });
    return (await access.visible(who, nodes)).map(({ name }) => name);
  }

  return {
    async interpret(who, own, quoted, settled) {
      const stranger = await access.refuse({ user: who.user, channel: who.channel, action: 'ask' }, who.language);
      // The refusal is the judge's; a stranger learns no names on the way there.
      if (stranger) return { kind: 'question', text: own, wasRead: false };
      const names = await visibleNames(who);
      const visible = new Set(names);
      const seen: Inventory = {
        ...inventory,
        names: () => names,
        ownersOf: async (address) =>
          ((await inventory.ownersOf?.(address)) ?? []).filter(({ name }) => visible.has(name)),
      };
      return interpret(
        own,
        quoted,
        {
          inventory: seen,
          words: { nodeAt: (address) => owners.get(address), symptoms },
          probeFrom: config.defaults.probeFrom,
          namespacesOf: (object) => namespacesOf(wiring.cluster, object),
          earlier: (node) => earlierQuestions(queue, node, visible),
        },
        settled,
      );
    },
    mayLook: ({ user, channel, language }) => judge.mayDo('look', { user, channel, language }),
    async nodes(who): Promise<readonly NamedNode[]> {
      return (await visibleNames(who)).map((name) => {
        const node = stated.get(name);
        return { name, about: node === undefined ? '' : (node.target ?? node.address) };
      });
    },
    playbooks: (language) =>
      [...registries.playbooks.values()]
        .map(({ id, title }) => ({ id, title: title[language] }))
        .sort((a, b) => a.id.localeCompare(b.id)),
    async status() {
      const [{ version }, load, workers] = await Promise.all([
        queue.health(),
        queue.load?.().catch(() => undefined),
        queue.workers?.().catch(() => undefined),
      ]);
      return {
        ...(version === null ? {} : { redis: version }),
        ...(load === undefined ? {} : { waiting: load.waiting, running: load.active }),
        ...(workers === undefined ? {} : { workers }),
      };
    },
    async recentRuns(who, { node, limit }) {
      const all = config.access === undefined;
      const runs = await queue.history.recent({
        ...(node === undefined ? {} : { node }),
        limit: all ? limit : runsRead,
      });
      if (all) return runs;
      const visible = new Set(await visibleNames(who));
      return runs.filter((run) => isVisible(run, visible)).slice(0, limit);
    },
    async openTroubles(who) {
      const last = await lastAudit();
      if (last === null) return undefined;
      const visible = new Set(await visibleNames(who));
      const open = [...last.nodes.values()]
        .filter(({ node }) => visible.has(node))
        .flatMap(({ node, troubles }) =>
          troubles.map(({ title, firstSeenMs }) => ({ node, title, sinceMs: firstSeenMs })),
        )
        // What is new is what people have not seen yet.
        .sort((a, b) => b.sinceMs - a.sinceMs || a.node.localeCompare(b.node));
      return { auditedAtMs: last.startedAtMs, total: open.length, troubles: open.slice(0, troublesShown) };
    },
  };

  /** The audit of all nodes; read at most once a minute. */
  function lastAudit(): Promise<AuditBaseline | null> {
    const nowMs = Date.now();
    if (audit === undefined || audit.untilMs < nowMs) {
      const last = baselines.last({ playbook: defaultAuditPlaybook, selector: '' });
      audit = { untilMs: nowMs + auditKeptMs, last };
    }
    return audit.last;
  }
}

/** A run is shown where every node in it may be known. */
function isVisible(run: PastRun, visible: ReadonlySet<string>): boolean {
  return run.nodes.every((name) => visible.has(name.replace(/@.*$/u, '')));
}

async function namespacesOf(
  cluster: ClusterReader | null,
  { object, name }: Extract<Target, { kind: 'kubernetes' }>,
): Promise<readonly string[]> {
  const read =
    object === 'svc'
      ? await cluster?.services(name, null)
      : object === 'pod'
        ? await cluster?.pods(name, null)
        : object === 'deploy'
          ? await cluster?.podsOf(name, null)
          : undefined;
  if (read?.how !== 'read') return [];
  return [...new Set((read.value ?? []).map(({ namespace }) => namespace))].sort();
}

async function earlierQuestions(
  { history }: Pick<QueueAdapter, 'history'>,
  node: string | undefined,
  visible: ReadonlySet<string>,
): Promise<readonly Symptom[]> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<readonly PastRun[]>((resolve) => {
    timer = setTimeout(() => resolve([]), earlier.withinMs);
  });
  try {
    const read = history.recent({ ...(node === undefined ? {} : { node }), limit: earlier.runs });
    const runs = await Promise.race([read, patience]);
    // What a schedule asks says nothing of what people mean.
    const asked = runs.filter(({ askedBy }) => !askedBy.startsWith('schedule:'));
    return asked.filter((run) => isVisible(run, visible)).flatMap(({ text }) => questionIn(text));
  } finally {
    clearTimeout(timer);
  }
}

function questionIn(text: string): readonly Symptom[] {
  try {
    return [parseAsk(text)];
  } catch (error) {
    if (error instanceof NetcheckError) return [];
    throw error;
  }
}
