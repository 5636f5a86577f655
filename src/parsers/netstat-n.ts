import type { At } from '../model/evidence.ts';
import type { Socket } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { endpoint } from './endpoint.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import type { SeenListener, SocketTables } from './socket-tables.ts';
import { outputLines, words } from './text-lines.ts';

/** netstat's names -> ss's. */
const states: ReadonlyMap<string, string> = new Map([
  ['ESTABLISHED', 'ESTAB'],
  ['SYN_SENT', 'SYN-SENT'],
  ['SYN_RECV', 'SYN-RECV'],
  ['FIN_WAIT1', 'FIN-WAIT-1'],
  ['FIN_WAIT2', 'FIN-WAIT-2'],
  ['TIME_WAIT', 'TIME-WAIT'],
  ['CLOSE', 'UNCONN'],
  ['CLOSE_WAIT', 'CLOSE-WAIT'],
  ['LAST_ACK', 'LAST-ACK'],
  ['LISTEN', 'LISTEN'],
  ['CLOSING', 'CLOSING'],
  ['UNKNOWN', 'UNKNOWN'],
]);

/** Lines that belong to the output and hold no TCP or UDP socket. */
const others = /^(?:Active |Proto |raw6?|udplite|unix|bluetooth|sctp|l2cap|rfcomm)/;

/**
 * netstat(8) of net-tools and busybox with -n. Names instead of numbers cannot be told apart from cut ones and are
 * left out with a problem. It does not tell the size of an accept queue (`sendq` of listeners is null).
 */
export const netstatN: Parser<SocketTables> = {
  kind: 'netstat-n',
  reads: 'netstat -tulpn | netstat -tanpo',
  fact: null,
  sample: `Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name    
tcp        0      0 0.0.0.0:1306            0.0.0.0:*               LISTEN      9/python3           
tcp        0      1 10.9.0.1:34284          10.9.0.99:80            SYN_SENT    9/python3           
tcp6       2      0 :::1302                 :::*                    LISTEN      9/python3           
udp        0      0 0.0.0.0:68              0.0.0.0:*                           1939/dhclient       
`,
  parse(input) {
    const problems = problemList();
    const listeners: SeenListener[] = [];
    const sockets: Socket[] = [];
    // The heading says what is shown: `(only servers)`, `(w/o servers)`, `(servers and established)`.
    let shown = { listeners: true, sockets: true };
    let understood = false;
    let unix = false;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      if (text.startsWith('Active Internet connections')) {
        shown = { listeners: !text.includes('(w/o'), sockets: !text.includes('(only') };
        understood = true;
        unix = false;
        continue;
      }
      if (text.startsWith('Active UNIX')) unix = true;
      if (unix || others.test(text)) continue;
      const row = readRow(words(text));
      if (row === undefined) {
        problems.add(`not a socket in numbers: ${excerpt(text)}`, line);
        continue;
      }
      understood = true;
      const at: At = { evidence: input.evidence, line };
      const { process, ...socket } = row;
      const owner = process === undefined ? {} : { process };
      if (row.state === 'LISTEN' || (row.protocol === 'udp' && row.state === 'UNCONN')) {
        const { protocol, local, recvq } = row;
        listeners.push({ protocol, address: local.address, port: local.port, recvq, sendq: null, ...owner, at });
      } else {
        sockets.push({ ...socket, ...owner, at });
      }
    }
    const none = listeners.length + sockets.length === 0;
    if (none && (!understood || problems.all().length > 0)) return nothingUsable(input, problems, 'sockets in numbers');
    addStderr(input, problems, /^\(Not all processes could be identified|^will not be shown, you would have/);
    const value = { ...(shown.listeners ? { listeners } : {}), ...(shown.sockets ? { sockets } : {}) };
    return { value, problems: problems.all() };
  },
};

function readRow(parts: readonly string[]): (Omit<Socket, 'at' | 'process'> & { process?: string }) | undefined {
  const protocol = /^(tcp|udp)6?$/.exec(parts[0] ?? '')?.[1];
  const recvq = count(parts[1]);
  const sendq = count(parts[2]);
  const local = endpoint(parts[3] ?? '');
  const peer = endpoint(parts[4] ?? '');
  const named = states.get(parts[5] ?? '');
  const state = named ?? (protocol === 'udp' ? 'UNCONN' : undefined);
  if (protocol === undefined || state === undefined || recvq === undefined || sendq === undefined) return undefined;
  if (local === undefined || peer === undefined) return undefined;
  const rest = parts.slice(named === undefined ? 5 : 6);
  const timer = timerOf(rest);
  const process = processOf(rest);
  return {
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    state,
    recvq,
    sendq,
    local,
    peer,
    ...(timer === undefined ? {} : { timer }),
    ...(process === undefined ? {} : { process }),
  };
}

const timers: ReadonlyMap<string, string> = new Map([
  ['on', 'on'],
  ['keepalive', 'keepalive'],
  ['timewait', 'timewait'],
  ['probe', 'persist'],
]);

/** `keepalive (7188.59/0/0)`: seconds left, retransmissions, unanswered probes. */
function timerOf(rest: readonly string[]): Socket['timer'] {
  const at = rest.findIndex((word) => timers.has(word));
  const match = /^\((\d{1,9}\.\d{1,3})\/(\d{1,6})\/(\d{1,6})\)$/.exec(rest[at + 1] ?? '');
  const kind = timers.get(rest[at] ?? '');
  if (match === null || kind === undefined) return undefined;
  return { kind, leftMs: Math.round(Number(match[1]) * 1000), retries: Number(match[2]) };
}

/** `1206/sshd: kbrazil` -> `sshd: kbrazil, pid 1206` */
function processOf(rest: readonly string[]): string | undefined {
  const at = rest.findIndex((word) => /^\d{1,10}\/\S/.test(word));
  if (at === -1) return undefined;
  const [pid = '', ...name] = (rest[at] ?? '').split('/');
  const more = rest.slice(at + 1);
  const end = more.findIndex((word) => timers.has(word) || word === 'off' || word.startsWith('('));
  return `${[name.join('/'), ...(end === -1 ? more : more.slice(0, end))].join(' ').slice(0, 80)}, pid ${pid}`;
}
