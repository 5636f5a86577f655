import type { CounterDeltas, Facts } from '../model/facts.ts';
import type { HopCounter } from '../model/report.ts';
import { riseOf } from '../rules/counter-rise.ts';

const most = 5;

/**
 * Counters of which every step is a packet lost or refused, by the kernel's names (snmp_counter.rst). Retransmissions and
 * time-outs are not among them: they are how a loss elsewhere is felt.
 */
const losses =
  /^(?:Ip\.(?:InHdrErrors|InAddrErrors|InUnknownProtos|InDiscards|OutDiscards|OutNoRoutes|ReasmFails|FragFails)|IpExt\.(?:InNoRoutes|InTruncatedPkts|InCsumErrors)|Ip6\.(?:InHdrErrors|InNoRoutes|InAddrErrors|InTruncatedPkts|OutDiscards|OutNoRoutes|FragFails)|Icmp\.(?:InErrors|InCsumErrors|OutRateLimitHost|OutRateLimitGlobal)|Tcp\.(?:InErrs|InCsumErrors)|Udp\.(?:InErrors|RcvbufErrors|SndbufErrors|InCsumErrors)|TcpExt\.(?:ListenDrops|ListenOverflows|TCPReqQFullDrop|TCPReqQFullDoCookies|SyncookiesSent|SyncookiesFailed|PAWSPassive|PAWSActive|PAWSEstab|TCPBacklogDrop|TCPMinTTLDrop|TCPTimeWaitOverflow|TCPAbortOnMemory|TCPOFODrop|TCPRcvQDrop|TCPZeroWindowDrop|TCPDeferAcceptDrop|IPReversePathFilter|LockDroppedIcmps|TCPMD5\w+|TCPSYNChallenge|TCPChallengeACK)|arp_cache\.(?:table_fulls|res_failed|unresolved_discards)|ndisc_cache\.table_fulls|softnet\.(?:dropped|flow_limit)|conntrack\.(?:drop|early_drop|insert_failed|invalid|error))$/;
const ofDevice = /err|drop|fifo|miss|frame|colls|carrier|discard|overrun|no_buf|timeout/;

/**
 * What was lost or refused at a hop while the connects were made, by its own counters. They count other traffic as well.
 *
 * @param devices those that the connects use there: of others nothing is told
 */
export function countersThatMoved(
  { counters = {}, conntrackStats = {} }: Pick<Facts, 'counters' | 'conntrackStats'>,
  devices: readonly string[],
): readonly HopCounter[] {
  const all = { ...counters, ...conntrackStats };
  const own = Object.entries(all).flatMap(([name, { at }]): HopCounter[] => {
    const by = losses.test(name) ? (riseOf(all, name) ?? 0) : 0;
    return by === 0 ? [] : [{ name, by, ...at }];
  });
  const ofDevices = devices.flatMap((device) => worstOf(device, all));
  return [...own, ...ofDevices].toSorted((a, b) => b.by - a.by).slice(0, most);
}

/** Drivers tell of one drop under several names: the counter of a device that rose most. */
function worstOf(device: string, all: CounterDeltas): readonly HopCounter[] {
  const found = Object.entries(all).flatMap(([full, { at }]): HopCounter[] => {
    const prefix = [`dev.${device}.`, `ethtool.${device}.`].find((one) => full.startsWith(one));
    const name = prefix === undefined ? '' : full.slice(prefix.length);
    const by = prefix !== undefined && ofDevice.test(name) ? (riseOf(all, full) ?? 0) : 0;
    return by === 0 ? [] : [{ name: `${device} ${name}`, by, ...at }];
  });
  return found.toSorted((one, other) => other.by - one.by).slice(0, 1);
}
