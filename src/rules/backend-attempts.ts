import type { Capture, Connection, Endpoint } from '../model/facts.ts';
import type { ConntrackEntry } from '../model/node-facts.ts';
import { isUndeliverable } from './icmp-meaning.ts';
import { handshakesOf } from './handshakes.ts';
import { isEndpoint } from './ipvs-service.ts';

/** What new connections to one backend of a Service met in the window. */
export interface BackendAttempts<Backend extends Endpoint> {
  readonly backend: Backend;
  readonly answered: readonly Connection[];
  /** RST instead of SYN+ACK: nothing listens. */
  readonly refused: readonly Connection[];
  /** ICMP host or network unreachable: the address is gone. */
  readonly unreachable: readonly Connection[];
  /** Nothing at all came back, long enough after the SYN. */
  readonly silent: readonly Connection[];
}

/**
 * Connects by the backend that they were sent to. A capture shows a connect behind the translation (to the backend) or
 * before it (to the Service): then conntrack tells where it went. A connect that is seen on both sides counts once.
 */
export function attemptsByBackend<Backend extends Endpoint>(
  capture: Capture,
  service: Endpoint,
  backends: readonly Backend[],
  table: readonly ConntrackEntry[],
): readonly BackendAttempts<Backend>[] {
  const translated = new Map<string, Endpoint>();
  for (const { protocol, original, reply } of table)
    if (
      protocol === 'tcp' &&
      original.sourcePort !== null &&
      reply.sourcePort !== null &&
      isEndpoint({ address: original.destination, port: original.destinationPort ?? 0 }, service)
    )
      translated.set(keyOf(original.source, original.sourcePort), { address: reply.source, port: reply.sourcePort });
  const wentTo = (connection: Connection): Endpoint => {
    const { client, server } = connection;
    return isEndpoint(server, service) ? (translated.get(keyOf(client.address, client.port)) ?? server) : server;
  };
  const connects = capture.connections.filter(({ syns }) => syns.length > 0);
  const { unanswered } = handshakesOf(capture, () => true, 200);
  return backends.map((backend) => {
    const own = connects.filter((one) => isEndpoint(wentTo(one), backend));
    // the side behind the translation is the one that the backend answers on
    const behind = own.filter(({ server }) => isEndpoint(server, backend));
    const attempts = behind.length > 0 ? behind : own;
    return {
      backend,
      answered: attempts.filter(({ synAcks }) => synAcks.length > 0),
      refused: attempts.filter(({ handshake }) => handshake === 'refused'),
      unreachable: attempts.filter((one) => isUnreachable(one, capture)),
      silent: attempts.filter((one) => unanswered.includes(one) && !isUnreachable(one, capture)),
    };
  });
}

/** An error that a router or the node itself sent about this connect. */
function isUnreachable({ handshake, client, server }: Connection, { icmpErrors }: Capture): boolean {
  return (
    (handshake === 'icmpError' || handshake === 'unanswered') &&
    icmpErrors.some(
      (error) =>
        isUndeliverable(error) &&
        isEndpoint({ address: error.about.source, port: error.about.sourcePort ?? 0 }, client) &&
        isEndpoint({ address: error.about.destination, port: error.about.destinationPort ?? 0 }, server),
    )
  );
}

function keyOf(address: string, port: number): string {
  return `${address} ${port}`;
}
