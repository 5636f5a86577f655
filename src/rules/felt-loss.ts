import type { Capture, Probe } from '../model/facts.ts';
import type { Because } from '../model/report.ts';
import { because, fileOf } from './because.ts';

/** Sentences of the rules that hold a counter of the whole node against what this question's packets suffered. */
export const feltLossText = {
  en: {
    sentAgain: (v: { packets: number; port: number }) =>
      `${v.packets} packets of connections to port ${v.port} were sent again, as seen here`,
    probesTimedOut: (v: { failed: number; of: number }) => `${v.failed} of ${v.of} connects from here timed out`,
    notFelt: 'No loss of this question was seen here at the same time: it may have hit other traffic',
  },
  zh: {
    sentAgain: (v: { packets: number; port: number }) =>
      `在这里看到，到端口 ${v.port} 的连接有 ${v.packets} 个包被重传`,
    probesTimedOut: (v: { failed: number; of: number }) => `从这里发起的 ${v.of} 次连接有 ${v.failed} 次超时`,
    notFelt: '同一时间这里没有看到本次所查流量丢包：受影响的可能是别的流量',
  },
} as const;

/** The same sentences as a rule's `say` has them. */
export interface FeltLossSentences {
  readonly sentAgain: (v: { packets: number; port: number }) => string;
  readonly probesTimedOut: (v: { failed: number; of: number }) => string;
  readonly notFelt: string;
}

/**
 * What shows at one node that packets of this question were lost: packets sent again in its capture (at least
 * `minLost`: a few are normal), and its own probes that timed out. Empty: nothing shows it.
 */
export function feltLoss(input: {
  readonly capture: Capture | undefined;
  readonly probes: readonly Probe[] | undefined;
  readonly port: number;
  readonly minLost: number;
  readonly say: FeltLossSentences;
}): Because[] {
  const { capture, probes = [], port, minLost, say } = input;
  const packets = (capture?.connections ?? [])
    .filter(({ server }) => server.port === port)
    .reduce((sum, { retransmitted }) => sum + retransmitted.client + retransmitted.server, 0);
  const failed = probes.filter(({ outcome }) => outcome === 'timedOut').length;
  return [
    ...(capture === undefined || packets < minLost ? [] : [because(say.sentAgain({ packets, port }), capture.at)]),
    ...(failed === 0 ? [] : [because(say.probesTimedOut({ failed, of: probes.length }), fileOf(probes))]),
  ];
}
