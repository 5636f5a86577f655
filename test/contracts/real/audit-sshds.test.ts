import { rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditReport } from '../../../src/model/audit-report.ts';
import { type BuiltNetcheck, buildNetcheck } from '../../commands/built-netcheck.ts';
import { writeConfig } from '../../fakes/ssh-node.ts';
import { type LoopbackSshd, startLoopbackSshd, whyNoSshd } from './loopback-sshd.ts';

const missing = whyNoSshd() ?? (userInfo().uid === 0 ? undefined : 'needs root');
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/** Each has a key of its own, and every one of them is offered to all. */
const patient = 'MaxAuthTries 20';
/** What an sshd of CentOS 6 speaks, as far as this machine's still knows it. */
const old = [
  patient,
  'KexAlgorithms diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha1',
  'HostKeyAlgorithms ssh-rsa',
  'Ciphers aes128-ctr,aes128-cbc',
  'MACs hmac-sha1',
];

describe.skipIf(missing !== undefined)(`an audit of real sshds${because}`, () => {
  let netcheck: BuiltNetcheck;
  const sshds: LoopbackSshd[] = [];
  let folder: string;
  beforeAll(async () => {
    netcheck = await buildNetcheck();
    // One after the other: a port that is free now may be another's a moment later.
    for (const options of [
      { config: [patient] },
      { config: [patient] },
      { config: [patient] },
      { config: old, hostKeyTypes: ['rsa'] as const },
      { config: [patient, 'DenyUsers *'] },
    ])
      sshds.push(await startLoopbackSshd(options));
    const names = ['node-1', 'node-2', 'node-3', 'old', 'refusing'];
    folder = await writeConfig(
      Object.fromEntries(
        sshds.map((server, index) => [
          names[index] ?? '',
          { server, more: { labels: { role: index < 3 ? 'web' : 'db' } } },
        ]),
      ),
      // generous: a busy machine is no bad node
      { ssh: { timeouts: { connect: '60s' } } },
    );
  }, 150_000);
  afterAll(async () => {
    await netcheck.remove();
    await Promise.all(sshds.map((sshd) => sshd.stop()));
    await rm(folder, { recursive: true });
  });

  const audit = async (...more: readonly string[]): Promise<AuditReport> => {
    const { stdout, stderr } = await netcheck.run(['audit', '--json', ...more], { cwd: folder, withinMs: 100_000 });
    if (!stdout.startsWith('{')) throw new Error(stderr);
    return AuditReport.parse(JSON.parse(stdout));
  };

  it('looks at who answers, the old one too, and says why one could not be looked at', async () => {
    const report = await audit();
    const outcomes = Object.fromEntries(report.nodes.map(({ name, outcome }) => [name, outcome]));
    expect(outcomes, JSON.stringify(report.nodes.map(({ why }) => why))).toEqual({
      'node-1': 'looked',
      'node-2': 'looked',
      'node-3': 'looked',
      old: 'looked',
      refusing: 'unreachable',
    });
    expect(report.counts).toMatchObject({ nodes: 5, looked: 4, unreachable: 1, failed: 0 });
    expect(report.nodes.find(({ name }) => name === 'refusing')?.why).toMatch(
      /refusing .*refused the login.*authorized_keys/,
    );
    // one connection each, with one login
    for (const sshd of sshds.slice(0, 4)) expect(sshd.log().split('Accepted publickey').length - 1).toBe(1);
    // all of them run on this kernel: nothing sets one apart
    expect(report.outliers).toEqual([]);
  }, 120_000);

  it('looks only at what is selected', async () => {
    const before = sshds.map((sshd) => sshd.log().split('Accepted publickey').length);
    expect((await audit('--nodes', 'role=web')).nodes.map(({ name }) => name)).toEqual(['node-1', 'node-2', 'node-3']);
    const logins = sshds.map((sshd, index) => sshd.log().split('Accepted publickey').length - (before[index] ?? 0));
    expect(logins).toEqual([1, 1, 1, 0, 0]);
  }, 120_000);
});
