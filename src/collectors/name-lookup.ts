import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const Name = z
  .string()
  .max(253)
  .regex(
    /^[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/,
    'a DNS name',
  );

/** As a program of the node would: hosts, search domains and nsswitch.conf included. */
export const nameLookup = defineCollector({
  id: 'name-lookup',
  purpose: 'looks names up as programs do, with and without a dot at the end (active: DNS queries)',
  params: z.strictObject({ names: z.array(Name).min(1).max(8) }),
  when: 'active',
  provides: ['nameLookups'],
  commands: ({ names }) =>
    [...new Set(names.flatMap((name) => [name, name.endsWith('.') ? name : `${name}.`]))].map((name) => ({
      argv: ['getent', 'ahosts', name],
      privilege: 'none' as const,
      timeoutMs: 20_000,
      maxBytes: 65_536,
      kind: 'getent-ahosts',
      tool: 'getent',
      waits: true as const,
    })),
});
