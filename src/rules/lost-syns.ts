import type { At } from '../model/evidence.ts';
import type { Capture, Connection } from '../model/facts.ts';
import type { Plan } from '../model/plan.ts';
import type { Because } from '../model/report.ts';
import { because } from './because.ts';
import { type CaptureSentences, captureText, weakness } from './capture-weakness.ts';
import { handshakesOf, wasSentOn } from './handshakes.ts';
import { sameAddress } from './ip-address.ts';
import { withoutTranslatedLegs } from './translated-legs.ts';

/** Sentences of every rule that compares a counter with the SYNs of this question that were lost. */
export const lostSynText = {
  en: {
    ...captureText.en,
    lost: (v: { syns: number; connects: number; of: number; port: number }) =>
      `${v.syns} SYNs of ${v.connects} of the ${v.of} connects to port ${v.port} seen here got no answer`,
    noneLost: (v: { connects: number; port: number }) =>
      `all ${v.connects} connects to port ${v.port} seen here were answered at their first SYN`,
    noConnects: (v: { port: number }) => `no connect to port ${v.port} was seen here in the window`,
    kept: (v: { answers: number; connects: number }) =>
      `${v.answers} SYN+ACKs of ${v.connects} connects came back to this node and were not seen to leave it`,
  },
  zh: {
    ...captureText.zh,
    lost: (v: { syns: number; connects: number; of: number; port: number }) =>
      `这里看到的 ${v.of} 次到端口 ${v.port} 的连接中，有 ${v.connects} 次共 ${v.syns} 个 SYN 没有应答`,
    noneLost: (v: { connects: number; port: number }) =>
      `这里看到的 ${v.connects} 次到端口 ${v.port} 的连接，首个 SYN 都得到了应答`,
    noConnects: (v: { port: number }) => `窗口内没有看到到端口 ${v.port} 的连接`,
    kept: (v: { answers: number; connects: number }) =>
      `${v.connects} 次连接的 ${v.answers} 个 SYN+ACK 回到了本节点，但没有看到它们离开`,
  },
} as const;

/** The same sentences as a rule's `say` has them. */
export interface LostSynSentences extends CaptureSentences {
  readonly lost: (v: { syns: number; connects: number; of: number; port: number }) => string;
  readonly noneLost: (v: { connects: number; port: number }) => string;
  readonly noConnects: (v: { port: number }) => string;
  readonly kept: (v: { answers: number; connects: number }) => string;
}

/**
 * What became of the SYNs of this question at one node. `lost`: some got no answer, or only a later copy got one.
 * `none`: every first SYN was answered, by a capture that would have shown the opposite. `unseen`: it cannot be told.
 */
export type LostSyns =
  | {
      readonly kind: 'lost';
      readonly syns: number;
      readonly connections: readonly Connection[];
      readonly because: Because;
      readonly at: At;
    }
  | { readonly kind: 'none'; readonly because: Because }
  | { readonly kind: 'unseen'; readonly why: string };

/** SYNs before the first answer: all but the one that was answered. */
export const lostBefore = (connection: Connection): number => lostSynsOf(connection).length;

function lostSynsOf({ syns, synAcks }: Connection): Connection['syns'] {
  const firstAnswer = synAcks[0]?.atMs;
  return firstAnswer === undefined ? syns : syns.filter(({ atMs }) => atMs <= firstAnswer).slice(0, -1);
}

/**
 * The SYNs of this question that were lost at `node` or behind it. A forwarder may translate addresses, so there every
 * connection that the capture's filter let in counts. A SYN needs time to be answered: 200 ms at the listener, a
 * second elsewhere.
 */
export function lostSynsAt(input: {
  readonly node: string;
  readonly capture: Capture | undefined;
  readonly target: { readonly address: string; readonly port: number };
  readonly plan: Plan;
  readonly say: LostSynSentences;
  /** Only those that were sent between these, by the node's clock; all, unless told. */
  readonly between?: { readonly fromMs: number; readonly toMs: number };
}): LostSyns {
  const { node, capture, target, plan, say, between = { fromMs: -Infinity, toMs: Infinity } } = input;
  const weak = weakness(capture, say);
  if (capture === undefined) return { kind: 'unseen', why: say.noCapture };
  const roles = plan.nodes.find((n) => n.node.name === node)?.roles ?? [];
  const isTarget = roles.includes('target');
  const concerns = (c: Connection): boolean =>
    (!isTarget && roles.includes('forwarder')) ||
    (c.server.port === target.port && sameAddress(c.server.address, target.address));
  const legs = withoutTranslatedLegs(capture.connections);
  const seen = handshakesOf({ ...capture, connections: legs }, concerns, isTarget ? 200 : 1000);
  const lostOf = (c: Connection): number =>
    lostSynsOf(c).filter(({ atMs }) => atMs >= between.fromMs && atMs <= between.toMs).length;
  const connections = [...seen.unanswered, ...seen.answered].filter((c) => lostOf(c) > 0);
  const syns = connections.reduce((sum, c) => sum + lostOf(c), 0);
  if (syns > 0) {
    const sentence = say.lost({ syns, connects: connections.length, of: seen.all.length, port: target.port });
    return { kind: 'lost', syns, connections, because: because(sentence, capture.at), at: capture.at };
  }
  if (weak !== null) return { kind: 'unseen', why: weak };
  if (seen.all.length === 0) return { kind: 'unseen', why: say.noConnects({ port: target.port }) };
  return { kind: 'none', because: because(say.noneLost({ connects: seen.all.length, port: target.port }), capture.at) };
}

/** Answers that came back to a node that passes packets on, and that it kept. */
export interface KeptAnswers {
  readonly connections: readonly Connection[];
  readonly because: Because;
}

/**
 * The connects whose SYNs a forwarder sent on and whose SYN+ACKs came in there and went out nowhere; null where there
 * are none, or the capture cannot tell.
 */
export function keptAnswersAt(input: {
  readonly node: string;
  readonly capture: Capture | undefined;
  readonly target: { readonly port: number };
  readonly plan: Plan;
  readonly say: LostSynSentences;
}): KeptAnswers | null {
  const { node, capture, target, plan, say } = input;
  const roles = plan.nodes.find((n) => n.node.name === node)?.roles ?? [];
  if (capture === undefined || weakness(capture, say) !== null) return null;
  if (!roles.includes('forwarder') || roles.includes('target')) return null;
  const connections = capture.connections.filter((c) => {
    const count = (direction: 'in' | 'out'): number =>
      c.places.filter((place) => place.direction === direction).reduce((sum, place) => sum + place.server, 0);
    const isOurs = c.server.port === target.port && c.handshake === 'noFinalAck';
    return isOurs && c.synAcks.length > 0 && wasSentOn(c) && count('in') > 0 && count('out') === 0;
  });
  if (connections.length === 0) return null;
  const answers = connections.reduce((sum, c) => sum + c.synAcks.length, 0);
  return { connections, because: because(say.kept({ answers, connects: connections.length }), capture.at) };
}
