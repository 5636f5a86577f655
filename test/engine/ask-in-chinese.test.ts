import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { maxAskCharacters, parseAsk } from '../../src/engine/ask.ts';
import { NetcheckError, sentencesOf } from '../../src/model/errors.ts';

function refusalOf(text: string): NetcheckError {
  try {
    parseAsk(text);
  } catch (error) {
    if (error instanceof NetcheckError) return error;
  }
  throw new Error(`"${text}" was not refused`);
}

describe('what is wrong with a question, in Chinese', () => {
  it.each([
    ['', 'ask/empty'],
    ['x'.repeat(maxAskCharacters + 1), 'ask/too-long'],
    ['node-50', 'ask/no-port'],
    ['node-50 port 70000', 'ask/bad-port'],
    ['node-50 port', 'ask/bad-port'],
    ['10.0.0.300 port 80', 'ask/bad-name'],
    ['node_50! port 80', 'ask/bad-name'],
    ['pod Shop/Cart port 80', 'ask/bad-name'],
    ['node-50 port 80 from node-12 netns !x', 'ask/bad-name'],
    ['node-50 port 80 from', 'ask/bad-name'],
    ['node-50 port 80 size 99999999', 'ask/bad-size'],
    ['node-50 port 80 for 9999s', 'ask/bad-duration'],
    ['node-50 port 80 playbook ../x', 'ask/unknown-playbook'],
  ])('%.40s (%s) is said in both languages', (text, code) => {
    const error = refusalOf(text);
    expect(error.code).toBe(code);
    const { message, hint } = sentencesOf(error, 'zh');
    expect(message).toMatch(/\p{Script=Han}/u);
    expect(hint).not.toBe('');
    expect(sentencesOf(error, 'en')).toEqual({ message: error.message, hint: error.hint });
    // what it quotes of the question, it quotes in both
    expect(message.match(/"[^"]*"/gu) ?? []).toEqual(expect.arrayContaining(error.message.match(/"[^"]*"/gu) ?? []));
  });

  it('there are Chinese words for every refusal of a question', () => {
    const folder = path.join(import.meta.dirname, '../../src/engine');
    // alerts are written by people who write configuration; whoever reads namespaces and plans of audits asks in English
    const others = new Set(['alert-ask.ts', 'plan-audit.ts', 'interpret.ts']);
    const without: string[] = [];
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts') && !others.has(name))) {
      const text = readFileSync(path.join(folder, file), 'utf8');
      for (const { index } of text.matchAll(/new NetcheckError\(\s*'ask\//gu)) {
        const call = text.slice(index, index + 1600);
        const end = call.search(/\n\s*\);|\);\n/u);
        const body = call.slice(0, end === -1 ? undefined : end);
        if (!/\bzh\b|inChinese\(/u.test(body)) without.push(`${file}: ${body.slice(0, 120)}`);
      }
    }
    expect(without).toEqual([]);
  });
});
