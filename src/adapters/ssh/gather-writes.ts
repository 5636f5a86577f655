import type { Socket } from 'node:net';

/**
 * Connects a socket, which from then on sends what is written to it in one go with one system call. ssh2 writes every packet of the usual cipher
 * in three pieces (length, text, tag); sent as they come, each is a segment of its own that wakes the node's sshd: half
 * of all that a login costs here, and there.
 */
export function connectGathering(socket: Socket, to: { readonly host: string; readonly port: number }): void {
  // connect() puts the usual write() back (net.js): it comes first.
  socket.connect(to);
  // Nothing is written that may wait for more: Nagle's algorithm would only hold back the last packet of each turn.
  socket.setNoDelay(true);
  socket.setMaxListeners(0);
  const write = socket.write.bind(socket) as (...args: readonly unknown[]) => boolean;
  let gathering = false;
  const send = (): void => {
    gathering = false;
    socket.uncork();
  };
  socket.write = (...args: readonly unknown[]) => {
    if (!gathering) {
      gathering = true;
      socket.cork();
      process.nextTick(send);
    }
    return write(...args);
  };
}
