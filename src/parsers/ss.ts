import type { At } from '../model/evidence.ts';
import type { Socket } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { type EndpointText, endpoint } from './endpoint.ts';
import { familyOf } from './ip-address.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import type { SeenListener, SocketTables } from './socket-tables.ts';
import { outputLines, words } from './text-lines.ts';

/**
 * ss(8) of any age: with and without header, Netid and State columns, `-p` in both spellings, `-o` timers, and `-e`,
 * `-m`, `-i` details on continuation lines (which carry no further sockets). Only TCP and UDP are kept.
 *
 * A lone `*` is spelled by what it means in that version: before iproute2 4.17 it is 0.0.0.0 (`:::22` stands beside
 * it, peers are `*:*`); after it, a dual-stack `::` (IPv4 is `0.0.0.0:22`).
 */
export const ss: Parser<SocketTables> = {
  kind: 'ss',
  reads: 'ss -lntup | ss -tanopemi | ss -tnH state syn-recv …',
  fact: 'listeners',
  sample: `Netid State      Recv-Q Send-Q Local Address:Port   Peer Address:Port Process
udp   UNCONN     0      0            0.0.0.0:1307        0.0.0.0:*    users:(("python3",pid=9,fd=9))
tcp   LISTEN     0      3         0.0.0.0%v0:1306        0.0.0.0:*    users:(("python3",pid=9,fd=8))
tcp   LISTEN     2      128                *:1302              *:*    users:(("python3",pid=9,fd=4))
tcp   SYN-SENT   0      1           10.9.0.1:34284     10.9.0.99:80   users:(("python3",pid=9,fd=15)) timer:(on,988ms,0)
`,
  parse(input) {
    const problems = problemList();
    const asked = askedOf(input.argv);
    let columns: Columns | undefined;
    let understood = 0;
    const rows: Row[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '' || text.startsWith('\t') || text.startsWith(' ')) continue;
      const parts = words(text);
      if (parts.includes('Recv-Q')) {
        columns = {
          netid: parts.includes('Netid'),
          state: parts.includes('State'),
          process: text.includes('Process'),
        };
        understood += 1;
        continue;
      }
      const row = readRow(text, parts, columns, asked, line);
      if (row === 'other') understood += 1;
      else if (row === undefined) problems.add(`not a socket: ${excerpt(text)}`, line);
      else rows.push(row);
    }
    if (rows.length === 0 && !silentlyNone(input) && (understood === 0 || problems.all().length > 0)) {
      return nothingUsable(input, problems, 'sockets');
    }
    addStderr(input, problems);
    const star = columns?.process === true ? 'dual' : starMeaning(rows);
    const listeners: SeenListener[] = [];
    const sockets: Socket[] = [];
    for (const row of rows) {
      const at: At = { evidence: input.evidence, line: row.line };
      const owner = row.process === undefined ? {} : { process: row.process };
      if (row.state === 'LISTEN' || (row.protocol === 'udp' && row.state === 'UNCONN')) {
        listeners.push({
          protocol: row.protocol,
          address: anyAddress(row.local, star),
          port: row.local.port,
          recvq: row.recvq,
          sendq: row.protocol === 'tcp' ? row.sendq : null,
          ...v6onlyOf(row, star),
          ...owner,
          at,
        });
      } else {
        sockets.push({
          protocol: row.protocol,
          state: row.state,
          recvq: row.recvq,
          sendq: row.sendq,
          local: { address: anyAddress(row.local, star), port: row.local.port },
          peer: { address: anyAddress(row.peer, star), port: row.peer.port },
          ...(row.timer === undefined ? {} : { timer: row.timer }),
          ...owner,
          at,
        });
      }
    }
    const value = { ...(asked.listeners ? { listeners } : {}), ...(asked.sockets ? { sockets } : {}) };
    return { value, problems: problems.all() };
  },
};

interface Columns {
  readonly netid: boolean;
  readonly state: boolean;
  /** Only iproute2 5 and newer have it. */
  readonly process: boolean;
}

