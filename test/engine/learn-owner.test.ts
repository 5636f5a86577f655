import { expect, it } from 'vitest';
import { learnOwner, learnOwners } from '../../src/engine/learn-owner.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { parsers } from '../../src/parsers/index.ts';
import { createScriptedTransport } from '../fakes/transport.ts';

const having = (name: string, ...addresses: readonly string[]) => ({
  name,
  replies: [
    [
      ['ip', '-o', 'addr'],
      {
        stdout: addresses
          .map(
            (address, at) =>
              `${at + 2}: eth${at}    inet ${address}/24 brd 10.0.0.255 scope global eth${at}\\       valid_lft forever preferred_lft forever\n`,
          )
          .join(''),
      },
    ],
  ] as const,
});
const down = { name: 'node-9', down: { how: 'notStarted', why: 'unreachable', message: 'no route' } as const };
const nodes = ['node-9', 'node-50', 'node-51', 'node-52'].map((name) => InventoryNode.parse({ name, address: name }));

it('asks the nodes who has an address now: one, several, or nobody', async () => {
  const transport = createScriptedTransport([
    down,
    having('node-50', '10.0.0.50', '10.51.2.2'),
    having('node-51', '10.0.0.51'),
    having('node-52', '10.51.2.2', '10.51.9.9'),
  ]);
  const owners = async (address: string) =>
    (await learnOwners(address, nodes, transport, parsers)).map(({ name }) => name);
  expect(await owners('10.51.2.2')).toEqual(['node-50', 'node-52']);
  expect(await owners('10.51.9.9')).toEqual(['node-52']);
  expect(await owners('10.51.7.7')).toEqual([]);
  expect((await learnOwner('10.51.9.9', nodes, transport, parsers))?.name).toBe('node-52');
  expect(await learnOwner('10.51.7.7', nodes, transport, parsers)).toBeNull();
});
