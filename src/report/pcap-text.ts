import type { Capture, Connection, IcmpError } from '../model/facts.ts';
import { painter, type Style } from './ansi.ts';
import { durationText, shortDuration } from './duration-text.ts';
import { sizeText } from './size-text.ts';
import { renderTable, type TableCell, type TableColumn } from './table.ts';
import { visibleText } from './visible-text.ts';
import { wrapText } from './wrap-text.ts';

export interface ConversationsOptions {
  /** Columns of the terminal; default 100. */
  readonly width?: number;
  readonly colour?: boolean;
  /** Connections shown; the worst ones are. Default 50. */
  readonly maxRows?: number;
}

/** What is wrong with a connection, worst first. The order of this list is the order of the table. */
const kinds = [
  'unanswered',
  'challengeAck',
  'refused',
  'icmpError',
  'noFinalAck',
  'reset',
  'retransmissions',
  'slowHandshake',
  'oneWay',
  'midStream',
  'fine',
] as const;
type Kind = (typeof kinds)[number];

const labels: Readonly<Record<Kind, string>> = {
  unanswered: 'unanswered',
  challengeAck: 'stale on the server',
  refused: 'refused',
  icmpError: 'ICMP error',
  noFinalAck: 'half open',
  reset: 'reset',
  retransmissions: 'retransmissions',
  slowHandshake: 'slow to connect',
  oneWay: 'one way only',
  midStream: 'began before',
  fine: 'connected',
};
const styles: Readonly<Record<Kind, readonly Style[]>> = {
  unanswered: ['red'],
  challengeAck: ['red'],
  refused: ['red'],
  icmpError: ['red'],
  noFinalAck: ['red'],
  reset: ['yellow'],
  retransmissions: ['yellow'],
  slowHandshake: ['yellow'],
  oneWay: ['yellow'],
  midStream: ['dim'],
  fine: ['green'],
};

/** No cell is wrapped: a row is one line, and its diagnosis follows on the next. */
const columns: readonly TableColumn[] = [
  { header: 'client', fit: 'never' },
  { header: 'server', fit: 'never' },
  { header: 'packets', align: 'right', fit: 'never' },
  { header: 'bytes', align: 'right', fit: 'never' },
  { header: 'time', align: 'right', fit: 'never' },
  { header: 'state', fit: 'never' },
];

/** Connections of one client address to one port with the same fate are shown up to this many, then counted. */
const maxAlike = 3;

/** A share of repeated segments above this is worth a line (the same threshold as for random loss: 1 %). */
const manyRetransmissions = 0.01;
/** A SYN is repeated after 1 s (RFC 6298 2.1): a handshake that takes longer lost one. */
const slowHandshakeMs = 900;
/** tcp_tw_recycle compares the TSvals of one address within this time (TCP_PAWS_MSL, include/net/tcp.h). */
const pawsMs = 60_000;

/**
 * Renders a capture for `netcheck pcap FILE`: a summary, the table of its connections, the worst first, each with one
 * line of diagnosis, ICMP errors about something else, and what could not be read. English; no line feed at the end.
 */