interface Row {
  readonly protocol: 'tcp' | 'udp';
  readonly state: string;
  readonly recvq: number;
  readonly sendq: number;
  readonly local: EndpointText;
  readonly peer: EndpointText;
  /** As printed; tells the versions apart. */
  readonly localText: string;
  readonly peerText: string;
  readonly v6only: boolean | undefined;
  readonly timer: Socket['timer'];
  readonly process: string | undefined;
  readonly line: number;
}

interface Asked {
  readonly listeners: boolean;
  readonly sockets: boolean;
  /** The protocol that the options choose, where they choose one. */
  readonly protocol: 'tcp' | 'udp' | undefined;
  /** The single state of a `state X` filter: its rows carry no State column. */
  readonly state: string | undefined;
}

/** Names that `state` takes -> names that the State column prints (misc/ss.c). */
const filterStates: ReadonlyMap<string, string> = new Map([
  ['established', 'ESTAB'],
  ['syn-sent', 'SYN-SENT'],
  ['syn-recv', 'SYN-RECV'],
  ['fin-wait-1', 'FIN-WAIT-1'],
  ['fin-wait-2', 'FIN-WAIT-2'],
  ['time-wait', 'TIME-WAIT'],
  ['close-wait', 'CLOSE-WAIT'],
  ['last-ack', 'LAST-ACK'],
  ['closing', 'CLOSING'],
  ['closed', 'UNCONN'],
  ['unconnected', 'UNCONN'],
  ['listen', 'LISTEN'],
  ['listening', 'LISTEN'],
]);

const states: ReadonlySet<string> = new Set([...filterStates.values(), 'UNKNOWN', 'CLOSED', 'BOUND-INACTIVE']);

const otherNetids: ReadonlySet<string> = new Set([
  'nl',
  'p_raw',
  'p_dgr',
  'u_str',
  'u_dgr',
  'u_seq',
  'raw',
  'raw6',
  'dccp',
  'sctp',
  'icmp',
  'icmp6',
  'v_str',
  'v_dgr',
  'tipc',
  'ti_rd',
  'ti_dg',
  'ti_sq',
  'ti_st',
  'xdp',
  'mptcp',
  '???',
]);

/** Long options of ss that take no part in what is shown are ignored. */
function askedOf(argv: readonly string[]): Asked {
  const start = argv.findIndex((word) => word === 'ss' || word.endsWith('/ss'));
  if (start === -1) return { listeners: true, sockets: true, protocol: undefined, state: undefined };
  const options = argv.slice(start + 1);
  const flags = new Set<string>();
  const filter: string[] = [];
  for (const option of options) {
    if (option === '--listening') flags.add('l');
    else if (option === '--all') flags.add('a');
    else if (option === '--tcp') flags.add('t');
    else if (option === '--udp') flags.add('u');
    else if (/^-[a-zA-Z0-9]+$/.test(option)) for (const letter of option.slice(1)) flags.add(letter);
    else if (!option.startsWith('--')) filter.push(option);
  }
  const tcp = flags.has('t');
  const udp = flags.has('u');
  const named = filter.filter((_word, at) => filter[at - 1] === 'state');
  const state = named.length === 1 ? filterStates.get(named[0] ?? '') : undefined;
  const listens = state === 'LISTEN' || state === 'UNCONN' || flags.has('l');
  return {
    // A filter leaves listeners out, so that what remains is not the node's list of listeners, unless it was asked so.
    listeners: listens || (flags.has('a') && filter.length === 0),
    sockets: !listens,
    protocol: tcp === udp ? undefined : tcp ? 'tcp' : 'udp',
    state,
  };
}

