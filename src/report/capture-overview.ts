import type { Capture } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { Finding } from '../model/report.ts';
import {
  conversationStates,
  type Diagnosed,
  diagnoseConversations,
  endpointText,
  otherIcmpErrors,
  timeText,
} from './conversation-diagnosis.ts';
import { type ConversationState, pcapWording } from './pcap-wording.ts';
import { sizeText } from './size-text.ts';

/** One capture file as a person is to see it: the text and the HTML page show the same. */
export interface CaptureOverview {
  /** Name of the file. */
  readonly file: string;
  /** `12 packets (1.2 kB) in 3 s, link type EN10MB, 2 TCP connections` */
  readonly summary: string;
  /** What weakens all that is said, one sentence each. */
  readonly warnings: readonly string[];
  /** Confirmed before likely. */
  readonly causes: readonly Finding[];
  readonly ruledOut: readonly Finding[];
  /** Sentences on what could not be judged. */
  readonly unseen: readonly string[];
  /** How many connections are in each state, worst first. */
  readonly tally: readonly { readonly state: ConversationState; readonly count: number }[];
  /** The worst conversations; equal ones are counted, not repeated. */
  readonly rows: readonly ConversationRow[];
  /** Conversations that no row stands for. */
  readonly hidden: readonly { readonly state: ConversationState; readonly count: number }[];
  /** Connections that the capture only counted, and the services that had the most of them. */
  readonly uneventful: { readonly count: number; readonly services: readonly string[] };
  readonly icmp: readonly string[];
  /** DNS, UDP, fragments: one line each, only where there is something. */
  readonly alsoSeen: readonly string[];
  readonly problems: readonly string[];
}

export interface ConversationRow extends Diagnosed {
  /** Others with the same client address, server and state, which have no row of their own. */
  readonly alike: number;
}

/** Connections of one client address to one port with the same fate are shown up to this many, then counted. */
const maxAlike = 3;
const maxServices = 5;
const maxUnseen = 12;

/**
 * Arranges a capture and its findings for reading.
 *
 * @param maxRows conversations with a row of their own
 */
export function captureOverview(
  capture: Capture,
  findings: readonly Finding[],
  language: Language,
  maxRows: number,
): CaptureOverview {
  const say = pcapWording[language];
  const diagnosed = diagnoseConversations(capture, language);
  const alike = new Map<string, number>();
  const shown: (Diagnosed & { readonly key: string })[] = [];
  for (const one of diagnosed) {
    const key = `${one.state} ${one.connection.client.address} ${endpointText(one.connection.server)}`;
    const before = alike.get(key) ?? 0;
    alike.set(key, before + 1);
    if (before < maxAlike && shown.length < Math.max(1, maxRows)) shown.push({ ...one, key });
  }
  const shownKeys = new Set(shown.map(({ key }) => key));
  const hidden = diagnosed.filter(
    ({ state, connection }) =>
      !shownKeys.has(`${state} ${connection.client.address} ${endpointText(connection.server)}`),
  );
  const rows = shown.map(({ key, ...one }, index): ConversationRow => {
    const isLast = shown.findLastIndex((later) => later.key === key) === index;
    const own = shown.filter((each) => each.key === key).length;
    return { ...one, alike: isLast ? (alike.get(key) ?? 0) - own : 0 };
  });
  const having = (...verdicts: readonly Finding['verdict'][]) =>
    findings.filter(({ verdict }) => verdicts.includes(verdict));
  return {
    file: capture.at.evidence,
    summary: summaryOf(capture, language),
    warnings: [
      ...(capture.droppedByKernel === null || capture.droppedByKernel === 0
        ? []
        : [say.dropped(capture.droppedByKernel)]),
      ...(capture.connectionsDropped === 0 ? [] : [say.letGo(capture.connectionsDropped)]),
    ],
    causes: [...having('confirmed'), ...having('likely')],
    ruledOut: having('ruledOut'),
    unseen: unseenOf(having('unknown', 'error'), language),
    tally: tallyOf(diagnosed, capture.uneventful),
    rows,
    hidden: tallyOf(hidden),
    uneventful: { count: capture.uneventful, services: servicesOf(capture, language) },
    icmp: otherIcmpErrors(capture, language),
    alsoSeen: alsoSeenOf(capture, language),
    problems: capture.problems.map(({ message }) => message),
  };
}

