import type { Connection, Endpoint, Facts, FirewallRule } from '../model/facts.ts';
import type { Plan } from '../model/plan.ts';
import type { HopFirewall, HopTranslation, PathHop } from '../model/report.ts';
import { countedEnough } from '../rules/counted-enough.ts';
import {
  arrivalHooks,
  behindVerdictMap,
  type Flow,
  forwardHooks,
  inboundHooks,
  outboundHooks,
  type ReachedRule,
  reachedRules,
} from '../rules/firewall-match.ts';
import { wasSentOn } from '../rules/handshakes.ts';
import { isEndpoint } from '../rules/ipvs-service.ts';
import { endpointOf, type Leaving } from './hop-translations.ts';
import { isAnswered, type Seen, type SeenAt } from './seen-at.ts';

/** Clients behind a NAT are one; more sources than this are not followed through a firewall. */
const mostSources = 8;

/** What the firewall of a hop did with the connects that came there, or with the answers that did not leave it. */
export function firewallOf(
  { facts, role, seen, whyMissing }: SeenAt,
  previous: SeenAt | undefined,
  { servers: [asked] }: Leaving,
  translations: readonly HopTranslation[],
  inDevice: string | null,
  { symptom: { protocol, port }, targetAddress }: Plan,
): HopFirewall {
  const { firewall, capture } = facts;
  const why = firewall === undefined ? whyMissing('firewall') : '';
  const arrived = seen.filter((legs) => legs.some(({ syns }) => syns.length > 0));
  const destination = asked ?? { address: targetAddress, port };
  if (capture === undefined)
    return firewallOnStuck(firewall, unseenFlows(destination, role, protocol), 'connects', why);
  if (arrived.length === 0) return { verdict: 'notReached', of: 'connects' };
  const beyond = translations.find(({ what }) => what === 'destination');
  const isThrough = role === 'forwarder' || beyond !== undefined;
  const onward = [
    ...seen.flat().map(({ server }) => server),
    ...(beyond === undefined ? [] : beyond.to.flatMap((text) => endpointOf(text) ?? [])),
  ].find((one) => !isEndpoint(one, destination));
  const flowsOf = (legs: Seen): readonly HookedFlow[] =>
    bySource(legs).flatMap(({ source, syns }) => {
      const flow = {
        protocol,
        source,
        destination: destination.address,
        port: destination.port,
        inDevice,
        packets: syns,
      };
      if (!isThrough) return [{ flow, hooks: inboundHooks }];
      const behind = onward === undefined ? flow : { ...flow, destination: onward.address, port: onward.port };
      // what a Service has no server for goes the way to the node itself
      return [
        { flow, hooks: beyond?.seen === false ? inboundHooks : arrivalHooks },
        { flow: behind, hooks: forwardHooks },
      ];
    });
  // its own packets come to the capture when its firewall has let them go
  if (role === 'client') return firewallOnPassed(firewall, outgoing(seen, destination, protocol));
  const isOut = (legs: readonly Connection[]): boolean =>
    isThrough ? legs.some((one) => wasSentOn(one) || isAnswered(one)) : legs.some(isAnswered);
  const isRefusedHere = (legs: readonly Connection[]): boolean =>
    legs.some(({ handshake }) => handshake === 'refused') && !(isThrough && legs.some(wasSentOn));
  const stuck = arrived.filter((legs) => !isOut(legs) || isRefusedHere(legs));
  if (stuck.length > 0) {
    const onConnects = firewallOnStuck(firewall, flowsOf(stuck), 'connects', why);
    if (onConnects.verdict !== 'accepts' || isThrough) return onConnects;
    const onAnswers = firewallOnStuck(firewall, answersTo(stuck, protocol, outboundHooks), 'answers', why);
    return onAnswers.verdict === 'accepts' ? onConnects : onAnswers;
  }
  // answers that came here, and not to the hop before
  const kept = seen.filter(
    (legs, index) => legs.some(isAnswered) && previous !== undefined && !(previous.seen[index] ?? []).some(isAnswered),
  );
  if (kept.length > 0 && isThrough && previous?.facts.capture !== undefined) {
    const onAnswers = firewallOnStuck(
      firewall,
      answersTo(kept, protocol, [...arrivalHooks, ...forwardHooks]),
      'answers',
      why,
    );
    if (onAnswers.verdict !== 'accepts' && onAnswers.verdict !== 'notSeen') return onAnswers;
  }
  return firewallOnPassed(firewall, flowsOf(arrived));
}

function bySource(legs: Seen): readonly { readonly source: string; readonly syns: number }[] {
  const counts = new Map<string, number>();
  // the first leg is the one that came in
  for (const [first] of legs)
    if (first !== undefined)
      counts.set(first.client.address, (counts.get(first.client.address) ?? 0) + first.syns.length);
  return [...counts].slice(0, mostSources).map(([source, syns]) => ({ source, syns }));
}

/** Where nobody captured: what the rules say of such a packet, whoever sends it. */
function unseenFlows(
  { address, port }: Endpoint,
  role: PathHop['role'],
  protocol: 'tcp' | 'udp',
): readonly HookedFlow[] {
  const hooks =
    role === 'forwarder' ? [...arrivalHooks, ...forwardHooks] : role === 'target' ? inboundHooks : outboundHooks;
  return [{ flow: { protocol, source: null, destination: address, port, inDevice: null, packets: 0 }, hooks }];
}

