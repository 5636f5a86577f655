import type { Interpretation, OpenPoint } from '../../model/interpretation.ts';
import type { Language } from '../../model/language.ts';
import type { PastRun } from '../../model/past-run.ts';

/** What `/netcheck status` and App Home show. What is not known is absent. */
export interface SystemStatus {
  /** Version of the Redis that answers; absent: none does. */
  readonly redis?: string | undefined;
  readonly waiting?: number | undefined;
  readonly running?: number | undefined;
  readonly workers?: readonly KnownWorker[] | undefined;
}

/** A process that takes runs. Says nothing of what they are about: whoever asks may not be allowed to know. */
export interface KnownWorker {
  readonly host: string;
  readonly pid: number;
  /** Unix milliseconds. */
  readonly sinceMs: number;
  /** Runs in hand. */
  readonly runs: number;
}

/** A finding of the last audit that is still there. */
export interface OpenTrouble {
  readonly node: string;
  readonly title: string;
  /** Unix milliseconds. */
  readonly sinceMs?: number | undefined;
}

/** What the last audit left open. */
export interface OpenTroubles {
  /** Unix milliseconds. */
  readonly auditedAtMs: number;
  /** Worst first; at most some tens. */
  readonly troubles: readonly OpenTrouble[];
  /** How many there are in all. */
  readonly total: number;
}

/** Who wants to know. `channel`: '' where it is about none (App Home). */
export interface Reader {
  readonly user: string;
  readonly channel: string;
  readonly language: Language;
}

/**
 * What the front knows of the world beyond Slack, as much of it as a person may know. Without it, questions are taken as
 * they are.
 */
export interface Knowledge {
  /** What words amount to, see `engine/interpret.ts`. */
  interpret(who: Reader, own: string, quoted: string, settled: readonly OpenPoint[]): Promise<Interpretation>;
  /** Whether somebody may look around at all; undefined: yes. */
  mayLook(who: Reader): Promise<{ readonly message: string; readonly hint: string } | undefined>;
  /** Everything that can be asked about, sorted by name. `about`: its address, or ''. */
  nodes(who: Reader): Promise<readonly NamedNode[]>;
  playbooks(language: Language): readonly { readonly id: string; readonly title: string }[];
  status(): Promise<SystemStatus>;
  /** Runs that have ended, newest first. */
  recentRuns(who: Reader, query: { readonly node?: string; readonly limit: number }): Promise<readonly PastRun[]>;
  /** Undefined: there was no audit. Absent: nobody remembers. */
  readonly openTroubles?: ((who: Reader) => Promise<OpenTroubles | undefined>) | undefined;
}

export interface NamedNode {
  readonly name: string;
  readonly about: string;
}
