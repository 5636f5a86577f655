import { describe, expect, it } from 'vitest';
import type { Comparison, RunContext, SeenBefore } from '../../src/model/run-context.ts';
import { renderRunContext } from '../../src/report/run-context-blocks.ts';

const atMs = Date.UTC(2026, 10, 2, 14, 3, 20);
const place = { id: 'r1', endedAtMs: atMs, channel: 'C0OLD', rootTs: '1793628200.000100' };
const comparison = (changes: Partial<Comparison> = {}): Comparison => ({
  outcome: 'fixed',
  proven: true,
  earlier: { ...place, verdict: 'found' },
  gone: ['tcp_tw_recycle throws SYNs away'],
  still: [],
  appeared: [],
  numbers: [],
  settings: [],
  ...changes,
});
const seen = (changes: Partial<SeenBefore> = {}): SeenBefore => ({
  fingerprint: 'tw-recycle/node-50/tcp/1301',
  title: 'tcp_tw_recycle throws SYNs away',
  times: 3,
  atLeast: false,
  days: 30,
  last: place,
  ...changes,
});
const linesOf = (context: Partial<RunContext>, language: 'en' | 'zh' = 'en'): readonly string[] => {
  const { lead, tail } = renderRunContext({ seenBefore: [], ...context }, language);
  return [...lead, ...tail].flatMap((block) => (block as { text: { text: string } }).text.text.split('\n'));
};

