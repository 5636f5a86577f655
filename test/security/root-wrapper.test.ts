import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quoteArgv } from '../../src/adapters/ssh/quote-argv.ts';
import { collectors } from '../../src/collectors/index.ts';
import { wrapperScript } from '../../src/commands/wrapper-script.ts';
import { commandShapes, lineFeed } from '../../src/engine/command-shapes.ts';
import { allowed, escapes } from './escapes.ts';

// The script as it is printed, with programs that only say what they were given: nothing here needs root, and nothing
// that comes through does anything. test/contracts/real/least-privilege.test.ts has the real sudo.

const directory = mkdtempSync(path.join(tmpdir(), 'netcheck-wrapper-'));
const script = path.join(directory, 'netcheck-as-root');
const ran = 'RAN';

beforeAll(() => {
  const tools = path.join(directory, 'bin');
  mkdirSync(tools);
  // what the script itself is made of
  for (const tool of ['sed', 'grep', 'tr', 'env', 'sh', 'cut', 'readlink', 'dd']) {
    const real = execFileSync('sh', ['-c', `command -v ${tool}`])
      .toString()
      .trim();
    if (tool === 'grep')
      writeFileSync(path.join(tools, tool), `#!/bin/sh\ncase $* in *-x*) exec ${real} "$@";; esac\necho ${ran}\n`);
    else symlinkSync(real, path.join(tools, tool));
  }
  const names = new Set(
    [...allowed, ...escapes].map(([tool = '']) => tool).filter((tool) => /^[a-z0-9-]+$/.test(tool)),
  );
  for (const tool of [...names].filter((name) => !['sh', 'env', 'grep', 'dd'].includes(name)))
    writeFileSync(path.join(tools, tool), `#!/bin/sh\necho ${ran}\n`);
  execFileSync('chmod', ['-R', 'a+rx', tools]);
  const text = wrapperScript(collectors, { loginUser: 'carol' });
  expect(text).toContain('PATH=/usr/sbin:/usr/bin:/sbin:/bin\n');
  writeFileSync(script, text.replace('PATH=/usr/sbin:/usr/bin:/sbin:/bin\n', `PATH=${tools}\n`));
  chmodSync(script, 0o755);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function ask(argv: readonly string[], shell = '/bin/sh'): { code: number | null; out: string; said: string } {
  const { status, stdout, stderr } = spawnSync(shell, [script, ...argv], { timeout: 10_000 });
  return { code: status, out: stdout.toString(), said: stderr.toString() };
}

describe('what root may run for netcheck', () => {
  const shapes = commandShapes(collectors, { loginUser: 'carol' })
    .filter(({ privilege }) => privilege === 'root')
    .map(({ pattern }) => new RegExp(`^(?:${pattern})$`));
  const fits = (argv: readonly string[]): boolean => {
    if (argv.length === 0 || argv[0] === '' || argv.some((word) => word.includes(lineFeed))) return false;
    const line = quoteArgv(argv).replaceAll('\n', lineFeed);
    return shapes.some((shape) => shape.test(line));
  };

  it('has a shape for what is allowed, and for no escape', () => {
    expect(allowed.filter((argv) => !fits(argv))).toEqual([]);
    expect(escapes.filter((argv) => fits(argv))).toEqual([]);
  });
});

describe('the script that sudo runs as root', () => {
  it('runs what is allowed, in any shell', () => {
    const dash = existsSync('/bin/dash') ? '/bin/dash' : '/bin/sh';
    for (const [index, argv] of allowed.entries())
      expect([argv, ask(argv, index % 2 === 0 && existsSync('/bin/bash') ? '/bin/bash' : dash)]).toEqual([
        argv,
        { code: 0, out: `${ran}\n`, said: '' },
      ]);
  }, 30_000);

  // All of them, with the real sudo: test/contracts/real/least-privilege.test.ts
  it('refuses escapes, and runs nothing of them', () => {
    for (const argv of escapes.filter((_argv, index) => index % 14 === 0 || index > escapes.length - 6))
      expect([argv, ask(argv)]).toEqual([
        argv,
        { code: 1, out: '', said: expect.stringMatching(/^netcheck-as-root: refused: [^\n]*\n$/) as string },
      ]);
  }, 30_000);

  it('refuses no command at all, and says what is not installed as sudo does', () => {
    expect(ask([])).toMatchObject({ code: 1, said: expect.stringContaining('refused') as string });
    expect(ask(['ipset', 'list', '-t'])).toMatchObject({ code: 0 });
    expect(ask(['nft', '-j', 'list', 'ruleset']).code).toBe(0);
    rmSync(path.join(directory, 'bin/nft'));
    expect(ask(['nft', '-j', 'list', 'ruleset'])).toEqual({
      code: 1,
      out: '',
      said: 'netcheck-as-root: nft: command not found\n',
    });
  });

  it('reads a file of a container only as far as it goes, and no link', () => {
    const hosts = ask(['dd', `if=/proc/${process.pid}/root/etc/hosts`, 'iflag=nofollow', 'status=none']);
    expect(hosts).toEqual({ code: 0, out: execFileSync('cat', ['/etc/hosts']).toString(), said: '' });
  });
});
