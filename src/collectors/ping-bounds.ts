import type { Command } from '../model/command.ts';

/** Every `ping` of ours but its arguments. ping opens an IPv6 socket even for an IPv4 target. */
export const pingBounds = {
  privilege: 'none',
  timeoutMs: 10_000,
  maxBytes: 65_536,
  kind: 'ping',
  tool: 'ping',
  waits: true,
  wouldLoad: { modules: ['ipv6'], unlessFile: '/proc/net/if_inet6' },
} as const satisfies Omit<Command, 'argv'>;
