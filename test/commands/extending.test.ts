import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltNetcheck, buildNetcheck } from './built-netcheck.ts';

const root = path.join(import.meta.dirname, '..', '..');

/** What docs/extending.md tells a team to do, with the built netcheck and a Node that does not read TypeScript. */
describe('a team with plug-ins of its own', () => {
  let netcheck: BuiltNetcheck;
  const team = mkdtempSync(path.join(tmpdir(), 'netcheck-team-'));
  const run = (...args: readonly string[]) => netcheck.run(args, { cwd: team, env: { NO_COLOR: '1' } });
  const compile = (...args: readonly string[]) =>
    new Promise<string>((resolve) => {
      const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
      execFile(process.execPath, [compiler, '-p', 'plugins', ...args], { cwd: team }, (_error, stdout) =>
        resolve(stdout),
      );
    });

  beforeAll(async () => {
    netcheck = await buildNetcheck();
    cpSync(path.join(root, 'docs', 'examples'), team, { recursive: true });
    // the case that is a saved run lies in this repository
    const cases = path.join(team, 'plugins', 'rules', 'clock-not-synchronised.cases.yaml');
    const text = readFileSync(cases, 'utf8').replace('../../../../test/cases', path.join(root, 'test', 'cases'));
    writeFileSync(cases, text);
    // as `npm install --save-dev file:../netcheck` does
    mkdirSync(path.join(team, 'node_modules'));
    symlinkSync(path.dirname(path.dirname(netcheck.cli)), path.join(team, 'node_modules', 'netcheck'));
  });
  afterAll(async () => {
    await netcheck.remove();
    rmSync(team, { recursive: true });
  });

  it.skipIf('typescript' in process.features && process.features.typescript !== false)(
    'is told to compile them first',
    async () => {
      const { status, stdout } = await run('rules', 'check', 'plugins');
      expect(status).toBe(1);
      expect(stdout).toMatch(/^plugins\/collectors\/clock-sync\.ts:1: this Node does not read TypeScript; compile it/);
    },
  );

  it('compiles them against the types, checks them, and sees them beside the others', async () => {
    expect(await compile()).toBe('');
    const checked = await run('rules', 'check', 'plugins');
    expect(checked.stdout).toBe('1 rules (clock-not-synchronised), 1 collectors (clock-sync), 5 cases, 0 problems\n');
    expect(checked.status).toBe(0);
    expect((await run('playbooks', 'lint')).status).toBe(0);
    const shown = await run('rules', 'show', 'clock-not-synchronised');
    expect(shown.stdout).toContain('chronyc makestep');
    const explained = await run('--explain', 'node-50', 'port', '1301', 'baseline');
    expect(explained.stdout).toContain('chronyc -n tracking');
  });

  it('does not compile a rule that reads what it did not declare', async () => {
    const file = path.join(team, 'plugins', 'rules', 'careless.ts');
    writeFileSync(
      file,
      `import type { PluginKit } from 'netcheck/plugin';
export const rule = (kit: PluginKit) =>
  kit.defineNodeRule({
    id: 'careless', fault: '-', scope: 'node', roles: ['target'], needs: ['sysctl'], optional: [],
    params: kit.z.strictObject({}), sources: ['x'], text: { en: { title: 'a' }, zh: { title: '坏' } },
    evaluate: ({ facts }) => (facts.listeners.length > 0 ? kit.ruledOut() : kit.ruledOut()),
  });
`,
    );
    expect(await compile('--noEmit')).toMatch(
      /careless\.ts\(6,\d+\): error TS2339: Property 'listeners' does not exist/,
    );
    rmSync(file);
  });

  it('runs nothing while something is wrong, and says where', async () => {
    const file = path.join(team, 'playbooks', 'house-rules.yaml');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, before.replace('use: clock-sync', 'use: clock-snyc'));
    const { status, stderr } = await run('node-50', 'port', '1301');
    expect(status).toBe(64);
    expect(stderr).toMatch(
      /house-rules\.yaml:18:5: collect\[3\]: there is no collector "clock-snyc" \(did you mean clock-sync\?\)/,
    );
    writeFileSync(file, before);
  });
});
