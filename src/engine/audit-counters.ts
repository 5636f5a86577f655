import type { CounterDeltas, Facts } from '../model/facts.ts';
import type { CounterSnapshot } from '../model/node-audit.ts';

/**
 * Counters that mean a loss wherever they rise: what one audit keeps for the next. By the kernel's names, as the facts
 * `counters` and `conntrackStats` have them.
 */
export const troubleCounters: readonly string[] = [
  'TcpExt.ListenOverflows',
  'TcpExt.ListenDrops',
  'TcpExt.TCPReqQFullDrop',
  'TcpExt.TCPReqQFullDoCookies',
  'TcpExt.TCPTimeWaitOverflow',
  'TcpExt.PAWSPassive',
  'TcpExt.PAWSActive',
  'TcpExt.TCPAbortOnMemory',
  'TcpExt.TCPMemoryPressures',
  'TcpExt.TCPBacklogDrop',
  'TcpExt.TCPRcvQDrop',
  'TcpExt.IPReversePathFilter',
  'TcpExt.SyncookiesSent',
  'Ip.InAddrErrors',
  'Ip.OutNoRoutes',
  'Ip.FragFails',
  'Ip.ReasmFails',
  'Tcp.InCsumErrors',
  'Udp.InCsumErrors',
  'Udp.RcvbufErrors',
  'Udp.SndbufErrors',
  'arp_cache.table_fulls',
  'conntrack.drop',
  'conntrack.early_drop',
  'conntrack.insert_failed',
  'softnet.dropped',
  'softnet.time_squeeze',
];

/** Of the last reading; undefined where nothing of it was read. */
export function snapshotOf(facts: Facts, readAtMs: number): CounterSnapshot | undefined {
  const all: CounterDeltas = { ...facts.counters, ...facts.conntrackStats };
  const values = troubleCounters.flatMap((name) => {
    const entry = all[name];
    const value = entry?.after ?? entry?.before;
    return value === null || value === undefined ? [] : [[name, value] as const];
  });
  if (values.length === 0) return undefined;
  const uptimeSec = facts.clock?.uptimeSec;
  return { readAtMs, ...(uptimeSec === undefined ? {} : { uptimeSec }), values: Object.fromEntries(values) };
}
