import { createDeadline } from '../model/deadline.ts';
import type { Exit } from '../model/evidence.ts';
import { GivenUp } from './given-up.ts';
import { deferred } from './node-session.ts';
import type { OnReach } from './ports.ts';

/** A node that shows no sign of life for this long is no longer the only thing that the run waits for, milliseconds. */
const quietAfterMs = 250;
/**
 * A node that shows no sign of life for this long is given up where the others are finished, milliseconds: three SYNs
 * were sent by then (after 0, 1 and 3 s), and the last has had its time.
 */
const givenUpAfterMs = 3200;

/** What a door tells about itself while somebody is let in. */
export interface Knock {
  readonly signal: AbortSignal;
  /** From `knocking` on the node's silence counts; from `answered` on it is waited for, however slow it is. */
  readonly onReach: OnReach;
}

/** One node on its way into the run. */
export interface Door<Value> {
  /** Undefined until it has come in, or is known not to. */
  readonly value: Value | undefined;
  readonly isDone: boolean;
  readonly isSilent: boolean;
  /** It has shown a sign of life. */
  readonly hasAnswered: boolean;
  /** Silent for so long that it may be given up. */
  readonly isOverdue: boolean;
  giveUp(): void;
}

export interface Doors<Value> {
  readonly all: readonly Door<Value>[];
  /** Resolves when a condition holds; looks again whenever a door has changed. Rejects with the fault of any door. */
  when(holds: () => boolean): Promise<void>;
  /** Look again. */
  readonly ring: () => void;
  /** Everybody is in, or silent for a while. */
  everyoneWhoAnswers(): Promise<void>;
  /** Resolves when every door is settled, never rejects. */
  settled(): Promise<void>;
}

/**
 * Lets the nodes of a run in side by side. Those who show no sign of life must not hold up the others, and those who
 * do are waited for: a SYN-ACK that came means that the node is there, however long its login takes.
 */
export function createDoors<Value>(
  letIn: readonly { readonly where: string; readonly enter: (knock: Knock) => Promise<Value> }[],
  { signal, now }: { readonly signal: AbortSignal; readonly now: () => number },
): Doors<Value> {
  let bell = deferred();
  const ring = (): void => {
    const rung = bell;
    bell = deferred();
    rung.resolve();
  };
  let fault: { readonly error: unknown } | undefined;
  const opened = letIn.map(({ where, enter }) => {
    const own = createDeadline(null, signal);
    let sinceMs: number | undefined;
    let answered = false;
    let done = false;
    let quiet = false;
    let overdue = false;
    let value: Value | undefined;
    const timers: NodeJS.Timeout[] = [];
    const knock: Knock = {
      signal: own.signal,
      onReach: (state) => {
        if (state === 'answered') {
          answered = true;
          ring();
          return;
        }
        if (sinceMs !== undefined || done) return;
        sinceMs = now();
        timers.push(
          setTimeout(() => {
            quiet = true;
            ring();
          }, quietAfterMs),
          setTimeout(() => {
            overdue = true;
            ring();
          }, givenUpAfterMs),
        );
      },
    };
    const settled = enter(knock)
      .then(
        (came) => {
          value = came;
        },
        (error: unknown) => {
          fault ??= { error };
        },
      )
      .finally(() => {
        done = true;
        for (const timer of timers) clearTimeout(timer);
        ring();
      });
    const door: Door<Value> = {
      get value() {
        return value;
      },
      get isDone() {
        return done;
      },
      get isSilent() {
        return quiet && !answered && !done;
      },
      get hasAnswered() {
        return answered;
      },
      get isOverdue() {
        return overdue && !answered && !done;
      },
      giveUp: () => own.abort(new GivenUp(exitOfSilent(where, now() - (sinceMs ?? now())))),
    };
    return { door, settled };
  });
  const when = async (holds: () => boolean): Promise<void> => {
    for (;;) {
      if (fault !== undefined) throw fault.error;
      if (holds()) return;
      await bell.promise;
    }
  };
  return {
    all: opened.map(({ door }) => door),
    ring,
    when,
    everyoneWhoAnswers: () => when(() => opened.every(({ door }) => door.isDone || door.isSilent)),
    settled: async () => {
      await Promise.all(opened.map(({ settled }) => settled));
    },
  };
}

function exitOfSilent(where: string, silentMs: number): Exit {
  const seconds = (silentMs / 1000).toFixed(1);
  return {
    how: 'notStarted',
    why: 'timeout',
    message: `${where} showed no sign of life for ${seconds} s, and the run went on without it: check that the node is up, the address, and firewalls on the way.`,
  };
}
