import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { perCpuCounters } from './per-cpu-counters.ts';

/** /proc/net/stat/rt_cache of all CPUs: `rt_cache.in_martian_src`, `rt_cache.in_no_route` … Not per network namespace. */
export const rtCache: Parser<CounterReading> = {
  kind: 'rt-cache',
  reads: 'cat /proc/net/stat/rt_cache',
  fact: 'counters',
  sample: `entries  in_hit   in_slow_tot in_slow_mc in_no_route in_brd   in_martian_dst in_martian_src out_hit  out_slow_tot out_slow_mc gc_total gc_ignored gc_goal_miss gc_dst_overflow in_hlist_search out_hlist_search
00000007 00000000 00000002    00000000   00000001    00000000 00000000       00000001       00000000 00000009     00000003    00000000 00000000   00000000     00000000        00000000        00000000
00000007 00000000 00000005    00000000   00000004    00000000 00000000       00000000       00000000 0000000a     00000000    00000000 00000000   00000000     00000000        00000000        00000000
`,
  parse: (input) => perCpuCounters(input, 'rt_cache'),
};