describe('what earlier runs add to an answer', () => {
  it('is nothing where there were none', () => {
    expect(renderRunContext({ seenBefore: [] }, 'en')).toEqual({ lead: [], tail: [] });
  });

  it('begins with what became of it, with numbers and settings from then to now', () => {
    expect(
      linesOf({
        comparison: comparison({
          numbers: [{ text: 'Recv-Q 129 → 0 of Send-Q 128 → 511' }, { before: 'recycle = 1', after: 'recycle = 0' }],
          settings: [
            { node: 'node-50', kind: 'sysctl', name: 'net.ipv4.tcp_tw_recycle', from: '1', to: '0' },
            { node: 'node-50', kind: 'route', name: 'default', to: 'via 192.0.2.1 dev eth0' },
            {
              node: 'node-50',
              kind: 'firewall',
              name: 'iptables filter INPUT: -A INPUT -j DROP',
              from: '-A INPUT -j DROP',
            },
            { node: 'node-12', kind: 'mtu', name: 'eth0', from: '1500', to: '1450' },
            { node: 'node-12', kind: 'resolver', name: 'search', from: 'example.net', to: '' },
          ],
        }),
      }),
    ).toEqual([
      '🟢 *Fixed: what was found then is gone.*',
      'Compared with <https://slack.com/archives/C0OLD/p1793628200000100|2026-11-02 14:03 UTC>',
      '• Gone: tcp_tw_recycle throws SYNs away',
      '• Recv-Q 129 → 0 of Send-Q 128 → 511',
      '• _then_: recycle = 1',
      '   _now_: recycle = 0',
      '*Set otherwise since then*',
      '• node-50: `net.ipv4.tcp_tw_recycle 1 → 0`',
      '• node-50: `+ route default via 192.0.2.1 dev eth0`',
      '• node-50: `− iptables filter INPUT: -A INPUT -j DROP`',
      '• node-12: `MTU of eth0 1500 → 1450`',
      '• node-12: `resolv.conf search example.net → (empty)`',
    ]);
  });

  it.each([
    [{ outcome: 'fixed', proven: false }, /^🟢 \*Fixed as far as can be seen/, /^🟢 \*就所能看到的而言已修复/],
    [{ outcome: 'still', gone: [], still: ['it'] }, /^🔴 \*Still the same/, /^🔴 \*问题依旧/],
    [{ outcome: 'different', appeared: ['x'] }, /^🟠 \*Different/, /^🟠 \*不同/],
    [{ outcome: 'different', earlier: { ...place, verdict: 'clear' } }, /^🟠 \*New/, /^🟠 \*新问题/],
    [{ outcome: 'different', earlier: { ...place, verdict: 'inconclusive' } }, /^🟠 \*A cause can be/, /^🟠 \*现在能/],
    [{ outcome: 'clearNow' }, /^🟢 \*Nothing is wrong now/, /^🟢 \*现在没有问题/],
    [{ outcome: 'stillClear' }, /^🟢 \*Still nothing/, /^🟢 \*仍然没有/],
    [{ outcome: 'unsure' }, /^🟡 \*Not enough/, /^🟡 \*看到的不足/],
  ] as const satisfies readonly (readonly [Partial<Comparison>, RegExp, RegExp])[])(
    'says in one sentence, in both languages, what became of it: %j',
    (changes, en, zh) => {
      expect(linesOf({ comparison: comparison(changes) })[0]).toMatch(en);
      expect(linesOf({ comparison: comparison(changes) }, 'zh')[0]).toMatch(zh);
    },
  );

  it('says where the same was seen before, and what ended it', () => {
    const gone = {
      run: { ...place, id: 'r2', rootTs: '1793628300.000200' },
      afterMs: 12 * 60_000,
      byRecheck: true,
      settings: [{ node: 'node-50', kind: 'sysctl' as const, name: 'net.ipv4.tcp_tw_recycle', from: '1', to: '0' }],
    };
    expect(linesOf({ seenBefore: [seen({ gone })] })).toEqual([
      '🔁 Seen 3 times before in the last 30 days, last on 2026-11-02 14:03 UTC in <#C0OLD> (<https://slack.com/archives/C0OLD/p1793628200000100|thread>). It was gone 12 min later (<https://slack.com/archives/C0OLD/p1793628300000200|re-check>).',
      'Set otherwise in between',
      '• node-50: `net.ipv4.tcp_tw_recycle 1 → 0`',
    ]);
    expect(linesOf({ seenBefore: [seen({ times: 1 })] })).toEqual([
      expect.stringMatching(/^🔁 Seen once before .* No later run showed that it was gone\.$/),
    ]);
    const both = linesOf({ seenBefore: [seen({ times: 99, atLeast: true }), seen({ title: '别的' })] }, 'zh');
    expect(both).toEqual([
      expect.stringMatching(/^🔁 \*tcp_tw_recycle throws SYNs away\*：最近 30 天内出现过至少 99 次/),
      expect.stringMatching(/^\*别的\*：最近 30 天内出现过 3 次/),
    ]);
  });

  it('shows what nodes and rules said as text, however it looks', () => {
    const nasty = '<!channel> <@U0BEN> `x` *b* https://evil.example ‮';
    const lines = linesOf({
      comparison: comparison({
        gone: [nasty],
        numbers: [{ text: nasty }, { before: nasty, after: nasty }],
        settings: [{ node: nasty, kind: 'sysctl', name: nasty, from: nasty, to: nasty }],
      }),
      seenBefore: [seen({ title: nasty, last: { ...place, channel: 'C1> <!here' } }), seen({ title: nasty })],
    }).join('\n');
    expect(lines).not.toMatch(/<[!@]|‮/);
    expect(lines.match(/<[^>]*>/g)?.every((link) => /^<(?:https:\/\/slack\.com\/archives\/|#\w+>)/.test(link))).toBe(
      true,
    );
  });

  it('stays short, whatever changed', () => {
    const long = 'x'.repeat(5000);
    const { lead } = renderRunContext(
      {
        comparison: comparison({
          gone: Array.from({ length: 50 }, () => long),
          settings: Array.from({ length: 8 }, () => ({ node: long, kind: 'sysctl', name: 'n', from: long, to: long })),
        }),
        seenBefore: [],
      },
      'en',
    );
    expect(JSON.stringify(lead).length).toBeLessThan(4000);
  });
});
