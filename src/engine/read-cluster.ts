import type { Evidence, EvidenceEntry, Exit, Phase } from '../model/evidence.ts';
import { type ClusterAnswer, clusterKind, clusterPlace, type ClusterQuestion } from '../model/cluster-facts.ts';
import type { Plan } from '../model/plan.ts';
import { kubernetes } from '../collectors/kubernetes.ts';
import { createDeadline } from '../model/deadline.ts';
import type { SessionPorts } from './node-session.ts';
import type { ClusterObserver } from './ports.ts';

/** A whole look at the cluster may take so long, milliseconds; the run does not wait any longer for it. */
const lookMs = 8000;
/** And the second one, that only looks at what changes. */
const lookAgainMs = 4000;
/** Of one answer, as it is kept, bytes. */
const mostBytes = 512 * 1024;

/** The cluster in one run: written down like everything else, before anybody reads it. */
export interface ClusterReading {
  readonly evidence: readonly Evidence[];
  /** Reads everything, once; called again it changes nothing. */
  begin(plan: Plan): void;
  /** Still under way, or to be asked again. */
  isPending(): boolean;
  /** Settles when what was begun has been read, and what may have changed has been read again. */
  finish(plan: Plan): Promise<void>;
  /** Settles when nothing is under way any more; nothing is written after that. */
  ended(): Promise<void>;
}

/** Whether the answers of a playbook that is chosen may depend on the cluster. */
export function asksCluster({ steps }: Pick<Plan, 'steps'>): boolean {
  return steps.some(({ collector }) => collector === kubernetes.id);
}

/** @param observer undefined: netcheck has no access to Kubernetes */
export function createClusterReading(
  observer: ClusterObserver | undefined,
  { sink, redact }: Pick<SessionPorts, 'sink' | 'redact'>,
  signal: AbortSignal,
): ClusterReading {
  const evidence: Evidence[] = [];
  let count = 0;
  let begun: Promise<void> | undefined;
  let isDone = false;

  /** Keeps an answer as the evidence of a command that would have given it. */
  const keep = async (answer: ClusterAnswer, phase: Phase): Promise<void> => {
    count += 1;
    const { part, path, startedAtMs, endedAtMs, objects, trouble } = answer;
    const text = objects.map((object) => `${JSON.stringify(object)}\n`).join('');
    const tooMuch = text.length > mostBytes;
    const encoder = new TextEncoder();
    const stdout = redact(encoder.encode(tooMuch ? '' : text));
    const stderr = redact(encoder.encode(trouble?.why === 'invalid' ? `${trouble.message}\n` : ''));
    const entry: Omit<EvidenceEntry, 'out' | 'err' | 'outBytes' | 'errBytes'> = {
      id: `${String(count).padStart(2, '0')}-${part}`,
      node: clusterPlace,
      collector: kubernetes.id,
      phase,
      kind: clusterKind,
      argv: ['GET', path],
      privilege: 'none',
      startedAtMs,
      endedAtMs,
      exit: tooMuch ? { how: 'tooMuchOutput', keptBytes: 0 } : exitOf(trouble),
    };
    evidence.push({ entry: await sink.write(entry, { stdout, stderr }), stdout, stderr });
  };

  const observe = async (plan: Plan, phase: 'before' | 'after', atMostMs: number): Promise<void> => {
    const deadline = createDeadline(atMostMs, signal);
    try {
      await observer?.observe(
        questionOf(plan),
        phase,
        (answer) => keep(answer, phase === 'after' ? 'after' : 'once'),
        deadline.signal,
      );
    } finally {
      deadline.clear();
    }
  };

  return {
    evidence,
    begin(plan) {
      if (observer === undefined) return;
      begun ??= observe(plan, 'before', lookMs);
      // it is waited for at the end, and whatever goes wrong is said there
      begun.catch(() => undefined);
    },
    isPending: () => begun !== undefined && !isDone,
    async finish(plan) {
      if (begun === undefined) return;
      await begun;
      const isAnswered = evidence.some(({ stdout, entry }) => stdout.length > 0 && entry.exit.how === 'exited');
      if (isAnswered && !signal.aborted) await observe(plan, 'after', lookAgainMs);
      isDone = true;
    },
    async ended() {
      await begun?.catch(() => undefined);
    },
  };
}

function exitOf(trouble: ClusterAnswer['trouble']): Exit {
  switch (trouble?.why) {
    case undefined:
      return { how: 'exited', code: 0 };
    case 'invalid':
      return { how: 'exited', code: 1 };
    case 'unreachable':
      return { how: 'notStarted', why: 'unreachable', message: trouble.message };
    case 'timedOut':
      return { how: 'notStarted', why: 'timeout', message: trouble.message };
    case 'forbidden':
    case 'unauthorized':
      return { how: 'notStarted', why: 'auth', message: trouble.message };
  }
}

/** Ports of DNS (RFC 1035, RFC 7858). */
const dnsPorts = [53, 853];

function questionOf({ symptom, targetAddress, nodes, externalClients, steps }: Plan): ClusterQuestion {
  const own = nodes.filter(({ netns }) => netns === undefined);
  const pods = nodes.filter(({ netns }) => netns !== undefined);
  return {
    target: { address: targetAddress, port: symptom.port, protocol: symptom.protocol },
    nodes: own.map(({ node, address }) => ({
      name: node.name,
      addresses: [...new Set([address, node.address, node.target, ...node.serves].filter((one) => one !== undefined))],
    })),
    addresses: [...new Set([targetAddress, ...pods.map(({ address }) => address), ...externalClients])],
    names:
      dnsPorts.includes(symptom.port) ||
      steps.some(({ collector, params }) => collector === 'capture' && params['filter'] === 'dns'),
  };
}
