import { execFile, spawnSync } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { whyNoRedis } from './loopback-redis.ts';

/** Some of the schedules of `npm run test:faults`, in a lab of their own. */
const enter = path.join(import.meta.dirname, '../../lab/enter.mjs');
const blockers = spawnSync(process.execPath, [enter, '--blockers'], { encoding: 'utf8' });
const missing =
  blockers.status === 0 ? whyNoRedis() : blockers.stdout.trim().split('\n').join('; ') || blockers.stderr.trim();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/**
 * 12: the worker is killed between posting its answer and recording it. 27: Redis fails over while a capture runs, and the
 * old one refuses writes. 214: the worker is killed in the middle of a capture. 220: the clock is set back an hour.
 */
const seeds = [12, 214, 27, 220];

describe.skipIf(missing !== undefined)(`bot, worker, Redis, SSH and Slack in trouble${because}`, () => {
  it('every question has one end, and nothing is left behind', { timeout: 300_000 }, async () => {
    const argv = ['--import', 'tsx', 'test/faults/faults.ts', '--lanes', '2', '--seeds', seeds.join(',')];
    const said = await promisify(execFile)(process.execPath, [enter, process.execPath, ...argv], {
      cwd: path.join(import.meta.dirname, '../../..'),
    }).catch((error: { readonly stdout: string; readonly stderr: string }) => error);
    expect(said.stdout + said.stderr).toMatch(
      new RegExp(`\\n${seeds.length} schedules in [\\d.]+ min: 0 broke something\\n$`),
    );
  });
});
