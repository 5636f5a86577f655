import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { insideLab, said, whyOutside } from './network.ts';
import { traces } from './traces.ts';

const skipped = insideLab ? '' : ` (skipped: ${whyOutside})`;
const own = /redis-server|sshd|cli\.js|demo\.(mjs|ts)|service\.mjs|watch\.mjs|tcpdump/;

/**
 * `npm run demo` without npm, in a lab inside this lab. Its /tmp is a folder of its own, so that nobody else's files are
 * in it (unless the repository itself is below /tmp and would be hidden).
 */
async function demo(): Promise<{ readonly running: ChildProcess; readonly left: () => Promise<unknown> }> {
  const tmp = await mkdtemp(join(tmpdir(), 'demo-test-'));
  const file = fileURLToPath(new URL('../demo.mjs', import.meta.url));
  const script = 'case $2 in /tmp/*) ;; *) mount --bind "$0" /tmp ;; esac; exec "$@"';
  const running = spawn('unshare', ['--mount', 'sh', '-c', script, tmp, process.execPath, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: tmp },
  });
  return { running, left: async () => ({ ...(await traces(own)), files: await readdir(tmp) }) };
}

describe.skipIf(!insideLab)(`npm run demo${skipped}`, () => {
  test('asks, answers, mends, checks again, and takes everything down', async () => {
    const before = { ...(await traces(own)), files: [] };
    const { running, left } = await demo();
    let text = '';
    for (const stream of [running.stdout, running.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
    }
    const [code] = await once(running, 'close');
    expect(code, text).toBe(0);
    expect(text).toContain('tw-recycle');
    expect(text).toContain('node-50# sysctl -w net.ipv4.tcp_tw_recycle=0');
    expect(text.indexOf('FOUND')).toBeGreaterThan(0);
    expect(text.lastIndexOf('CLEAR')).toBeGreaterThan(text.indexOf('presses Re-check'));
    expect(text).toContain('(edited)');
    expect(await left()).toEqual(before);
  });

  test.each(['SIGINT', 'SIGKILL'] as const)(
    '%s while the question is being answered leaves nothing behind',
    async (signal) => {
      const before = { ...(await traces(own)), files: [] };
      const { running, left } = await demo();
      await said(running, 'stdout', /running/, 'the demo');
      expect((await traces(own)).processes.length).toBeGreaterThan(5);
      running.kill(signal);
      const [code] = await once(running, 'exit');
      expect(code).toBe(signal === 'SIGINT' ? 130 : null);
      await expect.poll(left, { timeout: 10_000 }).toEqual(before);
    },
  );
});
