import type { LabStep } from '../network.ts';
import { connectMany, on50, sysctl, target, type Scenario } from '../scenario.ts';
import { http, plain } from '../topologies.ts';

/** A server in place of `http` that accepts, never reads and never closes, and may have `files` files open. */
export const keepsConnections = (files: number): readonly LabStep[] => [
  { on: 'node-50', stop: http.name },
  on50(
    'sh',
    '-c',
    `ulimit -n ${files}; perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); bind(S, sockaddr_in(1301, INADDR_ANY)) or die; listen(S, 511); while (1) { my $c; if (accept($c, S)) { push @c, $c } else { sleep 1 } }' >/dev/null 2>&1 & echo $! > /tmp/keeps.pid; sleep 0.3`,
  ),
];
/** The usual server in its place again. */
export const closesAgain: readonly LabStep[] = [
  on50('sh', '-c', 'kill $(cat /tmp/keeps.pid); sleep 0.3'),
  { on: 'node-50', start: http },
];

/** What a process or a node has used up. */
export const hostScenarios: readonly Scenario[] = [
  {
    id: 'ephemeral-exhaustion',
    inTests: true,
    fault: 'F30',
    about: 'node-12 may use four source ports, and connections to the port hold all of them.',
    definition: plain,
    break: [
      sysctl('node-12', 'net.ipv4.ip_local_port_range=40000 40003'),
      {
        on: 'node-12',
        run: [
          'sh',
          '-c',
          `perl -MSocket -e 'for (1..4) { socket(my $s, PF_INET, SOCK_STREAM, 0); connect($s, sockaddr_in(1301, inet_aton("${target}"))); push @s, $s } sleep 30' >/dev/null 2>&1 & sleep 0.5`,
        ],
      },
    ],
    ask: 'node-50 port 1301 from node-12 playbook slow-connect',
    felt: { from: 'node-12', to: target, port: 1301, as: 'noPort' },
    expect: {
      verdict: 'found',
      confirmed: [{ rule: 'ephemeral-exhaustion', node: 'node-12' }],
      remedy: { node: 'node-12', command: "sysctl -w net.ipv4.ip_local_port_range='1024 65535'" },
    },
    mend: [sysctl('node-12', 'net.ipv4.ip_local_port_range=32768 60999')],
  },
  {
    id: 'close-wait',
    inTests: true,
    fault: 'F33',
    about: 'The server on node-50 never closes: connections that node-51 has closed stay in CLOSE-WAIT.',
    definition: plain,
    break: [
      ...keepsConnections(1024),
      {
        on: 'node-51',
        run: ['bash', '-c', `for i in $(seq 130); do (exec 3<>/dev/tcp/${target}/1301); done; sleep 0.3`],
      },
    ],
    ask: 'node-50 port 1301 from node-12 playbook slow-connect',
    felt: { from: 'node-12', to: target, port: 1301, as: 'connected' },
    expect: { verdict: 'found', confirmed: [{ rule: 'close-wait', node: 'node-50' }] },
    mend: closesAgain,
  },
  {
    id: 'fd-exhaustion',
    inTests: true,
    fault: 'F29',
    about: 'The server on node-50 may have 24 files open, and connections of node-51 use all of them.',
    definition: plain,
    break: [...keepsConnections(24), connectMany('node-51', 1301, 24, 30)],
    ask: 'node-50 port 1301 from node-12 playbook slow-connect',
    felt: { from: 'node-12', to: target, port: 1301, as: 'connected' },
    expect: { verdict: 'found', confirmed: [{ rule: 'fd-exhaustion', node: 'node-50' }] },
    mend: closesAgain,
  },
];
