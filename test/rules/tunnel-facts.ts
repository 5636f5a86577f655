import type { Connection } from '../../src/model/facts.ts';
import type { PingResult } from '../../src/model/node-facts.ts';
import type { Place } from '../../src/model/packet-facts.ts';
import { at, connection, link, routeVerdict, target } from './facts.ts';

/** Two nodes with a tunnel between them; the pod that is asked is on the second. */
export const nearNode = '192.168.7.12';
export const farNode = '192.168.7.50';

export const tunnelDevice = {
  ipip: link({ name: 'tunl0', index: 9, type: 'ipip', mtu: 1480, state: 'UNKNOWN', flags: ['NOARP', 'UP'] }),
  vxlan: link({ name: 'flannel.1', index: 9, type: 'vxlan', mtu: 1450, state: 'UNKNOWN', flags: ['UP'] }),
} as const;

const place = (values: Partial<Place>): Place => ({
  interfaceIndex: 2,
  direction: 'out',
  tunnel: null,
  client: 0,
  server: 0,
  ...values,
});

/** The places of a node that puts the client's packets into the tunnel, and takes the server's out of it. */
export function near(kind: 'ipip' | 'vxlan', { client = 3, server = 0 } = {}): Partial<Connection> {
  return {
    tunnel: { kind, outer: { source: nearNode, destination: farNode }, id: kind === 'vxlan' ? 1 : null },
    places: [
      place({ interfaceIndex: 9, client }),
      place({ tunnel: kind, client }),
      ...(server > 0
        ? [place({ tunnel: kind, direction: 'in', server }), place({ interfaceIndex: 9, direction: 'in', server })]
        : []),
    ],
  };
}

/** The places of the node at the other end; `bare: false`: it did not take them out of the tunnel. */
export function far(kind: 'ipip' | 'vxlan', { client = 3, server = 0, bare = true } = {}): Partial<Connection> {
  return {
    tunnel: { kind, outer: { source: nearNode, destination: farNode }, id: kind === 'vxlan' ? 1 : null },
    places: [
      place({ tunnel: kind, direction: 'in', client }),
      ...(bare ? [place({ interfaceIndex: 9, direction: 'in', client })] : []),
      ...(server > 0 ? [place({ interfaceIndex: 9, server }), place({ tunnel: kind, server })] : []),
    ],
  };
}

/** A connect that left in the tunnel and got no answer. */
export const sentIn = (kind: 'ipip' | 'vxlan'): Connection => connection(near(kind));

/** The node's way to the target leads through the tunnel. */
export const throughTunnel = (kind: 'ipip' | 'vxlan') =>
  routeVerdict({ to: target.address, device: tunnelDevice[kind].name, via: kind === 'ipip' ? farNode : '10.51.2.0' });

export function ping(values: Partial<PingResult> = {}): PingResult {
  return { target: farNode, replies: [], errors: [], sent: 3, received: 3, at: at('20-ping.out', 1), ...values };
}
