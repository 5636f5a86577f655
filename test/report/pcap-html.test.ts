import { describe, expect, it } from 'vitest';
import type { Capture } from '../../src/model/facts.ts';
import type { Finding } from '../../src/model/report.ts';
import { conversationLadder, joinedLadder } from '../../src/report/conversation-ladder.ts';
import { renderPcapHtml } from '../../src/report/pcap-html.ts';
import { capture as captureFacts, connection } from '../rules/facts.ts';
import { blackHole, conversation, joinedStory, startMs, transfer } from './ladder-fixtures.ts';

const evil = '"><script>alert(1)</script><!--\u001b[31m\u202e';
const finding: Finding = {
  rule: 'mtu-blackhole',
  verdict: 'confirmed',
  node: 'x.pcap',
  title: 'Large packets die',
  because: [{ text: `1440 bytes ${evil}`, evidence: 'x.pcap' }],
  remedies: [
    { kind: 'temporary', text: 'Lower it', commands: ['ip link set <dev> mtu 1400'], undo: [], risk: 'slower' },
  ],
  missing: [],
};
const ladder = (title = 'the title') =>
  conversationLadder(conversation(blackHole()), blackHole(), {
    language: 'en',
    capturedOn: 'x.pcap',
    evidence: 'x.pcap',
    captureEndMs: startMs + 20_000,
    title,
  });
const captured = (values: Partial<Capture> = {}): Capture =>
  captureFacts([conversation(blackHole())], { at: { evidence: 'x.pcap' }, ...values });

function standsAlone(html: string): void {
  expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'`);
  expect(html).not.toMatch(/<(?:script|link|img|iframe|object|embed|form|base|a\s+href="(?!#))/i);
  expect(html.replace(/="[^"]*"/g, '=""')).not.toMatch(/<[^>]*\s(?:src|srcset|on[a-z]+)=/i);
  for (const [style] of html.matchAll(/<style>[^]*?<\/style>/g)) expect(style).not.toMatch(/url\(|@import/);
  expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:/);
  expect(html).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202e]|NaN|undefined|\[object/);
  for (const [, anchor] of html.matchAll(/href="#([^"]*)"/g)) expect(html).toContain(`id="${anchor}"`);
}

describe('renderPcapHtml', () => {
  const html = renderPcapHtml(
    [{ capture: captured(), findings: [finding], ladders: [{ number: 0, ladder: ladder() }] }],
    { language: 'en' },
  );
  it('stands alone', () => {
    standsAlone(html);
  });
  it('has the cause, its numbers, the remedy, the ladder for screen and phone, and the table, in that order', () => {
    const body = html.slice(html.indexOf('<body>'));
    const places = ['FOUND', 'Large packets die', '1440 bytes', 'Lower it', '<svg', 'narrow', '10.12.1.2:43512 →'].map(
      (text) => body.indexOf(text),
    );
    expect(places.every((place) => place > 0)).toBe(true);
    expect(body.match(/<svg/g)).toHaveLength(2);
    expect(body).toContain('<a href="#f0-0">#0</a>');
  });
  it('lets nothing of a capture become a tag', () => {
    const hostile = renderPcapHtml(
      [
        {
          capture: captured({ at: { evidence: evil }, problems: [{ message: evil }], linkType: evil }),
          findings: [{ ...finding, title: evil, rule: evil }],
          ladders: [{ number: 0, ladder: ladder(evil) }],
        },
      ],
      { language: 'en' },
    );
    standsAlone(hostile);
    const tags = (text: string): readonly string[] => text.match(/<\/?[a-z][a-z0-9]*/g) ?? [];
    expect(hostile).toContain('&lt;script&gt;');
    const tame = renderPcapHtml(
      [
        {
          capture: captured({ at: { evidence: 'x' }, problems: [{ message: 'x' }], linkType: 'x' }),
          findings: [{ ...finding, because: [{ text: 'x', evidence: 'x' }] }],
          ladders: [{ number: 0, ladder: { ...ladder('x'), title: 'x' } }],
        },
      ],
      { language: 'en' },
    );
    // The titles of the SVGs are wrapped to lines of <text>: all else is the same.
    const withoutText = (list: readonly string[]): readonly string[] => list.filter((tag) => !tag.endsWith('text'));
    expect(withoutText(tags(hostile))).toEqual(withoutText(tags(tame)));
  });
  it('is never green where something could not be judged or went wrong, and is green where all is well', () => {
    const verdict = (capture: Capture, findings: readonly Finding[]): string =>
      /<header class="verdict (\w+)">/.exec(
        renderPcapHtml([{ capture, findings, ladders: [] }], { language: 'en' }),
      )?.[1] ?? '';
    const fine = captureFacts([connection({ handshake: 'complete', fins: { client: true, server: true } })]);
    const well = {
      ...fine,
      connections: fine.connections.map((one) => ({ ...one, packets: { client: 5, server: 5 } })),
    };
    const withAnswer = {
      ...well,
      connections: well.connections.map((one) => ({
        ...one,
        syns: one.syns.slice(0, 1),
        retransmitted: { client: 0, server: 0 },
        synAcks: [{ atMs: one.firstAtMs + 1, frame: 2, sequence: 1, ttl: 64, tsval: null }],
      })),
    };
    expect(verdict(withAnswer, [{ ...finding, verdict: 'ruledOut' }])).toBe('clear');
    expect(verdict(withAnswer, [{ ...finding, verdict: 'unknown' }])).toBe('inconclusive');
    expect(verdict(captureFacts([connection()]), [])).toBe('inconclusive');
    expect(verdict(captureFacts([]), [])).toBe('inconclusive');
    expect(verdict(withAnswer, [{ ...finding, verdict: 'likely' }])).toBe('found');
  });
  it('shows joined captures with three lanes, and speaks Chinese', () => {
    const captures = joinedStory();
    const [one] = captures.connections;
    if (one === undefined) throw new Error('the fixture has a connection');
    const page = renderPcapHtml([], {
      language: 'zh',
      joined: {
        captures,
        ladders: [joinedLadder(captures, one, { language: 'zh', capturedOn: '', evidence: '', captureEndMs: null })],
      },
    });
    standsAlone(page);
    expect(page).toContain('<html lang="zh-Hans">');
    expect(page).toContain('4 个包（1440 字节）丢在 node-30.pcap 与 target.pcap 之间');
    expect(page).toContain('>node-30.pcap<');
  });
  it('is bounded: thousands of bad connections and packets make no page of megabytes', () => {
    const many = captureFacts(
      Array.from({ length: 2000 }, (_, index) => connection({ from: `10.${index >> 8}.0.${index & 255}` })),
    );
    const long = conversationLadder(conversation(transfer()), transfer(), {
      language: 'en',
      capturedOn: '',
      evidence: '',
      captureEndMs: null,
      fold: false,
    });
    expect(long.steps.length).toBeGreaterThan(300);
    const page = renderPcapHtml(
      [
        {
          capture: many,
          findings: [finding],
          ladders: Array.from({ length: 6 }, (_, number) => ({ number, ladder: long })),
        },
      ],
      { language: 'en' },
    );
    expect(page.length).toBeLessThan(500_000);
    expect(page).toContain('more packets');
  });
});
