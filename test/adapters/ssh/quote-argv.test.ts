import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quoteArgv } from '../../../src/adapters/ssh/quote-argv.ts';

describe('quoteArgv', () => {
  it.each([
    [['tcpdump', '-n'], `'tcpdump' '-n'`],
    [['echo', "it's"], String.raw`'echo' 'it'\''s'`],
    [['echo', ''], `'echo' ''`],
    [['echo', '$(reboot)', '`id`', ';', '|'], "'echo' '$(reboot)' '`id`' ';' '|'"],
  ])('%j', (argv, quoted) => {
    expect(quoteArgv(argv)).toBe(quoted);
  });

  it('survives a real sh with any text but NUL, as the same bytes', () => {
    const argument = fc
      .array(
        fc.oneof(
          fc.constantFrom("'", '"', '\\', '$', '`', '!', '\n', '\r', '\t', ' ', '*', '~', '-', '#'),
          fc.string({ unit: 'binary' }),
        ),
      )
      .map((parts) => parts.join('').replaceAll('\0', ''))
      // Lone surrogates have no UTF-8 form, so that no process could be given them either.
      .map((text) => Buffer.from(text, 'utf8').toString('utf8'));
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1, maxLength: 8 }), (words) => {
        // Through standard input, as on a node.
        const printed = execFileSync('/bin/sh', { input: `${quoteArgv(['printf', '%s\\0', ...words])}\n` });
        expect(printed.toString('utf8')).toBe(words.map((word) => `${word}\0`).join(''));
      }),
      { numRuns: 25 },
    );
  }, 20_000);

  it('passes every byte but NUL', () => {
    const all = Array.from({ length: 255 }, (_, index) => index + 1);
    const quoted = quoteArgv(['printf', '%s', String.fromCharCode(...all)]);
    const printed = execFileSync('/bin/sh', { input: Buffer.from(`${quoted}\n`, 'latin1') });
    expect([...printed]).toEqual(all);
  });

  it('refuses what no process can be given', () => {
    expect(() => quoteArgv([])).toThrow('without a name');
    expect(() => quoteArgv([''])).toThrow('without a name');
    expect(() => quoteArgv(['echo', 'a\0b'])).toThrow('NUL');
  });
});
