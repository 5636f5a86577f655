import type { Capture, Connection, Endpoint } from '../model/facts.ts';
import type { Flow } from '../model/packet-facts.ts';

/** Connections of the capture, those included that nothing happened to and that are only counted. */
export function connectionCount({ connections, uneventful }: Capture): number {
  return connections.length + uneventful;
}

/** Connections to one address and port, those included that are only counted. */
export function connectionsTo({ connections, services }: Capture, { address, port }: Endpoint): number {
  const isIt = ({ server }: { readonly server: Endpoint }): boolean =>
    server.port === port && server.address === address;
  const counted = services.find(isIt)?.connections ?? 0;
  return Math.max(counted, connections.filter(isIt).length);
}

/** The same without those that began before the capture, as far as they are kept. */
export function connectsTo(capture: Capture, { address, port }: Endpoint): number {
  const old = capture.connections.filter(
    ({ server, syns }) => syns.length === 0 && server.port === port && server.address === address,
  );
  return connectionsTo(capture, { address, port }) - old.length;
}

/**
 * Whether the capture was taken on all devices of a machine (or on several): what the machine sends itself is in it like
 * what its neighbours send, and has the same TTL.
 */
export function isOfSeveralDevices({ connections }: Capture): boolean {
  return connections.some(({ places }) => places.length > 0);
}

/** Whether any connection of the capture carried data. */
export function hasData({ connections, uneventful }: Capture): boolean {
  return uneventful > 0 || connections.some(({ bytes }) => bytes.client + bytes.server > 0);
}

/** One side of a connection: what it sent. */
export interface Side {
  readonly connection: Connection;
  readonly from: 'client' | 'server';
  readonly flow: Flow;
  readonly sender: Endpoint;
  readonly receiver: Endpoint;
}

/** Both sides of every connection that is kept. */
export function sidesOf(connections: readonly Connection[]): readonly Side[] {
  return connections.flatMap((connection): Side[] => {
    const { client, server, flow } = connection;
    return [
      { connection, from: 'client', flow: flow.client, sender: client, receiver: server },
      { connection, from: 'server', flow: flow.server, sender: server, receiver: client },
    ];
  });
}
