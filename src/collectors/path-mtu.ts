import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

export const pathMtu = defineCollector({
  id: 'path-mtu',
  purpose: 'path MTU to the target with tracepath (active: a few UDP packets to closed ports)',
  params: z.strictObject({}),
  when: 'active',
  provides: ['tracedPaths'],
  commands: (_params, { target }) => [
    {
      argv: ['tracepath', '-n', target],
      privilege: 'none',
      timeoutMs: 20_000,
      maxBytes: 65_536,
      kind: 'tracepath',
      tool: 'tracepath',
      waits: true,
      // It opens an IPv6 socket even for an IPv4 target.
      wouldLoad: { modules: ['ipv6'], unlessFile: '/proc/net/if_inet6' },
    },
  ],
});
