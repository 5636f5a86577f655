import * as z from 'zod';
import { type Command, defineCollector } from '../model/command.ts';
import { DnsName } from '../model/dns-name.ts';

/** As a program of the node would: hosts, search domains and nsswitch.conf included. */
export const nameLookup = defineCollector({
  id: 'name-lookup',
  purpose: 'looks names up as programs do, with and without a dot at the end (active: DNS queries)',
  params: z.strictObject({ names: z.array(DnsName).min(1).max(8) }),
  when: 'probe',
  provides: ['nameLookups'],
  commands: ({ names }) => lookups(names.flatMap((name) => [name, withRoot(name)])),
});

/** `getent ahosts` of each name once. Two rounds of glibc over one dead server (5 s each) fit into the time. */
export function lookups(names: readonly string[]): readonly Command[] {
  return [...new Set(names)].map((name) => ({
    argv: ['getent', 'ahosts', name],
    privilege: 'none',
    timeoutMs: 11_000,
    maxBytes: 65_536,
    kind: 'getent-ahosts',
    tool: 'getent',
    waits: true,
  }));
}

/** The complete name: no search domain is tried behind it (resolv.conf(5)). */
export function withRoot(name: string): string {
  return name.endsWith('.') ? name : `${name}.`;
}
