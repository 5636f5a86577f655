import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command, said } from '../network.ts';
import { traces } from '../traces.ts';
import { type Guest, guestBlockers, startGuest, writtenFiles } from './guest.ts';

const blockers = await guestBlockers();
const skipped = blockers.length === 0 ? '' : ` (skipped: ${blockers.join('; ')})`;
const on = { name: 'guests', address: '10.99.0.1/24' };

describe.skipIf(blockers.length > 0)(`guests with a kernel of their own${skipped}`, () => {
  const guests: Guest[] = [];
  beforeAll(async () => {
    guests.push(
      ...(await Promise.all([
        startGuest({ name: 'uml-a', interfaces: [{ on, address: '10.99.0.2/24' }] }),
        startGuest({
          name: 'uml-b',
          interfaces: [{ on, address: '10.99.0.3/24' }],
          modules: ['ip_vs', 'ipip'],
          sysctls: { 'net.ipv4.ip_forward': '1' },
        }),
      ])),
    );
    console.log(`up after ${guests.map(({ name, bootMs }) => `${name} ${(bootMs / 1000).toFixed(1)} s`).join(', ')}`);
  });
  afterAll(async () => {
    await Promise.all(guests.map((guest) => guest.stop()));
  });
  const guest = (index: 0 | 1): Guest => {
    const found = guests[index];
    if (!found) throw new Error('the guests did not start');
    return found;
  };

  test('have modules that load, names, settings and host keys of their own', async () => {
    const script = 'hostname; cut -d" " -f1 /proc/modules | sort | paste -sd" "; sysctl -n net.ipv4.ip_forward';
    expect((await guest(0).exec(script)).stdout).toBe('uml-a\noverlay\n0\n');
    const { stdout } = await guest(1).exec(script);
    expect(stdout).toMatch(/^uml-b\n.*\bip_vs ipip .*\n1\n$/);
    expect((await guest(1).exec('ip -br link show tunl0')).stdout).toContain('tunl0@NONE');
    expect(guest(0).hostKey).not.toBe(guest(1).hostKey);
  });

  test('meet on one switch, and netcheck is there too', async () => {
    const { stdout } = await guest(0).exec('ping -c 1 -W 5 10.99.0.3; ping -c 1 -W 5 10.99.0.1');
    expect(stdout.match(/1 received/g)).toHaveLength(2);
  });

  test('can write anywhere, and the machine never sees it', async () => {
    const { code } = await guest(0).exec('echo x > /etc/written-in-guest && rm /etc/debian_version');
    expect(code).toBe(0);
    const { stdout } = await guest(0).exec(`ls ${writtenFiles}/etc`);
    expect(stdout).toContain('written-in-guest');
    expect(existsSync('/etc/written-in-guest')).toBe(false);
    expect(existsSync('/etc/debian_version')).toBe(true);
  });

  test('say on the console that something wanted a module', async () => {
    await guest(0).exec('modprobe -r dummy; ip link add d0 type dummy');
    expect(guest(0).console()).toContain('guest: module wanted: rtnl-link-dummy');
  });

  test('end with stop(), without a process, an interface or a file left', async () => {
    const before = (await command(['ls', '/run/netcheck-lab'])).stdout;
    const third = await startGuest({ name: 'uml-c', interfaces: [{ on, address: '10.99.0.4/24' }] });
    await third.stop();
    expect((await command(['ls', '/run/netcheck-lab'])).stdout).toBe(before);
    expect((await command(['ip', '-o', 'link', 'show', 'master', on.name])).stdout.trim().split('\n')).toHaveLength(2);
    expect((await command(['pgrep', '-f', 'umid=uml-c'])).stdout).toBe('');
  });

  test('give their console when they do not come up', async () => {
    const attempt = startGuest({ name: 'uml-d', interfaces: [{ on, address: '10.99.0.5/24' }], memoryMiB: 8 });
    await expect(attempt).rejects.toThrow(/guest uml-d: ended.*\n?.*(panic|memory)/is);
  });

  test('end with the lab when that is killed in the middle', async () => {
    const marker = `uml-${1_000_000 + Math.floor(Math.random() * 1_000_000)}`;
    const before = await traces(new RegExp(marker));
    const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
    const script = `const { startGuest } = await import(${JSON.stringify(path('./guest.ts'))});
      await startGuest({ name: ${JSON.stringify(marker)}, interfaces: [{ on: { name: 'guests' }, address: '10.99.0.2/24' }] });
      console.log('up'); setInterval(() => {}, 1e6);`;
    const argv = [path('../enter.mjs'), process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
    const lab = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    await said(lab, 'stdout', /^up$/m, 'the lab');
    expect((await traces(new RegExp(marker))).processes.length).toBeGreaterThan(1);
    lab.kill('SIGKILL');
    await once(lab, 'exit');
    await expect.poll(() => traces(new RegExp(marker)), { timeout: 10_000 }).toEqual(before);
  });
});
