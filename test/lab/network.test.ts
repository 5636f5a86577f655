import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command, insideLab, type Lab, startLab, whyOutside } from './network.ts';
import { plain, reportZero } from './topologies.ts';

const skipped = insideLab ? '' : ` (skipped: ${whyOutside})`;

/** How many of `attempts` connects from a node get through within a second each. */
async function connects(lab: Lab, from: string, to: string, port: number, attempts: number): Promise<number> {
  const argv = ['timeout', '0.8', 'bash', '-c', 'exec 3<>"/dev/tcp/$0/$1"', to, String(port)];
  const results = await Promise.all(Array.from({ length: attempts }, () => lab.node(from).exec(argv)));
  return results.filter(({ code }) => code === 0).length;
}

async function netstat(lab: Lab, node: string): Promise<Record<string, number>> {
  const { stdout } = await lab.node(node).exec(['cat', '/proc/net/netstat']);
  const [names = '', values = ''] = stdout.split('\n').filter((line) => line.startsWith('TcpExt:'));
  const numbers = values.split(' ');
  return Object.fromEntries(names.split(' ').map((name, i) => [name, Number(numbers[i])]));
}

describe.skipIf(!insideLab)(`the practice network itself${skipped}`, () => {
  test('lives in namespaces of its own: the interfaces of the machine are not in sight', async () => {
    const { stdout } = await command(['ip', '-o', 'link']);
    expect(stdout.trim().split('\n').length).toBe(1);
    expect(await readFile('/proc/1/cmdline', 'utf8')).toContain('netcheck-lab');
  });

  describe('field report 0', () => {
    let lab: Lab;
    beforeAll(async () => {
      const started = performance.now();
      lab = await startLab(reportZero);
      console.log(`report-0 is up after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    });
    afterAll(() => lab?.stop());

    test('node-51, the healthy twin, always answers; node-12 and pod-b never get through to node-50, pod-a now and then', async () => {
      expect(await connects(lab, 'pod-b', '172.16.0.51', 1301, 5)).toBe(5);
      expect(await connects(lab, 'node-12', '172.16.0.51', 1301, 5)).toBe(5);
      expect(await connects(lab, 'pod-b', '172.16.0.50', 1301, 5)).toBe(0);
      expect(await connects(lab, 'node-12', '172.16.0.50', 1301, 5)).toBe(0);
      const podA = await connects(lab, 'pod-a', '172.16.0.50', 1301, 24);
      expect(podA).toBeGreaterThan(0);
      expect(podA).toBeLessThan(24);
    });

    test('node-50 sees one address for both pods, and leaves their SYNs unanswered', async () => {
      const capture = lab.node('node-50').exec([
        'sh',
        '-c',
        // tcpdump ends by itself after the three SYNs of one connect; `listening` is awaited through its own stderr
        'timeout 8 tcpdump -i eth0 -nn -c 2 --immediate-mode "tcp port 1301" 2>/tmp/err >/tmp/out & p=$!; until grep -q "listening on" /tmp/err; do sleep 0.05; done; : > /tmp/listening; wait $p; cat /tmp/out',
      ]);
      await lab.node('node-50').exec(['sh', '-c', 'until [ -e /tmp/listening ]; do sleep 0.05; done']);
      await lab.node('pod-b').exec(['timeout', '2.5', 'bash', '-c', 'exec 3<>/dev/tcp/172.16.0.50/1301']);
      const { stdout } = await capture;
      expect(stdout.match(/IP 10\.0\.12\.2\.\d+ > 172\.16\.0\.50\.1301: Flags \[S\]/g)).toHaveLength(2);
      expect(stdout).not.toContain('[S.]');
    });

    test('node-50 shows what a 4.9 kernel shows, and says that it is imitated', async () => {
      const on50 = (...argv: string[]) => lab.node('node-50').exec(argv);
      expect((await on50('uname', '-r')).stdout).toBe('4.9.273-netcheck-standin\n');
      const path = '/proc/sys/net/ipv4/tcp_tw_recycle';
      expect((await on50('grep', '-H', '', path)).stdout).toBe(`${path}:1\n`);
      expect((await on50('sysctl', '-n', 'net.ipv4.tcp_tw_recycle', 'net.ipv4.tcp_timestamps')).stdout).toBe('1\n1\n');
      expect((await on50('ip', 'tcp_metrics', 'show')).stdout).toMatch(
        /^10\.0\.12\.2 age \d+\.\d+sec tw_ts \d+\/\d+ ago cwnd 10 rtt 1643us rttvar 1914us$/m,
      );
      const before = await netstat(lab, 'node-50');
      await connects(lab, 'pod-b', '172.16.0.50', 1301, 3);
      const after = await netstat(lab, 'node-50');
      const moved = (name: string) => (after[name] ?? Number.NaN) - (before[name] ?? Number.NaN);
      expect(moved('PAWSPassive')).toBe(3);
      expect(moved('ListenDrops')).toBe(3);
      expect(moved('ListenOverflows')).toBe(0);
      expect((await on50('nft', 'list', 'ruleset')).stdout).not.toContain('standin');
      expect((await on50('nft', '-j', 'list', 'ruleset')).stdout).not.toContain('standin');
      expect(await netstat(lab, 'node-51')).not.toHaveProperty('PAWSPassive');
      expect((await lab.node('node-51').exec(['cat', path])).code).toBe(1);
    });

    test('the remedy really heals, the old setting breaks it again', async () => {
      const set = (value: 0 | 1) =>
        lab.apply([{ on: 'node-50', run: ['sysctl', '-w', `net.ipv4.tcp_tw_recycle=${value}`] }]);
      await set(0);
      await expect.poll(() => connects(lab, 'pod-b', '172.16.0.50', 1301, 3)).toBe(3);
      await set(1);
      await expect.poll(() => connects(lab, 'pod-b', '172.16.0.50', 1301, 3)).toBe(0);
    });

    test('every node has its own login, host key, name and settings, and cannot write to the machine', async () => {
      const names = ['node-12', 'r1', 'node-50', 'node-51'];
      const keys = (await readFile(lab.knownHostsFile, 'utf8')).trim().split('\n');
      expect(new Set(keys.map((line) => line.split(' ')[2])).size).toBe(names.length);
      for (const name of names) {
        const { stdout, stderr } = await command([
          ...'ssh -F none -o BatchMode=yes'.split(' '),
          `-oUserKnownHostsFile=${lab.knownHostsFile}`,
          `-i${lab.identityFile}`,
          `root@${lab.node(name).definition.management}`,
          'hostname; touch /netcheck-was-here 2>&1; ps ax | grep -c "[t]cpdump"',
        ]);
        expect(stderr).toBe('');
        expect(stdout).toBe(`${name}\ntouch: cannot touch '/netcheck-was-here': Read-only file system\n0\n`);
      }
    });
  });

  test('take-down leaves nothing: no namespace, no interface, no process, no file', async () => {
    const lab = await startLab(plain);
    expect((await command(['ip', 'netns', 'list'])).stdout).toContain('node-50');
    await lab.stop();
    expect((await command(['ip', 'netns', 'list'])).stdout).toBe('');
    expect((await command(['ip', '-o', 'link'])).stdout.trim().split('\n')).toHaveLength(1);
    expect((await command(['ls', '/run/netcheck-lab'])).stdout.trim()).toBe('tmp');
    const { stdout } = await command(['ps', '-eo', 'stat=,args=']);
    const left = stdout
      .split('\n')
      .filter((line) => !line.startsWith('Z') && /sshd|service\.mjs|sleep infinity|watch\.mjs/.test(line));
    expect(left).toEqual([]);
  });
});
