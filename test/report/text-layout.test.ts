import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { painter, withoutAnsi } from '../../src/report/ansi.ts';
import { cutText } from '../../src/report/cut-text.ts';
import { durationText } from '../../src/report/duration-text.ts';
import { padToWidth } from '../../src/report/pad-to-width.ts';
import { shellText } from '../../src/report/shell-text.ts';
import { sizeText } from '../../src/report/size-text.ts';
import { stringWidth } from '../../src/report/string-width.ts';
import { truncateToWidth } from '../../src/report/truncate-to-width.ts';
import { visibleText } from '../../src/report/visible-text.ts';
import { wrapText } from '../../src/report/wrap-text.ts';

describe('stringWidth', () => {
  it.each([
    ['', 0],
    ['node-50', 7],
    ['已确认', 6],
    ['内核（3.10）', 12],
    ['e\u0301', 1],
    ['🔴', 2],
    ['👨‍👩‍👧', 2],
    ['⚠️', 2],
    ['⚠', 1],
    ['│─▶×…', 5],
    ['한글', 4],
    ['\u1112\u1161\u11ab', 2],
    ['ｱ', 1],
    ['\u200b', 0],
    ['\u001b[31m红\u001b[39m', 2],
  ])('%j takes %i columns', (text, columns) => {
    expect(stringWidth(text)).toBe(columns);
  });
});

describe('wrapText', () => {
  it('breaks at spaces and keeps words whole', () => {
    expect(wrapText('one two  three\nfour', 9)).toEqual(['one two', 'three', 'four']);
  });

  it('breaks a word that is longer than a line', () => {
    expect(wrapText('ab 0123456789', 4)).toEqual(['ab', '0123', '4567', '89']);
  });

  it('breaks Chinese anywhere but before closing and after opening punctuation', () => {
    expect(wrapText('时间戳回退的包，被丢弃', 14)).toEqual(['时间戳回退的', '包，被丢弃']);
    expect(wrapText('队列上限（五百一十一）', 10)).toEqual(['队列上限', '（五百一十', '一）']);
  });

  it('gives one empty line for nothing', () => {
    expect(wrapText('  ', 10)).toEqual(['']);
  });

  it('never makes a line too wide and never loses anything but white space', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 40 }), (raw, width) => {
        const text = visibleText(raw);
        const lines = wrapText(text, width);
        for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(width);
        expect(lines.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
      }),
    );
  });
});

describe('padToWidth and truncateToWidth', () => {
  it('pads painted and wide text by what is seen', () => {
    const red = painter(true)('红', 'red');
    expect(withoutAnsi(padToWidth(red, 5))).toBe('红   ');
    expect(padToWidth('7', 3, 'right')).toBe('  7');
    expect(padToWidth('longer', 3)).toBe('longer');
  });

  it('cuts at a column and says so', () => {
    expect(truncateToWidth('已确认', 6)).toBe('已确认');
    expect(truncateToWidth('已确认', 5)).toBe('已确…');
    expect(truncateToWidth('已确认', 4)).toBe('已…');
    expect(truncateToWidth('abc', 0)).toBe('');
  });
});

describe('visibleText', () => {
  it.each([
    ['\u001b[31m', '␛[31m'],
    ['\u009b31m', '\\x9b31m'],
    ['a\u0007\u0008\u007f', 'a␇␈␡'],
    ['\u202egpj', '\\u202egpj'],
    ['zero\u200bwidth\ufeff', 'zero\\u200bwidth\\ufeff'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\ud800x', '\ufffdx'],
    ['a\r\nb\rc\td', 'a\nb\nc\td'],
    ['好', '好'],
    [`Z${'\u0301'.repeat(9)}`, `Z${'\u0301'.repeat(4)}`],
  ])('%j becomes %j', (text, shown) => {
    expect(visibleText(text)).toBe(shown);
  });

  it('leaves nothing that acts, and changes nothing the second time', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const shown = visibleText(text);
        expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u200b-\u200f]/);
        expect(visibleText(shown)).toBe(shown);
      }),
    );
  });
});

describe('small texts', () => {
  it.each([
    [0, '0 ms'],
    [0.25, '0.3 ms'],
    [999.4, '999 ms'],
    [999.6, '1.00 s'],
    [1026, '1.03 s'],
    [5000, '5 s'],
    [14_160, '14.2 s'],
    [59_949, '59.9 s'],
    [59_990, '1 min'],
    [125_000, '2 min 05 s'],
    [-3, '−3 ms'],
    [Number.NaN, '?'],
  ])('%d ms is %s', (ms, text) => {
    expect(durationText(ms, 'en')).toBe(text);
  });

  it('says units in Chinese', () => {
    expect(durationText(850, 'zh')).toBe('850 毫秒');
    expect(durationText(125_000, 'zh')).toBe('2 分 05 秒');
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 kB'],
    [2890, '2.8 kB'],
    [16 * 1024 * 1024, '16 MB'],
    [5e15, '4656613 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });

  it('quotes for the shell only what needs it', () => {
    expect(shellText(['tcpdump', '-i', 'any', "tcp port 1 and it's", ''])).toBe(
      `tcpdump -i any 'tcp port 1 and it'\\''s' ''`,
    );
  });

  it('says how much it cut', () => {
    expect(cutText('abcdef', 6, 'en')).toBe('abcdef');
    expect(cutText('abcdefgh', 3, 'en')).toBe('abc… (5 more characters in the bundle)');
  });
});
