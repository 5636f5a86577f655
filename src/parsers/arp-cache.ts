import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { perCpuCounters } from './per-cpu-counters.ts';

/**
 * /proc/net/stat/arp_cache (and ndisc_cache) of all CPUs: `arp_cache.table_fulls`, `arp_cache.unresolved_discards` …;
 * `arp_cache.entries` is how many there are now.
 */
export const arpCache: Parser<CounterReading> = {
  kind: 'arp-cache',
  reads: 'cat /proc/net/stat/arp_cache',
  fact: 'counters',
  sample: `entries  allocs destroys hash_grows  lookups hits  res_failed  rcv_probes_mcast rcv_probes_ucast  periodic_gc_runs forced_gc_runs unresolved_discards table_fulls
00000014  00000001 00000002 00000003  00000004 00000005  00000006  00000007 00000008  00000009 0000000a 0000000b 0000000c
00000014  0000000d 0000000e 0000000f  00000010 00000011  00000012  00000013 00000014  00000015 00000016 00000017 00000018
`,
  parse: (input) =>
    perCpuCounters(input, input.argv.some((word) => word.includes('ndisc')) ? 'ndisc_cache' : 'arp_cache'),
};
