import { describe, expect, it } from 'vitest';
import { createInProcessSlots } from '../../../src/adapters/ssh/in-process-slots.ts';

const signal = new AbortController().signal;

describe('in-process slots', () => {
  it('lets so many in per node, the others in order, and nodes do not wait for each other', async () => {
    const slots = createInProcessSlots({ perNode: 2 });
    const order: string[] = [];
    const ask = (holder: string, node = 'node-12') =>
      slots.acquire(node, { signal, holder }).then((slot) => {
        order.push(holder);
        return slot;
      });
    const first = await ask('1');
    const second = await ask('2');
    const third = ask('3');
    const fourth = ask('4');
    await ask('other', 'node-13');
    expect(order).toEqual(['1', '2', 'other']);
    await second.release();
    await second.release();
    await third;
    expect(order).toEqual(['1', '2', 'other', '3']);
    await first.release();
    await fourth;
    expect(order).toEqual(['1', '2', 'other', '3', '4']);
  });

  it('gives up waiting on abort, and loses its place', async () => {
    const slots = createInProcessSlots({ perNode: 1 });
    const first = await slots.acquire('a', { signal, holder: '1' });
    const controller = new AbortController();
    const second = slots.acquire('a', { signal: controller.signal, holder: '2' });
    const third = slots.acquire('a', { signal, holder: '3' });
    controller.abort(new Error('enough of this'));
    await expect(second).rejects.toThrow('enough of this');
    await first.release();
    await (await third).release();
    await expect(slots.acquire('a', { signal: AbortSignal.abort(new Error('before')), holder: '4' })).rejects.toThrow(
      'before',
    );
    await (await slots.acquire('a', { signal, holder: '5' })).release();
  });
});
