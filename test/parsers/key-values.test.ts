import { describe, expect, it } from 'vitest';
import { keyValues } from '../../src/parsers/key-values.ts';
import { parseText, withoutAt } from './parse-text.ts';

describe('key-values', () => {
  it('reads the kind of chronyc and the kind of systemctl', () => {
    const { value, problems } = parseText(keyValues, keyValues.sample);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual({
      'Reference ID': { value: 'C0A80001 (ntp.example.com)' },
      Stratum: { value: '3' },
      'System time': { value: '0.000012345 seconds slow of NTP time' },
      'Leap status': { value: 'Normal' },
      ActiveState: { value: 'active' },
    });
    expect(value?.['Leap status']?.at).toEqual({ evidence: 'out', line: 4 });
  });

  it('keeps what stands after the first mark, and the first of two', () => {
    const { value } = parseText(keyValues, 'a=b=c:d\ntime: 12:30:01\na=again\nempty:\n');
    expect(withoutAt(value)).toEqual({ a: { value: 'b=c:d' }, time: { value: '12:30:01' }, empty: { value: '' } });
  });

  it('says what it did not understand, and keeps the rest', () => {
    const { value, problems } = parseText(keyValues, 'a: 1\nno mark here\n: no name\n\u0007bell: 2\n');
    expect(Object.keys(value ?? {})).toEqual(['a']);
    expect(problems.map(({ line }) => line)).toEqual([2, 3, 4]);
  });

  it('has no value where the command failed, whatever it printed', () => {
    expect(parseText(keyValues, 'a: 1\n', { exitCode: 1 }).value).toBeUndefined();
    expect(parseText(keyValues, 'a: 1\n', { exitCode: null }).value).toBeUndefined();
  });

  it('is bounded', () => {
    const lines = Array.from({ length: 3000 }, (_, index) => `name${index}: ${'x'.repeat(1000)}`).join('\n');
    const { value, problems } = parseText(keyValues, lines);
    expect(Object.keys(value ?? {})).toHaveLength(1000);
    expect(value?.['name0']?.value).toHaveLength(399);
    expect(problems[0]?.message).toContain('more than 1000 names');
  });
});
