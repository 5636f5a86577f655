import { expect, test } from 'vitest';
import type { CommandResult } from '../../src/engine/ports.ts';
import { createSharedResults } from '../../src/engine/shared-results.ts';

const uptime = { argv: ['cat', '/proc/uptime'], phase: 'before' } as const;

/** Commands that are numbered by when they ran. */
function numbered(): { readonly run: () => Promise<CommandResult>; readonly ran: () => number } {
  let count = 0;
  const run = (): Promise<CommandResult> => {
    count++;
    const none = new Uint8Array();
    return Promise.resolve({
      exit: { how: 'exited', code: 0 },
      stdout: Buffer.from(String(count)),
      stderr: none,
      startedAtMs: count,
      endedAtMs: count,
    });
  };
  return { run, ran: () => count };
}

test('places of one node share what is the same command in the same phase', async () => {
  const { run, ran } = numbered();
  const shared = createSharedResults();
  const [own, pod] = await Promise.all([shared('node-2', uptime, run), shared('node-2@app', uptime, run)]);
  expect(ran()).toBe(1);
  expect(pod).toBe(own);
});

test.each([
  ['another node', 'node-3', uptime],
  ['another phase', 'node-2@app', { ...uptime, phase: 'after' }],
  ['another command', 'node-2@app', { ...uptime, argv: ['nsenter', '--net=/run/netns/app', '--', ...uptime.argv] }],
  ['the same place once more', 'node-2', uptime],
] as const)('not shared: %s', async (_what, place, command) => {
  const { run, ran } = numbered();
  const shared = createSharedResults();
  const first = await shared('node-2', uptime, run);
  expect(await shared(place, command, run)).not.toBe(first);
  expect(ran()).toBe(2);
});
