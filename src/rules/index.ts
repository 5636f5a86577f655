import type { AnyRule } from '../model/rule.ts';
import { acceptQueueOverflow } from './accept-queue-overflow.ts';
import { bridgeNfOff } from './bridge-nf-off.ts';
import { cniMtuMismatch } from './cni-mtu-mismatch.ts';
import { connectRefused } from './connect-refused.ts';
import { dns5s } from './dns-5s.ts';
import { dnsBadNameserver } from './dns-bad-nameserver.ts';
import { dnsNdots } from './dns-ndots.ts';
import { dnsNsswitch } from './dns-nsswitch.ts';
import { dnsResolvconfLimits } from './dns-resolvconf-limits.ts';
import { dnsSearchHijack } from './dns-search-hijack.ts';
import { dnsMusl } from './dns-musl.ts';
import { duplicateIp } from './duplicate-ip.ts';
import { expect } from './expect.ts';
import { fragDrop } from './frag-drop.ts';
import { fragNeededIgnored } from './frag-needed-ignored.ts';
import { fwInputDrop } from './fw-input-drop.ts';
import { fwReject } from './fw-reject.ts';
import { halfOpenPeer } from './half-open-peer.ts';
import { icmpRefused } from './icmp-refused.ts';
import { idleReset } from './idle-reset.ts';
import { ipForwardOff } from './ip-forward-off.ts';
import { iptablesSplitBrain } from './iptables-split-brain.ts';
import { ipvs1sConnect } from './ipvs-1s-connect.ts';
import { ipvsIdleTimeout } from './ipvs-idle-timeout.ts';
import { ipvsStaleRs } from './ipvs-stale-rs.ts';
import { kubeProxyStale } from './kube-proxy-stale.ts';
import { loopbackOnly } from './loopback-only.ts';
import { mtuTooSmall } from './mtu-too-small.ts';
import { mtuBlackhole } from './mtu-blackhole.ts';
import { nagleDelack } from './nagle-delack.ts';
import { neighFailed } from './neigh-failed.ts';
import { netdevDown } from './netdev-down.ts';
import { noEndpoints } from './no-endpoints.ts';
import { oneWay } from './one-way.ts';
import { pathDrop } from './path-drop.ts';
import { pathLoss } from './path-loss.ts';
import { portClosed } from './port-closed.ts';
import { rstInjected } from './rst-injected.ts';
import { rstOnClose } from './rst-on-close.ts';
import { sightingsStop } from './sightings-stop.ts';
import { synQueueOverflow } from './syn-queue-overflow.ts';
import { synUnanswered } from './syn-unanswered.ts';
import { twRecycleSuspected } from './tw-recycle-suspected.ts';
import { twRecycle } from './tw-recycle.ts';
import { abortOnOverflow } from './abort-on-overflow.ts';
import { arpOverflow } from './arp-overflow.ts';
import { badChecksum } from './bad-checksum.ts';
import { conntrackFull } from './conntrack-full.ts';
import { conntrackInsertRace } from './conntrack-insert-race.ts';
import { conntrackInvalidRst } from './conntrack-invalid-rst.ts';
import { forwardPolicyDrop } from './forward-policy-drop.ts';
import { fwOutputDrop } from './fw-output-drop.ts';
import { martianLocalSource } from './martian-local-source.ts';
import { noRoute } from './no-route.ts';
import { rpFilterDrop } from './rp-filter-drop.ts';
import { closeWait } from './close-wait.ts';
import { cloudAllowance } from './cloud-allowance.ts';
import { cpuThrottle } from './cpu-throttle.ts';
import { ephemeralExhaustion } from './ephemeral-exhaustion.ts';
import { fdExhaustion } from './fd-exhaustion.ts';
import { halfOpen } from './half-open.ts';
import { linkErrors } from './link-errors.ts';
import { portRangeOverlap } from './port-range-overlap.ts';
import { rcvbufDrop } from './rcvbuf-drop.ts';
import { rxRingOverflow } from './rx-ring-overflow.ts';
import { softirqStarved } from './softirq-starved.ts';
import { tcpMemPressure } from './tcp-mem-pressure.ts';
import { twBucketOverflow } from './tw-bucket-overflow.ts';
import { zeroWindow } from './zero-window.ts';

const all: readonly AnyRule[] = [
  twRecycle,
  acceptQueueOverflow,
  synQueueOverflow,
  abortOnOverflow,
  rpFilterDrop,
  martianLocalSource,
  conntrackFull,
  conntrackInsertRace,
  ipForwardOff,
  noRoute,
  forwardPolicyDrop,
  fwInputDrop,
  fwReject,
  fwOutputDrop,
  pathDrop,
  neighFailed,
  arpOverflow,
  portClosed,
  loopbackOnly,
  badChecksum,
  conntrackInvalidRst,
  ipvsIdleTimeout,
  noEndpoints,
  ipvsStaleRs,
  ipvs1sConnect,
  mtuTooSmall,
  cniMtuMismatch,
  netdevDown,
  bridgeNfOff,
  fragDrop,
  kubeProxyStale,
  iptablesSplitBrain,
  dnsNsswitch,
  dnsResolvconfLimits,
  ephemeralExhaustion,
  fdExhaustion,
  closeWait,
  rxRingOverflow,
  softirqStarved,
  cloudAllowance,
  linkErrors,
  rcvbufDrop,
  tcpMemPressure,
  halfOpen,
  cpuThrottle,
  portRangeOverlap,
  twBucketOverflow,
  // by packets alone, the most telling first
  mtuBlackhole,
  fragNeededIgnored,
  zeroWindow,
  twRecycleSuspected,
  sightingsStop,
  idleReset,
  halfOpenPeer,
  icmpRefused,
  connectRefused,
  synUnanswered,
  rstInjected,
  rstOnClose,
  pathLoss,
  nagleDelack,
  oneWay,
  duplicateIp,
  dnsBadNameserver,
  dns5s,
  dnsSearchHijack,
  dnsMusl,
  dnsNdots,
  expect,
];

/** Every rule, by id. A playbook picks from these; a report shows findings of equal weight in this order. */
export const rules: ReadonlyMap<string, AnyRule> = new Map(all.map((rule) => [rule.id, rule]));
