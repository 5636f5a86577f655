import type { Capture, Connection } from '../model/facts.ts';
import { sameAddress } from './ip-address.ts';

/** What a capture saw of the connects to one port. */
export interface Handshakes {
  /** Connections with at least one SYN. */
  readonly all: readonly Connection[];
  /** Their SYNs, retransmissions included. */
  readonly syns: number;
  /** No answer at all, long enough after the SYN that one would have been seen. */
  readonly unanswered: readonly Connection[];
  readonly unansweredSyns: number;
  /** SYN+ACK seen. */
  readonly answered: readonly Connection[];
  /** RST instead of SYN+ACK. */
  readonly refused: readonly Connection[];
}

/**
 * A SYN is only unanswered when an answer had time to come: it was sent again, or the capture went on for `settleMs`.
 * At the listener 200 ms is ample (the kernel answers in microseconds); at a client allow for the round trip.
 */
function isSettled(connection: Connection, capture: Capture, settleMs: number): boolean {
  const first = connection.syns[0];
  if (first === undefined) return false;
  return connection.syns.length > 1 || (capture.lastAtMs ?? first.atMs) - first.atMs >= settleMs;
}

/** The connects in `capture` that `concerns` picks. */
export function handshakesOf(
  capture: Capture,
  concerns: (connection: Connection) => boolean,
  settleMs: number,
): Handshakes {
  const all = capture.connections.filter((connection) => connection.syns.length > 0 && concerns(connection));
  const unanswered = all.filter(
    (connection) => connection.handshake === 'unanswered' && isSettled(connection, capture, settleMs),
  );
  return {
    all,
    syns: synsIn(all),
    unanswered,
    unansweredSyns: synsIn(unanswered),
    answered: all.filter((connection) => connection.synAcks.length > 0),
    refused: all.filter(
      (connection) =>
        connection.handshake === 'refused' && connection.resets.some((r) => r.from === 'server' && r.answersSyn),
    ),
  };
}

/** The connects to `target` that a capture saw; on the target itself an answer is due within the default. */
export function handshakesTo(
  capture: Capture,
  target: { readonly address: string; readonly port: number },
  settleMs = 200,
): Handshakes {
  return handshakesOf(
    capture,
    ({ server }) => server.port === target.port && sameAddress(server.address, target.address),
    settleMs,
  );
}

/** SYNs, retransmissions included. */
export function synsIn(connections: readonly Connection[]): number {
  return connections.reduce((sum, connection) => sum + connection.syns.length, 0);
}

/** Whether a node that passes packets on was seen to send one of its SYNs out. */
export function wasSentOn({ syns }: Connection): boolean {
  return syns.some(({ sightings }) => sightings.some(({ direction }) => direction === 'out'));
}
