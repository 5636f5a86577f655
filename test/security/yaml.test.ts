import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { parseConfig } from '../../src/config.ts';
import { readPlaybooks } from '../../src/load-playbooks.ts';
import { NetcheckError } from '../../src/model/errors.ts';
import { rules } from '../../src/rules/index.ts';
import { hostileWords } from './hostile.ts';

// YAML that was made to hurt whoever reads it: one refusal that a person can read, never a crash, never something run.

const folder = mkdtempSync(path.join(tmpdir(), 'netcheck-yaml-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const nine = (of: string) => `[${`${of},`.repeat(9)}]`;
const hostileYaml: readonly (readonly [what: string, text: string])[] = [
  [
    'aliases that unfold to more than any memory holds',
    `a: &a ${nine('x')}\nb: &b ${nine('*a')}\nc: &c ${nine('*b')}\nd: &d ${nine('*c')}\ne: ${nine('*d')}\n`,
  ],
  ['an alias of itself', 'nodes: &a\n  x: *a\n'],
  ['an alias of nothing', 'nodes: *nowhere\n'],
  ['a tag that makes functions', 'nodes: !!js/function "function () { process.exit(3) }"\n'],
  ['a tag that runs commands', '!<tag:yaml.org,2002:python/object/apply:os.system> ["id"]\n'],
  ['a prototype', '__proto__:\n  nodes: { a: { address: 10.0.0.1 } }\nnodes:\n  __proto__: { address: 10.0.0.1 }\n'],
  ['a merge key', 'nodes:\n  <<: { x: { address: 10.0.0.1 } }\n'],
  ['brackets without an end', `nodes: ${'['.repeat(20_000)}`],
  ['brackets beyond every stack', `nodes: ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
  ['braces beyond every stack', `nodes: ${'{a: '.repeat(5000)}1${'}'.repeat(5000)}`],
  ['keys that are lists', '? [a, b]\n: c\n? { x: y }\n: z\n'],
  ['two documents', 'nodes: {}\n---\nnodes: {}\n'],
  ['no text at all', '\u0000\u0001\u0002\ufffd'],
  [
    'ten thousand mistakes',
    `nodes:\n${Array.from({ length: 10_000 }, (_, at) => `  n${at}: { addres: 10.0.0.1 }\n`).join('')}`,
  ],
];

describe('YAML made to hurt', () => {
  it.each(hostileYaml)('%s, as configuration: refused with a place', (_what, text) => {
    const refused = (() => {
      try {
        parseConfig(text, 'netcheck.yaml');
      } catch (error) {
        return error;
      }
      return undefined;
    })();
    expect(refused).toBeInstanceOf(NetcheckError);
    const { message, code } = refused as NetcheckError;
    expect(code).toBe('config/invalid');
    expect(message).toMatch(/^netcheck\.yaml:\d+:\d+: /);
    expect(message.length).toBeLessThan(10_000);
    expect(({} as Record<string, unknown>)['nodes']).toBeUndefined();
  });

  it.each(hostileYaml)('%s, as a playbook: refused with a place, the others stay', (what, text) => {
    const directory = path.join(folder, what.replaceAll(/\W/g, '-'));
    mkdirSync(directory);
    writeFileSync(path.join(directory, 'evil.yaml'), text);
    const { playbooks, problems } = readPlaybooks([directory], { collectors, rules });
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]?.text).toMatch(/evil\.yaml:\d+:\d+: /);
    expect(problems.map(({ text: one }) => one).join('\n').length).toBeLessThan(10_000);
    expect(playbooks.has('port-check')).toBe(true);
  });
});

describe('an inventory with words that mean something elsewhere', () => {
  const quoted = (text: string) => JSON.stringify(text);
  const fields = {
    name: (word: string) => `nodes:\n  ${quoted(word)}: { address: 10.0.0.1 }\n`,
    address: (word: string) => `nodes:\n  a: { address: ${quoted(word)} }\n`,
    jump: (word: string) => `nodes:\n  a: { address: 10.0.0.1, jump: ${quoted(word)} }\n`,
    user: (word: string) => `nodes:\n  a: { address: 10.0.0.1, user: ${quoted(word)} }\n`,
    serves: (word: string) => `nodes:\n  a: { address: 10.0.0.1, serves: [${quoted(word)}] }\n`,
  };
  /** What may get through: a word that is what the field wants, and nothing to a shell, ssh, Slack or a page. */
  const harmless = /^[A-Za-z0-9_.:][A-Za-z0-9_.:@%-]*$/;

  it.each(Object.entries(fields))('%s: refused, or nothing but a word', (_field, yaml) => {
    let refused = 0;
    for (const word of hostileWords)
      try {
        const { nodes } = parseConfig(yaml(word), 'netcheck.yaml');
        for (const [name, { address, user, serves = [] }] of Object.entries(nodes))
          for (const text of [name, address, ...(user === undefined ? [] : [user]), ...serves])
            expect(text).toMatch(harmless);
      } catch (error) {
        if (!(error instanceof NetcheckError)) throw error;
        refused += 1;
      }
    expect(refused).toBeGreaterThan(hostileWords.length / 2);
  });
});
