import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const Key = z.string().regex(/^[a-z0-9_-]+(?:\.[A-Za-z0-9_/@-]+)+$/, 'a sysctl key such as net.ipv4.ip_forward');

/**
 * Read as files and not with sysctl(8): a missing file is then a fact of its own ("No such file"), told apart from a
 * refused one, and it works where sysctl(8) is not installed.
 */
export const sysctl = defineCollector({
  id: 'sysctl',
  purpose: 'kernel settings; a file that does not exist is a fact',
  params: z.strictObject({ keys: z.array(Key).min(1).max(200) }),
  when: 'once',
  provides: ['sysctl'],
  commands: ({ keys }) => [
    {
      argv: ['grep', '-H', '', ...keys.map(pathOf)],
      privilege: 'none',
      timeoutMs: 5000,
      maxBytes: 262_144,
      kind: 'sysctl',
    },
  ],
});

/** `net.ipv4.conf.eth0/100.rp_filter` -> `/proc/sys/net/ipv4/conf/eth0.100/rp_filter` (sysctl(8): dots and slashes swap). */
function pathOf(key: string): string {
  return `/proc/sys/${key.replaceAll(/[./]/g, (mark) => (mark === '.' ? '/' : '.'))}`;
}
