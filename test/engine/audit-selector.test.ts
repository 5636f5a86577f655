import { describe, expect, it } from 'vitest';
import { selectNodes } from '../../src/engine/audit-selector.ts';
import { NetcheckError } from '../../src/model/errors.ts';

const nodes = [
  { name: 'web-1', labels: { role: 'web', rack: 'r1' } },
  { name: 'web-2', labels: { role: 'web', rack: 'r2' } },
  { name: 'db-1', labels: { role: 'db', rack: 'r1', gpu: '' } },
  { name: 'old.example', labels: {} },
];
const groups = { edge: 'web-*', first: 'rack=r1', both: 'edge, db-1', loop: 'loop', r1web: 'edge rack=r1' };
const select = (selector: string): readonly string[] => selectNodes(selector, nodes, groups).map(({ name }) => name);

describe('the selector of an audit', () => {
  it.each([
    ['', ['web-1', 'web-2', 'db-1', 'old.example']],
    ['rack=r1', ['web-1', 'db-1']],
    ['rack==r1', ['web-1', 'db-1']],
    ['rack=r1,role!=db', ['web-1']],
    ['rack = r1 , role != db', ['web-1']],
    ['role!=db', ['web-1', 'web-2', 'old.example']],
    ['role in (web, db)', ['web-1', 'web-2', 'db-1']],
    ['role notin (web)', ['db-1', 'old.example']],
    ['role not in (web),rack in (r1)', ['db-1']],
    ['role', ['web-1', 'web-2', 'db-1']],
    ['!role', ['old.example']],
    ['gpu=', ['db-1']],
    ['web-1,db-1', ['web-1', 'db-1']],
    ['web-*', ['web-1', 'web-2']],
    ['*b-?', ['web-1', 'web-2', 'db-1']],
    ['web-* rack=r2', ['web-2']],
    ['edge', ['web-1', 'web-2']],
    ['both', ['web-1', 'web-2', 'db-1']],
    ['first', ['web-1', 'db-1']],
    ['r1web', ['web-1']],
    ['!edge', ['db-1', 'old.example']],
    ['!web-*,role', ['db-1']],
    ['* !db-1', ['web-1', 'web-2', 'old.example']],
  ])('"%s" selects %j', (selector, expected) => {
    expect(select(selector)).toEqual(expected);
  });

  const refused = (selector: string): NetcheckError => {
    try {
      select(selector);
    } catch (error) {
      if (error instanceof NetcheckError) return error;
      throw error;
    }
    throw new Error(`${selector} was taken`);
  };

  it.each([
    ['rack=r9', 'audit/no-nodes', 'rack=r1, rack=r2, role=db, role=web'],
    ['web-3', 'audit/no-nodes', 'Did you mean web-1'],
    ['nothing-like-it', 'audit/no-nodes', 'Groups there are: edge'],
    ['zz-*', 'audit/no-nodes', 'Nodes: web-1'],
    ['rack=r1=r2', 'audit/bad-selector', 'For example'],
    ['role in ()', 'audit/bad-selector', 'For example'],
    ['role in (web', 'audit/no-nodes', ''],
    ['=x', 'audit/bad-selector', 'For example'],
    ['loop', 'audit/bad-selector', 'contain itself'],
    ['a'.repeat(3000), 'audit/bad-selector', 'group'],
    ['-oProxyCommand=touch', 'audit/bad-selector', 'For example'],
    ['$(reboot)', 'audit/no-nodes', ''],
  ])('"%s" is refused with %s and says what there is', (selector, code, hint) => {
    const error = refused(selector);
    expect(error.code).toBe(code);
    expect(error.hint).toContain(hint);
  });

  it('says that an inventory is empty', () => {
    expect(() => selectNodes('', [])).toThrow(/inventory is empty/);
  });

  it('takes a name of many stars without hanging', () => {
    const long = [{ name: `${'a'.repeat(250)}b`, labels: {} }];
    expect(() => selectNodes(`${'*a'.repeat(120)}*c`, long)).toThrow(/no node/);
  });
});
