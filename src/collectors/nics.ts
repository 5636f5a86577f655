import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const parts = [
  ['-k', 'ethtool-k'],
  ['-g', 'ethtool-g'],
] as const;

/**
 * Asks the driver, not the card's hardware; needs no root (net/ethtool/ioctl.c lets the reading commands pass). Of a veth
 * only that it is one: no card and no tunnel stands behind it.
 */
export const nics = defineCollector({
  id: 'nics',
  purpose: 'driver, offloads, ring sizes, speed and link of the devices on the way',
  params: z.strictObject({}),
  when: 'last',
  meanwhile: true,
  provides: ['nics'],
  commands: (_params, { learned }) =>
    learned.devices.flatMap((device) =>
      (learned.veths.includes(device)
        ? [driverOf(device)]
        : [
            driverOf(device),
            ...parts.map(([option, kind]) => ({ argv: ['ethtool', option, device], kind })),
            bare(device),
          ]
      ).map((command) => ({
        ...command,
        privilege: 'none' as const,
        timeoutMs: 5000,
        maxBytes: 65_536,
        tool: 'ethtool',
      })),
    ),
});

interface Asked {
  readonly argv: readonly string[];
  readonly kind: string;
}

const driverOf = (device: string): Asked => ({ argv: ['ethtool', '-i', device], kind: 'ethtool-i' });
const bare = (device: string): Asked => ({ argv: ['ethtool', device], kind: 'ethtool' });
