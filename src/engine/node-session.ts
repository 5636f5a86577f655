import type { CollectContext, Collector, Command, Learned } from '../model/command.ts';
import type { Evidence, EvidenceEntry, Exit, Phase } from '../model/evidence.ts';
import type { Capture, Features } from '../model/facts.ts';
import type { Netns } from '../model/netns.ts';
import type { PlannedNode } from '../model/plan.ts';
import { createCaptureAnalyser } from '../packets/analyse-capture.ts';
import { createPayloadStripper } from '../packets/payload-stripper.ts';
import { createListeningWatch } from '../packets/tcpdump-stderr.ts';
import { createDeadline } from '../model/deadline.ts';
import { inNamespace } from './in-namespace.ts';
import { chooseCommand } from './choose-command.ts';
import { GivenUp } from './given-up.ts';
import type { CommandResult, EvidenceSink, NodeConnection } from './ports.ts';
import type { SharedResults } from './shared-results.ts';

/** A capture that is running: what it has seen so far, and how to end it. */
export interface RunningCapture {
  /** Settles when tcpdump says that it listens, or has ended without. */
  readonly ready: Promise<void>;
  snapshot(): Capture;
  /** Whether packets reach us as they come (`--immediate-mode`) or up to a second later. */
  readonly immediate: boolean;
  /** Whether tcpdump has said that it listens, or has ended (why is in the evidence). */
  listens(): boolean;
  stop(why: 'enough' | 'windowOver'): Promise<void>;
  /** Ends one that did not come up in time; nothing of it is kept but that. */
  abandon(afterMs: number): Promise<void>;
}

export interface SessionPorts {
  readonly sink: EvidenceSink;
  /** Takes secrets out of text output: the one choke point, before anything is kept, parsed or posted. */
  readonly redact: (bytes: Uint8Array) => Uint8Array;
  readonly now: () => number;
  /** Of this run, where its nodes have several places. */
  readonly shared?: SharedResults;
}

const nothing = new Uint8Array(0);

/** No list is read from an output that was cut; this much of it shows a person what came instead. */
const keptOfCutBytes = 65_536;

/** One node in one run: runs commands there and writes down what came back, before anybody reads it. */
export class NodeSession {
  readonly planned: PlannedNode;
  readonly evidence: Evidence[] = [];
  features: Features | undefined;
  /** Where commands run that are about a network namespace; undefined: in the node's own. */
  netns: Netns | undefined;
  readonly #connection: NodeConnection;
  readonly #ports: SessionPorts;
  #signal: AbortSignal;
  readonly #context: () => CollectContext;
  readonly #capturing = new Set<() => Evidence>();
  #count = 0;

  constructor(
    planned: PlannedNode,
    connection: NodeConnection,
    ports: SessionPorts,
    context: () => CollectContext,
    signal: AbortSignal,
  ) {
    this.planned = planned;
    this.#connection = connection;
    this.#ports = ports;
    this.#context = context;
    this.#signal = signal;
  }

  get name(): string {
    return this.planned.node.name;
  }

  /** What is known here by now that later commands are made from. */
  get learned(): Learned {
    return this.#context().learned;
  }

  /** From here on commands belong to another part of the run. */
  goOn(signal: AbortSignal): void {
    this.#signal = signal;
  }

  /** Forgets what came after the first `entries` of its evidence. */
  rewind(entries: number): void {
    this.evidence.length = entries;
    this.#count = entries;
  }

  /** What has come back by now; of captures that still run what they have seen, as of captures that were cut short. */
  evidenceSoFar(): readonly Evidence[] {
    return [...this.evidence, ...[...this.#capturing].map((soFar) => soFar())];
  }

  /** Runs what a collector asks for, all at once (the connection bounds its own channels). */
  async collect(
    collector: Collector,
    params: unknown,
    phase: Phase,
    onStdout?: (chunk: Uint8Array) => void,
  ): Promise<void> {
    await Promise.all(
      this.#commandsOf(collector, params).map((command) => {
        const choice = chooseCommand(command, this.features);
        return 'run' in choice
          ? this.#perform(collector.id, phase, choice.run, onStdout)
          : this.#record(this.#entry(collector.id, phase, choice.not), choice.exit, nothing, nothing);
      }),
    );
  }

