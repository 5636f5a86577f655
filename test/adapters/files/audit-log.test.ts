import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuditLog } from '../../../src/adapters/files/audit-log.ts';
import { AuditRecord } from '../../../src/model/audit-log-record.ts';

let root: string;
let file: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'netcheck-audit-'));
  file = join(root, 'data', 'audit.ndjson');
});
afterEach(() => rmSync(root, { recursive: true }));

type Ended = Extract<AuditRecord, { event: 'ended' }>;
const line = (run: string, more: Partial<Ended> = {}): Ended => ({
  event: 'ended',
  atMs: 1,
  run,
  askedBy: 'U1',
  text: 'node-50 port 1301',
  nodes: ['node-50'],
  verdict: 'clear',
  ...more,
});
const lines = (path = file): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((text) => text !== '')
    .map((text): unknown => JSON.parse(text));

describe('the audit log', () => {
  it('has one line per run, for its owner only, and only grows', async () => {
    const log = createAuditLog(file);
    const records = [line('r1'), line('r2', { verdict: 'refused', channel: 'C1', headline: 'Not allowed.' })];
    for (const one of records) await log.append(one);
    await createAuditLog(file).append(line('r3', { text: 'a\nb' }));
    expect(lines()).toEqual([...records, line('r3', { text: 'a\nb' })]);
    for (const one of lines()) expect(AuditRecord.safeParse(one).success).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('holds no secret', async () => {
    await createAuditLog(file).append(line('r1', { text: 'node-50 password=hunter2', headline: 'token=hunter2' }));
    expect(readFileSync(file, 'utf8')).not.toContain('hunter2');
  });

  it('starts on a line of its own after a torn one', async () => {
    const log = createAuditLog(file);
    await log.append(line('r1'));
    appendFileSync(file, '{"atMs":2,"ru');
    await log.append(line('r2'));
    const texts = readFileSync(file, 'utf8').trim().split('\n');
    expect(JSON.parse(texts.at(-1) ?? '')).toEqual(line('r2'));
    expect(texts).toHaveLength(3);
  });

  it('goes on in a new file after a rotation', async () => {
    const log = createAuditLog(file);
    await log.append(line('r1'));
    renameSync(file, `${file}.1`);
    await log.append(line('r2'));
    expect(lines()).toEqual([line('r2')]);
    expect(lines(`${file}.1`)).toEqual([line('r1')]);
  });

  it('is bounded line by line: many nodes, long words, and argv without secrets', async () => {
    const log = createAuditLog(file);
    await log.append(line('r1', { nodes: Array.from({ length: 9000 }, (_, n) => `node-${n}`), text: 'y'.repeat(1e6) }));
    const argv = ['sh', '-c', 'x'.repeat(1e6), '--password=hunter2'];
    const exit = { how: 'exited', code: 0 } as const;
    await log.append({
      event: 'ran',
      atMs: 2,
      run: 'r1',
      node: 'node-50',
      commands: [{ argv, privilege: 'root', exit, startedAtMs: 1, tookMs: 2, bytes: 3 }],
    });
    const [ended, ran] = lines() as [Ended, Extract<AuditRecord, { event: 'ran' }>];
    expect([ended.nodes.length, ended.moreNodes]).toEqual([500, 8500]);
    expect(statSync(file).size).toBeLessThan(40_000);
    expect(ran.commands[0]?.argv[3]).toBe('--password=[redacted]');
  });

  it('says in one sentence that it cannot be written', async () => {
    mkdirSync(file, { recursive: true });
    await expect(createAuditLog(file).append(line('r1'))).rejects.toMatchObject({
      code: 'fault/internal',
      message: expect.stringMatching(/^The audit log .*audit\.ndjson cannot be written: /) as string,
    });
  });

  it('keeps what it cannot write, and writes it in order when it can', async () => {
    mkdirSync(file, { recursive: true });
    const log = createAuditLog(file);
    for (const run of ['r1', 'r2']) await expect(log.append(line(run))).rejects.toThrow('cannot be written');
    rmSync(file, { recursive: true });
    await log.append(line('r3'));
    expect(lines()).toEqual([line('r1'), line('r2'), line('r3')]);
  });

  it('writes what it kept by itself, and at its end', async () => {
    mkdirSync(file, { recursive: true });
    const [log, other] = [createAuditLog(file), createAuditLog(file)];
    await expect(log.append(line('r1'))).rejects.toThrow('cannot be written');
    await expect(other.append(line('r2'))).rejects.toThrow('cannot be written');
    rmSync(file, { recursive: true });
    await other.close();
    expect(lines()).toEqual([line('r2')]);
    await expect.poll(lines, { timeout: 10_000 }).toEqual([line('r2'), line('r1')]);
  });

  it('keeps no more than so many bytes', async () => {
    mkdirSync(file, { recursive: true });
    const log = createAuditLog(file);
    const text = 'y'.repeat(8000);
    for (let n = 0; n < 700; n += 1) await log.append(line(`r${n}`, { text })).catch(() => undefined);
    rmSync(file, { recursive: true });
    await log.close();
    const kept = lines().map((one) => (one as { readonly run: string }).run);
    expect(kept.at(-1)).toBe('r699');
    expect(kept.length).toBeLessThan(600);
    expect(kept.length).toBeGreaterThan(400);
  });

  it('loses and mixes nothing where several processes write', async () => {
    const source = pathToFileURL(join(import.meta.dirname, '../../../src/adapters/files/audit-log.ts')).href;
    const text = 'x'.repeat(5_000);
    const script = `
      import { createAuditLog } from ${JSON.stringify(source)};
      const log = createAuditLog(${JSON.stringify(file)});
      const one = (n) => ({ event: 'ended', atMs: n, run: process.argv[1] + '-' + n, askedBy: 'U1', text: ${JSON.stringify(text)}, nodes: [], verdict: 'clear' });
      await Promise.all(Array.from({ length: 25 }, (_, n) => log.append(one(n))));`;
    const write = (name: string): Promise<number | null> =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, name], {
          stdio: ['ignore', 'ignore', 'inherit'],
          cwd: join(import.meta.dirname, '../../..'),
        });
        child.once('exit', resolve);
      });
    expect(await Promise.all(['a', 'b', 'c'].map(write))).toEqual([0, 0, 0]);
    const runs = lines().map((one) => (one as { readonly run: string }).run);
    expect(new Set(runs).size).toBe(75);
    expect(runs).toHaveLength(75);
  }, 30_000);
});
