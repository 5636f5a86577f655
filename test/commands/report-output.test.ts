import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startSshNode, writeConfig } from '../fakes/ssh-node.ts';
import type { FakeSshServer } from '../fakes/ssh-server.ts';
import { type BuiltNetcheck, buildNetcheck, type Finished } from './built-netcheck.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

let netcheck: BuiltNetcheck;
let folder: string;
let node: FakeSshServer;
let service: Server;
let port: number;
let found: Finished;

const at = (name: string): string => path.join(folder, name);
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> =>
  netcheck.run(args, { cwd: folder, env });

/** A playbook that needs no root and no packet: one setting of the target, one connect from the client. */
const quick = (id: string, allowed: readonly number[]): string => `id: ${id}
title: { en: Is forwarding set, zh: 转发是否设置 }
collect:
  - { on: [target, client, forwarder], use: sysctl, with: { keys: [net.ipv4.ip_forward] } }
  - { on: [client], use: tcp-probe, with: { attempts: 1, timeoutSec: 2 } }
rules:
  - use: expect
    with:
      table:
        - { fact: 'sysctl:net.ipv4.ip_forward', op: in, value: [${allowed.join(', ')}], why: pods need it, remedy: Switch it on }
`;

beforeAll(async () => {
  service = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const address = service.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  node = await startSshNode();
  const down = { ...node, port: 1 };
  folder = await writeConfig(
    { 'node-50': { server: node }, 'node-12': { server: node }, 'node-13': { server: down } },
    { playbooks: ['own'], defaults: { budget: { wall: '10s', window: '1s' } } },
  );
  mkdirSync(at('own'));
  writeFileSync(at('own/as-it-is.yaml'), quick('as-it-is', [0, 1]));
  writeFileSync(at('own/never.yaml'), quick('never', [7]));
  netcheck = await buildNetcheck();
  found = await run([
    'node-50',
    'port',
    `${port}`,
    'from',
    'node-12',
    'playbook',
    'never',
    '--save',
    'saved',
    '--html',
    'asked.html',
  ]);
});

afterAll(async () => {
  await netcheck.remove();
  await node.stop();
  service.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the exit status', () => {
  it('is 0 where all is clear, 1 where a fault was found, 2 where it could not be decided', async () => {
    const clear = run(['node-50', 'port', `${port}`, 'from', 'node-12', 'playbook', 'as-it-is', '--json']);
    const open = run(['node-50', 'port', `${port}`, 'from', 'node-13', 'playbook', 'as-it-is', '--json']);
    expect(await clear).toMatchObject({ status: 0, stdout: expect.stringContaining('"verdict": "clear"') });
    expect(found).toMatchObject({ status: 1, stdout: expect.stringMatching(/^FOUND: node-50: probably/) });
    expect(await open).toMatchObject({ status: 2, stdout: expect.stringContaining('"verdict": "inconclusive"') });
  });
});

describe('--explain', () => {
  it('says what would run on which node with which privileges, as text and as JSON, and connects nowhere', async () => {
    const before = node.connections();
    const [text, json, chinese] = await Promise.all([
      run(['node-50', 'port', '1301', 'from', 'node-12', '--explain']),
      run(['node-50', 'port', '1301', 'from', 'node-12', '--explain', '--json']),
      run(['node-50', 'port', '1301', 'from', 'node-12', '--explain', '--lang', 'zh']),
    ]);
    expect([text.status, json.status, chinese.status]).toEqual([0, 0, 0]);
    expect(text.stdout).toContain('tcpdump -i any');
    expect(text.stdout).toContain('iptables-save -c');
    expect(text.stdout).toMatch(/node-12/);
    expect(chinese.stdout).toMatch(/[\u4e00-\u9fff]/);
    const { plan, steps } = JSON.parse(json.stdout) as {
      plan: { nodes: { node: { name: string }; roles: string[] }[] };
      steps: { node: string; argv: string[]; privilege: string; timeoutMs: number; maxBytes: number }[];
    };
    expect(plan.nodes.map((one) => [one.node.name, ...one.roles])).toEqual([
      ['node-50', 'target'],
      ['node-12', 'client'],
    ]);
    expect(steps.filter(({ argv }) => argv[0] === 'tcpdump').map((step) => [step.node, step.privilege])).toEqual([
      ['node-50', 'root'],
      ['node-12', 'root'],
    ]);
    expect(steps.every(({ timeoutMs, maxBytes }) => timeoutMs > 0 && maxBytes > 0)).toBe(true);
    expect(node.connections()).toBe(before);
    expect(text.stderr + json.stderr).toBe('');
    expect(existsSync(at('.netcheck'))).toBe(true); // from the run of the set-up: the folder is where a run would show
  });
});