  /** Starts a capture; undefined where it cannot run here (the reason is in the evidence). */
  async startCapture(collector: Collector, params: unknown): Promise<RunningCapture | undefined> {
    const [command] = this.#commandsOf(collector, params);
    if (command === undefined) return undefined;
    const choice = chooseCommand(command, this.features);
    if (!('run' in choice)) {
      await this.#record(this.#entry(collector.id, 'during', choice.not), choice.exit, nothing, nothing);
      return undefined;
    }
    const entry = this.#entry(collector.id, 'during', choice.run);
    const analyser = createCaptureAnalyser({ evidence: evidenceFile(entry.node, entry.id, entry.kind) });
    // Names that are looked up are kept only where the playbook asks for them.
    const stripper = createPayloadStripper({ keepDns: isOfDns(collector, params) });
    const kept: Uint8Array[] = [];
    const keep = (bytes: Uint8Array): void => {
      if (bytes.length === 0) return;
      kept.push(bytes);
      analyser.push(bytes);
    };
    const listening = createListeningWatch();
    const stopping = createDeadline(null, this.#signal);
    const ready = deferred();
    let up = false;
    let abandonedAfterMs: number | undefined;
    const soFar = (): Evidence => ({
      entry: {
        ...entry,
        endedAtMs: this.#ports.now(),
        exit: { how: 'stopped', why: 'windowOver' },
        outBytes: kept.reduce((sum, { length }) => sum + length, 0),
        errBytes: 0,
      },
      stdout: Buffer.concat(kept),
      stderr: nothing,
    });
    this.#capturing.add(soFar);
    const isUp = (): void => {
      up = true;
      ready.resolve();
    };
    const ended = this.#connection
      .run(choice.run, {
        signal: stopping.signal,
        onStdout: (chunk) => keep(stripper.push(chunk)),
        onStderr: (chunk) => {
          if (listening.push(chunk)) isUp();
        },
      })
      .then(async (result) => {
        keep(stripper.finish());
        isUp();
        this.#capturing.delete(soFar);
        await this.#record(
          { ...entry, startedAtMs: result.startedAtMs, endedAtMs: result.endedAtMs },
          abandonedAfterMs === undefined ? result.exit : { how: 'timedOut', afterMs: abandonedAfterMs },
          abandonedAfterMs === undefined ? Buffer.concat(kept) : nothing,
          result.stderr,
        );
      });
    // Whoever stops it gets the error; a run that fails before that must not take the process with it.
    ended.catch(() => {
      this.#capturing.delete(soFar);
      ready.resolve();
    });
    return {
      ready: ready.promise,
      snapshot: () => analyser.snapshot(),
      immediate: choice.run.argv.includes('--immediate-mode'),
      listens: () => up,
      stop: async (why) => {
        stopping.abort(why);
        await ended;
        stopping.clear();
      },
      abandon: async (afterMs) => {
        abandonedAfterMs = afterMs;
        stopping.abort('windowOver');
        await ended;
        stopping.clear();
      },
    };
  }

  /** Writes down what no command of this run has read: what an earlier audit read there. */
  async note(collector: string, kind: string, text: string): Promise<void> {
    const command = { kind, argv: [], privilege: 'none', timeoutMs: 0, maxBytes: 0 } as const;
    await this.#record(this.#entry(collector, 'look', command), { how: 'exited', code: 0 }, Buffer.from(text), nothing);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #commandsOf(collector: Collector, params: unknown): readonly Command[] {
    const commands = collector.commands(collector.params.parse(params), this.#context());
    const { netns } = this;
    return netns === undefined ? commands : commands.map((command) => inNamespace(command, netns));
  }

  async #perform(
    collector: string,
    phase: Phase,
    command: Command,
    onStdout?: (chunk: Uint8Array) => void,
  ): Promise<void> {
    const entry = this.#entry(collector, phase, command);
    const run = (): Promise<CommandResult> =>
      this.#connection.run(command, { signal: this.#signal, ...(onStdout === undefined ? {} : { onStdout }) });
    const { shared } = this.#ports;
    // who watches the output wants to see it come
    const isShared = shared !== undefined && onStdout === undefined;
    const result = await (isShared ? shared(this.name, { argv: command.argv, phase }, run) : run());
    const { redact } = this.#ports;
    const { reason } = this.#signal as { readonly reason: unknown };
    const exit = reason instanceof GivenUp && result.exit.how === 'stopped' ? reason.exit : result.exit;
    const cut = exit.how === 'tooMuchOutput';
    const kept = (bytes: Uint8Array): Uint8Array => redact(cut ? bytes.slice(0, keptOfCutBytes) : bytes);
    await this.#record(
      { ...entry, startedAtMs: result.startedAtMs, endedAtMs: result.endedAtMs },
      exit,
      kept(result.stdout),
      kept(result.stderr),
    );
  }

  #entry(collector: string, phase: Phase, command: Command): PendingEntry {
    const now = this.#ports.now();
    return {
      id: `${String(++this.#count).padStart(2, '0')}-${collector}`,
      node: this.name,
      collector,
      phase,
      kind: command.kind,
      argv: [...command.argv],
      privilege: command.privilege,
      startedAtMs: now,
      endedAtMs: now,
    };
  }

  async #record(entry: PendingEntry, exit: Exit, stdout: Uint8Array, stderr: Uint8Array): Promise<void> {
    const written = await this.#ports.sink.write({ ...entry, exit }, { stdout, stderr });
    this.evidence.push({ entry: written, stdout, stderr });
  }
}

type PendingEntry = Omit<EvidenceEntry, 'exit' | 'out' | 'err' | 'outBytes' | 'errBytes'>;

/** Where an output lies in the run directory (design section 2). */
export function evidenceFile(node: string, id: string, kind: string): string {
  return `evidence/${node}/${id}.${kind === 'pcap' ? 'pcap' : 'out'}`;
}

/** Promise.withResolvers is not in Node 20. */
export function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Whether the capture was asked for DNS: then its messages are the evidence. */
function isOfDns(collector: Collector, params: unknown): boolean {
  const parsed = collector.params.safeParse(params);
  return parsed.success && (parsed.data as { readonly filter?: unknown }).filter === 'dns';
}
