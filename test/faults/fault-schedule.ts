/** A question that a person asks, milliseconds after the schedule began. */
export interface PlannedQuestion {
  readonly atMs: number;
  /** Nobody listens there, or sshd does: an answer either way. Unique in a world, so that no question joins another. */
  readonly port: number;
  readonly how: 'slash' | 'mention';
}

/** What goes wrong; what has an end comes back by itself. */
export type Fault =
  | { readonly kind: 'killBot' | 'killWorker'; readonly signal: 'SIGKILL' | 'SIGTERM'; readonly backAfterMs: number }
  | { readonly kind: 'pauseWorker'; readonly forMs: number }
  | { readonly kind: 'killRedis'; readonly backAfterMs: number }
  | { readonly kind: 'freezeRedis'; readonly forMs: number }
  | { readonly kind: 'cutSsh' }
  | { readonly kind: 'cutSlack' }
  | {
      readonly kind: 'slack';
      readonly method: 'chat.postMessage' | 'chat.update' | 'conversations.replies';
      readonly trouble:
        | { readonly kind: 'rateLimit'; readonly retryAfterS: number }
        | { readonly kind: 'http'; readonly status: 500 | 503; readonly afterAccepting: boolean }
        | { readonly kind: 'reset' | 'silence'; readonly afterAccepting: boolean };
      readonly times: number;
    };
export type PlannedFault = Fault & { readonly atMs: number };

/** Everything that happens in one round, as data: the same seed gives the same. */
export interface FaultSchedule {
  readonly seed: number;
  readonly questions: readonly PlannedQuestion[];
  readonly faults: readonly PlannedFault[];
}

/** mulberry32: small, and the same everywhere. Numbers from 0 to 1. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** @param firstPort the ports of the questions follow it */
export function faultSchedule(seed: number, firstPort: number): FaultSchedule {
  const random = randomOf(seed);
  const upTo = (max: number): number => Math.floor(random() * max);
  const oneOf = <T>(list: readonly [T, ...T[]]): T => list[upTo(list.length)] ?? list[0];
  const questions = Array.from({ length: 1 + upTo(3) }, (_, index): PlannedQuestion => {
    return { atMs: upTo(2500), port: firstPort + index, how: oneOf(['slash', 'slash', 'mention']) };
  });
  const fault = (): Fault => {
    const backAfterMs = 100 + upTo(3000);
    switch (upTo(9)) {
      case 0:
      case 1:
        return { kind: 'killWorker', signal: oneOf(['SIGKILL', 'SIGKILL', 'SIGTERM']), backAfterMs };
      case 2:
        return { kind: 'killBot', signal: oneOf(['SIGKILL', 'SIGKILL', 'SIGTERM']), backAfterMs };
      case 3:
        return { kind: 'killRedis', backAfterMs };
      case 4:
        return { kind: 'freezeRedis', forMs: upTo(6000) };
      case 5:
        return { kind: 'pauseWorker', forMs: upTo(5000) };
      case 6:
        return { kind: oneOf(['cutSsh', 'cutSlack']) };
      default:
        return {
          kind: 'slack',
          method: oneOf(['chat.postMessage', 'chat.update', 'conversations.replies']),
          trouble: oneOf<Extract<Fault, { kind: 'slack' }>['trouble']>([
            { kind: 'rateLimit', retryAfterS: 1 },
            { kind: 'http', status: 500, afterAccepting: true },
            { kind: 'http', status: 503, afterAccepting: false },
            { kind: 'reset', afterAccepting: true },
            { kind: 'reset', afterAccepting: false },
            { kind: 'silence', afterAccepting: true },
          ]),
          times: 1 + upTo(3),
        };
    }
  };
  const faults = Array.from({ length: 1 + upTo(3) }, (): PlannedFault => ({ ...fault(), atMs: upTo(6000) }));
  return { seed, questions, faults };
}
