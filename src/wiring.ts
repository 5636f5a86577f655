import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import path from 'node:path';
import { createAuditBaselines } from './adapters/files/audit-baselines.ts';
import { createAuditLog } from './adapters/files/audit-log.ts';
import { auditedTransport } from './adapters/files/audited-transport.ts';
import { createForgettingSink } from './adapters/files/forgetting-sink.ts';
import { createMemorySink } from './adapters/files/memory-sink.ts';
import { redactSecrets } from './adapters/files/redact.ts';
import { createRunDirectory } from './adapters/files/run-directory.ts';
import { type OpenCluster, openCluster } from './adapters/kubernetes/open-cluster.ts';
import { createInProcessSlots } from './adapters/ssh/in-process-slots.ts';
import { listSshConfigHosts, resolveSshConfig, sshConfigKnownHosts } from './adapters/ssh/ssh-config.ts';
import { createSshTransport } from './adapters/ssh/ssh-transport.ts';
import { dataDirectory, inventoryNodes, type LoadedConfig } from './config.ts';
import { auditNode, notLooked } from './engine/audit-node.ts';
import { auditText } from './engine/audit-wording.ts';
import { parseAsk } from './engine/ask.ts';
import type { Inventory } from './engine/inventory.ts';
import { learnNamespace } from './engine/learn-namespace.ts';
import { learnOwner, learnOwners } from './engine/learn-owner.ts';
import { learnPods } from './engine/learn-pods.ts';
import { makePlan } from './engine/plan.ts';
import { type AuditPlan, defaultAuditPlaybook, planAudit } from './engine/plan-audit.ts';
import type { AuditBaselines, EvidenceSink, NodeSlots, NodeTransport, OnProgress } from './engine/ports.ts';
import { run } from './engine/run.ts';
import { type AuditProgress, runAudit } from './engine/run-audit.ts';
import { canonicalAddress, isOnEveryNode } from './engine/settle-address.ts';
import { logRun } from './log-run.ts';
import { type LoadedRegistries, loadRegistries } from './load-registries.ts';
import type { AuditRecord } from './model/audit-log-record.ts';
import type { AuditBaseline } from './model/audit-baseline.ts';
import type { AuditReport } from './model/audit-report.ts';
import type { InventoryNode } from './model/inventory.ts';
import type { Language } from './model/language.ts';
import type { AuditJob, NodeAudit } from './model/node-audit.ts';
import { Budget, type Plan } from './model/plan.ts';
import type { Report } from './model/report.ts';
import type { Symptom } from './model/symptom.ts';
import { parsers } from './parsers/index.ts';
import { version } from './version.ts';

/** Everything that runs need, joined once per process. The only place where ports meet adapters. */
export interface Wiring {
  readonly loaded: LoadedConfig;
  readonly registries: LoadedRegistries;
  readonly inventory: Inventory;
  /** What runs through it is in the audit log, as done outside of runs. */
  readonly transport: NodeTransport;
  /** The same, with what runs in the audit log as done by this run. */
  transportOf(run: string): NodeTransport;
  /** Writes to the audit log. Never rejects: no answer waits for a disk; what goes wrong is said on stderr. */
  readonly writeLog: (record: AuditRecord) => Promise<void>;
  /** Null where netcheck.yaml says nothing of Kubernetes. */
  readonly cluster: OpenCluster | null;
  /** @throws NetcheckError `ask/…` */
  plan(text: string): Promise<Plan>;
  planFor(symptom: Symptom): Promise<Plan>;
  run(
    plan: Plan,
    options: {
      readonly id?: string;
      readonly language: Language;
      readonly signal: AbortSignal;
      readonly onProgress: OnProgress;
      readonly sink?: EvidenceSink;
      readonly slots?: NodeSlots;
      readonly askedBy: string;
      /** Where in Slack. */
      readonly thread?: { readonly channel: string; readonly rootTs?: string };
      /** Above 1 where an earlier worker died in the middle. */
      readonly attempt?: number;
      /** Nodes that may join on the way (`followPath`); where `access` is set, none unless told. */
      readonly mayJoin?: (node: InventoryNode) => Promise<boolean>;
    },
  ): Promise<Report>;
  /**
   * A whole audit in this process; its result is kept for the next one. @throws NetcheckError `audit/…`
   */
  audit(
    asked: AuditAsk,
    options: {
      readonly language: Language;
      readonly signal: AbortSignal;
      readonly onProgress: (event: AuditProgress) => void;
      readonly slots?: NodeSlots;
      readonly askedBy: string;
      readonly id?: string;
      /** What it is compared with, and where its result is kept for the next one; default: those of this machine. */
      readonly baselines?: AuditBaselines;
      /** Where the evidence of a node goes, for `netcheck replay`; absent: nowhere. */
      readonly sinkFor?: (node: string) => EvidenceSink;
    },
  ): Promise<AuditReport>;
  /** What an audit would do, with the one before it. @throws NetcheckError `audit/…` */
  planAudit(
    asked: AuditAsk & { readonly id?: string; readonly startedAtMs?: number },
    language: Language,
    from?: AuditBaselines,
  ): Promise<{ readonly plan: AuditPlan; readonly last: AuditBaseline | null }>;
  /** One node of an audit: for workers. */
  auditNode(
    job: AuditJob,
    options: { readonly signal: AbortSignal; readonly slots?: NodeSlots; readonly sink?: EvidenceSink },
  ): Promise<NodeAudit>;
  readonly baselines: AuditBaselines;
  close(): Promise<void>;
}

