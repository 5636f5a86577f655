import { describe, expect, it } from 'vitest';
import { plainText, readPage } from '../../src/report/read-page.ts';

describe('readPage', () => {
  it('reads title, sections, texts, lists, tables and code', () => {
    const page = readPage(
      [
        '<!-- a note -->',
        '# `x`: it is broken',
        '',
        'Fault F01',
        '',
        '## What decides it',
        '| verdict | evidence |',
        '|---|---|',
        '| `confirmed` | a \\| b |',
        '',
        '## Remedy',
        'Two lines,',
        'one text.',
        '- first',
        '  goes on',
        '- second',
        '```',
        '# no heading',
        '```',
      ].join('\n'),
    );
    expect(page.title).toBe('`x`: it is broken');
    expect([...page.sections]).toEqual([
      ['', [{ kind: 'text', text: 'Fault F01' }]],
      ['What decides it', [{ kind: 'table', rows: [['`confirmed`', 'a | b']] }]],
      [
        'Remedy',
        [
          { kind: 'text', text: 'Two lines, one text.' },
          { kind: 'list', items: ['first goes on', 'second'] },
          { kind: 'code', lines: ['# no heading'] },
        ],
      ],
    ]);
  });
  it.each(['', '|', '```', '- ', '#', '## \n|', '| a\n| b', '-\n- \n  '])('comes to an end with %j', (text) => {
    expect(readPage(text).sections).toBeDefined();
  });
});

it('plainText leaves what a person reads', () => {
  expect(plainText('`a` **and** [`b`](b.md) [c](d)')).toBe('a and b c');
});
