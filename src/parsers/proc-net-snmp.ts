import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { pairedCounters } from './paired-counters.ts';

/** /proc/net/snmp: `Ip.InAddrErrors`, `Tcp.OutRsts`, `Udp.NoPorts` … */
export const procNetSnmp: Parser<CounterReading> = {
  kind: 'proc-net-snmp',
  reads: 'cat /proc/net/snmp',
  fact: 'counters',
  sample: `Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
Tcp: 1 200 120000 -1 5 4 0 0 5 17 18 0 0 0 0
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 88542 120 0 53028 9 8 0 0 0
`,
  parse: pairedCounters,
};
