import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mostProblems, excerpt, problemList } from '../../src/parsers/problem-list.ts';
import { outputLines, textLines } from '../../src/parsers/text-lines.ts';
import { inputOf } from './parse-text.ts';

const encoder = new TextEncoder();

describe('textLines', () => {
  it('numbers lines from 1 and takes CR LF and LF alike', () => {
    expect([...textLines(encoder.encode('a\r\n\nb'))]).toEqual([
      { text: 'a', line: 1, whole: true },
      { text: '', line: 2, whole: true },
      { text: 'b', line: 3, whole: false },
    ]);
  });

  it('has no line in nothing, and none behind the last newline', () => {
    expect([...textLines(new Uint8Array())]).toEqual([]);
    expect([...textLines(encoder.encode('a\n'))]).toEqual([{ text: 'a', line: 1, whole: true }]);
  });

  it('splits as String.split does, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const clean = text.replaceAll('\r', '');
        const expected = clean.split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect([...textLines(encoder.encode(clean))].map((line) => line.text)).toEqual(expected);
      }),
    );
  });

  it('reads across the chunks that it decodes at a time, and multi-byte characters at their edges', () => {
    const line = `${'é'.repeat(333)}|`;
    const text = `${line}\n`.repeat(5000);
    const lines = [...textLines(encoder.encode(text))];
    expect(lines).toHaveLength(5000);
    expect(lines.every((one) => one.text === line && one.whole)).toBe(true);
    expect(lines.at(-1)?.line).toBe(5000);
  });

  it('keeps the beginning of a line that is longer than any tool prints, and goes on behind it', () => {
    const lines = [...textLines(encoder.encode(`a\n${'x'.repeat(3_000_000)}\nb\n`))];
    expect(lines.map(({ line, whole }) => ({ line, whole }))).toEqual([
      { line: 1, whole: true },
      { line: 2, whole: false },
      { line: 3, whole: true },
    ]);
    expect(lines[1]?.text.length).toBe(1 << 20);
    expect(lines[2]?.text).toBe('b');
  });
});

describe('outputLines', () => {
  it('leaves out a last line that a cut may have shortened, and says so', () => {
    const problems = problemList();
    const lines = [...outputLines(inputOf('port 80\nport 13', { exitCode: null }), problems)];
    expect(lines.map(({ text }) => text)).toEqual(['port 80']);
    expect(problems.all()).toEqual([{ message: 'the output was cut in the middle of this line', line: 2 }]);
  });

  it('keeps a last line without newline of a command that came to its end', () => {
    const lines = [...outputLines(inputOf('port 80\nport 1301', { exitCode: 0 }), problemList())];
    expect(lines.map(({ text }) => text)).toEqual(['port 80', 'port 1301']);
  });
});

describe('a very long output', () => {
  it('is read up to a number of lines, and says so', () => {
    const problems = problemList();
    const lines = [...outputLines(inputOf('a\nb\nc\nd\n'), problems, 3)];
    expect(lines.map(({ text }) => text)).toEqual(['a', 'b', 'c']);
    expect(problems.all()).toEqual([{ message: 'the output has more than 3 lines; only those were read', line: 4 }]);
  });
});

describe('problemList', () => {
  it('keeps the first twenty kinds and counts the rest', () => {
    const problems = problemList();
    for (let at = 1; at <= 1000; at += 1) problems.add(`p${at}`, at);
    expect(problems.all()).toHaveLength(mostProblems + 1);
    expect(problems.all().at(-1)?.message).toBe('980 more of other kinds');
  });

  it('keeps the first five of a kind, so that one kind of damage does not hide another', () => {
    const problems = problemList();
    for (let line = 1; line <= 1000; line += 1) problems.add(`not a socket: ${line}`, line);
    problems.add('not a device: eth0', 1001);
    for (let line = 1; line <= 7; line += 1) problems.add('stderr: no', line);
    expect(problems.all().map(({ message }) => message)).toEqual([
      ...[1, 2, 3, 4, 5].map((line) => `not a socket: ${line}`),
      'not a device: eth0',
      ...[1, 2, 3, 4, 5].map(() => 'stderr: no'),
      '995 more: not a socket; 2 more: stderr',
    ]);
  });

  it('quotes foreign text on one printable, short line', () => {
    expect(excerpt('a\u0000b\u001b[31m\n\tc')).toBe('a b [31m c');
    expect(excerpt('x'.repeat(5000)).length).toBe(101);
  });
});
