import { describe, expect, it } from 'vitest';
import type { NodeConnection } from '../../src/engine/ports.ts';
import { tryChange } from '../../src/engine/try-change.ts';
import type { Exit } from '../../src/model/evidence.ts';
import type { InventoryNode } from '../../src/model/inventory.ts';
import type { Report } from '../../src/model/report.ts';
import type { Comparison } from '../../src/model/run-context.ts';

const change = { kind: 'sysctl', key: 'net.ipv4.ip_forward', value: '1' } as const;
const command = 'sysctl -w net.ipv4.ip_forward=1';
const trial = { node: 'r1', rule: 'ip-forward-off', change, command, askedBy: 'U0ANNA', approvedBy: 'U0BEN' };
const report = {
  findings: [
    {
      rule: 'ip-forward-off',
      verdict: 'confirmed',
      node: 'r1',
      remedies: [{ kind: 'temporary', node: 'r1', commands: [command], undo: ['x'], risk: '' }],
    },
  ],
} as unknown as Report;
const exited: Exit = { how: 'exited', code: 0 };
type Reply = string | Exit;

/** A node whose program answers what the test says, verb by verb. */
function world(replies: Readonly<Record<string, readonly Reply[]>>, outcome: Comparison['outcome'] = 'fixed') {
  const asked: string[] = [];
  const sent: string[] = [];
  const left = new Map(Object.entries(replies).map(([verb, some]) => [verb, [...some]]));
  let closed = 0;
  const reply = (verb: string): Reply => left.get(verb)?.shift() ?? 'state=unknown';
  const run = (attempt: number, signal = new AbortController().signal) =>
    tryChange(
      'try1',
      trial,
      { name: 'r1' } as InventoryNode,
      {
        transport: {
          async connect() {
            const connection: NodeConnection = {
              async run({ argv, privilege }) {
                sent.push(argv.slice(1).join(' '));
                expect(argv[0]).toBe('/usr/local/sbin/netcheck-change');
                expect(privilege).toBe('root');
                const said = reply(argv[1] ?? '');
                const [exit, text] = typeof said === 'string' ? [exited, said] : [said, ''];
                return { exit, stdout: Buffer.from(text), stderr: new Uint8Array(), startedAtMs: 0, endedAtMs: 0 };
              },
              close: async () => void (closed += 1),
            };
            return { ok: true, connection };
          },
        },
        ask: async (when) => {
          asked.push(when);
          return report;
        },
        compare: () => outcome,
        now: () => 0,
        onStep: async () => {},
      },
      { wallMs: 60_000, attempt, signal },
    );
  return { run, asked, sent, closed: () => closed };
}
const pending = 'state=pending\nprevious=0\nnow=1\nby=\n';

describe('trying a change', () => {
  it('keeps what helps, with the timer armed for longer than the run may take', async () => {
    const { run, asked, sent, closed } = world({
      begin: [pending],
      keep: ['state=kept\nprevious=0\nnow=1\nby=netcheck'],
    });
    const { outcome, steps, forget } = await run(1);
    expect(outcome).toEqual({ how: 'kept', previous: '0', now: '1' });
    expect(asked).toEqual(['before', 'after']);
    expect(steps.map(({ step }) => step)).toEqual(['before', 'changed', 'after', 'kept']);
    await forget();
    expect(sent).toEqual(['begin try1 80 sysctl net.ipv4.ip_forward 1', 'keep try1', 'forget try1']);
    expect(closed()).toBe(3);
  });

  it.each(['still', 'different', 'unsure', 'clearNow', 'stillClear'] as const)(
    'puts it back where asking again says "%s"',
    async (said) => {
      const { run, sent } = world({ begin: [pending], back: ['state=back\nprevious=0\nnow=0\nby=netcheck'] }, said);
      const because = said === 'still' || said === 'different' ? said : 'unsure';
      expect((await run(1)).outcome).toEqual({ how: 'putBack', because, now: '0' });
      expect(sent.at(-1)).toBe('back try1');
    },
  );

  it('says so where the timer was faster than "keep"', async () => {
    const { run } = world({ begin: [pending], keep: ['state=back\nprevious=0\nnow=0\nby=timer'] });
    expect((await run(1)).outcome).toEqual({ how: 'putBack', because: 'timer', now: '0' });
  });

  it.each<[Reply, { readonly because: string; readonly words: string }]>([
    [
      'refused=another change is being tried on this node',
      { because: 'helper', words: 'another change is being tried on this node' },
    ],
    [
      'failed=RTNETLINK answers: busy\nstate=back\nprevious=0\nnow=0',
      { because: 'helper', words: 'RTNETLINK answers: busy' },
    ],
    ['state=same\nnow=1', { because: 'already', words: '1' }],
    [
      { how: 'exited', code: 127 },
      { because: 'noHelper', words: '' },
    ],
    [
      { how: 'notStarted', why: 'sudo', message: '' },
      { because: 'noHelper', words: '' },
    ],
  ])('changes nothing where the node says %o', async (said, expected) => {
    const { run, asked } = world({ begin: [said] });
    expect((await run(1)).outcome).toEqual({ how: 'notChanged', ...expected });
    expect(asked).toEqual(['before']);
  });

  it('changes nothing where the run is cancelled before', async () => {
    const { run, sent } = world({});
    expect((await run(1, AbortSignal.abort('cancelled'))).outcome).toMatchObject({
      how: 'notChanged',
      because: 'cancelled',
    });
    expect(sent).toEqual([]);
  });

  it.each([
    [pending, 'back', { how: 'putBack', because: 'workerDied', now: '0' }],
    ['state=back\nprevious=0\nnow=0\nby=timer', 'status', { how: 'putBack', because: 'timer', now: '0' }],
    ['state=kept\nprevious=0\nnow=1\nby=netcheck', 'status', { how: 'kept', previous: '0', now: '1' }],
  ])('goes on from where the worker before it died: %j', async (left, last, expected) => {
    const { run, sent } = world({ status: [left], back: ['state=back\nprevious=0\nnow=0\nby=netcheck'] });
    expect((await run(2)).outcome).toEqual(expected);
    expect(sent.at(-1)).toBe(`${last} try1`);
    expect(sent.join()).not.toContain('begin');
  });

  it('begins where the worker before it had not come so far', async () => {
    const { run, sent } = world({
      status: ['state=unknown'],
      begin: [pending],
      keep: ['state=kept\nprevious=0\nnow=1'],
    });
    expect((await run(2)).outcome).toMatchObject({ how: 'kept' });
    expect(sent.map((one) => one.split(' ')[0])).toEqual(['status', 'begin', 'keep']);
  });
});
