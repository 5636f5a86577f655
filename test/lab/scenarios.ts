import { podScenarios } from './cluster/scenarios.ts';
import type { Scenario } from './scenario.ts';
import { decoyScenarios } from './scenarios/decoys.ts';
import { dnsScenarios } from './scenarios/dns.ts';
import { firewallHookScenarios } from './scenarios/firewall-hooks.ts';
import { firewallScenarios } from './scenarios/firewall.ts';
import { guestServiceScenarios } from './scenarios/guest-services.ts';
import { guestScenarios } from './scenarios/guests.ts';
import { handshakeScenarios } from './scenarios/handshake.ts';
import { hostScenarios } from './scenarios/host.ts';
import { nextHopScenarios } from './scenarios/next-hops.ts';
import { pairScenarios } from './scenarios/pairs.ts';
import { podAndPeerScenarios } from './scenarios/pods-and-peers.ts';
import { partialSightScenarios } from './scenarios/partial-sight.ts';
import { rolloutScenarios } from './scenarios/rollout.ts';
import { routingScenarios } from './scenarios/routing.ts';
import { transferScenarios } from './scenarios/transfers.ts';
import { translationScenarios } from './scenarios/translations.ts';

/** Runs over several places of guests, which have one processor each: 24 s and more beside another lab (docs/accuracy.md). */
const crowded: ReadonlySet<string> = new Set([
  'ipvs-all-weight-0',
  'ipvs-empty-service',
  'ipvs-idle-keepalive',
  'ipvs-idle-keepalive-7200',
  'ipvs-idle-reset',
  'ipvs-server-gone',
  'ipvs-stale-rs',
  'networkpolicy-deny',
]);
const needsMachine = (one: Scenario): Scenario => ({ ...one, alone: 'needs every processor' });

/** Every scenario of the practice network. One file per group; a new group is one line here. */
export const scenarios: readonly Scenario[] = [
  ...handshakeScenarios,
  ...firewallScenarios,
  ...firewallHookScenarios,
  ...routingScenarios,
  ...nextHopScenarios,
  ...hostScenarios,
  ...transferScenarios,
  ...translationScenarios,
  ...podAndPeerScenarios,
  ...dnsScenarios,
  ...rolloutScenarios,
  ...[...guestScenarios, ...guestServiceScenarios].map((one) => (crowded.has(one.id) ? needsMachine(one) : one)),
  // several kernels with containers on few processors: beside another lab the answer would be late, not wrong
  ...podScenarios.map(needsMachine),
  ...decoyScenarios,
  ...pairScenarios,
  ...partialSightScenarios,
];
