import { ringNames } from './receive-ring.ts';

/** What it means that a counter rises. */
export interface TroubleCounter {
  /** The rule whose page explains it. */
  readonly rule: string;
  /** Fewer per day than this happen on healthy nodes. */
  readonly leastPerDay: number;
}

/** Counters that mean a loss wherever they rise, by the kernel's names. Sources: snmp_counter.rst, the rules named. */
const known: Readonly<Record<string, TroubleCounter>> = {
  'TcpExt.ListenOverflows': { rule: 'accept-queue-overflow', leastPerDay: 10 },
  'TcpExt.TCPReqQFullDrop': { rule: 'syn-queue-overflow', leastPerDay: 10 },
  'TcpExt.TCPTimeWaitOverflow': { rule: 'tw-bucket-overflow', leastPerDay: 100 },
  'TcpExt.PAWSPassive': { rule: 'tw-recycle', leastPerDay: 10 },
  'TcpExt.TCPAbortOnMemory': { rule: 'tcp-mem-pressure', leastPerDay: 1 },
  'TcpExt.IPReversePathFilter': { rule: 'rp-filter-drop', leastPerDay: 1000 },
  'Ip.FragFails': { rule: 'cni-mtu-mismatch', leastPerDay: 100 },
  'Tcp.InCsumErrors': { rule: 'bad-checksum', leastPerDay: 100 },
  'Udp.RcvbufErrors': { rule: 'rcvbuf-drop', leastPerDay: 100 },
  'arp_cache.table_fulls': { rule: 'arp-overflow', leastPerDay: 1 },
  'conntrack.early_drop': { rule: 'conntrack-full', leastPerDay: 1 },
  'conntrack.drop': { rule: 'conntrack-full', leastPerDay: 10 },
  'conntrack.insert_failed': { rule: 'conntrack-insert-race', leastPerDay: 100 },
  'softnet.dropped': { rule: 'softirq-starved', leastPerDay: 10 },
};

/** Of cards, by the names that they usually have: pods' devices come and go. */
const ofCard = /^dev\.(?:eth|en|em|ib|bond|team)[A-Za-z0-9]{0,12}\.(rx_fifo|rx_errs|tx_errs|tx_carrier)$/;

/** What the drivers of cards tell (`ethtool -S`). */
const ofDriver = /^ethtool\.(?:eth|en|em|ib)[A-Za-z0-9]{0,12}\.(.{1,80})$/;

/** Undefined: it means nothing by itself. */
export function troubleOf(counter: string): TroubleCounter | undefined {
  if (Object.hasOwn(known, counter)) return known[counter];
  const [, told = ''] = ofDriver.exec(counter) ?? [];
  if (ringNames.test(told)) return { rule: 'rx-ring-overflow', leastPerDay: 1000 };
  const [, name] = ofCard.exec(counter) ?? [];
  if (name === undefined) return undefined;
  return name === 'rx_fifo'
    ? { rule: 'rx-ring-overflow', leastPerDay: 1000 }
    : { rule: 'link-errors', leastPerDay: 100 };
}

export function isTroubleCounter(counter: string): boolean {
  return troubleOf(counter) !== undefined;
}
