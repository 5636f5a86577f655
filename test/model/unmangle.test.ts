import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unmangle } from '../../src/model/unmangle.ts';

describe('unmangle', () => {
  it.each([
    ['<http://node-50|node-50> port 1301', 'node-50 port 1301'],
    ['<http://node-50.example.com|node-50.example.com>', 'node-50.example.com'],
    ['<http://node-50:1301>', 'http://node-50:1301'],
    ['node-50 port <tel:1301|1301>', 'node-50 port 1301'],
    ['node-50 port <tel:1301>', 'node-50 port 1301'],
    ['<mailto:anna@node-50|anna@node-50>', 'anna@node-50'],
    ['<@U0ANNA|anna> <@U0BEN>', '@anna @U0BEN'],
    ['<#C0NET|net> <#C0X|>', '#net #C0X'],
    ['<!here> <!subteam^S1|@oncall> <!date^1^{date}|today>', '@here @oncall today'],
    ['node-50\u00a0port\u20031301\u3000from\tnode-12\n', 'node-50 port 1301 from node-12'],
    ['node\u201150 port 1301 \u201csize\u201d \u2018900\u2019', 'node-50 port 1301 "size" \'900\''],
    ['node\u201350 port 1301 \u2014packets', 'node-50 port 1301 --packets'],
    ['*node-50 port 1301* from _node-12_', 'node-50 port 1301 from node-12'],
    ['`node-50` port ~*1301*~', 'node-50 port 1301'],
    ['```node-50 port 1301```', 'node-50 port 1301'],
    ['```\nnode-50 port 1301\n```', 'node-50 port 1301'],
    ['`node-50 port 1301`', 'node-50 port 1301'],
    ['a &amp;&amp; b &lt;c&gt; &amp;lt;', 'a && b <c> &lt;'],
    ['node\u200b-50\u2060 port\ufeff 1301', 'node-50 port 1301'],
    ['node-50 端口 １３０１', 'node-50 端口 1301'],
    ['node-50;reboot $(id)', 'node-50;reboot $(id)'],
    ['pod-* tcp_tw_recycle', 'pod-* tcp_tw_recycle'],
    ['a < b > c', 'a < b > c'],
    ['', ''],
    [' \u00a0 ', ''],
  ])('%j means %j', (typed, meant) => {
    expect(unmangle(typed)).toBe(meant);
  });

  const word = fc.stringMatching(/^[a-z0-9][a-z0-9./:-]{0,12}$/u);
  const plain = fc.array(word, { minLength: 1, maxLength: 8 });

  it('leaves text alone that Slack did not touch', () => {
    fc.assert(
      fc.property(plain, (words) => {
        expect(unmangle(words.join(' '))).toBe(words.join(' '));
      }),
    );
  });

  it('undoes whatever Slack and keyboards do to words and spaces', () => {
    const wrap = fc.constantFrom(
      (w: string) => w,
      (w: string) => `*${w}*`,
      (w: string) => `_${w}_`,
      (w: string) => `~${w}~`,
      (w: string) => `\`${w}\``,
      (w: string) => `*_${w}_*`,
      (w: string) => `<http://${w}|${w}>`,
      (w: string) => `<tel:${w}|${w}>`,
      (w: string) => w.replaceAll('-', '\u2011'),
      (w: string) => `\u200b${w}\u2060`,
    );
    const space = fc.constantFrom(' ', '\u00a0', '\u3000', '  ', '\t', '\u2009');
    fc.assert(
      fc.property(fc.array(fc.tuple(word, wrap, space), { minLength: 1, maxLength: 8 }), (parts) => {
        const typed = parts.map(([w, wrapped, gap]) => wrapped(w) + gap).join('');
        expect(unmangle(typed)).toBe(parts.map(([w]) => w).join(' '));
      }),
    );
  });

  it('gives one trimmed line without hidden characters, whatever comes in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const out = unmangle(text);
        expect(out).toBe(out.trim());
        expect(out).not.toMatch(/[\n\t\u00a0\u200b\u2060\ufeff]| {2}/u);
      }),
    );
  });

  it('takes 1 MB of the worst in stride', () => {
    for (const piece of ['<', '*', '* ', '`', '&amp;', '<a|', '<http://', '_a ', '```']) {
      expect(typeof unmangle(piece.repeat(1_000_000 / piece.length))).toBe('string');
    }
  });
});
