import type { Lab, LabDefinition, LabStep } from './network.ts';

/** What a plain connect() meets, without netcheck: the fault itself, proved by the network's own test. */
export type Felt = 'connected' | 'refused' | 'timedOut' | 'noRoute' | 'unreachable' | 'denied' | 'noPort' | 'reset';

/** What a command ended with. */
export interface Outcome {
  readonly exit: number;
  /** Must be found in what it printed, stdout before stderr. */
  readonly says?: RegExp;
}

/**
 * How the fault is felt while broken, without netcheck: by one connect, or by a command (another protocol, a connection
 * that has lived for a while, a large transfer). Once mended the connect gets through, or the command ends as `mended`
 * says: exit status 0 unless told otherwise.
 */
export type Feeling =
  | { readonly from: string; readonly to: string; readonly port: number; readonly as: Felt }
  | {
      readonly from: string;
      readonly run: readonly string[];
      readonly broken: Outcome;
      readonly mended?: Outcome;
      /** The command is ended after this; 10 s unless told otherwise. */
      readonly limitSec?: number;
    };

/** Where a finding stands: on a node (or namespace), or between two. */
export type Place =
  | { readonly rule: string; readonly node: string }
  | { readonly rule: string; readonly path: { readonly from: string; readonly to: string } };

/** What the answer must be. */
export interface Expectation {
  readonly verdict: 'found' | 'clear' | 'inconclusive';
  /** All findings that are `confirmed`, and no other. */
  readonly confirmed: readonly Place[];
  /** Findings that must be `likely`: the honest verdict where mechanism or effect cannot be seen. */
  readonly likely?: readonly Place[];
  /** What may be `likely` besides; anything else that is likely is a wrong answer. Left out: anything may. */
  readonly mayBeLikely?: readonly Place[];
  /** Findings that must be `unknown`, with the reason in what they miss. */
  readonly unknown?: readonly (Place & { readonly why: RegExp })[];
  /** Nodes that netcheck cannot log in to while broken. */
  readonly unreachable?: readonly string[];
  /** Sentences that must be among what could not be seen. */
  readonly unseen?: readonly RegExp[];
  /** Sentences that must be among what the names of the question were found to be. */
  readonly resolved?: readonly RegExp[];
  /** The one line that a tired person reads. */
  readonly headline?: RegExp;
  /** A command that the temporary remedy must contain. */
  readonly remedy?: { readonly node: string; readonly command: string };
}

/**
 * A lab that is not made of namespaces (guests with kernels of their own): it knows how to start itself. All scenarios
 * that name the same object share one start.
 */
export interface OtherLab {
  readonly name: string;
  /** For the table: `Linux 6.1 (user-mode)`. */
  readonly kernel: string;
  /** What keeps it from starting here, one sentence each: its scenarios then count as skipped. */
  blockers(): Promise<readonly string[]>;
  start(): Promise<Lab>;
}

/** Break, feel, ask, expect, mend, ask again: one fault on real kernels, as data. */
export interface Scenario {
  readonly id: string;
  /** Field report or entry of the fault catalogue. */
  readonly fault: string;
  /** What is real and what is not, in a sentence. */
  readonly about: string;
  readonly definition: LabDefinition | OtherLab;
  readonly break: readonly LabStep[];
  /** Runs in the background from then on until the second answer is there: other people's traffic. Ended by the runner. */
  readonly traffic?: readonly { readonly on: string; readonly run: readonly string[] }[];
  /** Exactly as a person types it, without `netcheck`. */
  readonly ask: string;
  /** From the place that feels it, while broken. Left out where nobody feels anything. */
  readonly felt?: Feeling;
  readonly expect: Expectation;
  /** Afterwards the same question (where it was not `clear` before) is answered with `clear`, or as `mended` says. */
  readonly mend: readonly LabStep[];
  /** Where the answer once mended is not `clear`: a node stays out of sight. Nothing may be confirmed in any case. */
  readonly mended?: 'inconclusive';
  /** Part of `npm test`, which has some minutes for all labs together; the bench runs every scenario. */
  readonly inTests?: true;
  /** Why nothing else may run meanwhile: what of the kernel it changes for every lab on it, or that it needs every processor. */
  readonly alone?: string;
}

/** The address of node-50 in the plain topology, which most questions are about. */
export const target = '172.16.0.50';
export const on50 = (...run: string[]): LabStep => ({ on: 'node-50', run });
export const onRouter = (...run: string[]): LabStep => ({ on: 'r1', run });
export const sysctl = (on: string, setting: string): LabStep => ({ on, run: ['sysctl', '-qw', setting] });

/** Writes /etc/resolv.conf of a node. */
export const resolverOf = (on: string, ...lines: readonly string[]): LabStep => ({
  on,
  run: ['sh', '-c', `printf '%s\\n' "$@" > /etc/resolv.conf`, 'sh', ...lines],
});

/** Connects in the background that stay until the far end answers or the limit is over; the command itself returns. */
export const connectMany = (on: string, port: number, count: number, seconds: number): LabStep => ({
  on,
  run: [
    'sh',
    '-c',
    `for i in $(seq ${count}); do timeout ${seconds} bash -c 'exec 3<>/dev/tcp/${target}/${port}; sleep ${seconds}' >/dev/null 2>&1 & done; sleep 0.5`,
  ],
});

/**
 * Fills the accept queue of a server with backlog 2 that has stopped accepting: three connects, one after the other, and
 * no more. Several at once may all be answered before the queue is full; the kernel then repeats the SYN+ACKs of those
 * that find no place for half a minute, and whoever looks meanwhile sees that as well. What is closed keeps its place.
 */
export const fillQueue = (on: string, port: number): LabStep => ({
  on,
  run: ['timeout', '8', 'bash', '-ec', `for i in 1 2 3; do exec {fd}<>/dev/tcp/${target}/${port}; done`],
});
