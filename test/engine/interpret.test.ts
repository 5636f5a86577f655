import { describe, expect, it } from 'vitest';
import { parseAsk } from '../../src/engine/ask.ts';
import { interpret, type InterpretOptions } from '../../src/engine/interpret.ts';
import { type Inventory, resolveTarget } from '../../src/engine/inventory.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import type { Interpretation, OpenPoint } from '../../src/model/interpretation.ts';

const node = (name: string, ...serves: string[]) => InventoryNode.parse({ name, address: `${name}.example`, serves });
const nodes = [
  node('node-12', '192.0.2.12'),
  node('node-30'),
  node('node-50', '192.0.2.50', '10.51.2.2'),
  node('node-51', '10.51.2.2'),
];
const having = (address: string) => nodes.filter(({ serves }) => serves.includes(address));
const inventory: Inventory = {
  names: () => nodes.map(({ name }) => name),
  externalAllowed: false,
  find: async (name) => nodes.find((one) => one.name === name) ?? null,
  ownerOf: async (address) => having(address)[0] ?? null,
  ownersOf: async (address) => having(address),
};
const options: InterpretOptions = {
  inventory,
  words: { nodeAt: (address) => having(address)[0]?.name, symptoms: ['refused', 'timed out'] },
  probeFrom: ['node-12'],
};
const say = (own: string, quoted = '', changes: Partial<InterpretOptions> = {}, settled: readonly OpenPoint[] = []) =>
  interpret(own, quoted, { ...options, ...changes }, settled);
const question = (text: string, wasRead = false): Interpretation => ({ kind: 'question', text, wasRead });
const choices = (said: Interpretation) => (said.kind === 'doubt' ? said.doubt.choices.map(({ text }) => text) : said);
const alert = 'FIRING node-12 cannot reach node-50:1301, refused';

describe('a question that says it all', () => {
  it.each([
    'node-50 port 1301 from node-12',
    'node-50 port 1301',
    'pod shop/cart-7d9f port 8080',
    'node-50 port 99999',
    'node-99 port 1301',
    'node-50;reboot port 1301',
    '$(id) node-50 port 1301',
    'node-50 port 1301 from node-12|x',
  ])('%s stays as it is', async (text) => {
    expect(await say(text)).toEqual(question(text));
  });

  it('is not mixed with the message above, but for where it fails from', async () => {
    expect(await say('node-30 port 80', alert)).toEqual(question('node-30 port 80'));
    expect(await say('node-50 port 1301', alert)).toEqual(question('node-50 port 1301 from node-12', true));
    expect(await say('node-50 port 1301 from node-30', alert)).toEqual(question('node-50 port 1301 from node-30'));
  });
});

describe('words that are no question by themselves', () => {
  it.each(['', 'please check this', '看一下', 'what is wrong here?'])('%j takes the message above', async (own) => {
    expect(await say(own, alert)).toEqual(question('node-50 port 1301 from node-12 refused', true));
  });

  it('fill what the message above leaves out, and win over it', async () => {
    expect(await say('port 1302', alert)).toEqual(question('node-50 port 1302 from node-12 refused', true));
    expect(await say('try it from node-30', alert)).toEqual(question('node-50 port 1301 from node-30 refused', true));
  });

  it('are read as a sentence', async () => {
    expect(await say('hey, why can node-12 not reach node-50 port 1301')).toEqual(
      question('node-50 port 1301 from node-12', true),
    );
  });

  it.each(["can't reach node-50 port 1301 from node-12", '请看一下 从node-12访问 node-50 端口 1301'])(
    'also where the grammar stumbles over the first word: %s',
    async (own) => {
      expect(await say(own)).toEqual(question('node-50 port 1301 from node-12', true));
    },
  );

  it('tell what they lack where nothing helps', async () => {
    expect(await say('please', 'everything is slow')).toMatchObject({ kind: 'unclear', draft: {} });
    expect(await say('node-50')).toMatchObject({ kind: 'unclear', draft: { target: 'node-50' } });
    expect(await say('port 1301 from node-12')).toMatchObject({
      kind: 'unclear',
      draft: { port: 1301, from: 'node-12' },
    });
  });
});

