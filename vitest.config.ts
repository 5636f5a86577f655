import { defineConfig } from 'vitest/config';

/**
 * unit      pure code, golden cases and contracts on fakes: no root, no network, no Debian package
 * contracts the same contracts on the real things on loopback: sshd, redis-server, the Bolt App
 * lab       the practice network on the real kernel (runs inside its own namespaces, see test/lab/enter.mjs)
 */
export default defineConfig({
  test: {
    env: { TZ: 'UTC', NO_COLOR: '1' },
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/contracts/real/**', 'test/lab/**', 'test/bench/**'],
        },
      },
      {
        extends: true,
        test: {
          name: 'contracts',
          include: ['test/contracts/real/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
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
