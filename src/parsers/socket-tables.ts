import type { Listener, Socket } from '../model/facts.ts';

/** A listener with what only newer versions of ss, or only /proc/net, tell. */
export interface SeenListener extends Listener {
  /** IPV6_V6ONLY: true = IPv4 is not accepted; absent where the source does not tell. */
  readonly v6only?: boolean;
  readonly inode?: number;
}

/** A socket with what only /proc/net tells. */
export interface SeenSocket extends Socket {
  /** Joins it with the process that holds it (`socket-owners`); absent where there is none any more (TIME-WAIT). */
  readonly inode?: number;
}

/**
 * Sockets of a node. A part is absent where the command does not show such sockets at all (`ss -l` shows no
 * connections, `ss` without `-a` or `-l` no listeners): absent is "not looked", an empty list is "looked, none".
 */
export interface SocketTables {
  readonly listeners?: readonly SeenListener[];
  readonly sockets?: readonly SeenSocket[];
}