function summaryOf(capture: Capture, language: Language): string {
  const say = pcapWording[language];
  const span =
    capture.firstAtMs === null || capture.lastAtMs === null
      ? ''
      : ` ${say.over(timeText(capture.lastAtMs - capture.firstAtMs, language))}`;
  return [
    `${say.packets(capture.packets)} (${sizeText(capture.bytes)})${span}`,
    say.linkType(capture.linkType),
    say.connections(capture.connections.length + capture.uneventful),
  ].join(say.list);
}

/** Rules that could not be decided, by reason. */
function unseenOf(findings: readonly Finding[], language: Language): readonly string[] {
  const say = pcapWording[language];
  const byReason = new Map<string, string[]>();
  const lines: string[] = [];
  for (const finding of findings) {
    const why = finding.missing[0]?.why ?? finding.because[0]?.text ?? '';
    if (finding.verdict === 'error') {
      lines.push(say.ownFault(finding.rule, why));
      continue;
    }
    const titles = byReason.get(why);
    if (titles === undefined) byReason.set(why, [finding.title]);
    else titles.push(finding.title);
  }
  lines.push(
    ...[...byReason].map(([why, titles]) => `${titles.join(say.list)}${why === '' ? '' : `${say.colon}${why}`}`),
  );
  return lines.slice(0, maxUnseen);
}

function servicesOf({ uneventful, services }: Capture, language: Language): readonly string[] {
  if (uneventful === 0) return [];
  const say = pcapWording[language];
  return [...services]
    .sort((a, b) => b.connections - a.connections)
    .slice(0, maxServices)
    .map((one) =>
      [
        say.service(endpointText(one.server), one.connections, say.clients(one.clients, one.clients >= 1000)),
        ...say.serviceTrouble(one),
      ].join(say.list),
    );
}

function alsoSeenOf(capture: Capture, language: Language): readonly string[] {
  const say = pcapWording[language];
  const lines: string[] = [];
  const { dns, udp, fragments } = capture;
  if (dns.length > 0) {
    const bad = dns.filter(({ answer }) => answer !== null && !['NOERROR', 'NXDOMAIN'].includes(answer.rcode));
    lines.push(say.dnsSeen(dns.length, dns.filter(({ answer }) => answer === null).length, bad.length));
  }
  if (udp.length > 0) {
    const packets = udp.reduce((sum, flow) => sum + flow.packets.client + flow.packets.server, 0);
    lines.push(say.udpSeen(udp.length, packets, udp.filter((flow) => flow.packets.server === 0).length));
  }
  if (fragments.fragments > 0)
    lines.push(
      say.fragmentsSeen(fragments.fragments, fragments.datagrams, fragments.datagrams - fragments.reassembled),
    );
  const claims = new Map<string, Set<string>>();
  for (const { address, mac } of capture.neighbourClaims) {
    if (mac === '') continue;
    const macs = claims.get(address) ?? new Set();
    claims.set(address, macs.add(mac));
  }
  for (const [address, macs] of [...claims].filter(([, all]) => all.size > 1).slice(0, 5))
    lines.push(say.claimsSeen(address, [...macs].slice(0, 4).join(say.list)));
  return lines;
}

/** Connections by state; `uneventful` ones, which are only counted, are fine. */
function tallyOf(
  diagnosed: readonly Diagnosed[],
  uneventful = 0,
): readonly { readonly state: ConversationState; readonly count: number }[] {
  return conversationStates
    .map((state) => ({
      state,
      count: diagnosed.filter((one) => one.state === state).length + (state === 'fine' ? uneventful : 0),
    }))
    .filter(({ count }) => count > 0);
}
