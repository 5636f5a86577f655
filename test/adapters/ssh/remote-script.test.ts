import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { remoteScript } from '../../../src/adapters/ssh/remote-script.ts';

/** One run as sshd starts it: leader of a process group, the script on a standard input that stays open. */
async function run(script: string): Promise<number | null> {
  const shell = spawn('/bin/sh', [], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  shell.stdin.on('error', () => undefined).write(script);
  const [code] = (await once(shell, 'exit')) as [number | null];
  shell.stdin.destroy();
  return code;
}

it('leaves no timer behind, however quick the command', async () => {
  // 68 years: `sleep` with this number is ours
  const deadlineSeconds = 2_000_000_000 + process.pid;
  const script = remoteScript({ argv: ['true'], sudo: false, deadlineSeconds, mark: 'MARK' });
  const left = (): string => spawnSync('pgrep', ['-f', `sleep ${deadlineSeconds}`], { encoding: 'utf8' }).stdout;
  for (let round = 0; round < 40; round++)
    expect(await Promise.all(Array.from({ length: 5 }, () => run(script)))).toEqual([0, 0, 0, 0, 0]);
  try {
    await expect.poll(left, { timeout: 5000 }).toBe('');
  } finally {
    for (const pid of left().split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
  }
});
