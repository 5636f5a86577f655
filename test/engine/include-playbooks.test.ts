import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { includePlaybooks } from '../../src/engine/include-playbooks.ts';
import { readPlaybooks } from '../../src/load-playbooks.ts';
import { Playbook } from '../../src/model/playbook.ts';
import { rules } from '../../src/rules/index.ts';

const playbook = (id: string, values: object = {}): Playbook =>
  Playbook.parse({ id, title: { en: id, zh: id }, ...values });
const all = (...list: readonly Playbook[]): ReadonlyMap<string, Playbook> => new Map(list.map((one) => [one.id, one]));
const base = playbook('base', {
  collect: [
    { on: ['client'], use: 'tcp-probe', with: { attempts: 8, timeoutSec: 4 } },
    { on: ['target', 'client'], use: 'sysctl', with: { keys: ['net.a', 'net.b'] } },
    { on: ['target'], use: 'links' },
  ],
  rules: [{ use: 'first' }, { use: 'path-drop', with: { minLost: 3 } }],
});

describe('a playbook that includes another', () => {
  it('has its steps and rules first, and its own behind them', () => {
    const more = playbook('more', {
      include: ['base'],
      collect: [{ on: ['client'], use: 'links' }],
      rules: [{ use: 'last' }],
    });
    const found = includePlaybooks(more, all(base, more));
    const whole = 'playbook' in found ? found.playbook : undefined;
    expect(whole?.collect.map(({ on, use }) => `${use} ${on.join(' ')}`)).toEqual([
      'tcp-probe client',
      'sysctl target client',
      'links target',
      'links client',
    ]);
    expect(whole?.rules.map(({ use }) => use)).toEqual(['first', 'path-drop', 'last']);
    expect(whole?.title.en).toBe('more');
  });

  it('has other parameters for what both have: lists add up, other values take the place', () => {
    const more = playbook('more', {
      include: ['base'],
      collect: [
        { on: ['client'], use: 'tcp-probe', with: { attempts: 30 } },
        { on: ['client', 'target'], use: 'sysctl', with: { keys: ['net.b', 'net.c'] } },
      ],
      rules: [{ use: 'path-drop', with: { minLost: 1 } }],
    });
    expect(includePlaybooks(more, all(base, more))).toMatchObject({
      playbook: {
        collect: [
          { with: { attempts: 30, timeoutSec: 4 } },
          { on: ['target', 'client'], with: { keys: ['net.a', 'net.b', 'net.c'] } },
          { use: 'links' },
        ],
        rules: [{ use: 'first' }, { use: 'path-drop', with: { minLost: 1 } }],
      },
    });
  });

  it('through a second one, and several', () => {
    const middle = playbook('middle', { include: ['base'], rules: [{ use: 'middle' }] });
    const other = playbook('other', { rules: [{ use: 'other' }, { use: 'first' }] });
    const top = playbook('top', { include: ['middle', 'other'] });
    const found = includePlaybooks(top, all(base, middle, other, top));
    expect('playbook' in found && found.playbook.rules.map(({ use }) => use)).toEqual([
      'first',
      'path-drop',
      'middle',
      'other',
    ]);
  });

  it('that is not there, or is itself, or goes too deep, is refused', () => {
    const problem = (one: Playbook, ...others: readonly Playbook[]) => {
      const found = includePlaybooks(one, all(one, ...others));
      return 'problem' in found ? found.problem : '';
    };
    expect(problem(playbook('a', { include: ['nowhere'] }))).toContain('no playbook "nowhere"');
    expect(problem(playbook('a', { include: ['a'] }))).toContain('a -> a');
    expect(problem(playbook('a', { include: ['b'] }), playbook('b', { include: ['a'] }))).toContain('a -> b -> a');
    const chain = Array.from({ length: 9 }, (_one, i) => playbook(`p${i}`, { include: [`p${i + 1}`] }));
    expect(problem(chain[0] ?? base, ...chain)).toContain('no deeper');
  });
});

describe('the playbooks that come with netcheck', () => {
  const { playbooks } = readPlaybooks([], { collectors, rules });
  const asked = (id: string): readonly string[] => playbooks.get(id)?.rules.map(({ use }) => use) ?? [];

  it.each(['intermittent', 'node-audit'])('%s looks for everything that port-check looks for', (id) => {
    expect(asked('port-check').length).toBeGreaterThan(15);
    expect(asked(id)).toEqual(expect.arrayContaining([...asked('port-check')]));
  });

  it('intermittent probes once, and often', () => {
    const probes = playbooks.get('intermittent')?.collect.filter(({ use }) => use === 'tcp-probe');
    expect(probes).toEqual([{ on: ['client'], use: 'tcp-probe', with: { attempts: 30, timeoutSec: 4 } }]);
  });
});
