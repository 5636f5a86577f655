/** A question that a person asks, milliseconds after the schedule began. */
export interface PlannedQuestion {
  readonly atMs: number;
  /** Nobody listens there, or somebody does: an answer either way. Unique in a world, so that no question joins another. */
  readonly port: number;
  readonly listens: boolean;
  readonly how: 'slash' | 'mention';
}

/**
 * Where a question has come to: Slack has been told to deliver it (`asked`), its status message is there (`shown`: it is
 * being queued), a node is being connected to, tcpdump has been started on a node, a probe has arrived (only where somebody
 * listens), Slack has taken the answer and the worker does not know it yet (`answered`), the status message says the end
 * (`ended`: the job is being recorded).
 */
export const phases = ['asked', 'shown', 'connecting', 'capturing', 'probing', 'answered', 'ended'] as const;
export type Phase = (typeof phases)[number];

/** When a fault strikes: by the clock of the schedule, or when a question has come to a phase (never, where none does). */
export type When = { readonly atMs: number } | { readonly phase: Phase; readonly afterMs: number };

/** What the sshd of the nodes does with new connections. `oneLogin`: MaxStartups 1, `oneSession`: MaxSessions 1. */
export type SshdSettings = 'usual' | 'oneLogin' | 'oneSession' | 'rekeys';

/** What Slack answers instead of taking a call. */
export type SlackTrouble =
  | { readonly kind: 'rateLimit'; readonly retryAfterS: number }
  | { readonly kind: 'http'; readonly status: 500 | 503; readonly afterAccepting: boolean }
  | { readonly kind: 'error'; readonly error: string }
  | { readonly kind: 'reset' | 'silence'; readonly afterAccepting: boolean };

/** What goes wrong; what has an end comes back by itself. */
export type Fault =
  | { readonly kind: 'killBot' | 'killWorker'; readonly signal: 'SIGKILL' | 'SIGTERM'; readonly backAfterMs: number }
  | { readonly kind: 'pauseWorker' | 'pauseBot'; readonly forMs: number }
  /** Back with its append-only file. */
  | { readonly kind: 'killRedis'; readonly backAfterMs: number }
  | { readonly kind: 'freezeRedis' | 'fillRedis'; readonly forMs: number }
  | { readonly kind: 'failOver'; readonly how: 'crash' | 'demotion' }
  | { readonly kind: 'cutSsh'; readonly node: 0 | 1 }
  | { readonly kind: 'freezeSsh' | 'refuseSsh'; readonly node: 0 | 1; readonly forMs: number }
  | { readonly kind: 'slowSsh'; readonly node: 0 | 1; readonly bytesPerSecond: number; readonly forMs: number }
  | { readonly kind: 'sshd'; readonly settings: SshdSettings }
  | { readonly kind: 'disk'; readonly how: 'full' | 'readOnly'; readonly forMs: number }
  | { readonly kind: 'clock'; readonly aheadMs: number; readonly forMs: number }
  | { readonly kind: 'cutSlack' }
  | { readonly kind: 'revokeToken'; readonly forMs: number }
  | { readonly kind: 'slack'; readonly method: string; readonly trouble: SlackTrouble; readonly times: number };
export type PlannedFault = Fault & { readonly when: When };

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

/** The methods that a question may need; the first more often. */
const methods = [
  'chat.postMessage',
  'chat.postMessage',
  'chat.update',
  'conversations.replies',
  'conversations.history',
  'chat.postEphemeral',
  'files.getUploadURLExternal',
  'files.completeUploadExternal',
] as const;

const passing = [
  { kind: 'rateLimit', retryAfterS: 1 },
  { kind: 'rateLimit', retryAfterS: 3 },
  { kind: 'http', status: 500, afterAccepting: true },
  { kind: 'http', status: 503, afterAccepting: false },
  { kind: 'error', error: 'internal_error' },
  { kind: 'reset', afterAccepting: true },
  { kind: 'reset', afterAccepting: false },
  { kind: 'silence', afterAccepting: true },
  { kind: 'silence', afterAccepting: false },
] as const satisfies readonly SlackTrouble[];
const refusals = ['invalid_blocks', 'channel_not_found', 'is_archived'].map(
  (error) => ({ kind: 'error', error }) as const,
);

