import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/model/report.ts';
import { renderHtml } from '../../src/report/html.ts';
import { arbitraryReport } from './arbitrary-report.ts';
import { clear, fieldReport0, fieldReport0Zh, fixtures, hostile, hostileText, inconclusive } from './fixtures.ts';

/** Every tag with the names of its attributes, in order: what a browser would build, without the text. */
function structure(html: string): string[] {
  return Array.from(
    html.matchAll(/<(\/?[a-z!][a-z0-9]*)((?:\s+[a-zA-Z-]+(?:="[^"]*")?)*)\s*\/?>/g),
    ([, name, attributes = '']) =>
      [name, ...Array.from(attributes.matchAll(/([a-zA-Z-]+)(?:="[^"]*")?/g), ([, attribute]) => attribute)].join(' '),
  );
}

/** The same report as a host would have sent that means no harm. */
function tame(value: unknown): unknown {
  if (typeof value === 'string') return value.includes('<!channel>') ? 'benign' : value;
  if (Array.isArray(value)) return value.map(tame);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, tame(item)]));
}

describe('renderHtml', () => {
  it('stands alone: its policy forbids everything but its own style, and it asks for nothing', () => {
    for (const report of Object.values(fixtures)) {
      const html = renderHtml(report);
      expect(html).toContain(
        `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
      );
      expect(html).not.toMatch(/<(?:script|link|img|iframe|object|embed|form|base|a\s+href="(?!#))/i);
      expect(html.replace(/="[^"]*"/g, '=""')).not.toMatch(/<[^>]*\s(?:src|srcset|on[a-z]+)=/i);
      expect(/<style>[^]*<\/style>/.exec(html)?.[0]).not.toMatch(/url\(|@import/);
    }
  });

  it('lets no text of a host become a tag or an attribute', () => {
    const evil = structure(renderHtml(hostile));
    expect(evil.length).toBeGreaterThan(200);
    expect(evil).toEqual(structure(renderHtml(tame(hostile) as Report)));
    expect(renderHtml(hostile)).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(hostileText).toContain('<script>');
  });

  it('says verdict, cause, numbers, remedies and their undoing, in that order', () => {
    const html = renderHtml(fieldReport0).replace(/<head>[^]*<\/head>/, '');
    const places = [
      'FOUND',
      'node-50 silently drops',
      'confirmed',
      'PAWSPassive rose by 7',
      'sysctl -w net.ipv4.tcp_tw_recycle=0',
      'sysctl -w net.ipv4.tcp_tw_recycle=1',
      '<svg',
      'Accept queue overflow',
      'would load nf_conntrack',
      'iptables-save -c',
    ].map((text) => html.indexOf(text));
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('links a number to the command that it comes from', () => {
    const html = renderHtml(fieldReport0);
    const [, anchor = ''] = /<a class="at" href="#(e\d+)">evidence\/node-50\/06-counters\.out:4<\/a>/.exec(html) ?? [];
    expect(html).toMatch(new RegExp(`<div class="row" id="${anchor}">.*06-counters`));
  });

  it('every link leads somewhere on the page', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(arbitraryReport, (report) => {
        const html = renderHtml(report);
        for (const [, anchor] of html.matchAll(/href="#([^"]*)"/g)) expect(html).toContain(`id="${anchor}"`);
        expect(html).not.toMatch(
          /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]|\p{Surrogate}/u,
        );
        expect(html).not.toMatch(/NaN|undefined|\[object/);
      }),
      { numRuns: 40 },
    );
  });

  it('is green only for clear', () => {
    expect(renderHtml(clear)).toContain('<header class="verdict clear">');
    expect(renderHtml(inconclusive)).toContain('<header class="verdict inconclusive">');
    expect(renderHtml(inconclusive)).not.toContain('verdict clear');
  });

  it('is Chinese where the report is', () => {
    const html = renderHtml(fieldReport0Zh);
    expect(html).toContain('<html lang="zh-Hans">');
    expect(html).toContain('已定位');
    expect(html).toContain('处理办法');
    expect(html).not.toContain('What to do');
  });
});
