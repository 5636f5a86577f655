import type { TrialStep } from '../model/change.ts';
import type { ReportVerdict } from '../model/verdict.ts';

export type RunPhase = 'connect' | 'look' | 'before' | 'capture' | 'probe' | 'after' | 'judge';

/**
 * What a run tells while it goes on: the shape of the engine's `ProgressEvent`, said again because a renderer knows
 * nothing of the engine, and `failed` for a run that ends without a report.
 */
export type RunEvent =
  | {
      readonly type: 'planned';
      readonly nodes: readonly { readonly name: string; readonly roles: readonly string[] }[];
      readonly playbooks: readonly string[];
    }
  | { readonly type: 'joined'; readonly playbooks: readonly string[] }
  | { readonly type: 'waiting'; readonly node: string }
  | { readonly type: 'connected'; readonly node: string }
  | { readonly type: 'unreachable'; readonly node: string; readonly why: string }
  | { readonly type: 'phase'; readonly phase: RunPhase; readonly atMs: number }
  | {
      readonly type: 'probe';
      readonly node: string;
      readonly done: number;
      readonly total: number;
      readonly failed: number;
    }
  | { readonly type: 'decided'; readonly rule: string; readonly node: string; readonly title: string }
  | { readonly type: 'trial'; readonly node: string; readonly step: TrialStep['step'] }
  | { readonly type: 'finished'; readonly verdict: ReportVerdict; readonly headline: string }
  | { readonly type: 'failed'; readonly message: string; readonly hint: string; readonly cancelled: boolean };

/** What is known of a node while the run goes on. */
export interface NodeStatus {
  readonly name: string;
  readonly roles: readonly string[];
  readonly state: 'planned' | 'waiting' | 'connected' | 'unreachable';
  readonly why?: string;
}

/** Everything that the living status message shows. Plain data: it can be stored and taken up by another worker. */
export interface StatusState {
  /** The ask as typed. */
  readonly question: string;
  /** A Slack user id (`U…`, `W…`) or any other name. */
  readonly askedBy: string;
  readonly playbooks: readonly string[];
  readonly nodes: readonly NodeStatus[];
  /** In the order in which they began; each lasts until the next begins. Milliseconds as the events gave them. */
  readonly phases: readonly { readonly phase: RunPhase; readonly atMs: number }[];
  readonly probes: readonly {
    readonly node: string;
    readonly done: number;
    readonly total: number;
    readonly failed: number;
  }[];
  /** A change is being tried. */
  readonly trial?: { readonly node: string; readonly step: TrialStep['step'] };
  /** The first rule that was decided. */
  readonly decided?: { readonly rule: string; readonly node: string; readonly title: string };
  readonly ended?:
    | { readonly how: 'finished'; readonly verdict: ReportVerdict; readonly headline: string }
    | { readonly how: 'failed'; readonly message: string; readonly hint: string }
    | { readonly how: 'cancelled'; readonly message: string; readonly hint: string };
}

/** The state before anything has happened: the run waits in the queue. */
export function newStatus(asked: { readonly question: string; readonly askedBy: string }): StatusState {
  return { question: asked.question, askedBy: asked.askedBy, playbooks: [], nodes: [], phases: [], probes: [] };
}

/** The state after one more event. Pure; events that come twice or late change nothing that is already said. */
export function reduceStatus(state: StatusState, event: RunEvent): StatusState {
  // The first end counts: a straggler from a worker that was given up must not reopen the message.
  if (state.ended !== undefined) return state;
  switch (event.type) {
    case 'planned':
      return {
        ...state,
        playbooks: [...event.playbooks],
        nodes: event.nodes.map(({ name, roles }) => ({
          ...(state.nodes.find((node) => node.name === name) ?? { state: 'planned' as const }),
          name,
          roles: [...roles],
        })),
      };
    case 'joined':
      return { ...state, playbooks: [...new Set([...state.playbooks, ...event.playbooks])] };
    case 'waiting':
    case 'connected':
      return withNode(state, event.node, { state: event.type });
    case 'unreachable':
      return withNode(state, event.node, { state: 'unreachable', why: event.why });
    case 'phase': {
      if (state.phases.at(-1)?.phase === event.phase) return state;
      return { ...state, phases: [...state.phases, { phase: event.phase, atMs: event.atMs }] };
    }
    case 'probe': {
      const { node, done, total, failed } = event;
      const probe = { node, done, total, failed };
      const known = state.probes.some((other) => other.node === node);
      return {
        ...state,
        probes: known ? state.probes.map((other) => (other.node === node ? probe : other)) : [...state.probes, probe],
      };
    }
    case 'decided':
      if (state.decided !== undefined) return state;
      return { ...state, decided: { rule: event.rule, node: event.node, title: event.title } };
    case 'trial':
      return { ...state, trial: { node: event.node, step: event.step } };
    case 'finished':
      return { ...state, ended: { how: 'finished', verdict: event.verdict, headline: event.headline } };
    case 'failed':
      break;
  }
  return {
    ...state,
    ended: { how: event.cancelled ? 'cancelled' : 'failed', message: event.message, hint: event.hint },
  };
}

function withNode(
  state: StatusState,
  name: string,
  change: { readonly state: NodeStatus['state']; readonly why?: string },
): StatusState {
  const before = state.nodes.find((node) => node.name === name);
  const after: NodeStatus = { name, roles: before?.roles ?? [], ...change };
  return {
    ...state,
    nodes: before === undefined ? [...state.nodes, after] : state.nodes.map((node) => (node === before ? after : node)),
  };
}
