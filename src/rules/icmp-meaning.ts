import type { Capture, IcmpError } from '../model/facts.ts';
import { sameAddress } from './ip-address.ts';

/**
 * What a firewall's ICMP error makes of a connect: `unreachable` (EHOSTUNREACH: administratively prohibited, codes 9,
 * 10 and 13; ICMPv6 code 1, 5, 6) or `refused` (ECONNREFUSED: port unreachable, which for TCP only a firewall sends).
 * Null for every other ICMP error.
 */
export function rejectionOf(error: IcmpError, protocol: 'tcp' | 'udp'): 'refused' | 'unreachable' | null {
  if (isProhibited(error)) return 'unreachable';
  const portUnreachable =
    error.version === 4 ? error.type === 3 && error.code === 3 : error.type === 1 && error.code === 4;
  // for UDP it is the kernel's ordinary answer of a closed port
  return portUnreachable && protocol === 'tcp' ? 'refused' : null;
}

/** Communication administratively prohibited (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1). */
export function isProhibited(error: IcmpError): boolean {
  return error.version === 4
    ? error.type === 3 && [9, 10, 13].includes(error.code)
    : error.type === 1 && [1, 5, 6].includes(error.code);
}

/** Host or network unreachable: the sender could not deliver it further. */
export function isUndeliverable(error: IcmpError): boolean {
  return error.version === 4
    ? error.type === 3 && [0, 1, 6, 7].includes(error.code)
    : error.type === 1 && [0, 3].includes(error.code);
}

/** Time to live exceeded in transit: a routing loop, or a very long way. */
export function isTimeExceeded(error: IcmpError): boolean {
  return error.version === 4 ? error.type === 11 && error.code === 0 : error.type === 3 && error.code === 0;
}

/** Port unreachable. */
export function isPortUnreachable(error: IcmpError): boolean {
  return error.version === 4 ? error.type === 3 && error.code === 3 : error.type === 1 && error.code === 4;
}

/**
 * Whether an ICMP error answers a connect of this capture that did not succeed. Errors may come late (an unanswered ARP
 * takes 3 s): one about an attempt from before the window says nothing about the attempts in it.
 */
export function answersAttempt(error: IcmpError, { connections }: Pick<Capture, 'connections'>): boolean {
  const { source, sourcePort } = error.about;
  return connections.some(
    ({ client, handshake }) =>
      handshake !== 'complete' &&
      handshake !== 'midStream' &&
      (sourcePort === null || client.port === sourcePort) &&
      sameAddress(client.address, source),
  );
}
