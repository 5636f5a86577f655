import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const processes = [
  'test/commands/**/*.test.ts',
  'test/adapters/ssh/remote-script.test.ts',
  'test/adapters/ssh/ssh-transport.test.ts',
  'test/adapters/ssh/misbehaving-nodes.test.ts',
  'test/contracts/transport.test.ts',
];

/**
 * unit      pure code, golden cases and the queue's contract on a fake: no root, no network, no Debian package
 * processes offline as well, but slower: the command line as a child process, SSH against an in-process server
 * contracts the same contracts on the real things on loopback: sshd, redis-server, the Bolt App
 * lab       the practice network on the real kernel (runs inside its own namespaces, see test/lab/enter.mjs)
 */
export default defineConfig({
  test: {
    env: { TZ: 'UTC', NO_COLOR: '1' },
    setupFiles: ['test/seed-properties.ts'],
    pool: 'forks',
    // vitest leaves one core free by itself; on two cores that is half of them
    maxWorkers: availableParallelism(),
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // One process per core and not per file: nothing in here leaves anything behind, and it is twice as fast.
          isolate: false,
          // Only ends what hangs: on a busy machine five seconds are soon over.
          testTimeout: 30_000,
          include: ['test/**/*.test.ts'],
          exclude: ['test/contracts/real/**', 'test/lab/**', 'test/bench/**', ...processes],
        },
      },
      { extends: true, test: { name: 'processes', include: processes, testTimeout: 60_000, hookTimeout: 60_000 } },
      {
        extends: true,
        test: {
          name: 'contracts',
          include: ['test/contracts/real/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // What runs side by side in here waits most of the time: for locks to run out, for nodes that hang.
          maxConcurrency: 8,
        },
      },
      {
        extends: true,
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