function outgoing(seen: Seen, { address, port }: Endpoint, protocol: 'tcp' | 'udp'): readonly HookedFlow[] {
  return bySource(seen).map(({ source, syns }) => ({
    flow: { protocol, source, destination: address, port, inDevice: null, packets: syns },
    hooks: outboundHooks,
  }));
}

function answersTo(legs: Seen, protocol: 'tcp' | 'udp', hooks: readonly string[]): readonly HookedFlow[] {
  const [first] = legs[0] ?? [];
  if (first === undefined) return [];
  const { server, client } = first;
  return [
    {
      flow: {
        protocol,
        source: server.address,
        destination: client.address,
        port: server.port,
        isAnswer: true,
        inDevice: null,
        packets: legs.length,
      },
      hooks,
    },
  ];
}

/** A packet, and the hooks that ask about it on this hop. */
interface HookedFlow {
  readonly flow: Flow;
  readonly hooks: readonly string[];
}

interface Suspect {
  readonly verdict: 'drops' | 'rejects' | 'mayDrop' | 'mayReject';
  readonly found: ReachedRule;
}

/** Behind a counter there may be this many packets more than were seen: the last ones of the window. */
const lastMoments = 2;

/**
 * What the firewall of a hop does with packets that did not come out of it: the rule that takes them, by its match and by
 * what it counted in the window. A rule whose counter did not move is not the one.
 *
 * @param flows those packets, as each group of hooks sees them (translated addresses behind prerouting)
 */
function firewallOnStuck(
  firewall: Facts['firewall'],
  flows: readonly HookedFlow[],
  of: HopFirewall['of'],
  why: string,
): HopFirewall {
  if (firewall === undefined) return { verdict: 'notSeen', of, why };
  const suspects = flows.flatMap(({ flow, hooks }) =>
    reachedRules(firewall, flow, ['drop', 'reject'], hooks).flatMap((found): Suspect[] => {
      const verdict = verdictOf(found, flow);
      return verdict === null ? [] : [{ verdict, found }];
    }),
  );
  const [worst] = suspects.toSorted((a, b) => Number(isSure(b)) - Number(isSure(a)) || countOf(b) - countOf(a));
  if (worst !== undefined) return { verdict: worst.verdict, of, by: 'rules', ...named(worst.found.rule) };
  for (const { flow, hooks } of flows)
    for (const kind of ['drop', 'reject'] as const) {
      const hidden = behindVerdictMap(firewall, flow, kind, hooks);
      if (hidden !== null)
        return { verdict: kind === 'drop' ? 'mayDrop' : 'mayReject', of, by: 'rules', ...named(hidden) };
    }
  return { verdict: 'accepts', of, by: 'rules', ...letThrough(firewall, flows) };
}

/** Packets were seen behind the firewall of this hop; which rule let them through, as far as it was read. */
function firewallOnPassed(firewall: Facts['firewall'], flows: readonly HookedFlow[]): HopFirewall {
  return { verdict: 'accepts', of: 'connects', by: 'packets', ...letThrough(firewall, flows) };
}

function verdictOf({ rule, coverage, namesPort }: ReachedRule, flow: Flow): Suspect['verdict'] | null {
  const isReject = rule.verdict === 'reject';
  const delta = rule.packets?.delta ?? null;
  const may = isReject ? 'mayReject' : 'mayDrop';
  if (delta === null) return coverage === 'yes' || namesPort ? may : null;
  if (delta <= 0) return null;
  const counted = countedEnough(delta, Math.max(1, flow.packets));
  const exactly = namesPort && flow.packets >= 3 && delta <= flow.packets + lastMoments;
  // without packets of its own on record, a drop that counts may count anybody's
  if (counted && flow.packets > 0 && (coverage === 'yes' || exactly)) return isReject ? 'rejects' : 'drops';
  return counted || coverage === 'yes' ? may : null;
}

const isSure = ({ verdict }: Suspect): boolean => verdict === 'drops' || verdict === 'rejects';
const countOf = ({ found }: Suspect): number => found.rule.packets?.delta ?? 0;

/** The accept of the filter table that surely takes the flow and counted it; none where no rule says so. */
function letThrough(firewall: Facts['firewall'], flows: readonly HookedFlow[]): Partial<HopFirewall> {
  if (firewall === undefined) return {};
  const accepts = flows.flatMap(({ flow, hooks }) =>
    reachedRules(firewall, flow, ['accept'], hooks).filter(
      ({ rule, coverage }) => coverage === 'yes' && rule.table === 'filter' && (rule.packets?.delta ?? 0) > 0,
    ),
  );
  const last = accepts.at(-1);
  return last === undefined ? {} : named(last.rule);
}

function named({ tool, table, chain, text, packets, at }: FirewallRule): Partial<HopFirewall> {
  const delta = packets?.delta ?? null;
  return { tool, table, chain, rule: text, ...(delta === null ? {} : { packets: delta }), ...at };
}