/** What a person asks of an audit. */
export interface AuditAsk {
  /** Default: `node-audit`. */
  readonly playbook?: string;
  /** Empty: every node. */
  readonly selector: string;
}

/** @throws NetcheckError `playbook/invalid`, `config/invalid` (a kubeconfig that cannot be used) */
export async function wire(
  loaded: LoadedConfig,
  /** Lets a process count what goes over its connections. */
  measured: (transport: NodeTransport) => NodeTransport = (transport) => transport,
): Promise<Wiring> {
  const { config, directory } = loaded;
  const registries = await loadRegistries(loaded);
  const nodes = new Map(inventoryNodes(loaded).map((node) => [node.name, node]));
  const resolvePaths = (files: readonly string[] | undefined): { readonly files: readonly string[] } | undefined =>
    files === undefined
      ? undefined
      : { files: files.map((file) => path.resolve(directory, file.replace(/^~(?=\/)/, process.env['HOME'] ?? '~'))) };
  const identity = resolvePaths(config.ssh.identity);
  const knownHosts = resolvePaths(config.ssh.knownHosts);
  const ssh = createSshTransport({
    ...(identity === undefined ? {} : { identityFiles: identity.files }),
    ...(config.ssh.agent && process.env['SSH_AUTH_SOCK'] ? { agentSocket: process.env['SSH_AUTH_SOCK'] } : {}),
    ...(knownHosts === undefined ? {} : { knownHostsFiles: knownHosts.files }),
    connectTimeoutMs: config.ssh.timeouts.connect,
    keepaliveIntervalMs: config.ssh.timeouts.keepalive,
    idleCloseMs: config.ssh.timeouts.idle,
    // With ssh_config a jump host may be an alias of it, and hosts may have known_hosts files of their own.
    findNode: (name) => inventory.find(name),
    ...(config.sshConfig ? { knownHostsFilesOf: (node: InventoryNode) => sshConfigKnownHosts(node.name) } : {}),
  });
  const connections = measured(ssh);
  const log = createAuditLog(auditLogPath(loaded));
  let lastTrouble = '';
  const onTrouble = (error: unknown): void => {
    const sentence = error instanceof Error ? error.message : String(error);
    if (sentence !== lastTrouble) process.stderr.write(`netcheck: ${sentence}\n`);
    lastTrouble = sentence;
  };
  const writeLog: Wiring['writeLog'] = (record) => log.append(record).catch(onTrouble);
  const transport = auditedTransport(connections, log, { onTrouble });
  const transportOf = (run: string) => auditedTransport(connections, log, { run, onTrouble });
  const inventory = createInventory(loaded, nodes, transport);
  const cluster =
    config.kubernetes === undefined
      ? null
      : await openCluster({
          file: resolvePaths(config.kubernetes.kubeconfig === undefined ? undefined : [config.kubernetes.kubeconfig])
            ?.files[0],
          context: config.kubernetes.context,
        });
  const ownSlots = createInProcessSlots({ perNode: config.workers.runsPerNode });
  const { wall, window, maxPackets, maxCaptureBytes, maxOutputBytes } = config.defaults.budget;
  const budget = Budget.parse({ wallMs: wall, windowMs: window, maxPackets, maxCaptureBytes, maxOutputBytes });

  const planFor = (symptom: Symptom): Promise<Plan> =>
    makePlan(symptom, inventory, registries, {
      probeFrom: config.defaults.probeFrom,
      budget,
      lookup: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
      namespaceOn: (node, netns) => learnNamespace(node, netns, transport, registries),
      kubernetes: {
        cluster,
        podsOnNodes: async (name, namespace) => {
          const all = await Promise.all(inventory.names().map((one) => inventory.find(one)));
          const known = all.filter((one) => one !== null);
          return learnPods(name, namespace, known, transport, registries);
        },
      },
    });
  const baselines = createAuditBaselines(path.join(dataDirectory(loaded), 'audits'), { keep: config.audit.keep });
  const everyRegistry = { ...registries, parsers };
  const planAuditOf: Wiring['planAudit'] = async (
    { playbook = defaultAuditPlaybook, selector, id = newRunId(), startedAtMs = Date.now() },
    language,
    from = baselines,
  ) => {
    const last = await from.last({ playbook, selector, except: id });
    const head = { id, playbook, selector, startedAtMs, language, netcheck: version };
    const plan = await planAudit({ ...head, compareBy: config.audit.compareBy }, inventory, registries, {
      groups: config.groups,
      baseline: last,
      cluster,
    });
    return { plan, last };
  };
  const auditOne: Wiring['auditNode'] = async (job, { signal, slots = ownSlots, sink }) => {
    const node = await inventory.find(job.node);
    if (node === null) return notLooked(job, auditText[job.language].gone, Date.now());
    const logged = transportOf(job.audit);
    const audited = await auditNode(
      job,
      node,
      everyRegistry,
      {
        transport: logged,
        slots,
        sink: neverLosingTheReport(sink ?? createForgettingSink()),
        redact: (bytes) => redactSecrets(bytes).bytes,
        now: Date.now,
      },
      { signal, netcheck: version, save: sink !== undefined },
    );
    await logged.flush();
    return audited;
  };
  return {
    loaded,
    registries,
    inventory,
    transport,
    transportOf,
    writeLog,
    cluster,
    plan: (text) => planFor(parseAsk(text)),
    planFor,
    async run(
      plan,
      {
        id = newRunId(),
        language,
        signal,
        onProgress,
        sink = createMemorySink(),
        slots = ownSlots,
        askedBy,
        thread,
        attempt,
        mayJoin = () => Promise.resolve(config.access === undefined),
      },
    ) {
      const logged = transportOf(id);
      const { symptom, playbooks } = plan;
      const nodesOfRun = plan.nodes.map(({ node }) => node.name);
      const about = { run: id, askedBy, thread, text: symptom.text, nodes: nodesOfRun, playbooks, attempt, signal };
      return logRun(writeLog, about, logged.flush, () =>
        run(
          { id, plan, language, netcheck: version },
          registries,
          {
            transport: logged,
            slots,
            ownerOf: async (address) => {
              const owner = inventory.knownOwner(address);
              return owner !== undefined && (await mayJoin(owner)) ? owner : null;
            },
            ...(cluster === null ? {} : { cluster }),
            sink: neverLosingTheReport(sink),
            redact: (bytes) => redactSecrets(bytes).bytes,
            now: Date.now,
          },
          { signal, onProgress },
        ),
      );
    },
    baselines,
    planAudit: planAuditOf,
    auditNode: auditOne,
    async audit(asked, { language, signal, onProgress, slots, askedBy, sinkFor, id, baselines: from = baselines }) {
      const { plan, last } = await planAuditOf({ ...asked, ...(id === undefined ? {} : { id }) }, language, from);
      const about = {
        run: plan.head.id,
        askedBy,
        text: `audit ${plan.head.playbook}${asked.selector === '' ? '' : ` --nodes ${asked.selector}`}`,
        nodes: plan.jobs.map(({ node }) => node),
        playbooks: [plan.head.playbook],
        signal,
      };
      return logRun(
        writeLog,
        about,
        async () => undefined,
        async () => {
          const { report, baseline } = await runAudit(plan, {
            concurrency: config.audit.concurrency,
            last,
            signal,
            onProgress,
            now: Date.now,
            auditOne: (job) =>
              auditOne(job, {
                signal,
                ...(slots === undefined ? {} : { slots }),
                ...(sinkFor === undefined ? {} : { sink: sinkFor(job.node) }),
              }),
          });
          // a stopped audit has seen only a part: the next one is compared with the one before
          if (!signal.aborted) await from.keep(baseline).catch(onTrouble);
          return report;
        },
      );
    },
    async close() {
      cluster?.close();
      await transport.close();
      await log.close();
    },
  };
}

