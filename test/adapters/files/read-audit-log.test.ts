import { appendFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditLogTroubles, readAuditLog } from '../../../src/adapters/files/read-audit-log.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'netcheck-log-'));
  file = path.join(folder, 'audit.ndjson');
});
afterEach(() => rmSync(folder, { recursive: true }));

const line = (run: string, atMs: number): string =>
  `${JSON.stringify({ event: 'ended', atMs, run, askedBy: 'U1', text: 'x', nodes: ['node-50'], verdict: 'clear' })}\n`;
const put = (name: string, content: string | Uint8Array, writtenAtS: number): void => {
  const at = path.join(folder, name);
  writeFileSync(at, content);
  utimesSync(at, writtenAtS, writtenAtS);
};

async function read(sinceMs = 0, holding = ''): Promise<{ runs: (string | undefined)[]; troubles: AuditLogTroubles }> {
  const troubles: AuditLogTroubles = { unreadableLines: 0, files: [] };
  const runs: (string | undefined)[] = [];
  for await (const { record } of readAuditLog(file, { sinceMs, holding, troubles })) runs.push(record.run);
  return { runs, troubles };
}

describe('reading the audit log', () => {
  it('reads rotated files too, plain and gzip, oldest first, and nothing else in the folder', async () => {
    put('audit.ndjson-20261101.gz', gzipSync(line('r1', 1000)), 1);
    put('audit.ndjson.1', line('r2', 2000), 2);
    put('audit.ndjson', line('r3', 3000), 3);
    put('audit.ndjson.bak', line('no', 1), 3);
    put('other.ndjson', line('no', 1), 3);
    expect((await read()).runs).toEqual(['r1', 'r2', 'r3']);
    expect((await read(2500)).runs).toEqual(['r3']);
  });

  it('reads lines of earlier versions, and goes on after torn, strange and endless ones', async () => {
    put('audit.ndjson', '{"atMs":1,"run":"old","askedBy":"U1","text":"x","nodes":[],"verdict":"clear"}\n', 1);
    appendFileSync(file, '{"atMs":2,"ru\n{"event":"comet","atMs":3}\nnull\n\n');
    appendFileSync(file, `{"event":"ended","text":"${'x'.repeat(5_000_000)}"}\n`);
    appendFileSync(file, line('r2', 4).trimEnd());
    const { runs, troubles } = await read();
    expect(runs).toEqual(['old', 'r2']);
    expect(troubles).toEqual({ unreadableLines: 4, files: [] });
  });

  it('passes over what cannot be about the run that is asked for', async () => {
    put('audit.ndjson', `${line('r1', 1)}torn\n${line('r2', 2)}`, 1);
    expect(await read(0, '"r2"')).toEqual({ runs: ['r2'], troubles: { unreadableLines: 0, files: [] } });
  });

  it('reads the rest where a rotated file is broken, and says which', async () => {
    put('audit.ndjson.1.gz', gzipSync(line('r1', 1000)).subarray(0, 40), 1);
    put('audit.ndjson', line('r2', 2000), 2);
    const { runs, troubles } = await read();
    expect(runs).toEqual(['r2']);
    expect(troubles.files[0]).toContain('audit.ndjson.1.gz');
  });

  it('keeps a character whole that two pieces of the file share', async () => {
    const wide = JSON.stringify({
      event: 'ended',
      atMs: 1,
      run: `r${'节'.repeat(50_000)}`,
      askedBy: 'U',
      text: '',
      nodes: [],
      verdict: 'clear',
    });
    put('audit.ndjson', `${wide}\n`, 1);
    expect((await read()).runs).toEqual([`r${'节'.repeat(50_000)}`]);
  });

  it('says that there is none', async () => {
    await expect(read()).rejects.toMatchObject({ code: 'config/not-found' });
  });
});
