import type { PluginKit } from 'netcheck/plugin';

/** How far the clock is off, as chrony says it. `chronyc tracking` only reads, and needs no root. */
export const collector = ({ z, defineCollector }: PluginKit) =>
  defineCollector({
    id: 'clock-sync',
    purpose: 'whether chrony keeps the clock, and how far it is off',
    params: z.strictObject({}),
    when: 'once',
    provides: ['ownValues'],
    commands: () => [
      {
        argv: ['chronyc', '-n', 'tracking'],
        tool: 'chronyc',
        privilege: 'none',
        timeoutMs: 5000,
        maxBytes: 16_384,
        kind: 'key-values',
      },
    ],
  });
