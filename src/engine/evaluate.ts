import type { FactName, Facts } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { Plan, PlannedNode } from '../model/plan.ts';
import type { Finding, Missing } from '../model/report.ts';
import type { AnyRule, Outcome, Undecided } from '../model/rule.ts';
import { type Asked, decide, unknown } from './decide.ts';
import { failingOthers, isConfirmed } from './failing-others.ts';
import type { NodeKnowledge } from './parse.ts';
import { trafficOfTarget } from './traffic-of-target.ts';
import type { EngineText } from './wording.ts';
import { targetOf } from './target-of.ts';

interface Judged {
  readonly plan: Plan;
  readonly knowledge: ReadonlyMap<string, NodeKnowledge>;
  readonly clockOffsetsMs: Readonly<Record<string, number>>;
  readonly language: Language;
  readonly say: EngineText;
}

/**
 * Every chosen rule, on every node of its roles and on every path. `unknown` (a needed fact is missing) and `error`
 * (our own code failed) are given here and only here.
 */
export function evaluate(rules: ReadonlyMap<string, AnyRule>, input: Judged): readonly Finding[] {
  return input.plan.rules.flatMap(({ rule: id, params }) => {
    const rule = rules.get(id);
    return rule === undefined
      ? []
      : rule.scope === 'node'
        ? onNodes(rule, params, input)
        : rule.scope === 'path'
          ? onPaths(rule, params, input)
          : onCaptures(rule, params, input);
  });
}

function onNodes(rule: AnyRule & { scope: 'node' }, params: unknown, input: Judged): readonly Finding[] {
  const { plan } = input;
  const judged = plan.nodes.filter(({ roles }) => roles.some((role) => rule.roles.includes(role)));
  if (judged.length === 0 && rule.roles.includes('target'))
    return [
      unknown(asked(rule, plan.targetAddress, undefined, input), [
        { fact: rule.needs[0] ?? 'features', node: plan.targetAddress, why: input.say.noNode(plan.targetAddress) },
      ]),
    ];
  return judged.map((planned) => {
    const node = planned.node.name;
    const missing = missingFacts(rule.needs, planned, input);
    if (missing.length > 0) return unknown(asked(rule, node, undefined, input), missing);
    const facts = factsOf(node, input);
    const evaluateOn = (seen: Facts): Outcome | Undecided =>
      rule.evaluate({
        node,
        facts: pick(seen, [...rule.needs, ...rule.optional]),
        symptom: plan.symptom,
        target: planned.server ?? {
          address: planned.roles.includes('target') ? planned.address : plan.targetAddress,
          port: plan.symptom.port,
        },
        plan,
        clockOffsetMs: input.clockOffsetsMs[node] ?? 0,
        params: rule.params.parse(params),
        say: rule.text[input.language],
      } as never);
    return ask(rule, node, undefined, input, () => {
      const outcome = evaluateOn(facts);
      return isConfirmed(outcome) ? ofWhomAsked(node, outcome, evaluateOn, input) : outcome;
    });
  });
}

/** What is confirmed only by connects of clients that nobody asked about is likely, and says whose they are. */
function ofWhomAsked(
  node: string,
  outcome: Outcome,
  evaluateOn: (facts: Facts) => Outcome | Undecided,
  input: Judged,
): Outcome {
  const others = failingOthers(node, input);
  if (others === null) return outcome;
  if (isConfirmed(evaluateOn({ ...factsOf(node, input), capture: others.capture }))) return outcome;
  const { asked: clients, answered, failed, sources } = others;
  const text = input.say.ofOthers(clients.join(', '), answered, sources.join(', '), failed);
  const because = { text, evidence: others.capture.at.evidence };
  return { ...outcome, verdict: 'likely', because: [...outcome.because, because] };
}