describe('a question instead of a guess', () => {
  it('a name that could be two nodes', async () => {
    const said = await say('node-5 port 1301 udp from node-12 slow');
    expect(said).toMatchObject({ kind: 'doubt', doubt: { open: 'name', about: 'node-5' } });
    expect(choices(said)).toEqual(
      expect.arrayContaining(['node-50 port 1301 from node-12 udp slow', 'node-51 port 1301 from node-12 udp slow']),
    );
    expect(choices(await say('node-50 port 1301 from node-1'))).toContain('node-50 port 1301 from node-12');
  });

  it('a sentence that the grammar would take for a question about the client', async () => {
    const said = await say('node-12 cannot reach node-50 port 1301');
    expect(said).toMatchObject({ doubt: { open: 'meaning' } });
    expect(choices(said)).toEqual(['node-50 port 1301 from node-12', 'node-12 port 1301']);
    expect(await say('node-12 port 1301', '', {}, ['meaning', 'from'])).toMatchObject({
      kind: 'question',
    });
  });

  it('an address that two nodes have', async () => {
    const said = await say('10.51.2.2 port 80');
    expect(said).toMatchObject({ doubt: { open: 'owner', about: '10.51.2.2' } });
    const [, second = ''] = choices(said) as string[];
    expect(second).toBe('10.51.2.2 on node-51 port 80');
    expect(await say(second)).toEqual(question(second));
    const found = await resolveTarget(parseAsk(second).target, inventory);
    expect(found).toMatchObject({ kind: 'node', node: { name: 'node-51' }, address: '10.51.2.2' });
    expect(await say('192.0.2.50 port 80')).toEqual(question('192.0.2.50 port 80'));
  });

  it('a Service of which several namespaces have one', async () => {
    const namespacesOf = async ({ name }: { readonly name: string }) => (name === 'cart' ? ['shop', 'test'] : ['shop']);
    const said = await say('svc cart port 80 from node-12', '', { namespacesOf });
    expect(said).toMatchObject({ doubt: { open: 'object', about: 'svc cart' } });
    expect(choices(said)).toEqual(['svc shop/cart port 80 from node-12', 'svc test/cart port 80 from node-12']);
    for (const text of ['svc shop/cart port 80 from node-12', 'svc web port 80 from node-12'])
      expect(await say(text, '', { namespacesOf })).toEqual(question(text));
    const down = () => Promise.reject(new Error('no'));
    expect(await say('pod cart port 80 from node-12', '', { namespacesOf: down })).toMatchObject({ kind: 'question' });
  });

  it('nobody knows where it fails from', async () => {
    const said = await say('node-50 port 1301 refused', '', { probeFrom: [] });
    expect(said).toMatchObject({ doubt: { open: 'from', about: 'node-50', guess: 'node-50 port 1301 refused' } });
    expect(choices(said)).toEqual(
      ['node-12', 'node-30', 'node-51'].map((name) => `node-50 port 1301 refused from ${name}`),
    );
    expect(await say('node-50 port 1301', '', { probeFrom: [] }, ['from'])).toEqual(question('node-50 port 1301'));
    expect(await say('node-5O port 1301', '', { probeFrom: [] })).toEqual(question('node-5O port 1301'));
    const told = 'node-50 port 1301 from node-30';
    expect(await say(told, '', { probeFrom: [] })).toEqual(question(told));
    // the only other node is no guess
    const two: Inventory = { ...inventory, names: () => ['node-12', 'node-50'] };
    expect(await say('node-50 port 1301', '', { probeFrom: [], inventory: two })).toMatchObject({ kind: 'question' });
    // the target itself is no place to probe from
    expect(await say('node-50 port 1301', '', { probeFrom: ['node-50'] })).toMatchObject({ doubt: { open: 'from' } });
  });

  it('what was asked before comes first', async () => {
    const earlier = async () =>
      ['node-50 port 1301 from node-51', 'node-50 port 443 from node-30', 'node-12 port 7 from node-30'].map(parseAsk);
    expect(choices(await say('node-50 port 1', '', { probeFrom: [], earlier }))).toEqual(
      ['node-51', 'node-30', 'node-12'].map((name) => `node-50 port 1 from ${name}`),
    );
    expect(choices(await say('node-50', '', { earlier }))).toEqual(['node-50 port 1301', 'node-50 port 443']);
    expect(choices(await say('port 443 from node-12', '', { earlier }))).toEqual(['node-50 port 443 from node-12']);
    const broken = () => Promise.reject(new Error('Redis is away'));
    expect(await say('node-50', '', { earlier: broken })).toMatchObject({ kind: 'unclear' });
  });

  it('a message about two nodes or two ports', async () => {
    expect(choices(await say('', 'node-50 and node-51 refused, port 80'))).toEqual([
      'node-50 port 80 refused',
      'node-51 port 80 refused',
    ]);
    expect(choices(await say('', 'node-50: ports 80 and 443 from node-12'))).toEqual([
      'node-50 port 80 from node-12',
      'node-50 port 443 from node-12',
    ]);
  });
});
