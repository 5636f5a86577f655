import type { LabStep } from '../network.ts';
import type { OtherLab, Scenario } from '../scenario.ts';
import { guestBlockers } from '../uml/guest.ts';
import { startGuestLab } from '../uml/guest-lab.ts';
import { clamp, cluster } from '../uml/guest-topologies.ts';

const clusterLab: OtherLab = {
  name: cluster.name,
  kernel: 'Linux 6.1 (user-mode)',
  blockers: guestBlockers,
  start: () => startGuestLab(cluster),
};

const sh = (on: string, script: string): LabStep => ({ on, run: ['sh', '-ec', script] });
/** talk.pl: one connection, step by step. */
const talk = (to: string, port: number, ...steps: string[]): readonly string[] => [
  'perl',
  '/run/netcheck-lab/talk.pl',
  to,
  String(port),
  ...steps,
];

const clamped = (what: '-A' | '-D'): LabStep => sh('node-2', clamp(what));
/** On guests with kernels of their own. */
export const guestScenarios: readonly Scenario[] = [
  {
    id: 'tunnel-mtu-predicted',
    fault: 'field report 2, F40',
    about:
      'NodePort 30170 of node-2 goes through IPVS and tunl0 (MTU 1440) to a pod with an MTU of 1450. No large segment is sent yet: the fault stands in the handshake.',
    definition: clusterLab,
    break: [clamped('-D')],
    ask: 'node-2 port 30170 from client small requests work, large uploads hang',
    expect: {
      verdict: 'found',
      confirmed: [],
      likely: [{ rule: 'mtu-too-small', node: 'node-2' }],
      mayBeLikely: [],
      headline: /probably A device on the way has a smaller MTU/,
    },
    mend: [clamped('-A')],
  },
  {
    id: 'tunnel-mtu-blackhole',
    fault: 'field report 2, F40, F41',
    about:
      'The same path under load: segments of 4, 1398 and 1307 bytes. The packets of 1450 bytes die between eth0 and tunl0, and the network drops what node-2 says about it, as a load balancer does. All of it real.',
    definition: clusterLab,
    break: [clamped('-D')],
    traffic: [
      {
        on: 'client',
        run: [
          'sh',
          '-c',
          `while :; do ${talk('172.16.0.2', 30170, 'get', 'upload', '4,2705').join(' ')}; sleep 1; done`,
        ],
      },
    ],
    ask: 'node-2 port 30170 from client small requests work, large uploads hang for 4s',
    felt: {
      from: 'client',
      run: talk('172.16.0.2', 30170, 'get', 'upload', '4,2705'),
      broken: { exit: 4, says: /no answer/ },
    },
    expect: {
      verdict: 'found',
      confirmed: [
        { rule: 'mtu-too-small', node: 'node-2' },
        { rule: 'mtu-blackhole', node: 'node-2' },
        { rule: 'frag-needed-ignored', node: 'node-2' },
      ],
      mayBeLikely: [{ rule: 'mtu-blackhole', node: 'client' }],
      headline: /A device on the way has a smaller MTU/,
      remedy: {
        node: 'node-2',
        command: clamp('-A'),
      },
    },
    mend: [clamped('-A')],
  },
];