export function renderConversations(capture: Capture, options: ConversationsOptions = {}): string {
  const { width = 100, colour = false, maxRows = 50 } = options;
  const paint = painter(colour);
  const judge = judgeOf(capture);
  const judged = capture.connections.map((connection) => ({ connection, ...judge(connection) }));
  judged.sort(
    (a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || a.connection.firstAtMs - b.connection.firstAtMs,
  );

  const blocks: string[] = [wrapText(headline(capture), width).join('\n')];
  if (judged.length > 0) {
    const counts = kinds
      .map((kind) => ({ kind, count: judged.filter((one) => one.kind === kind).length }))
      .filter(({ count }) => count > 0)
      .map(({ kind, count }) => paint(`${count} ${labels[kind]}`, ...styles[kind]));
    blocks.push(counts.join(' · '), table(judged, maxRows, width, colour));
  }
  const others = otherIcmpErrors(capture);
  if (others.length > 0) blocks.push(['ICMP errors', ...others.map((line) => `  ${visibleText(line)}`)].join('\n'));
  if (capture.problems.length > 0) {
    blocks.push(
      [
        paint('Could not read everything', 'yellow'),
        ...capture.problems.flatMap((problem) =>
          wrapText(visibleText(problem.message), width - 2).map((line) => `  ${line}`),
        ),
      ].join('\n'),
    );
  }
  return blocks.join('\n\n');
}

interface Judged {
  readonly connection: Connection;
  readonly kind: Kind;
  readonly text: string;
}

function table(judged: readonly Judged[], maxRows: number, width: number, colour: boolean): string {
  const paint = painter(colour);
  const alike = new Map<string, number>();
  const shown: (Judged & { readonly key: string })[] = [];
  const hidden: Judged[] = [];
  for (const one of judged) {
    const key = keyOf(one);
    const before = alike.get(key) ?? 0;
    alike.set(key, before + 1);
    if (before < maxAlike && shown.length < Math.max(1, maxRows)) shown.push({ ...one, key });
    else hidden.push(one);
  }
  const rows = shown.map(({ connection, kind, text }): TableCell[] => [
    endpointText(connection.client),
    endpointText(connection.server),
    `${connection.packets.client}/${connection.packets.server}`,
    `${sizeText(connection.bytes.client)}/${sizeText(connection.bytes.server)}`,
    shortDuration(connection.lastAtMs - connection.firstAtMs),
    { text: isCalm(kind) ? `${labels[kind]}, ${text}` : labels[kind], style: styles[kind] },
  ]);
  const [header = '', ...rowLines] = renderTable(columns, rows, { width, colour }).split('\n');
  const lines = [header];
  for (const [index, one] of shown.entries()) {
    lines.push(rowLines[index] ?? '');
    const diagnosis = isCalm(one.kind) ? [] : wrapText(visibleText(one.text), width - 4);
    for (const line of diagnosis) lines.push(paint(`    ${line}`, 'dim'));
    if (shown[index + 1]?.key !== one.key) {
      const more = (alike.get(one.key) ?? 0) - maxAlike;
      if (more > 0) lines.push(paint(`    … and ${more} more like this`, 'dim'));
    }
  }
  const shownKeys = new Set(shown.map((one) => one.key));
  const unseen = hidden.filter((one) => !shownKeys.has(keyOf(one)));
  if (unseen.length > 0) lines.push(paint(`… and ${unseen.length} more (${tally(unseen)})`, 'dim'));
  return lines.join('\n');
}

function headline(capture: Capture): string {
  const length =
    capture.firstAtMs === null || capture.lastAtMs === null
      ? ''
      : ` in ${durationText(capture.lastAtMs - capture.firstAtMs, 'en')}`;
  const dropped =
    capture.droppedByKernel === null || capture.droppedByKernel === 0
      ? ''
      : `; ${capture.droppedByKernel} packets dropped by kernel: what seems to be missing may have been there`;
  const connections = capture.connections.length;
  return `${visibleText(capture.at.evidence)}: ${count(capture.packets, 'packet')} (${sizeText(capture.bytes)})${length}, link type ${capture.linkType}, ${count(connections, 'TCP connection')}${dropped}`;
}

/** Says of each connection of a capture what is wrong with it; looks at the others for what they tell about it. */
function judgeOf(capture: Capture): (connection: Connection) => { readonly kind: Kind; readonly text: string } {
  const icmp = new Map<string, IcmpError[]>();
  for (const error of capture.icmpErrors) {
    const { source, sourcePort, destination, destinationPort } = error.about;
    if (sourcePort === null || destinationPort === null) continue;
    const key = flowKey(source, sourcePort, destination, destinationPort);
    const list = icmp.get(key);
    if (list === undefined) icmp.set(key, [error]);
    else list.push(error);
  }
  const older = olderTsvals(capture.connections);

  return (connection) => {
    const { client, server, syns, synAcks, resets, handshake } = connection;
    const first = syns[0];
    const last = syns.at(-1);
    const repeated =
      syns.length > 1 && first !== undefined && last !== undefined
        ? `${syns.length} SYNs in ${shortDuration(last.atMs - first.atMs)} (gaps ${gaps(syns)})`
        : 'the SYN';
    const errors =
      icmp.get(flowKey(client.address, client.port, server.address, server.port)) ??
      icmp.get(flowKey(server.address, server.port, client.address, client.port)) ??
      [];
    const error = errors[0];
    switch (handshake) {
      case 'unanswered': {
        const stale = older.get(connection);
        const why =
          stale === undefined
            ? ''
            : `; its TSval ${stale.tsval} is lower than ${stale.than}, seen from the same address ${shortDuration(stale.beforeMs)} before (tcp_tw_recycle drops such SYNs)`;
        return { kind: 'unanswered', text: `no answer to ${repeated}${why}` };
      }
      case 'challengeAck':
        return {
          kind: 'challengeAck',
          text: `the server answers ${repeated} with a bare ACK: it still holds an old connection on these ports`,
        };
      case 'refused': {
        const reset = resets.find((one) => one.from === 'server');
        const after =
          reset === undefined || last === undefined
            ? ''
            : ` ${shortDuration(Math.max(0, reset.atMs - last.atMs))} after the SYN`;
        const ttl = reset === undefined ? '' : `, TTL ${reset.ttl}`;
        return {
          kind: 'refused',
          text: `RST${after}${ttl}: nothing listens there, or a firewall rejects with tcp-reset`,
        };
      }
      case 'icmpError':
        return { kind: 'icmpError', text: error === undefined ? `an ICMP error answers ${repeated}` : icmpText(error) };
      case 'noFinalAck':
        return {
          kind: 'noFinalAck',
          text: `${count(synAcks.length, 'SYN+ACK')} sent, the client's ACK is not here${resets.some((one) => one.from === 'client') ? ': the client resets' : ''}`,
        };
      case 'complete':
      case 'midStream':
      default:
        return established(connection, error);
    }
  };
}

function established(
  connection: Connection,
  error: IcmpError | undefined,
): { readonly kind: Kind; readonly text: string } {
  const { syns, synAcks, resets, handshake, fins, packets, retransmitted, bytes } = connection;
  const notes: string[] = [];
  if (error !== undefined) notes.push(icmpText(error));
  const reset = resets[0];
  const repeats = repeatText(retransmitted, packets);
  const firstSyn = syns[0];
  const lastSynAck = synAcks[0];
  const connectMs = firstSyn === undefined || lastSynAck === undefined ? 0 : lastSynAck.atMs - firstSyn.atMs;
  if (connectMs > slowHandshakeMs) {
    notes.push(`connected after ${shortDuration(connectMs)} and ${count(syns.length, 'SYN')}`);
  }
  if (reset !== undefined && !(fins.client && fins.server)) {
    const silence = `${shortDuration(reset.atMs - connection.firstAtMs)} after its first packet, TTL ${reset.ttl}`;
    const text = [`reset by the ${reset.from} ${silence}`, ...notes, ...(repeats === null ? [] : [repeats])].join('; ');
    return { kind: 'reset', text };
  }
  if (repeats !== null) return { kind: 'retransmissions', text: [repeats, ...notes].join('; ') };
  if (connectMs > slowHandshakeMs) return { kind: 'slowHandshake', text: notes.join('; ') };
  if (packets.client === 0 || packets.server === 0 || (syns.length > 0 && synAcks.length === 0)) {
    const only = packets.server === 0 ? 'client' : packets.client === 0 ? 'server' : null;
    notes.push(
      only === null
        ? 'the SYN+ACK did not pass this capture'
        : `only packets of the ${only} pass this capture: the way back is another one`,
    );
    return { kind: 'oneWay', text: notes.join('; ') };
  }
  const end = fins.client && fins.server ? 'closed' : fins.client || fins.server ? 'closed by one side' : 'still open';
  notes.push(bytes.client + bytes.server === 0 ? `${end}, no data` : end);
  if (error !== undefined) return { kind: 'icmpError', text: notes.join('; ') };
  return { kind: handshake === 'midStream' ? 'midStream' : 'fine', text: notes.join('; ') };
}

function repeatText(retransmitted: Connection['retransmitted'], packets: Connection['packets']): string | null {
  const parts = (['client', 'server'] as const)
    .filter((side) => retransmitted[side] > 0 && retransmitted[side] / Math.max(1, packets[side]) > manyRetransmissions)
    .map(
      (side) =>
        `${retransmitted[side]} of ${packets[side]} segments of the ${side} are retransmissions (${percent(retransmitted[side], packets[side])})`,
    );
  return parts.length === 0 ? null : parts.join('; ');
}

/** Unanswered connections whose first TSval lies below one that the same address showed within a minute before. */
function olderTsvals(
  connections: readonly Connection[],
): ReadonlyMap<Connection, { readonly tsval: number; readonly than: number; readonly beforeMs: number }> {
  const found = new Map<Connection, { tsval: number; than: number; beforeMs: number }>();
  const highest = new Map<string, { tsval: number; atMs: number }>();
  for (const connection of connections) {
    const syn = connection.syns[0];
    if (syn === undefined || syn.tsval === null) continue;
    const known = highest.get(connection.client.address);
    const recent = known !== undefined && syn.atMs - known.atMs <= pawsMs;
    const lower = recent && ((known.tsval - syn.tsval) | 0) > 1;
    if (lower && connection.handshake === 'unanswered') {
      found.set(connection, { tsval: syn.tsval, than: known.tsval, beforeMs: syn.atMs - known.atMs });
    }
    if (!lower && connection.handshake !== 'unanswered') {
      highest.set(connection.client.address, { tsval: syn.tsval, atMs: connection.lastAtMs });
    }
  }
  return found;
}

/** ICMP errors that no shown connection explains, equal ones counted. */
function otherIcmpErrors(capture: Capture): readonly string[] {
  const known = new Set<string>();
  for (const { client, server } of capture.connections) {
    known.add(flowKey(client.address, client.port, server.address, server.port));
    known.add(flowKey(server.address, server.port, client.address, client.port));
  }
  const lines = new Map<string, number>();
  for (const error of capture.icmpErrors) {
    const { protocol, source, sourcePort, destination, destinationPort } = error.about;
    if (
      protocol === 6 &&
      sourcePort !== null &&
      destinationPort !== null &&
      known.has(flowKey(source, sourcePort, destination, destinationPort))
    ) {
      continue;
    }
    const name = protocol === 6 ? 'TCP' : protocol === 17 ? 'UDP' : `protocol ${protocol}`;
    const to = destinationPort === null ? destination : endpointText({ address: destination, port: destinationPort });
    const line = `${icmpText(error)}, about ${name} ${source} to ${to}`;
    lines.set(line, (lines.get(line) ?? 0) + 1);
  }
  return [...lines].slice(0, 20).map(([line, times]) => (times === 1 ? line : `${times} × ${line}`));
}

function icmpText(error: IcmpError): string {
  const mtu = error.mtu === undefined || error.mtu === 0 ? '' : ` (MTU ${error.mtu})`;
  return `${error.name}${mtu} from ${error.from}`;
}

function gaps(syns: Connection['syns']): string {
  const list = syns.slice(1).map((syn, index) => {
    const before = syns[index];
    return before === undefined ? '' : ((syn.atMs - before.atMs) / 1000).toFixed(1);
  });
  const shown = list.length > 6 ? [...list.slice(0, 5), '…'] : list;
  return `${shown.join(', ')} s`;
}

function tally(judged: readonly { readonly kind: Kind }[]): string {
  return kinds
    .map((kind) => ({ kind, count: judged.filter((one) => one.kind === kind).length }))
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${count} ${labels[kind]}`)
    .join(', ');
}

/** Nothing is wrong: how it ended says it all, on the row itself. */
function isCalm(kind: Kind): boolean {
  return kind === 'fine' || kind === 'midStream';
}

function keyOf({ connection, kind }: Judged): string {
  return `${kind} ${connection.client.address} ${endpointText(connection.server)}`;
}

function flowKey(source: string, sourcePort: number, destination: string, destinationPort: number): string {
  return `${source} ${sourcePort} ${destination} ${destinationPort}`;
}

function endpointText({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function percent(part: number, whole: number): string {
  const share = (part / Math.max(1, whole)) * 100;
  return `${share < 10 ? share.toFixed(1) : share.toFixed(0)} %`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
