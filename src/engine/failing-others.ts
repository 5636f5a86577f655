import type { Capture, Connection } from '../model/facts.ts';
import type { Plan } from '../model/plan.ts';
import type { Outcome } from '../model/rule.ts';
import { sameAddress } from '../rules/ip-address.ts';
import type { NodeKnowledge } from './parse.ts';

/** Connects that fail, while all that was asked about was answered. */
export interface FailingOthers {
  /** What was asked about, as the question names it. */
  readonly asked: readonly string[];
  /** Answered at the first SYN: all of those asked about. */
  readonly answered: number;
  readonly failed: number;
  /** Where those came from, a few of them. */
  readonly sources: readonly string[];
  /** The capture without them. */
  readonly capture: Capture;
}

const mostSources = 3;

/**
 * A port on a network always has somebody whom it rightly does not answer (a scanner, a forbidden network). Where the
 * question names its clients, and every one of them was seen here under its own address and answered at once, what
 * befalls others is not what was asked for. Null where that cannot be told: nobody named, an address that is
 * translated on the way, or a failure among those that were asked about.
 */
export function failingOthers(
  node: string,
  { plan, knowledge }: { readonly plan: Plan; readonly knowledge: ReadonlyMap<string, NodeKnowledge> },
): FailingOthers | null {
  const capture = knowledge.get(node)?.facts.capture;
  const isTarget = plan.nodes.find((planned) => planned.node.name === node)?.roles.includes('target') ?? false;
  if (capture === undefined || !isTarget || plan.symptom.from.length === 0) return null;
  const clients = [
    ...plan.nodes
      .filter(({ roles }) => roles.includes('client'))
      .map((planned) => ({
        name: planned.node.name,
        addresses: [
          planned.address,
          ...(knowledge.get(planned.node.name)?.facts.addresses ?? []).map(({ address }) => address),
        ],
      })),
    ...plan.externalClients.map((address) => ({ name: address, addresses: [address] })),
  ];
  const isAskedAddress = (address: string): boolean =>
    clients.some(({ addresses }) => addresses.some((one) => sameAddress(one, address)));
  const connects = capture.connections.filter(
    ({ server, syns }) => server.port === plan.symptom.port && syns.length > 0,
  );
  const asked = connects.filter(({ client }) => isAskedAddress(client.address));
  const failed = connects.filter((one) => !asked.includes(one) && !isAnswered(one));
  const wasSeen = clients.every(({ addresses }) =>
    asked.some(({ client }) => addresses.some((address) => sameAddress(address, client.address))),
  );
  if (!wasSeen || failed.length === 0 || !asked.every(isAnswered)) return null;
  const sources = [...new Set(failed.map(({ client }) => client.address))];
  return {
    asked: clients.map(({ name }) => name),
    answered: asked.length,
    failed: failed.length,
    sources: sources.slice(0, mostSources),
    capture: {
      ...capture,
      connections: capture.connections.filter((one) => !failed.includes(one)),
      synSources: capture.synSources.filter(({ address }) => !sources.includes(address)),
      icmpErrors: capture.icmpErrors.filter(({ about }) => !sources.includes(about.source)),
    },
  };
}

/** At the first SYN, and not with a reset. */
function isAnswered({ syns, synAcks }: Connection): boolean {
  return syns.length === 1 && synAcks.length > 0;
}

/** Whether the rule says the same of those who were asked about. */
export function isConfirmed(outcome: Outcome | { readonly undecided: unknown }): outcome is Outcome {
  return 'verdict' in outcome && outcome.verdict === 'confirmed';
}
