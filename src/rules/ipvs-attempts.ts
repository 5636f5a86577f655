import type { Capture, Connection, Endpoint } from '../model/facts.ts';
import { handshakesOf } from './handshakes.ts';
import { isEndpoint } from './ipvs-service.ts';

/** Connects to one of `servers` as one capture saw them. */
export function attemptsTo(capture: Capture, servers: readonly Endpoint[]): readonly Connection[] {
  return capture.connections.filter(
    ({ server, syns }) => syns.length > 0 && servers.some((one) => isEndpoint(one, server)),
  );
}

/** Those of them that got nothing, a RST or an ICMP error instead of a SYN+ACK. */
export function failedOf(capture: Capture, attempts: readonly Connection[]): readonly Connection[] {
  const { unanswered } = handshakesOf(capture, (one) => attempts.includes(one), 200);
  return attempts.filter(
    (one) => unanswered.includes(one) || one.handshake === 'refused' || one.handshake === 'icmpError',
  );
}
