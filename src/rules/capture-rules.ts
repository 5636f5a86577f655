import type { AnyRule } from '../model/rule.ts';
import { connectRefused } from './connect-refused.ts';
import { dns5s } from './dns-5s.ts';
import { dnsBadNameserver } from './dns-bad-nameserver.ts';
import { dnsNdots } from './dns-ndots.ts';
import { dnsSearchHijack } from './dns-search-hijack.ts';
import { dnsMusl } from './dns-musl.ts';
import { duplicateIp } from './duplicate-ip.ts';
import { fragNeededIgnored } from './frag-needed-ignored.ts';
import { halfOpenPeer } from './half-open-peer.ts';
import { icmpRefused } from './icmp-refused.ts';
import { idleReset } from './idle-reset.ts';
import { mtuBlackhole } from './mtu-blackhole.ts';
import { nagleDelack } from './nagle-delack.ts';
import { oneWay } from './one-way.ts';
import { pathLoss } from './path-loss.ts';
import { rstInjected } from './rst-injected.ts';
import { rstOnClose } from './rst-on-close.ts';
import { sightingsStop } from './sightings-stop.ts';
import { synUnanswered } from './syn-unanswered.ts';
import { twRecycleSuspected } from './tw-recycle-suspected.ts';
import { zeroWindow } from './zero-window.ts';

const all: readonly AnyRule[] = [
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
];

/** The rules that need only packets: all that `netcheck pcap` has to load. */
export const captureRules: ReadonlyMap<string, AnyRule> = new Map(all.map((rule) => [rule.id, rule]));
