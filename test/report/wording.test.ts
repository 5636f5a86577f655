import { describe, expect, it } from 'vitest';
import { wording } from '../../src/report/wording.ts';

/** Every text with the path to it; functions are called with values that fit any of them. */
function texts(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'string') return [[path, value]];
  if (typeof value === 'function') {
    const say = value as (argument: unknown) => string;
    const values = {
      node: 'n',
      done: 1,
      total: 2,
      failed: 3,
      packets: '4',
      bytes: '5',
      playbook: 'p',
      seen: 's',
      collectors: 'c',
      rules: 6,
    };
    const argument = /^\s*\(\{/.test(String(say)) ? values : 7;
    return [[path, say(argument)]];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => texts(item, path === '' ? key : `${path}.${key}`));
}

describe('wording', () => {
  it('has the same texts in both languages, none of them forgotten in English', () => {
    const en = texts(wording.en);
    const zh = texts(wording.zh);
    expect(zh.map(([path]) => path)).toEqual(en.map(([path]) => path));
    expect(en.length).toBeGreaterThan(100);
    const same = zh.filter(([, text]) => /[A-Za-z]/.test(text) && !/\p{Script=Han}/u.test(text)).map(([path]) => path);
    expect(same).toEqual(['asRoot', 'explain.privilege.root']);
  });

  it('has no value that was not filled in', () => {
    for (const [path, text] of [...texts(wording.en), ...texts(wording.zh)]) {
      expect(text, path).not.toMatch(/undefined|\[object|NaN/);
    }
  });

  it('does not call what is not known fine', () => {
    for (const language of ['en', 'zh'] as const) {
      const { verdict, finding } = wording[language];
      expect(new Set(Object.values(verdict)).size).toBe(3);
      expect(new Set(Object.values(finding)).size).toBe(6);
    }
    expect(wording.en.verdictMeans.inconclusive).toContain('not an all-clear');
  });
});
