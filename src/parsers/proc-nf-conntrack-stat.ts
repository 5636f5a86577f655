import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { perCpuCounters } from './per-cpu-counters.ts';

/** /proc/net/stat/nf_conntrack: `conntrack.insert_failed`, `conntrack.drop`, `conntrack.early_drop` … of all CPUs. */
export const procNfConntrackStat: Parser<CounterReading> = {
  kind: 'proc-nf-conntrack-stat',
  reads: 'cat /proc/net/stat/nf_conntrack',
  fact: 'conntrackStats',
  sample: `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000021  00000000 00000000 00000000 00000003 0000588a 00000000 00000000 00000000 00000002 00000000 00000000 00000000  00000000 00000000 00000000 00000000
00000021  00000000 00000000 00000000 00000002 000056a4 00000000 00000000 00000000 00000001 00000000 00000000 00000000  00000000 00000000 00000000 00000002
`,
  parse: (input) => perCpuCounters(input, 'conntrack'),
};
