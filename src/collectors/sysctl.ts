import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const Key = z.string().regex(
  // a slash stands for a dot of the file: two of them would lead out of /proc/sys
  /^[a-z0-9_-]+(?:\.(?:[A-Za-z0-9_@-]+(?:\/[A-Za-z0-9_@-]+)*|\{device\}))+$/,
  'a sysctl key such as net.ipv4.ip_forward or net.ipv4.conf.{device}.rp_filter',
);
/** Keys in one command once devices are filled in. */
const mostKeys = 400;

/**
 * Read as files and not with sysctl(8): a missing file is then a fact of its own ("No such file"), told apart from a
 * refused one, and it works where sysctl(8) is not installed.
 */
export const sysctl = defineCollector({
  id: 'sysctl',
  purpose: 'kernel settings, also of each device; a file that does not exist is a fact',
  /** `{device}` stands for each device of the node that has an address. */
  params: z.strictObject({ keys: z.array(Key).min(1).max(200) }),
  when: 'once',
  afterOthers: true,
  withCounters: true,
  provides: ['sysctl'],
  commands: ({ keys }, { learned }) => {
    const all = keys.flatMap((key) => (key.includes(place) ? learned.addressed.map((one) => keyFor(key, one)) : [key]));
    const bounds = { privilege: 'none', timeoutMs: 5000, maxBytes: 262_144, kind: 'sysctl' } as const;
    return all.length === 0 ? [] : [{ ...bounds, argv: ['grep', '-H', '', ...all.slice(0, mostKeys).map(pathOf)] }];
  },
});

const place = '{device}';

/** The device eth0.100 is spelled eth0/100 in a key. */
function keyFor(key: string, device: string): string {
  return key.replaceAll(place, device.replaceAll('.', '/'));
}

/** `net.ipv4.conf.eth0/100.rp_filter` -> `/proc/sys/net/ipv4/conf/eth0.100/rp_filter` (sysctl(8): dots and slashes swap). */
function pathOf(key: string): string {
  return `/proc/sys/${key.replaceAll(/[./]/g, (mark) => (mark === '.' ? '/' : '.'))}`;
}
