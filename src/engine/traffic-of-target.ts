import type { Capture, Endpoint } from '../model/facts.ts';
import type { Plan } from '../model/plan.ts';
import { takes } from '../rules/capture-weakness.ts';
import { sameAddress } from '../rules/ip-address.ts';

const dnsPort = 53;

/**
 * What a capture of a run holds of the traffic that is diagnosed, for rules that judge a capture alone. Kept is what
 * has the target's address **or** its port on the server's side: on a forwarder the same connection also appears with
 * a translated address (the port stays) or a translated port (the address stays). Where both are translated that leg
 * would count twice beside the other, so it is kept only where there is no other: on a client whose own kube-proxy
 * translates. An unrelated service on the same port is kept. ARP is kept as it is, and in a capture of DNS all that
 * belongs to names: TCP after a truncated answer, ICMP about questions.
 */
export function trafficOfTarget(capture: Capture, { targetAddress, nodes, symptom }: Plan): Capture {
  const addresses = [
    targetAddress,
    ...nodes.filter(({ roles }) => roles.includes('target')).map(({ address }) => address),
  ];
  const isOfNames = capture.dns.length > 0;
  const isTarget = (address: string, port: number | null): boolean =>
    port === symptom.port || (isOfNames && port === dnsPort) || addresses.some((one) => sameAddress(one, address));
  const isAsked = ({ server }: { readonly server: Endpoint }): boolean => isTarget(server.address, server.port);
  const isBehind = ({ server }: { readonly server: Endpoint }): boolean =>
    capture.filter !== undefined && takes(capture, server, symptom.port);
  const isServer = capture.connections.some(isAsked)
    ? isAsked
    : (one: Parameters<typeof isAsked>[0]) => isAsked(one) || isBehind(one);
  const connections = capture.connections.filter(isServer);
  const services = capture.services.filter(isServer);
  const others = sum(capture.services) - sum(services) - (capture.connections.length - connections.length);
  return {
    ...capture,
    connections,
    services,
    // of the connections that are only counted, those of other services are no longer among ours
    uneventful: Math.max(0, capture.uneventful - Math.max(0, others)),
    synSources: capture.synSources.filter(({ address }) =>
      connections.some(({ client }) => sameAddress(client.address, address)),
    ),
    // the packet inside may be one of either side
    icmpErrors: capture.icmpErrors.filter(
      ({ about }) => isTarget(about.destination, about.destinationPort) || isTarget(about.source, about.sourcePort),
    ),
    udp: capture.udp.filter(isServer),
  };
}

function sum(services: Capture['services']): number {
  return services.reduce((total, { connections }) => total + connections, 0);
}
