import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { command, insideLab, said, whyOutside } from './network.ts';
import { traces } from './traces.ts';

const skipped = insideLab ? '' : ` (skipped: ${whyOutside})`;
const enter = fileURLToPath(new URL('./enter.mjs', import.meta.url));

/** A lab with a namespace, a link between two, and processes in both places, that would stay for hours. */
function startSomething(marker: string): ChildProcess {
  const script = `
    ip netns add inner
    ip link add here type veth peer name there netns inner
    ip netns exec inner sleep ${marker} &
    (trap '' INT TERM HUP; sleep ${marker}; sleep ${marker}) &
    echo up
    sleep ${marker}`;
  return spawn(process.execPath, [enter, 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
}

describe.skipIf(!insideLab)(`entering a lab${skipped}`, () => {
  test('hands the exit status of the command on', async () => {
    expect((await command([process.execPath, enter, 'sh', '-c', 'exit 7'])).code).toBe(7);
  });

  test.each(['SIGKILL', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s in the middle leaves no process, interface, route or namespace behind',
    async (signal) => {
      const marker = String(1_000_000 + Math.floor(Math.random() * 1_000_000));
      const before = await traces(new RegExp(marker));
      const lab = startSomething(marker);
      await said(lab, 'stdout', /^up$/m, 'the lab');
      expect((await traces(new RegExp(marker))).processes.length).toBeGreaterThan(3);
      lab.kill(signal);
      const [code] = await once(lab, 'exit');
      expect(code).toBe({ SIGKILL: null, SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
      await expect.poll(() => traces(new RegExp(marker)), { timeout: 10_000 }).toEqual(before);
    },
  );

  test('says that the machine was changed when it was', async () => {
    const lab = spawn(process.execPath, [enter, 'sh', '-c', 'echo up; read -r _'], { stdio: 'pipe' });
    await said(lab, 'stdout', /^up$/m, 'the lab');
    await command(['ip', 'link', 'add', 'netcheck-test0', 'type', 'veth', 'peer', 'name', 'netcheck-test1']);
    let errors = '';
    lab.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    lab.stdin.end('\n');
    const [code] = await once(lab, 'close');
    await command(['ip', 'link', 'del', 'netcheck-test0']);
    expect(errors).toContain('netcheck-test0');
    expect(code).toBe(78);
  });

  test('without root it says so and ends with 77, so that callers can count it as skipped', async () => {
    const argv = 'setpriv --reuid 65534 --regid 65534 --clear-groups'.split(' ');
    // a copy that everybody can read: the repository may be in a folder that only root may enter
    const folder = await mkdtemp(join(tmpdir(), 'readable-'));
    await chmod(folder, 0o755);
    await copyFile(enter, join(folder, 'enter.mjs'));
    const { code, stderr } = await command([...argv, process.execPath, join(folder, 'enter.mjs'), 'true']);
    expect(stderr).toContain('root is needed');
    expect(code).toBe(77);
  });
});
