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
  const shared = createSharedResults(['node-2', 'node-2@app', 'node-3']);
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
  const shared = createSharedResults(['node-2', 'node-2@app', 'node-3']);
  const first = await shared('node-2', uptime, run);
  expect(await shared(place, command, run)).not.toBe(first);
  expect(ran()).toBe(2);
});

test('nothing is kept for a node that is looked at in one place only, or once every place has it', async () => {
  const { run, ran } = numbered();
  const alone = createSharedResults(['node-2', 'node-3@app']);
  await alone('node-2', uptime, run);
  await alone('node-2@late', uptime, run);
  expect(ran()).toBe(2);
  const both = createSharedResults(['node-2', 'node-2@app']);
  await Promise.all([both('node-2', uptime, run), both('node-2@app', uptime, run)]);
  await both('node-2@late', uptime, run);
  expect(ran()).toBe(4);
});
