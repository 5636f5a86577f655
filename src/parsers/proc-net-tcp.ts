import type { At } from '../model/evidence.ts';
import type { Parser } from '../model/parser.ts';
import { addressFromHex } from './ip-address.ts';
import { count, hexCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import type { SeenListener, SeenSocket, SocketTables } from './socket-tables.ts';
import { outputLines, words } from './text-lines.ts';

/** include/net/tcp_states.h, spelled as ss does. UDP sockets use ESTABLISHED and CLOSE only. */
const stateNames: readonly (string | undefined)[] = [
  undefined,
  'ESTAB',
  'SYN-SENT',
  'SYN-RECV',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'UNCONN',
  'CLOSE-WAIT',
  'LAST-ACK',
  'LISTEN',
  'CLOSING',
  'SYN-RECV',
];

/** Column `tr` of get_tcp4_sock (net/ipv4/tcp_ipv4.c), spelled as ss does. */
const timerNames: readonly (string | undefined)[] = [undefined, 'on', 'keepalive', 'timewait', 'persist'];

/** USER_HZ: `tm->when` counts hundredths of a second on every architecture that netcheck meets. */
const msPerTick = 10;

/**
 * /proc/net/{tcp,tcp6,udp,udp6}, one or several of them one after the other: hexadecimal, addresses in the byte order
 * of a little-endian machine. The size of an accept queue is not in it (`sendq` of listeners is null).
 */
export const procNetTcp: Parser<SocketTables> = {
  kind: 'proc-net-tcp',
  reads: 'cat /proc/net/tcp /proc/net/tcp6 (also udp, udp6)',
  fact: 'listeners',
  sample: `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0515 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12095 1 00000000fd6edbc1 100 0 0 10 0
   7: 0100090A:85EC 6300090A:0050 02 00000001:00000000 01:00000060 00000000     0        0 12109 2 000000006b89cba9 100 0 0 10 -1
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   2: 00000000000000000000000000000000:0516 00000000000000000000000000000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 12096 3 000000007604f90c 100 0 0 10 0
`,
  parse(input) {
    const problems = problemList();
    const onlyUdp =
      input.argv.some((word) => /\/net\/udp6?$/.test(word)) && !input.argv.some((word) => /\/net\/tcp6?$/.test(word));
    let protocol: 'tcp' | 'udp' = onlyUdp ? 'udp' : 'tcp';
    let headers = 0;
    const listeners: SeenListener[] = [];
    const sockets: SeenSocket[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      if (parts[0] === 'sl') {
        headers += 1;
        protocol = onlyUdp || parts.includes('drops') ? 'udp' : 'tcp';
        continue;
      }
      const row = readRow(parts);
      if (row === undefined) {
        problems.add(`not a socket: ${excerpt(text)}`, line);
        continue;
      }
      const at: At = { evidence: input.evidence, line };
      const { state, local, peer, recvq, sendq, timer, inode } = row;
      const owned = inode === undefined ? {} : { inode };
      if (state === 'LISTEN' || (protocol === 'udp' && state === 'UNCONN')) {
        listeners.push({ protocol, address: local.address, port: local.port, recvq, sendq: null, ...owned, at });
      } else {
        sockets.push({
          protocol,
          state,
          recvq,
          sendq,
          local,
          peer,
          ...(timer === undefined ? {} : { timer }),
          ...owned,
          at,
        });
      }
    }
    const none = listeners.length + sockets.length === 0;
    if (none && (headers === 0 || problems.all().length > 0)) return nothingUsable(input, problems, 'sockets');
    addStderr(input, problems);
    return { value: { listeners, sockets }, problems: problems.all() };
  },
};

function readRow(parts: readonly string[]): Omit<SeenSocket, 'protocol' | 'at'> | undefined {
  if (!/^\d+:$/.test(parts[0] ?? '') || parts.length < 7) return undefined;
  const local = hexEndpoint(parts[1]);
  const peer = hexEndpoint(parts[2]);
  const state = stateNames[hexCount(parts[3]) ?? 0];
  const [sendq, recvq, ...noQueue] = (parts[4] ?? '').split(':').map(hexCount);
  const [kind, when, ...noTimer] = (parts[5] ?? '').split(':').map(hexCount);
  const retries = hexCount(parts[6]);
  if (local === undefined || peer === undefined || state === undefined || retries === undefined) return undefined;
  if (sendq === undefined || recvq === undefined || noQueue.length > 0) return undefined;
  if (kind === undefined || when === undefined || noTimer.length > 0) return undefined;
  const name = timerNames[kind];
  const timer = name === undefined ? {} : { timer: { kind: name, leftMs: when * msPerTick, retries } };
  const inode = count(parts[9]) ?? 0;
  return { state, recvq, sendq, local, peer, ...timer, ...(inode === 0 ? {} : { inode }) };
}

function hexEndpoint(text: string | undefined): { address: string; port: number } | undefined {
  const [address, port, ...rest] = (text ?? '').split(':');
  const canonical = addressFromHex(address ?? '', 'hostOrder');
  const number = port?.length === 4 && rest.length === 0 ? hexCount(port) : undefined;
  return canonical === undefined || number === undefined ? undefined : { address: canonical, port: number };
}
