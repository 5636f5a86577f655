import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { labRoot } from '../lab/network.ts';

/**
 * Gives root an empty home on all nodes that are started from here on: what the shell start-up files of this machine do
 * (version managers take a tenth of a second of CPU for each login) is no part of a measurement. Only inside
 * test/lab/enter.mjs, whose mounts nobody else sees.
 */
export function plainLogin(): void {
  const home = path.join(labRoot, 'home');
  const passwd = path.join(labRoot, 'passwd');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const text = readFileSync('/etc/passwd', 'utf8').replace(/^(root:[^:]*:0:[^:]*:[^:]*):[^:]*:/m, `$1:${home}:`);
  writeFileSync(passwd, text, { mode: 0o644 });
  execFileSync('mount', ['--bind', passwd, '/etc/passwd']);
}
