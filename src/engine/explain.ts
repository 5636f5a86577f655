import type { Collector, Command, Learned } from '../model/command.ts';
import type { Phase } from '../model/evidence.ts';
import type { Plan } from '../model/plan.ts';
import type { Netns } from '../model/netns.ts';
import { inNamespace } from './in-namespace.ts';
import { contextOf, stepsOf } from './open-node.ts';

/** One command as `--explain` shows it: what would run, where, with which bounds. */
export interface ExplainedStep {
  readonly node: string;
  readonly collector: string;
  readonly phase: Phase;
  readonly argv: readonly string[];
  readonly privilege: Command['privilege'];
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** "only where … is there", "or …" */
  readonly note?: string;
}

/** What a plan would run, without connecting anywhere. Alternatives that depend on the first look are named in notes. */
export function explainPlan(plan: Plan, collectors: ReadonlyMap<string, Collector>): readonly ExplainedStep[] {
  // an audit reads everything once
  const isOfNode = plan.symptom.about === 'node';
  return plan.nodes.flatMap((planned) =>
    stepsOf(plan, { name: planned.node.name }, collectors).flatMap(({ collector, params }) =>
      collector
        .commands(
          collector.params.parse(params),
          contextOf(plan, planned, expectedUid(planned), unlearned(addressesOf(plan))),
        )
        .map((command) => (planned.netns === undefined ? command : inNamespace(command, expectedNetns(planned.netns))))
        .map((command) => ({
          node: planned.node.name,
          collector: collector.id,
          phase: isOfNode && collector.when === 'delta' ? 'once' : phaseOf(collector),
          argv: command.argv,
          privilege: command.privilege,
          timeoutMs: command.timeoutMs,
          maxBytes: command.maxBytes,
          ...noteOf(command, collector.when === 'delta' && !isOfNode),
        })),
    ),
  );
}

/** What routes are looked up for: the target and its clients. */
function addressesOf(plan: Plan): readonly string[] {
  const clients = plan.nodes.filter(({ roles }) => roles.includes('client')).map(({ address }) => address);
  return [plan.targetAddress, ...clients, ...plan.externalClients];
}

/** Stands for what the run will find out: `ethtool -k DEV` is shown once, whatever the devices are. */
export function unlearned(addresses: readonly string[]): Learned {
  return {
    devices: ['DEV'],
    veths: [],
    addressed: ['DEV'],
    ways: addresses.map((address) => ({ address, device: 'DEV' })),
    listenerPids: ['PID'],
    // shown without: which servers stand behind the port is only known there
    servers: [],
    beyond: [],
    seen: [],
    tunnelPeers: ['PEER'],
    searchDomains: ['DOMAIN'],
  };
}

/** A container's process is found by looking; a name that is no number may be either. */
function expectedNetns(name: string): Netns {
  const isContainer = /^[0-9a-f]{12,64}$/.test(name);
  return { name, pid: /^\d+$/.test(name) ? name : isContainer ? 'PID' : null };
}

/** Nobody has looked yet: an account is root where it is called so, else it is somebody for whom tcpdump steps down (-Z). */
function expectedUid({ node }: Plan['nodes'][number]): number {
  return node.user === 'root' ? 0 : 1000;
}

function phaseOf(collector: Collector): Phase {
  if (collector.id === 'look') return 'look';
  return collector.when === 'delta'
    ? 'before'
    : collector.when === 'capture' || collector.when === 'probe'
      ? 'during'
      : 'once';
}

function noteOf({ wouldLoad, otherwise }: Command, again: boolean): { note?: string } {
  const notes = [
    ...(again ? ['and again after the window'] : []),
    ...(wouldLoad === undefined ? [] : [`skipped where it would load ${wouldLoad.modules.join(', ')}`]),
    ...(otherwise === undefined ? [] : [`else ${otherwise.argv.slice(0, 3).join(' ')}`]),
  ];
  return notes.length === 0 ? {} : { note: notes.join('; ') };
}
