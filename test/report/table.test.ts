import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringWidth } from '../../src/report/string-width.ts';
import { renderTable } from '../../src/report/table.ts';
import { nastyText } from './arbitrary-report.ts';

describe('renderTable', () => {
  it('lines columns up, wide characters counted as two', () => {
    const table = renderTable(
      [{ header: '节点' }, { header: 'role' }, { header: 'ms', align: 'right' }],
      [
        ['node-50', '目标', '5'],
        ['n', 'client', '1250'],
      ],
    );
    expect(table).toMatchInlineSnapshot(`
      "节点     role      ms
      node-50  目标       5
      n        client  1250"
    `);
  });

  it('wraps the widest columns first and keeps the others', () => {
    const table = renderTable(
      [{ header: 'check' }, { header: 'what to do' }],
      [['redis', 'set maxmemory-policy to noeviction in redis.conf and restart']],
      { width: 40, indent: 2 },
    );
    expect(table).toMatchInlineSnapshot(`
      "  check  what to do
        redis  set maxmemory-policy to
               noeviction in redis.conf and
               restart"
    `);
  });

  it('leaves a column whole that must not be wrapped, and does not crush the others for it', () => {
    const command = `tcpdump ${'-i any '.repeat(20)}`.trim();
    const table = renderTable([{ header: 'when' }, { header: 'command', fit: 'never' }], [['during', command]], {
      width: 60,
    });
    expect(table.split('\n')[1]).toBe(`during  ${command}`);
    const middle = renderTable(
      [{ header: 'command', fit: 'never' }, { header: 'node' }],
      [
        [command, 'b'],
        ['id', 'a'],
      ],
      {
        width: 60,
      },
    );
    expect(new Set(middle.split('\n').map((line) => line.search(/(?:node|a|b)$/))).size).toBe(1);
  });

  it('paints cells only when asked, and never lets the text paint', () => {
    const rows = [[{ text: '\u001b[31mred', style: ['green' as const] }]];
    expect(renderTable([{ header: 'x' }], rows)).toBe('x\n␛[31mred');
    expect(renderTable([{ header: 'x' }], rows, { colour: true, header: false })).toBe('\u001b[32m␛[31mred\u001b[39m');
  });

  it('is empty for nothing and fills missing cells', () => {
    expect(renderTable([{ header: 'x' }], [], { header: false })).toBe('');
    expect(renderTable([{ header: 'a' }, { header: 'b' }], [['1']])).toBe('a  b\n1');
  });

  it('never gets wider than asked', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(nastyText, { minLength: 4, maxLength: 4 }), { maxLength: 5 }),
        fc.integer({ min: 40, max: 160 }),
        (rows, width) => {
          const columns = ['a', 'b', 'c', '节点'].map((header) => ({ header }));
          for (const line of renderTable(columns, rows, { width, indent: 2 }).split('\n')) {
            expect(stringWidth(line)).toBeLessThanOrEqual(width);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
