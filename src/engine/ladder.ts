import type { Capture, Connection } from '../model/facts.ts';
import type { Plan } from '../model/plan.ts';
import type { Ladder, LadderStep } from '../model/report.ts';
import type { NodeKnowledge } from './parse.ts';
import { targetOf } from './target-of.ts';

/** Longest ladder, steps. */
const maxSteps = 14;

/**
 * The story of one telling connection, for people who would rather look than read: a failed one where there is one,
 * seen at the client if there is a capture (so that what never arrived can be told from what was never answered).
 */
export function drawLadder(plan: Plan, knowledge: ReadonlyMap<string, NodeKnowledge>): Ladder | undefined {
  const target = targetOf(plan.nodes);
  const client = plan.nodes.find(
    ({ roles, node }) => roles.includes('client') && knowledge.get(node.name)?.facts.capture,
  );
  const atTarget = target && knowledge.get(target.node.name)?.facts.capture;
  const atClient = client && knowledge.get(client.node.name)?.facts.capture;
  const place =
    atClient && telling(atClient, plan)
      ? { name: client.node.name, capture: atClient }
      : target && atTarget
        ? { name: target.node.name, capture: atTarget }
        : undefined;
  const connection = place && telling(place.capture, plan);
  if (!place || !connection) return undefined;
  const start = connection.firstAtMs;
  const arrived = atTarget && place.capture !== atTarget ? sequencesSeen(atTarget) : undefined;
  const steps: LadderStep[] = [
    ...connection.syns.map(
      (syn, index): LadderStep => ({
        atMs: syn.atMs - start,
        from: 'client',
        label: index === 0 ? `SYN${syn.tsval === null ? '' : ` TSval=${syn.tsval}`}` : `SYN again (#${index + 1})`,
        fate:
          arrived && !arrived.has(syn.sequence)
            ? 'lost'
            : connection.handshake === 'unanswered'
              ? 'unanswered'
              : index === connection.syns.length - 1
                ? 'answered'
                : 'unanswered',
      }),
    ),
    ...connection.synAcks.map(
      (answer): LadderStep => ({ atMs: answer.atMs - start, from: 'target', label: 'SYN+ACK', fate: 'seen' }),
    ),
    ...connection.resets.map(
      (reset): LadderStep => ({
        atMs: reset.atMs - start,
        from: reset.from === 'client' ? 'client' : 'target',
        label: 'RST',
        fate: 'seen',
      }),
    ),
    ...place.capture.icmpErrors
      .filter(
        ({ about }) => about.sourcePort === connection.client.port && about.destinationPort === connection.server.port,
      )
      .map(
        (error): LadderStep => ({
          atMs: error.atMs - start,
          from: 'target',
          label: `ICMP ${error.name} from ${error.from}`,
          fate: 'seen',
        }),
      ),
  ]
    .sort((a, b) => a.atMs - b.atMs)
    .slice(0, maxSteps)
    .map((step) => ({ ...step, atMs: Math.round(step.atMs * 1000) / 1000 }));
  return {
    client: `${connection.client.address}:${connection.client.port}`,
    target: `${connection.server.address}:${connection.server.port}`,
    capturedOn: place.name,
    steps,
    evidence: place.capture.at.evidence,
  };
}

/** The failed connection with the most SYNs to the port, else any complete one. */
function telling({ connections }: Capture, plan: Plan): Connection | undefined {
  const own = connections.filter(
    ({ server, handshake, syns }) => server.port === plan.symptom.port && handshake !== 'midStream' && syns.length > 0,
  );
  const failed = own
    .filter(({ handshake }) => handshake !== 'complete')
    .sort((a, b) => b.syns.length - a.syns.length || a.firstAtMs - b.firstAtMs);
  return failed[0] ?? own[0];
}

function sequencesSeen({ connections }: Capture): ReadonlySet<number> {
  return new Set(connections.flatMap(({ syns }) => syns.map(({ sequence }) => sequence)));
}
