import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { yamlComment, yamlText } from '../../src/engine/yaml-text.ts';

describe('yamlText', () => {
  it('reads like what a person writes', () => {
    expect(yamlText({ a: 'plain', list: [{ name: 'x', value: '2' }, 'y'], none: {}, empty: [], n: 5, yes: true })).toBe(
      'a: plain\nlist:\n  - name: x\n    value: "2"\n  - "y"\nnone: {}\nempty: []\n"n": 5\n"yes": true\n',
    );
  });

  it.each([
    'a: b',
    'a\nb: c',
    '- x',
    '# x',
    'x #y',
    '---',
    '...',
    'null',
    'No',
    '0x10',
    '1e3',
    'e0',
    'E-12',
    '',
    ' ',
    '"',
    "'",
    '\u2028',
    '\u0085x',
    '*a',
    '&a',
    '!t',
    '{}',
    '%x',
    '@x',
    '`x',
    'a\u0000b',
    'x'.repeat(253),
  ])('takes %j for nothing but a string, as a value and as a key, in YAML 1.2 and 1.1', (text) => {
    const document = yamlText({ metadata: { name: text, [text]: ['k', text] } });
    for (const version of ['1.2', '1.1'] as const)
      expect(parse(document, { version })).toEqual({ metadata: { name: text, [text]: ['k', text] } });
  });

  it('gives back whatever it is given', () => {
    const leaf = fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean());
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(
          fc.string({ maxLength: 8 }).filter((key) => key !== '__proto__'),
          tie('tree'),
          { maxKeys: 3 },
        ),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        expect(parse(yamlText(value), { version: '1.1' })).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 300 },
    );
  });
});

describe('yamlComment', () => {
  it.each(['a\nkind: Secret', 'a\r\nb', 'a\u2028kind: x', 'a\u0085kind: x', '\u001b[31m', '\u0000'])(
    '%j stays a comment',
    (text) => {
      const document = `${yamlComment(text).join('\n')}\na: b\n`;
      expect(parseAllDocuments(document).map((one) => one.toJS() as unknown)).toEqual([{ a: 'b' }]);
      for (const line of yamlComment(text)) expect(line).toMatch(/^#/);
    },
  );
});
