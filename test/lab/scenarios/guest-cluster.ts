import type { LabStep } from '../network.ts';
import type { OtherLab, Outcome, Scenario } from '../scenario.ts';
import { guestBlockers } from '../uml/guest.ts';
import { fabric, startGuestLab } from '../uml/guest-lab.ts';
import { cluster, forgetful } from '../uml/guest-topologies.ts';

/** The cluster of three guests; all scenarios on it share one start. */
export const clusterLab: OtherLab = {
  name: cluster.name,
  kernel: 'Linux 6.1 (user-mode)',
  blockers: guestBlockers,
  start: () => startGuestLab(cluster),
};

/** A script as a step; it ends at the first command that fails. */
export const sh = (on: string, script: string): LabStep => ({ on, run: ['sh', '-ec', script] });
/** talk.pl: one connection, step by step. */
export const talk = (to: string, port: number, ...steps: string[]): readonly string[] => [
  'perl',
  '/run/netcheck-lab/talk.pl',
  to,
  String(port),
  ...steps,
];

/** Before a command: it runs in the namespace of that pod. */
export const inPod = (name: string): readonly string[] => ['ip', 'netns', 'exec', name];
/** One request from a pod to port 80 of a Service. */
export const feltFromPod = (pod: string, service: string, broken: Outcome): NonNullable<Scenario['felt']> => ({
  from: 'node-2',
  run: [...inPod(pod), ...talk(service, 80, 'get')],
  broken,
});
/** A line for nft on the switch between the nodes. */
export const onFabric = (line: string): LabStep => sh(fabric, `nft '${line}'`);
/** Ends what {@link onFabric} has begun. */
export const fabricAsBefore: readonly LabStep[] = [
  onFabric('flush chain bridge fabric forward'),
  ...forgetful.slice(-1).map((run) => ({ on: fabric, run })),
];
