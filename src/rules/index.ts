import type { AnyRule } from '../model/rule.ts';
import { captureRules } from './capture-rules.ts';
import { acceptQueueOverflow } from './accept-queue-overflow.ts';
import { bridgeNfOff } from './bridge-nf-off.ts';
import { cniMtuMismatch } from './cni-mtu-mismatch.ts';
import { dnsClusterDown } from './dns-cluster-down.ts';
import { dnsNameElsewhere } from './dns-name-elsewhere.ts';
import { dnsNsswitch } from './dns-nsswitch.ts';
import { dnsRateLimit } from './dns-rate-limit.ts';
import { dnsResolvconfLimits } from './dns-resolvconf-limits.ts';
import { expect } from './expect.ts';
import { fragDrop } from './frag-drop.ts';
import { fwInputDrop } from './fw-input-drop.ts';
import { fwReject } from './fw-reject.ts';
import { ipipBlocked } from './ipip-blocked.ts';
import { ipForwardOff } from './ip-forward-off.ts';
import { hairpinOff } from './hairpin-off.ts';
import { iptablesSplitBrain } from './iptables-split-brain.ts';
import { ipvs1sConnect } from './ipvs-1s-connect.ts';
import { ipvsIdleTimeout } from './ipvs-idle-timeout.ts';
import { ipvsStaleRs } from './ipvs-stale-rs.ts';
import { kubeProxyStale } from './kube-proxy-stale.ts';
import { loopbackOnly } from './loopback-only.ts';
import { middleboxOptions } from './middlebox-options.ts';
import { mtuTooSmall } from './mtu-too-small.ts';
import { neighFailed } from './neigh-failed.ts';
import { netdevDown } from './netdev-down.ts';
import { networkpolicyDeny } from './networkpolicy-deny.ts';
import { noEndpoints } from './no-endpoints.ts';
import { pathDrop } from './path-drop.ts';
import { podRestarts } from './pod-restarts.ts';
import { portClosed } from './port-closed.ts';
import { synQueueOverflow } from './syn-queue-overflow.ts';
import { vxlanBlocked } from './vxlan-blocked.ts';
import { vxlanCsum63s } from './vxlan-csum-63s.ts';
import { vxlanFdb } from './vxlan-fdb.ts';
import { twRecycle } from './tw-recycle.ts';
import { rpFilterStrict } from './rp-filter-strict.ts';
import { backlogCapped } from './backlog-capped.ts';
import { forwardingNeeded } from './forwarding-needed.ts';
import { keepaliveTooLate } from './keepalive-too-late.ts';
import { lroForwarding } from './lro-forwarding.ts';
import { rxRingShort } from './rx-ring-short.ts';
import { vxlanCsumRisk } from './vxlan-csum-risk.ts';
import { roseSinceAudit } from './rose-since-audit.ts';
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
import { ciliumNoBackend } from './cilium-no-backend.ts';
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
import { snatPortExhaustion } from './snat-port-exhaustion.ts';
import { softirqStarved } from './softirq-starved.ts';
import { tcpMemPressure } from './tcp-mem-pressure.ts';
import { twBucketOverflow } from './tw-bucket-overflow.ts';
import { backendRst } from './backend-rst.ts';
import { deadPeerRetries2 } from './dead-peer-retries2.ts';
import { etpLocalNoEndpoint } from './etp-local-no-endpoint.ts';
import { lbLoopback } from './lb-loopback.ts';
import { masqNodeportClash } from './masq-nodeport-clash.ts';
import { rolloutEndpointLag } from './rollout-endpoint-lag.ts';
import { udpStaleConntrack } from './udp-stale-conntrack.ts';

const all: readonly AnyRule[] = [
  twRecycle,
  acceptQueueOverflow,
  synQueueOverflow,
  abortOnOverflow,
  rpFilterDrop,
  martianLocalSource,
  conntrackFull,
  snatPortExhaustion,
  conntrackInsertRace,
  ipForwardOff,
  netdevDown,
  noRoute,
  forwardPolicyDrop,
  networkpolicyDeny,
  fwInputDrop,
  fwReject,
  fwOutputDrop,
  ipipBlocked,
  vxlanBlocked,
  vxlanFdb,
  vxlanCsum63s,
  pathDrop,
  neighFailed,
  arpOverflow,
  portClosed,
  podRestarts,
  ciliumNoBackend,
  loopbackOnly,
  badChecksum,
  conntrackInvalidRst,
  ipvsIdleTimeout,
  etpLocalNoEndpoint,
  noEndpoints,
  ipvsStaleRs,
  ipvs1sConnect,
  rolloutEndpointLag,
  backendRst,
  udpStaleConntrack,
  masqNodeportClash,
  lbLoopback,
  deadPeerRetries2,
  mtuTooSmall,
  middleboxOptions,
  cniMtuMismatch,
  bridgeNfOff,
  hairpinOff,
  fragDrop,
  kubeProxyStale,
  iptablesSplitBrain,
  dnsNameElsewhere,
  dnsClusterDown,
  dnsRateLimit,
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
  forwardingNeeded,
  rpFilterStrict,
  backlogCapped,
  keepaliveTooLate,
  rxRingShort,
  lroForwarding,
  vxlanCsumRisk,
  roseSinceAudit,
  // by packets alone, the most telling first
  expect,
];

/** Every rule, by id. A playbook picks from these; a report shows findings of equal weight in this order. */
export const rules: ReadonlyMap<string, AnyRule> = new Map(
  [...all, ...captureRules.values()].map((rule) => [rule.id, rule]),
);
