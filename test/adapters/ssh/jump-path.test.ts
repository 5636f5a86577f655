import { describe, expect, it } from 'vitest';
import { jumpPath } from '../../../src/adapters/ssh/jump-path.ts';
import { InventoryNode } from '../../../src/model/inventory.ts';

const node = (name: string, change: Record<string, unknown> = {}): InventoryNode =>
  InventoryNode.parse({ name, address: `10.0.0.${name.length}`, ...change });
const among =
  (...nodes: InventoryNode[]) =>
  (name: string) =>
    nodes.find((each) => each.name === name) ?? null;
const show = async (from: InventoryNode, find = among()): Promise<unknown> => {
  const path = await jumpPath(from, find);
  return path.ok ? path.hops.map((hop) => `${hop.user ?? '-'}@${hop.address}:${hop.port}`) : path.message;
};

describe('jumpPath', () => {
  it.each([
    [undefined, ['-@10.0.0.1:22']],
    ['bastion.example', ['-@bastion.example:22', '-@10.0.0.1:22']],
    ['bob@bastion.example:2222', ['bob@bastion.example:2222', '-@10.0.0.1:22']],
    ['ssh://bob@bastion.example:2222', ['bob@bastion.example:2222', '-@10.0.0.1:22']],
    ['[fe80::1]:2222', ['-@fe80::1:2222', '-@10.0.0.1:22']],
    ['first.example,second.example', ['-@first.example:22', '-@second.example:22', '-@10.0.0.1:22']],
  ])('jump: %s', async (jump, hops) => {
    expect(await show(node('a', jump === undefined ? {} : { jump }))).toEqual(hops);
  });

  it('follows the jump hosts of jump hosts in the inventory', async () => {
    const find = among(node('bb', { jump: 'ccc', user: 'bob' }), node('ccc', { port: 2222 }));
    expect(await show(node('a', { jump: 'bb' }), find)).toEqual([
      '-@10.0.0.3:2222',
      'bob@10.0.0.2:22',
      '-@10.0.0.1:22',
    ]);
    expect(await show(node('a', { jump: 'eve@bb' }), find)).toEqual([
      '-@10.0.0.3:2222',
      'eve@10.0.0.2:22',
      '-@10.0.0.1:22',
    ]);
  });

  it('refuses loops, endless chains and nonsense with a sentence', async () => {
    const find = among(node('a', { jump: 'bb' }), node('bb', { jump: 'a' }));
    expect(await show(node('a', { jump: 'bb' }), find)).toBe(
      'The jump hosts of a form a loop (a -> bb -> a); correct `jump`.',
    );
    expect(await show(node('a', { jump: 'b1,b2,b3,b4,b5,b6,b7,b8' }))).toContain('more than 7 jump hosts');
    for (const jump of ['', ',', 'a b@c', 'host:99999', '-oProxyCommand=reboot', 'bob;reboot@host']) {
      expect((await jumpPath(node('a', { jump }), among())).ok, jump).toBe(false);
    }
  });
});