/** A run whose report cannot be saved at its end (the disk is full) still has a report: it is given, and the loss is said. */
function neverLosingTheReport(sink: EvidenceSink): EvidenceSink {
  return {
    write: (entry, bytes) => sink.write(entry, bytes),
    finish: (record, report) =>
      sink.finish(record, report).catch((error: unknown) => {
        process.stderr.write(
          `netcheck: the run was not saved: ${error instanceof Error ? error.message : String(error)}\n`,
        );
      }),
  };
}

/** The audit log of this installation; rotated siblings stand beside it. */
export function auditLogPath(loaded: LoadedConfig): string {
  return path.join(dataDirectory(loaded), 'audit.ndjson');
}

/** Sortable by time, unique, fit for a file name and a job id. */
export function newRunId(): string {
  return `${new Date().toISOString().replaceAll(/[-:]/g, '').slice(0, 15)}-${randomUUID().slice(0, 8)}`;
}

export { createRunDirectory };

/** How long a bot remembers which node owns an address, milliseconds. */
const learnedForMs = 60_000;
/** Hosts of ssh_config that are looked through for an address (`ssh -G` takes 9 ms each). */
const maxHostsRead = 256;

type KnownInventory = Inventory & Required<Pick<Inventory, 'knownOwner'>>;

function createInventory(
  { config }: LoadedConfig,
  nodes: Map<string, InventoryNode>,
  transport: NodeTransport,
): KnownInventory {
  const fromSshConfig = config.sshConfig ? listSshConfigHosts() : Promise.resolve([]);
  let names: readonly string[] = [...nodes.keys()].sort();
  const ready = fromSshConfig.then((hosts) => {
    names = [...new Set([...names, ...hosts])].sort();
  });
  const learned = new Map<string, { readonly node: InventoryNode; readonly untilMs: number }>();
  const holders = new Map<string, { readonly nodes: readonly InventoryNode[]; readonly untilMs: number }>();
  const claimants = (address: string): readonly InventoryNode[] =>
    [...nodes.values()].filter((node) =>
      [node.target, node.address, ...node.serves].some((one) => one !== undefined && canonicalAddress(one) === address),
    );
  const inventory: KnownInventory = {
    names: () => names,
    knownOwner: (address) => claimants(address)[0],
    externalAllowed: config.targets.external,
    async find(name) {
      await ready;
      const known = nodes.get(name);
      if (known || !config.sshConfig || !names.includes(name)) return known ?? null;
      const found = await resolveSshConfig(name);
      if (found) nodes.set(name, { ...found, sudo: config.ssh.sudo });
      return nodes.get(name) ?? null;
    },
    async ownerOf(address) {
      await ready;
      const [owner, another] = claimants(address);
      if (isOnEveryNode(address)) return owner ?? null;
      if (another !== undefined) return (await inventory.ownersOf?.(address))?.[0] ?? null;
      if (owner) return owner;
      const known = learned.get(address);
      if (known !== undefined && known.untilMs > Date.now()) return known.node;
      // Hosts of ssh_config are read one by one when they are asked for; a broken one must not hide the others.
      for (const name of names.slice(0, maxHostsRead)) await inventory.find(name).catch(() => null);
      const found = claimants(address)[0] ?? (await learnOwner(address, [...nodes.values()], transport, parsers));
      // Addresses move, and a node that was down may own it: only what was found is kept, and not for long.
      if (found) learned.set(address, { node: found, untilMs: Date.now() + learnedForMs });
      return found;
    },
    async ownersOf(address) {
      await ready;
      const claiming = claimants(address);
      if (claiming.length < 2 || isOnEveryNode(address)) return claiming;
      const known = holders.get(address);
      if (known !== undefined && known.untilMs > Date.now()) return known.nodes;
      // Where the inventory names several, the address may move between them: who has it now?
      const holding = await learnOwners(address, claiming, transport, parsers);
      const owners = holding.length === 0 ? claiming : holding;
      holders.set(address, { nodes: owners, untilMs: Date.now() + learnedForMs });
      return owners;
    },
  };
  return inventory;
}
