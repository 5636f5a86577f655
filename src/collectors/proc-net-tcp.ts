import type { Command } from '../model/command.ts';

/** TCP sockets as the kernel lists them (proc(5)): what is left without `ss`, and loads nothing. It has no queue sizes. */
export const procNetTcp: Command = {
  argv: ['cat', '/proc/net/tcp', '/proc/net/tcp6'],
  privilege: 'none',
  timeoutMs: 10_000,
  maxBytes: 4_194_304,
  kind: 'proc-net-tcp',
};