function readRow(
  text: string,
  parts: readonly string[],
  columns: Columns | undefined,
  asked: Asked,
  line: number,
): Row | 'other' | undefined {
  let at = 0;
  let protocol = asked.protocol;
  const first = parts[0] ?? '';
  if (columns?.netid !== false) {
    if (otherNetids.has(first)) return 'other';
    const netid = /^(tcp|udp)6?$/.exec(first)?.[1];
    if (netid !== undefined) {
      protocol = netid === 'tcp' ? 'tcp' : 'udp';
      at += 1;
    }
  }
  let state = asked.state;
  const word = parts[at] ?? '';
  if (states.has(word)) {
    state = word;
    at += 1;
  }
  const recvq = count(parts[at]);
  const sendq = count(parts[at + 1]);
  const localText = parts[at + 2] ?? '';
  const peerText = parts[at + 3] ?? '';
  const local = endpoint(localText);
  const peer = endpoint(peerText);
  if (recvq === undefined || sendq === undefined || state === undefined) return undefined;
  if (local === undefined || peer === undefined) return undefined;
  const v6only = /\bv6only:([01])\b/.exec(text.slice(0, 4096))?.[1];
  return {
    protocol: protocol ?? (state === 'UNCONN' ? 'udp' : 'tcp'),
    state,
    recvq,
    sendq,
    local,
    peer,
    localText,
    peerText,
    v6only: v6only === undefined ? undefined : v6only === '1',
    timer: timerOf(text),
    process: processOf(text),
    line,
  };
}

/** What a lone `*` is in this version of ss: `dual` is the IPv6 wildcard that takes IPv4 too. */
type Star = 'ipv4' | 'dual' | 'unknown';

/** Told by rows that look different in the two. */
function starMeaning(rows: readonly Row[]): Star {
  const sixes = new Set<string>();
  for (const { localText, peerText, local, protocol } of rows) {
    if (localText.startsWith('0.0.0.0') || peerText.startsWith('0.0.0.0')) return 'dual';
    if (peerText.startsWith(':::') || localText.startsWith(':::')) return 'ipv4';
    if (local.address !== '*' && peerText === '*:*' && familyOf(local.address) === 4) return 'ipv4';
    if (local.address === '::') sixes.add(`${protocol} ${local.port}`);
  }
  // A dual-stack and an IPv6-only socket cannot share a port: `*:22` beside `[::]:22` are IPv4 and IPv6.
  const shared = rows.some(({ local, protocol }) => local.address === '*' && sixes.has(`${protocol} ${local.port}`));
  return shared ? 'ipv4' : 'unknown';
}

function anyAddress(where: EndpointText, star: Star): string {
  if (where.address !== '*') return where.address;
  return star === 'ipv4' ? '0.0.0.0' : '::';
}

/** Newer versions tell dual-stack (`*`) from IPv6-only (`[::]`); older ones do not. */
function v6onlyOf(row: Row, star: Star): { v6only?: boolean } {
  if (row.v6only !== undefined) return { v6only: row.v6only };
  if (star === 'ipv4') return {};
  if (row.local.address === '*') return { v6only: false };
  return star === 'dual' && row.local.address === '::' ? { v6only: true } : {};
}

/** `users:(("nginx",pid=1234,fd=6),…)`, before iproute2 4 `users:(("nginx",1234,6))` -> `nginx, pid 1234`. */
function processOf(text: string): string | undefined {
  const from = text.indexOf('users:(("');
  if (from === -1) return undefined;
  const match = /^users:\(\("([^"]{1,64})",(?:pid=)?(\d{1,10}),/.exec(text.slice(from, from + 120));
  return match === null ? undefined : `${match[1]}, pid ${match[2]}`;
}

/** `timer:(on,988ms,0)` */
function timerOf(text: string): Socket['timer'] {
  const from = text.indexOf('timer:(');
  if (from === -1) return undefined;
  const match = /^timer:\(([a-z]{1,12}),([0-9a-z.]{0,20}),(\d{1,5})\)/.exec(text.slice(from, from + 60));
  if (match === null) return undefined;
  const leftMs = timeLeftMs(match[2] ?? '');
  return leftMs === undefined ? undefined : { kind: match[1] ?? '', leftMs, retries: Number(match[3]) };
}

/**
 * print_ms_timer of misc/ss.c: `119min`, `1min20sec`, `59sec`, `988ms`, and `3.456ms`, which means 3 s 456 ms. Nothing
 * at all is zero.
 */
function timeLeftMs(text: string): number | undefined {
  const match = /^(?:(\d+)min)?(?:(\d+)(?:sec|\.))?(?:(\d+)ms)?$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1] ?? 0) * 60_000 + Number(match[2] ?? 0) * 1000 + Number(match[3] ?? 0);
}