function onPaths(rule: AnyRule & { scope: 'path' }, params: unknown, input: Judged): readonly Finding[] {
  const { plan, say } = input;
  const target = targetOf(plan.nodes);
  const clients = plan.nodes.filter(({ roles }) => roles.includes('client'));
  const to = target?.node.name ?? plan.targetAddress;
  if (clients.length === 0) {
    const why = plan.externalClients.length === 0 ? say.noClient : say.externalClient(plan.externalClients.join(', '));
    return [unknown(asked(rule, to, undefined, input), [{ fact: 'probes', node: to, why }])];
  }
  // Behind a Service nobody was named: the path to each of its servers that can be looked at is judged, as far as anything
  // of this client was seen there.
  const servers =
    target === undefined && rule.needs.target.length > 0
      ? plan.nodes.filter(
          (one) => one.roles.includes('target') && missingFacts(rule.needs.target, one, input).length === 0,
        )
      : [];
  return clients.flatMap((client) => {
    if (servers.length === 0) return [onPath(client, target)];
    const found = servers.map((server) => onPath(client, server));
    const decided = found.filter(({ verdict }) => verdict !== 'unknown');
    return decided.length > 0 ? decided : found.slice(0, 1);
  });

  function onPath(client: PlannedNode, end: PlannedNode | undefined): Finding {
    const node = client.node.name;
    const to = end?.node.name ?? plan.targetAddress;
    const path = { from: node, to };
    const missing = [
      ...missingFacts(rule.needs.client, client, input),
      ...(end
        ? missingFacts(rule.needs.target, end, input)
        : rule.needs.target.slice(0, 1).map((fact) => ({ fact, node: to, why: say.noNode(plan.targetAddress) }))),
    ];
    // A rule that needs nothing of the target is asked as well where no node owns its address (a ClusterIP).
    if (missing.length > 0) return unknown(asked(rule, to, path, input), missing);
    return ask(rule, to, path, input, () =>
      rule.evaluate({
        client: { node, facts: pick(factsOf(node, input), [...rule.needs.client, ...rule.optional]) },
        target: {
          node: to,
          address: end?.server?.address ?? end?.address ?? plan.targetAddress,
          port: end?.server?.port ?? plan.symptom.port,
          facts: pick(factsOf(to, input), [...rule.needs.target, ...rule.optional]),
        },
        forwarders: plan.nodes
          .filter(({ roles }) => roles.includes('forwarder'))
          .map((forwarder) => ({
            node: forwarder.node.name,
            facts: pick(factsOf(forwarder.node.name, input), rule.optional),
          })),
        symptom: plan.symptom,
        plan,
        clockOffsetMs: (name: string) => input.clockOffsetsMs[name] ?? 0,
        params: rule.params.parse(params),
        say: rule.text[input.language],
      } as never),
    );
  }
}

/** On every node that captured: the traffic of the target there. */
function onCaptures(rule: AnyRule & { scope: 'capture' }, params: unknown, input: Judged): readonly Finding[] {
  return input.plan.nodes.map((planned) => {
    const node = planned.node.name;
    const missing = missingFacts(['capture'], planned, input);
    const { capture } = factsOf(node, input);
    if (capture === undefined) return unknown(asked(rule, node, undefined, input), missing);
    return ask(rule, node, undefined, input, () =>
      rule.evaluate({
        capture: trafficOfTarget(capture, input.plan),
        facts: pick(factsOf(node, input), rule.optional ?? []),
        place: node,
        params: rule.params.parse(params),
        say: rule.text[input.language],
      } as never),
    );
  });
}

/** What is asked of a rule here, for {@link decide}. */
function asked(rule: AnyRule, node: string, path: Finding['path'], { language, say }: Judged): Asked {
  return { rule, node, ...(path === undefined ? {} : { path }), language, say };
}

function ask(
  rule: AnyRule,
  node: string,
  path: Finding['path'],
  input: Judged,
  evaluateRule: () => Outcome | Undecided,
): Finding {
  const question = asked(rule, node, path, input);
  // Rules on nodes and paths read TCP; said in one place, so that none of them can argue from a handshake that cannot be
  // there. Rules on packets alone judge what they see.
  const readsTcp = rule.scope !== 'capture' && rule.anyProtocol !== true;
  if (input.plan.symptom.protocol === 'udp' && readsTcp)
    return unknown(question, [{ fact: 'capture', node, why: input.say.udp }]);
  const finding = decide(question, evaluateRule);
  return finding.verdict === 'unknown'
    ? { ...finding, missing: finding.missing.map((one) => told(one, input)) }
    : finding;
}

/** A rule that lacks a whole fact knows only that it is not there; the evidence tells why (sudo refused, no such tool). */
function told(missing: Missing, { knowledge, say }: Judged): Missing {
  const known = knowledge.get(missing.node);
  const fact = missing.fact as FactName;
  if (known === undefined || known.facts[fact] !== undefined) return missing;
  const why = known.whyMissing(fact);
  // nothing at all was seen there: what the rule makes of that is beside the point
  if (known.unseen !== undefined) return { ...missing, why };
  return why === say.notCollected(fact) || missing.why.includes(why)
    ? missing
    : { ...missing, why: say.notReadBecause(missing.why, why) };
}

function missingFacts(needs: readonly FactName[], planned: PlannedNode, { knowledge, say }: Judged): Missing[] {
  const node = planned.node.name;
  const known = knowledge.get(node);
  return needs
    .filter((fact) => known?.facts[fact] === undefined)
    .map((fact) => ({ fact, node, why: known?.whyMissing(fact) ?? say.notCollected(fact) }));
}

function factsOf(node: string, { knowledge }: Judged): Facts {
  return knowledge.get(node)?.facts ?? {};
}

/** A rule sees what it declared and nothing else, also at run time. */
function pick(facts: Facts, names: readonly FactName[]): Facts {
  return Object.fromEntries(names.flatMap((name) => (facts[name] === undefined ? [] : [[name, facts[name]]])));
}
