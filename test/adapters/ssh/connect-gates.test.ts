import { describe, expect, it } from 'vitest';
import { createConnectGates } from '../../../src/adapters/ssh/connect-gates.ts';

const never = new AbortController().signal;
/** Lets everything that can go on go on. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Asks to enter; `inside` tells who is in. */
function crowd(gates: ReturnType<typeof createConnectGates>) {
  const inside = new Map<string, () => void>();
  return {
    inside: () => [...inside.keys()].sort(),
    ask: (who: string, host: string, signal = never): Promise<void> =>
      gates
        .of(host)
        .enter(signal)
        .then((leave) => void inside.set(who, leave)),
    leave: async (who: string): Promise<void> => {
      inside.get(who)?.();
      inside.delete(who);
      await settled();
    },
  };
}

describe('connections that open at once', () => {
  it('are bounded at one host and over all hosts', async () => {
    const people = crowd(createConnectGates(2, 3));
    for (const who of ['a1', 'a2', 'a3', 'b1', 'b2']) void people.ask(who, who.slice(0, 1));
    await settled();
    expect(people.inside()).toEqual(['a1', 'a2', 'b1']);
    await people.leave('b1');
    expect(people.inside()).toEqual(['a1', 'a2', 'b2']);
    await people.leave('a1');
    expect(people.inside()).toEqual(['a2', 'a3', 'b2']);
  });

  it('that wait for a busy host keep no place from the others', async () => {
    const people = crowd(createConnectGates(1, 2));
    for (const who of ['a1', 'a2', 'a3', 'b1']) void people.ask(who, who.slice(0, 1));
    await settled();
    expect(people.inside()).toEqual(['a1', 'b1']);
  });

  it('leave nothing behind, whether they got in or gave up', async () => {
    const gates = createConnectGates(1, 1);
    const people = crowd(gates);
    const stop = new AbortController();
    await people.ask('a1', 'a');
    const givenUp = [people.ask('a2', 'a', stop.signal), people.ask('b1', 'b', stop.signal)];
    stop.abort(new Error('enough'));
    await Promise.all(givenUp.map((one) => expect(one).rejects.toThrow('enough')));
    await people.leave('a1');
    expect(gates.size).toBe(0);
    await people.ask('c1', 'c');
    expect(people.inside()).toEqual(['c1']);
  });
});
