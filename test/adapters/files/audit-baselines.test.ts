import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuditBaselines } from '../../../src/adapters/files/audit-baselines.ts';
import type { AuditBaseline } from '../../../src/model/audit-baseline.ts';

const baseline = (id: string, startedAtMs: number, selector = ''): AuditBaseline => ({
  id,
  playbook: 'node-audit',
  selector,
  startedAtMs,
  nodes: new Map(
    ['a', 'b'].map((node) => [
      node,
      {
        node,
        lookedAtMs: startedAtMs,
        troubles: [{ fingerprint: `mtu/${node}/audit`, rule: 'mtu', title: 'Zu klein 太小', firstSeenMs: 5 }],
        counters: { readAtMs: startedAtMs, uptimeSec: 3, values: { 'TcpExt.ListenDrops': 2 } },
      },
    ]),
  ),
});
const minute = (count: number): number => Date.UTC(2026, 10, 21, 2, count);

describe('what is kept of audits', () => {
  let directory: string;
  beforeEach(() => {
    directory = path.join(mkdtempSync(path.join(tmpdir(), 'netcheck-audits-')), 'audits');
  });
  afterEach(() => rmSync(path.dirname(directory), { recursive: true, force: true }));
  const files = (): string[] => readdirSync(directory).flatMap((key) => readdirSync(path.join(directory, key)));

  it('is the last one of the same playbook and selector, whole', async () => {
    const kept = createAuditBaselines(directory, { keep: 3 });
    expect(await kept.last({ playbook: 'node-audit', selector: '' })).toBeNull();
    await kept.keep(baseline('one', minute(1)));
    await kept.keep(baseline('two', minute(2)));
    await kept.keep(baseline('other', minute(3), 'rack=r1'));
    expect(await kept.last({ playbook: 'node-audit', selector: '' })).toEqual(baseline('two', minute(2)));
    expect(await kept.last({ playbook: 'node-audit', selector: 'rack=r1' })).toEqual(
      baseline('other', minute(3), 'rack=r1'),
    );
  });
  it('is not the audit itself, which is made again after a crash', async () => {
    const kept = createAuditBaselines(directory, { keep: 3 });
    await kept.keep(baseline('one', minute(1)));
    await kept.keep(baseline('two', minute(2)));
    const of = { playbook: 'node-audit', selector: '' };
    expect(await kept.last({ ...of, except: 'two' })).toEqual(baseline('one', minute(1)));
    expect(await kept.last({ ...of, except: 'wo' })).toEqual(baseline('two', minute(2)));
  });
  it('is bounded in number, and for nobody else to read', async () => {
    const kept = createAuditBaselines(directory, { keep: 3 });
    for (let count = 1; count <= 5; count++) await kept.keep(baseline(`a${count}`, minute(count)));
    expect(files()).toHaveLength(3);
    const [key = ''] = readdirSync(directory);
    for (const name of files()) expect(statSync(path.join(directory, key, name)).mode & 0o077).toBe(0);
    expect(statSync(path.join(directory, key)).mode & 0o077).toBe(0);
  });
  it.each(['cut', 'garbage'])('is nothing where the file is %s: an audit goes on without a comparison', async (how) => {
    const kept = createAuditBaselines(directory, { keep: 3 });
    await kept.keep(baseline('one', minute(1)));
    const [key = ''] = readdirSync(directory);
    const file = path.join(directory, key, files()[0] ?? '');
    if (how === 'cut') truncateSync(file, 60);
    else writeFileSync(file, 'garbage');
    expect(await kept.last({ playbook: 'node-audit', selector: '' })).toBeNull();
  });
  it('cannot be kept where the directory is a file: said with what to do', async () => {
    writeFileSync(directory, '');
    const kept = createAuditBaselines(directory, { keep: 3 });
    await expect(kept.keep(baseline('one', minute(1)))).rejects.toMatchObject({ code: 'fault/internal' });
  });
});
