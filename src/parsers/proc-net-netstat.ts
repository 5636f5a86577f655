import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { pairedCounters } from './paired-counters.ts';

/** /proc/net/netstat: `TcpExt.ListenDrops`, `TcpExt.PAWSPassive`, `IpExt.InNoRoutes` … */
export const procNetNetstat: Parser<CounterReading> = {
  kind: 'proc-net-netstat',
  reads: 'cat /proc/net/netstat',
  fact: 'counters',
  sample: `TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed TW TWRecycled TWKilled PAWSPassive PAWSActive PAWSEstab ListenOverflows ListenDrops
TcpExt: 4 4 0 67 0 80 150 0 0 0 150
IpExt: InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets
IpExt: 0 0 0 0 0 0 124460 131319
`,
  parse: pairedCounters,
};
