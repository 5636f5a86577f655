import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const read = (file: string, kind: string) =>
  ({ argv: ['cat', file], privilege: 'none', timeoutMs: 5000, maxBytes: 262_144, kind }) as const;

export const resolver = defineCollector({
  id: 'resolver',
  purpose: 'how names are looked up: resolv.conf, hosts, nsswitch.conf',
  params: z.strictObject({}),
  when: 'once',
  provides: ['resolver'],
  commands: () => [
    read('/etc/resolv.conf', 'resolv-conf'),
    read('/etc/hosts', 'hosts'),
    { ...read('/etc/nsswitch.conf', 'nsswitch'), needsFile: '/etc/nsswitch.conf' },
  ],
});
