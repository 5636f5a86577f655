import type { Listener, Socket } from '../model/facts.ts';

/** A listener with what only newer versions of ss tell. */
export interface SeenListener extends Listener {
  /** IPV6_V6ONLY: true = IPv4 is not accepted; absent where the source does not tell. */
  readonly v6only?: boolean;
}

/**
 * Sockets of a node. A part is absent where the command does not show such sockets at all (`ss -l` shows no
 * connections, `ss` without `-a` or `-l` no listeners): absent is "not looked", an empty list is "looked, none".
 */
export interface SocketTables {
  readonly listeners?: readonly SeenListener[];
  readonly sockets?: readonly Socket[];
}
