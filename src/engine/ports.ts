import type { AuditBaseline } from '../model/audit-baseline.ts';
import type { AuditReport } from '../model/audit-report.ts';
import type {
  ClusterEndpoint,
  ClusterIngress,
  ClusterNode,
  ClusterPod,
  ClusterRead,
  ClusterService,
} from '../model/cluster.ts';
import type { ClusterAnswer, ClusterQuestion } from '../model/cluster-facts.ts';
import type { Trial, TrialStep } from '../model/change.ts';
import type { Command } from '../model/command.ts';
import type { NetcheckError } from '../model/errors.ts';
import type { EvidenceEntry, Exit } from '../model/evidence.ts';
import type { InventoryNode } from '../model/inventory.ts';
import type { Language } from '../model/language.ts';
import type { AuditJob, NodeAudit } from '../model/node-audit.ts';
import type { PastRun } from '../model/past-run.ts';
import type { Report } from '../model/report.ts';
import type { RunContext } from '../model/run-context.ts';
import type { RunRecord } from '../model/run-record.ts';
import type { ReportVerdict } from '../model/verdict.ts';

/** How a command ended, with the bytes that were kept (whole up to the cap, also after a time-out or a cut). */
export interface CommandResult {
  readonly exit: Exit;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

export interface RunOptions {
  /** Aborting kills the remote process. `signal.reason` `'enough'` or `'windowOver'` becomes that `stopped` exit. */
  readonly signal: AbortSignal;
  /** Bytes as they arrive, in order. A promise holds the stream back until it settles. */
  readonly onStdout?: (chunk: Uint8Array) => void | Promise<void>;
  readonly onStderr?: (chunk: Uint8Array) => void;
}

/** An open connection to one node. */
export interface NodeConnection {
  /** Never rejects: everything that goes wrong on the way to or on the node is an `Exit`. */
  run(
    command: Pick<Command, 'argv' | 'privilege' | 'timeoutMs' | 'maxBytes' | 'waits'>,
    options: RunOptions,
  ): Promise<CommandResult>;
  close(): Promise<void>;
}

/** How far the way to a node has been gone. */
export type OnReach = (state: 'knocking' | 'answered') => void;

/** Opens connections: SSH in production, a script in tests. */
export interface NodeTransport {
  /** Resolves to the reason where the node cannot be used; rejects only for faults of netcheck itself. */
  connect(
    node: InventoryNode,
    options: {
      readonly signal: AbortSignal;
      /**
       * `knocking`: the node itself has been asked (not its jump host, nor who else waits for it) and has not answered;
       * `answered`: it has shown a sign of life. Absent: nobody wants to know.
       */
      readonly onReach?: OnReach;
    },
  ): Promise<
    | { readonly ok: true; readonly connection: NodeConnection }
    | { readonly ok: false; readonly exit: Extract<Exit, { how: 'notStarted' }> }
  >;
  /** Closes what is pooled. */
  close(): Promise<void>;
}

/**
 * A Kubernetes cluster, read only. No method rejects, and none takes longer than a few seconds: a diagnosis must not
 * hang because the API does. `namespace: null` looks in all of them.
 */
export interface ClusterReader {
  /** For sentences: `https://10.0.0.1:6443`. */
  readonly where: string;
  /** By exact name; several where the namespace was not given. */
  pods(name: string, namespace: string | null): Promise<ClusterRead<readonly ClusterPod[]>>;
  /** Pods that a Deployment selects. `null`: there is no such Deployment. */
  podsOf(deployment: string, namespace: string | null): Promise<ClusterRead<readonly ClusterPod[] | null>>;
  /** The pod with this address, of those that have one of their own. */
  podAt(address: string): Promise<ClusterRead<ClusterPod | null>>;
  services(name: string, namespace: string | null): Promise<ClusterRead<readonly ClusterService[]>>;
  /**
   * Services of that name as they were read last, by this process; for when they cannot be read. Undefined: nobody has
   * asked for them.
   */
  lastServices?(
    name: string,
    namespace: string | null,
  ): { readonly services: readonly ClusterService[]; readonly readAtMs: number } | undefined;
  serviceAt(address: string): Promise<ClusterRead<ClusterService | null>>;
  serviceOfNodePort(port: number, protocol: 'tcp' | 'udp'): Promise<ClusterRead<ClusterService | null>>;
  endpoints(
    service: Pick<ClusterService, 'namespace' | 'name'>,
    port: string,
  ): Promise<ClusterRead<readonly ClusterEndpoint[]>>;
  ingresses(host: string): Promise<ClusterRead<readonly ClusterIngress[]>>;
  nodes(): Promise<ClusterRead<readonly ClusterNode[]>>;
}

/** Reads the Kubernetes objects that a run is about. Bounded in requests, objects and time; never rejects. */
export interface ClusterObserver {
  readonly where: string;
  /**
   * @param phase `before`: everything; `after`: what may have changed meanwhile
   * @param tell each answer as it comes, also one that says why there is none
   */
  observe(
    question: ClusterQuestion,
    phase: 'before' | 'after',
    tell: (answer: ClusterAnswer) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
}

/** At most so many runs per node at once, over all processes that share it. */
export interface NodeSlots {
  acquire(
    node: string,
    options: { readonly signal: AbortSignal; readonly holder: string },
  ): Promise<{ release(): Promise<void> }>;
}

/** Where evidence is written before it is parsed. */
export interface EvidenceSink {
  /** `out`/`err` come back as paths inside the run directory, absent where there were no bytes. */
  write(
    entry: Omit<EvidenceEntry, 'out' | 'err' | 'outBytes' | 'errBytes'>,
    bytes: { stdout: Uint8Array; stderr: Uint8Array },
  ): Promise<EvidenceEntry>;
  finish(record: RunRecord, report: Report): Promise<void>;
}

/** What earlier audits found, per playbook and selector. Bounded in number. Rejects where it cannot be read or written. */
export interface AuditBaselines {
  /** `except`: the id of an audit that is not compared with itself, where it is made again after a crash. */
  last(of: {
    readonly playbook: string;
    readonly selector: string;
    readonly except?: string;
  }): Promise<AuditBaseline | null>;
  keep(baseline: AuditBaseline): Promise<void>;
}

/** What a run tells while it goes on. Renderers decide how much of it to show. */
export type ProgressEvent =
  | {
      readonly type: 'planned';
      readonly nodes: readonly { name: string; roles: readonly string[] }[];
      readonly playbooks: readonly string[];
    }
  /** They are used as well, because of what the first look showed. */
  | { readonly type: 'joined'; readonly playbooks: readonly string[] }
  | { readonly type: 'waiting'; readonly node: string }
  | { readonly type: 'connected'; readonly node: string }
  | { readonly type: 'unreachable'; readonly node: string; readonly why: string }
  | {
      readonly type: 'phase';
      readonly phase: 'connect' | 'look' | 'before' | 'capture' | 'probe' | 'after' | 'judge';
      readonly atMs: number;
    }
  | {
      readonly type: 'probe';
      readonly node: string;
      readonly done: number;
      readonly total: number;
      readonly failed: number;
    }
  | { readonly type: 'decided'; readonly rule: string; readonly node: string; readonly title: string }
  /** A change is being tried: how far it is. */
  | { readonly type: 'trial'; readonly node: string; readonly step: TrialStep['step'] }
  | { readonly type: 'finished'; readonly verdict: ReportVerdict; readonly headline: string };
export type OnProgress = (event: ProgressEvent) => void;

// ------------------------------------------------------------------------------------- the chat side of a run

/** Who belongs where in the chat. Never rejects, and answers within seconds: people wait for what depends on it. */
export interface ChatDirectory {
  /** @param group a user group as people write it: `@sre-oncall`, `sre-oncall` or its id. `unknown`: it could not be asked */
  isIn(group: string, user: string): Promise<'yes' | 'no' | 'unknown'>;
  /** Without the `@`; undefined where there is no such group, or it could not be asked. */
  groupHandle(group: string): Promise<string | undefined>;
  /** Without the `#`; undefined for private channels, and where it could not be asked. */
  channelName(channel: string): Promise<string | undefined>;
}

/** What the queue carries. Ids and validated text only: no evidence, no secrets. */
export interface RunRequest {
  /** Unique; also the BullMQ job id (no `:`). Derived from the delivery that asked, so that a retry is the same. */
  readonly id: string;
  /** The ask as typed, without the command's name. Parsed again by the worker, with the same grammar. */
  readonly text: string;
  readonly language: Language;
  readonly askedBy: string;
  readonly askedAtMs: number;
  /** Where the answer goes. */
  readonly thread: { readonly channel: string; readonly rootTs: string; readonly statusTs: string };
  /** Id of the run that this one checks again. */
  readonly recheckOf?: string;
  /** The text was taken from prose or from a message that the person pointed at: what was understood is shown. */
  readonly wasRead?: boolean;
  /** What began it; absent: a person. */
  readonly origin?: 'alert' | 'schedule';
  /** A change that two people want: the run makes it, asks again, and keeps it or puts it back. */
  readonly trial?: Trial;
}

/** A file that goes with an answer. */
export interface Attachment {
  /** `ladder.png` */
  readonly name: string;
  /** What it shows, also for those who do not see it. */
  readonly title: string;
  readonly bytes: Uint8Array;
}

/** The thread that a run answers in. Every method is idempotent per run: a second worker may call it all again. */
export interface AnswerThread {
  progress(event: ProgressEvent): void;
  /**
   * Posts the final report once, whatever crashed before.
   * @param attachments makes the files that go with it; asked at most once, after the report is there. What goes wrong
   *   with them does not harm the report
   * @param context what earlier runs add to it
   */
  report(report: Report, attachments?: () => Promise<readonly Attachment[]>, context?: RunContext): Promise<void>;
  /** The one final answer where there is no report: cancelled, or our own fault. */
  failed(why: { readonly message: string; readonly hint: string; readonly cancelled: boolean }): Promise<void>;
}

/** Small facts that outlive a process: which message a run lives in, which button was used, which answer was given. */
export interface KeyValue {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, options: { readonly ttlMs: number }): Promise<void>;
  /** Sets only where it is not set; tells whether it did. */
  setOnce(key: string, value: string, options: { readonly ttlMs: number }): Promise<boolean>;
  delete(key: string): Promise<void>;
}

/**
 * What earlier runs found, for all processes. Bounded in number and in age. Rejects with `queue/down` where it cannot be
 * reached; nobody's answer may wait for it.
 */
export interface RunHistory {
  /** Remembers a run; the same run again replaces itself. */
  record(run: PastRun): Promise<void>;
  find(runId: string): Promise<PastRun | null>;
  /** Newest first; `node`: only runs that this node was in. */
  recent(query: { readonly node?: string; readonly limit: number }): Promise<readonly PastRun[]>;
  /** Runs with one of these fingerprints, newest first. */
  withTrouble(fingerprints: readonly string[], limit: number): Promise<readonly PastRun[]>;
}

/** A run that was asked for, and what the queue knows of it. */
export interface OpenRun {
  readonly request: RunRequest;
  /**
   * `answered`: it has had its final answer. `unanswered`: it ended, and no answer could be given. `missing`: the queue
   * does not know it: it was never queued, or Redis has lost it.
   */
  readonly state: 'waiting' | 'active' | 'answered' | 'unanswered' | 'missing';
}

/** The runs that people may still wait for, so that none is forgotten in silence. Bounded. Rejects with `queue/down`. */
export interface OpenRuns {
  /**
   * Somebody has asked, and it is not queued yet: noted before Slack is told that we have it. `rootTs` of the thread is
   * empty where there is none yet. Queuing it takes its place.
   */
  note(request: RunRequest): Promise<void>;
  /** Oldest first. */
  list(limit: number): Promise<readonly OpenRun[]>;
  stateOf(runId: string): Promise<OpenRun['state']>;
  /** Nobody waits for it any more. */
  close(runId: string): Promise<void>;
}

/** The queue between the Slack front and the workers. */
export interface RunQueue {
  /** Rejects with `queue/down` at once when Redis does not answer. */
  submit(request: RunRequest): Promise<'queued' | 'duplicate'>;
  /** Reaches the worker that holds the run, whatever process it is in; a run still waiting is removed. */
  cancel(runId: string, by: string): Promise<'cancelling' | 'removed' | 'unknown'>;
  find(runId: string): Promise<RunRequest | null>;
  /** Rejects with `queue/down`. */
  ping(): Promise<{ readonly version: string; readonly evictionPolicy: string }>;
  close(): Promise<void>;
}

/** An audit that is asked for: what the queue carries of it. */
export interface AuditRequest {
  /** Unique; also the job id (no `:`). */
  readonly id: string;
  /** Default: `node-audit`. */
  readonly playbook?: string;
  /** Empty: every node. */
  readonly selector: string;
  readonly language: Language;
  readonly askedBy: string;
  readonly askedAtMs: number;
  readonly origin?: 'schedule';
  /** Where the answer goes; absent: to who follows it. */
  readonly thread?: RunRequest['thread'];
}

/** What an audit over many workers tells while it goes on. */
export interface AuditStep {
  readonly node: string;
  readonly outcome: NodeAudit['outcome'];
  readonly tookMs: number;
  /** Since the step before, which may have been about an earlier node than the last. */
  readonly findings: number;
  readonly done: number;
  readonly total: number;
}

/** Audits whose nodes any number of workers look at. Every method rejects with `queue/down` where Redis is away. */
export interface AuditQueue {
  submit(request: AuditRequest): Promise<'queued' | 'duplicate'>;
  /** Nodes that were not looked at by then say so in the report, which comes all the same. */
  cancel(auditId: string, by: string): Promise<'cancelling' | 'unknown'>;
  /**
   * Resolves to the report, also of an audit that ended a while ago. Steps may be left out when they come fast.
   * @throws NetcheckError what the audit failed with; the signal's reason when it is aborted (the audit goes on)
   */
  follow(
    auditId: string,
    options: { readonly signal: AbortSignal; readonly onStep: (step: AuditStep) => void },
  ): Promise<AuditReport>;
}

/** An audit in the making, in the one process that puts it together. */
export interface AuditMaking {
  readonly jobs: readonly AuditJob[];
  /** The same node again changes nothing. */
  add(node: NodeAudit): void;
  /** The report; everything that outlives the audit is kept. Called again where the process died right after. */
  finish(how: { readonly cancelled: boolean }): Promise<AuditReport>;
}

/** What a worker does for audits. */
export interface AuditHandlers {
  /** The same jobs again for the same request. @throws NetcheckError the audit cannot be made */
  begin(request: AuditRequest): Promise<AuditMaking>;
  /** Never rejects: a node that cannot be looked at is a result. */
  node(job: AuditJob, options: { readonly signal: AbortSignal }): Promise<NodeAudit>;
  /** The result of a node that nobody looked at. `lost`: workers died on it. */
  notLooked(job: AuditJob, why: 'cancelled' | 'lost'): NodeAudit;
  step?(request: AuditRequest, step: AuditStep): void;
  /** At least once, as everything outward. */
  finished?(request: AuditRequest, report: AuditReport): Promise<void>;
  failed?(request: AuditRequest, error: NetcheckError): Promise<void>;
}

/** Takes audits and their nodes from the queue until closed. */
export interface AuditWorker {
  start(handlers: AuditHandlers): Promise<void>;
  close(): Promise<void>;
}

/** Takes runs from the queue until closed. `attempt` is above 1 when an earlier worker died in the middle. */
export interface RunWorker {
  start(
    handle: (request: RunRequest, context: { readonly signal: AbortSignal; readonly attempt: number }) => Promise<void>,
  ): Promise<void>;
  close(): Promise<void>;
}

/** When the queue is to fire something. */
export interface ScheduleEntry {
  /** Unique; no `:`. */
  readonly id: string;
  /** Five fields. */
  readonly cron: string;
  /** IANA name. */
  readonly timeZone: string;
}

/** One moment at which a schedule is due. */
export interface Firing {
  /** Id of the entry. */
  readonly entry: string;
  /** The same for every attempt at this firing, in every process. */
  readonly id: string;
  readonly dueMs: number;
}

/** What is done by the clock: every firing once, whatever the number of processes. */
export interface Schedules {
  /**
   * Makes the queue fire these and no others; those that are there already are left alone. Rejects with `queue/down`.
   * `onlyMissing`: puts back what was lost, and touches nothing else.
   */
  sync(entries: readonly ScheduleEntry[], options?: { readonly onlyMissing: boolean }): Promise<void>;
  /**
   * Takes firings until closed. One that was missed while nobody took any is taken once, late. A handler that rejects is
   * asked again a minute later, at most twice.
   */
  take(handle: (firing: Firing, context: { readonly signal: AbortSignal }) => Promise<void>): Promise<{
    close(): Promise<void>;
  }>;
}

/** Where the posts of schedules go. */
export interface SchedulePosts {
  /**
   * Posts once per `id`, whatever crashed before. @returns the timestamp of the message
   * @throws NetcheckError `slack/refused`, `slack/unreachable`
   */
  post(order: {
    readonly id: string;
    readonly channel: string;
    /** A reply to this message; where it is gone, a message of its own. */
    readonly threadTs?: string | undefined;
    readonly message: { readonly text: string; readonly blocks: readonly unknown[] };
    /** Makes the files that go below it; asked at most once, when it is there. What goes wrong with them harms nothing. */
    readonly attachments?: (() => Promise<readonly Attachment[]>) | undefined;
  }): Promise<string>;
}