describe('a saved run', () => {
  it('is told again byte for byte: terminal, JSON, HTML, and packed', async () => {
    execFileSync('tar', ['-czf', at('saved.tar.gz'), '-C', folder, 'saved']);
    const [text, json, packed] = await Promise.all([
      run(['replay', 'saved', '--html', 'replayed.html']),
      run(['replay', 'saved', '--json']),
      run(['replay', 'saved.tar.gz']),
    ]);
    expect(text).toMatchObject({ status: 1, stdout: found.stdout, stderr: '' });
    expect(packed).toMatchObject({ status: 1, stdout: found.stdout, stderr: '' });
    expect(json).toMatchObject({ status: 1, stdout: readFileSync(at('saved/report.json'), 'utf8') });
    expect(readFileSync(at('replayed.html'), 'utf8')).toBe(readFileSync(at('asked.html'), 'utf8'));
    expect(readFileSync(at('asked.html'), 'utf8')).toMatch(/^<!doctype html>/i);
  });

  it('has the JSON that --json prints while it is asked', async () => {
    const asked = await run([
      'node-50',
      'port',
      `${port}`,
      'from',
      'node-12',
      'playbook',
      'never',
      '--json',
      '--save',
      'second',
    ]);
    expect(asked.stdout).toBe(readFileSync(at('second/report.json'), 'utf8'));
    expect((await run(['replay', 'second', '--json'])).stdout).toBe(asked.stdout);
  });

  const without = (file: string) => (copy: string) => rmSync(path.join(copy, file));
  const cut = (file: string) => (copy: string) => truncateSync(path.join(copy, file), 40);
  it.concurrent.for([
    ['without its record', without('run.json'), /holds no finished run: there is no run\.json/, /--save/],
    ['whose record is cut', cut('run.json'), /run\.json is not JSON/, /Fetch the run again/],
    [
      'whose index is cut',
      cut('evidence/node-50/index.json'),
      /node-50\/index\.json is not JSON/,
      /Fetch the run again/,
    ],
    [
      'whose evidence is cut',
      cut('evidence/node-50/01-look.out'),
      /01-look\.out has 40 bytes where its index says \d+/,
      /Fetch the run again/,
    ],
    [
      'whose evidence is gone',
      without('evidence/node-50/01-look.out'),
      /01-look\.out is missing/,
      /Fetch the run again/,
    ],
    [
      'of a newer netcheck',
      (copy: string) => {
        const file = path.join(copy, 'run.json');
        writeFileSync(file, readFileSync(file, 'utf8').replace('"format": 1', '"format": 2'));
      },
      /was saved by a newer netcheck \(format 2; this one knows 1\)/,
      /Update netcheck/,
    ],
  ] as const)('%s is refused, with the file and what to do', async ([name, damage, message, hint]) => {
    const copy = at(`broken ${name}`);
    cpSync(at('saved'), copy, { recursive: true });
    damage(copy);
    const { status, stdout, stderr } = await run(['replay', copy]);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(hint);
    expect(stderr.trim().split('\n')).toHaveLength(2);
    expect([status, stdout]).toEqual([64, '']);
  });

  it.skipIf(process.getuid?.() === 0)(
    'that may not be read is refused (skipped: root may read everything)',
    async () => {
      cpSync(at('saved'), at('locked'), { recursive: true });
      chmodSync(at('locked/run.json'), 0);
      const { status, stdout, stderr } = await run(['replay', 'locked']);
      expect(stderr).toMatch(/run\.json cannot be read/);
      expect([status, stdout]).toEqual([64, '']);
    },
  );

  it('that is an archive cut in the middle, or no archive, is refused', async () => {
    execFileSync('tar', ['-czf', at('whole.tar.gz'), '-C', folder, 'saved']);
    writeFileSync(at('cut.tar.gz'), readFileSync(at('whole.tar.gz')).subarray(0, 700));
    writeFileSync(at('letter.txt'), 'Dear colleague,\n');
    writeFileSync(at('empty.tar.gz'), '');
    const refused = await Promise.all(
      ['cut.tar.gz', 'letter.txt', 'empty.tar.gz'].map((name) => run(['replay', name])),
    );
    expect(refused.map(({ status, stdout, stderr }) => [status, stdout, stderr.split('\n')[0]])).toEqual([
      [64, '', 'netcheck: cut.tar.gz is cut off.'],
      [64, '', 'netcheck: letter.txt is not a tar archive.'],
      [64, '', 'netcheck: empty.tar.gz is empty.'],
    ]);
  });
});

describe('what is printed', () => {
  const escape = '\u001b';

  it('is the report on stdout and the progress on stderr, without control codes where it is no terminal', () => {
    expect(found.stdout.startsWith('FOUND: ')).toBe(true);
    expect(found.stdout).not.toContain('connecting');
    expect(found.stderr).toMatch(/^\[ .* s\] connecting$/m);
    expect(found.stdout + found.stderr).not.toContain(escape);
  });

  it('has colour where FORCE_COLOR asks for it, and none where NO_COLOR does', async () => {
    const [forced, plain] = await Promise.all([
      run(['replay', 'saved'], { FORCE_COLOR: '1' }),
      run(['replay', 'saved'], { FORCE_COLOR: '1', NO_COLOR: '1' }),
    ]);
    expect(forced.stdout).toContain(`${escape}[`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes are what is taken out
    expect(forced.stdout.replaceAll(/\u001b\[\d+m/g, '')).toBe(found.stdout);
    expect(plain.stdout).toBe(found.stdout);
  });

  it('is Chinese with --lang zh, also for a run that was asked in English', async () => {
    const { stdout, status } = await run(['replay', 'saved', '--lang', 'zh']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^[\u4e00-\u9fff]+：node-50：/);
    expect(stdout).toContain('处理');
    const help = await run(['--help', '--lang', 'zh']);
    expect(help).toMatchObject({ status: 0, stdout: expect.stringContaining('用法') });
  });

  it('may be cut short by who reads it: no stack trace, and not the status of a clear report', async () => {
    const one = netcheck.start(['replay', 'saved', '--json'], { cwd: folder });
    one.child.stdout.destroy();
    expect(await one.finished).toMatchObject({ status: 141, stderr: '' });
  });

  it('is whole also where nobody reads the progress', async () => {
    const args = ['node-50', 'port', `${port}`, 'from', 'node-12', 'playbook', 'never', '--json'];
    const one = netcheck.start(args, { cwd: folder });
    one.child.stderr.destroy();
    const { status, stdout } = await one.finished;
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'found' });
  });
});
