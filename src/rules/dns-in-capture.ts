import type { Capture } from '../model/facts.ts';
import type { DnsExchange } from '../model/packet-facts.ts';
import type { Outcome, Undecided } from '../model/rule.ts';
import { because } from './because.ts';
import { blindness, type CaptureSentences, captureText, weakness } from './capture-weakness.ts';
import { notApplicable, undecided } from './outcomes.ts';

/** Sentences of every rule about DNS: why there is nothing to judge. */
export const dnsText = {
  en: {
    ...captureText.en,
    noDns: 'there is no DNS (port 53) in the capture',
    noQuestions: (v: { packets: number }) =>
      `of ${v.packets} packets from and to port 53 no question can be read: the payload was not captured, or only the answers' direction`,
  },
  zh: {
    ...captureText.zh,
    noDns: '抓包中没有 DNS 流量（53 端口）',
    noQuestions: (v: { packets: number }) =>
      `53 端口的 ${v.packets} 个包里读不出任何查询：没有抓到负载，或只抓到了应答方向`,
  },
} as const;

export interface DnsSentences extends CaptureSentences {
  readonly noDns: string;
  readonly noQuestions: (v: { packets: number }) => string;
}

/** Why DNS cannot be judged by this capture, or null where it holds questions. */
export function withoutDns(capture: Capture, place: string, say: DnsSentences): Outcome | Undecided | null {
  const blind = blindness(capture, say);
  if (blind !== null) return undecided('capture', place, blind);
  if (capture.dns.length > 0) return null;
  const packets = capture.udp
    .filter(({ server }) => server.port === 53)
    .reduce((sum, flow) => sum + flow.packets.client + flow.packets.server, 0);
  if (packets > 0) return undecided('capture', place, say.noQuestions({ packets }));
  return notApplicable(because(say.noDns, capture.at));
}

/** Why a DNS packet that is missing from this capture proves nothing, or null where it does. */
export function dnsWeakness(capture: Capture, say: DnsSentences): string | null {
  // TCP connections that were let go are no DNS packets
  return weakness({ ...capture, connectionsDropped: 0 }, say);
}

/** How long the capture went on after a question, milliseconds. */
export function watchedMs(capture: Capture, exchange: DnsExchange): number {
  return (capture.lastAtMs ?? exchange.atMs) - exchange.atMs;
}

/** Names are compared without case and without the root. */
export function nameOf(exchange: DnsExchange): string {
  return exchange.name.toLowerCase();
}

/** Whether the answer names at least one address. */
export function hasAddress({ answer }: DnsExchange): boolean {
  return answer !== null && answer.rcode === 'NOERROR' && answer.addresses.length > 0;
}

/** `NXDOMAIN`, or that the name has no records of this type: the resolver goes on to the next name. */
export function isMiss({ answer }: DnsExchange): boolean {
  return (
    answer !== null &&
    (answer.rcode === 'NXDOMAIN' || (answer.rcode === 'NOERROR' && answer.answers === 0)) &&
    !answer.truncated
  );
}
