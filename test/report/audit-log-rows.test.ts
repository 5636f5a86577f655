import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../src/model/audit-log-record.ts';
import { type AuditRow, newAuditRows } from '../../src/report/audit-log-rows.ts';
import { renderAuditRows, renderRanCommands } from '../../src/report/audit-log-text.ts';
import { stringWidth } from '../../src/report/string-width.ts';

const asked = (run: string, atMs: number) => ({
  run,
  atMs,
  askedBy: 'U0ANNA',
  channel: 'C0NET',
  text: 'node-50 port 1301',
  nodes: ['node-50'],
});
const started = (run: string, atMs: number, attempt?: number): AuditRecord => ({
  event: 'started',
  ...asked(run, atMs),
  playbooks: ['port-check'],
  ...(attempt === undefined ? {} : { attempt }),
});
const ended = (run: string, atMs: number, verdict: 'found' | 'clear' | 'interrupted' = 'found'): AuditRecord => ({
  event: 'ended',
  ...asked(run, atMs),
  verdict,
  headline: 'TIME-WAIT is recycled',
  tookMs: 4200,
});
const ran = (run: string | undefined, node: string, argv: string[]): AuditRecord => ({
  event: 'ran',
  atMs: 5,
  ...(run === undefined ? {} : { run }),
  node,
  commands: [{ argv, privilege: 'root', exit: { how: 'exited', code: 0 }, startedAtMs: 5, tookMs: 12, bytes: 900 }],
});

function rowsOf(records: readonly AuditRecord[], limit = 50, isWanted: (row: AuditRow) => boolean = () => true) {
  const rows = newAuditRows({ limit, isWanted, detailed: true });
  for (const record of records) rows.add(record);
  return rows;
}

describe('the rows of the audit log', () => {
  it('a run is one row, with the nodes that joined and how many commands ran', () => {
    const rows = rowsOf([started('r1', 1), ran('r1', 'node-50', ['ss']), ran('r1', 'node-30', ['ip']), ended('r1', 9)]);
    expect(rows.newest()).toEqual([
      expect.objectContaining({
        atMs: 1,
        verdict: 'found',
        commands: 2,
        attempts: 1,
        nodes: ['node-50', 'node-30'],
        tookMs: 4200,
      }),
    ]);
  });

  it('a run whose worker died is one row too: without an end, or with the end of the worker after it', () => {
    expect(rowsOf([started('r1', 1)]).newest()).toMatchObject([{ verdict: 'open', attempts: 1 }]);
    const again = [started('r1', 1), ended('r1', 3, 'interrupted'), started('r1', 4, 2), ended('r1', 9, 'clear')];
    expect(rowsOf(again).newest()).toMatchObject([{ atMs: 1, verdict: 'clear', attempts: 2 }]);
  });

  it('keeps the newest, and those of interest', () => {
    const many = Array.from({ length: 1000 }, (_, n) => ended(`r${n}`, n));
    expect(
      rowsOf(many, 3)
        .newest()
        .map(({ run }) => run),
    ).toEqual(['r997', 'r998', 'r999']);
    expect(
      rowsOf(many, 3, ({ run }) => run === 'r5')
        .newest()
        .map(({ run }) => run),
    ).toEqual(['r5']);
  });

  it('is a table that fits the terminal, in both languages, with nothing of it at work', () => {
    const hostile: AuditRecord = {
      event: 'refused',
      atMs: 2,
      askedBy: 'U0EVE',
      channel: 'C0NET',
      action: 'ask',
      text: '\u001b[31mnode-50\u0007 端口',
      why: 'You may not use netcheck here for this.',
    };
    const rows = rowsOf([started('r1', 1), ended('r1', 9), hostile, ran(undefined, 'node-7', ['ip'])]).newest();
    for (const language of ['en', 'zh'] as const) {
      const text = renderAuditRows(rows, { width: 100, colour: false, language });
      expect(Math.max(...text.split('\n').map(stringWidth))).toBeLessThanOrEqual(100);
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/u);
      expect(text).toContain(language === 'en' ? 'found: ' : '已定位：');
      expect(text).toContain(language === 'en' ? 'refused: ' : '已拒绝：');
    }
    expect(renderAuditRows(rows, { width: 100, colour: true, language: 'en' })).toContain('\u001b[31m');
    expect(renderAuditRows([], { width: 100, colour: false, language: 'en' })).toBe(
      'The audit log has nothing of that kind.',
    );
  });

  it('shows what ran, node by node, as it could be typed', () => {
    const rows = rowsOf([ran('r1', 'node-50', ['sh', '-c', "echo 'a b'"]), ran('r1', 'node-50', ['x'.repeat(9000)])]);
    const text = renderRanCommands(rows.ran(), { width: 120, colour: false, language: 'en' });
    expect(text).toContain('node-50\n');
    expect(text).toMatch(/root\s+ok\s+12 ms\s+900 B\s+sh -c/u);
    expect(text.length).toBeLessThan(3000);
  });
});