/** Clocks are set by seconds (a first NTP answer), by an hour (a time zone that was wrong), by a day (a dead battery). */
const jumpsMs = [-86_400_000, -3_600_000, -30_000, 30_000, 3_600_000, 86_400_000] as const;

/** @param firstPort the ports of the questions follow it */
export function faultSchedule(seed: number, firstPort: number): FaultSchedule {
  const random = randomOf(seed);
  const upTo = (max: number): number => Math.floor(random() * max);
  const oneOf = <T>(list: readonly [T, ...T[]]): T => list[upTo(list.length)] ?? list[0];
  const questions = Array.from({ length: 1 + upTo(3) }, (_, index): PlannedQuestion => {
    const how = oneOf<PlannedQuestion['how']>(['slash', 'slash', 'mention']);
    return { atMs: upTo(2500), port: firstPort + index, how, listens: random() < 0.5 };
  });
  /** Mostly shorter than what waits for it; now and then as long as an outage that people notice. */
  const outageMs = (): number => (random() < 0.1 ? 30_000 : 200 + upTo(6000));
  const node = (): 0 | 1 => oneOf([0, 1]);
  const kill = (kind: 'killBot' | 'killWorker'): Fault => ({
    kind,
    signal: oneOf(['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGTERM']),
    backAfterMs: 100 + upTo(3000),
  });
  const slack = (): Fault => {
    const method = oneOf<string>(methods);
    // Who may never look cannot know what is there already; that is for `netcheck doctor` to say.
    const isLookup = method.startsWith('conversations.');
    const trouble = oneOf<SlackTrouble>(isLookup ? passing : [...passing, ...refusals]);
    return { kind: 'slack', method, trouble, times: 1 + upTo(3) };
  };
  const makers: readonly (() => Fault)[] = [
    () => kill('killWorker'),
    () => kill('killWorker'),
    () => kill('killWorker'),
    () => kill('killBot'),
    () => kill('killBot'),
    () => ({ kind: oneOf(['pauseWorker', 'pauseBot']), forMs: upTo(5000) }),
    () => ({ kind: 'killRedis', backAfterMs: 100 + upTo(3000) }),
    () => ({ kind: 'freezeRedis', forMs: outageMs() }),
    () => ({ kind: 'fillRedis', forMs: outageMs() }),
    () => ({ kind: 'failOver', how: oneOf(['crash', 'demotion']) }),
    () => ({ kind: 'cutSsh', node: node() }),
    () => ({ kind: oneOf(['freezeSsh', 'refuseSsh']), node: node(), forMs: outageMs() }),
    () => ({ kind: 'slowSsh', node: node(), bytesPerSecond: oneOf([1, 1, 500]), forMs: outageMs() }),
    () => ({ kind: 'sshd', settings: oneOf(['oneLogin', 'oneSession', 'rekeys']) }),
    () => ({ kind: 'disk', how: oneOf(['full', 'readOnly']), forMs: 500 + upTo(6000) }),
    () => ({ kind: 'clock', aheadMs: oneOf(jumpsMs), forMs: 1000 + upTo(10_000) }),
    () => ({ kind: 'cutSlack' }),
    () => (random() < 0.4 ? { kind: 'revokeToken', forMs: 200 + upTo(3000) } : { kind: 'cutSlack' }),
    slack,
    slack,
    slack,
  ];
  const when = (kind: Fault['kind']): When => {
    // sshd must know it before anybody connects
    if (kind === 'sshd') return { atMs: 0 };
    return random() < 0.6
      ? { phase: oneOf<Phase>(phases), afterMs: oneOf([0, 0, upTo(300), upTo(3000)]) }
      : { atMs: upTo(6000) };
  };
  const faults = Array.from({ length: 1 + upTo(3) }, (): PlannedFault => {
    const fault = (makers[upTo(makers.length)] ?? (() => kill('killWorker')))();
    return { ...fault, when: when(fault.kind) };
  });
  return { seed, questions, faults };
}
