import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/model/report.ts';
import { copyScript } from '../../src/report/html-copy.ts';
import { renderHtml } from '../../src/report/html.ts';
import { htmlStyle } from '../../src/report/html-style.ts';
import { runTimeline } from '../../src/report/run-timeline.ts';
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

/** The same report as a host would have sent that means no harm; as long-winded, because long commands fold. */
function tame(value: unknown): unknown {
  if (typeof value === 'string') return value.includes('<!channel>') ? 'benign'.repeat(value.length) : value;
  if (Array.isArray(value)) return value.map(tame);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, tame(item)]));
}

describe('renderHtml', () => {
  it('stands alone: its policy forbids everything but its own style and the one script that copies', () => {
    const hash = `sha256-${createHash('sha256').update(copyScript).digest('base64')}`;
    for (const report of Object.values(fixtures)) {
      const html = renderHtml(report);
      expect(html).toContain(
        `content="default-src 'none'; style-src 'unsafe-inline'; script-src '${hash}'; base-uri 'none'; form-action 'none'"`,
      );
      expect(Array.from(html.matchAll(/<script>([^]*?)<\/script>/g), ([, script]) => script)).toEqual([copyScript]);
      expect(html).not.toMatch(/<(?:script\s|link|img|iframe|object|embed|form|base|a\s+href="(?!#))/i);
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

  it('hides on a phone only what is there once more for phones', () => {
    const [, hidden = ''] = /@media\(max-width:600px\)\{\.([\w-]+)\{display:none\}/.exec(htmlStyle) ?? [];
    expect(hidden).toBe('on-desk');
    const html = renderHtml(fieldReport0);
    const count = (name: string) => html.match(new RegExp(`class="[^"]*\\b${name}\\b`, 'g'))?.length ?? 0;
    expect(count('on-desk')).toBeGreaterThan(0);
    expect(count('on-phone')).toBe(count('on-desk'));
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

const counters = 'evidence/node-50/06-counters.out';
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('what the commands said', () => {
  it('shows the line under the sentence that rests on it, and where it stands in the output', () => {
    const outputs = new Map([[counters, bytesOf('one\ntwo\nthree\nPAWSPassive 41 <b>\nfive\nsix\n')]]);
    const html = renderHtml(fieldReport0, { outputs });
    const [cause = '', whole = ''] = Array.from(html.matchAll(/<pre class="out">.*?<\/pre>/g), ([pre]) => pre);
    expect(cause).toContain('<mark><i>4</i>PAWSPassive 41 &lt;b&gt;</mark>');
    expect(cause).not.toContain('<i>1</i>');
    expect(whole).toContain('<span><i>1</i>one</span>');
    expect(whole).toContain('<mark><i>4</i>');
  });

  it('says how many lines it left out', () => {
    const lines = Array.from({ length: 500 }, (_, at) => `line ${at + 1}`).join('\n');
    const html = renderHtml(fieldReport0, { outputs: new Map([[counters, bytesOf(lines)]]) });
    expect(html).toContain('⋯ 493 lines');
    expect(html).toContain('Output (7 of 500 lines)');
  });

  it('finds the values that are spoken of in a table of hundreds', () => {
    const names = Array.from({ length: 90 }, (_, at) => (at === 70 ? 'PAWSPassive' : `Counter${at}`));
    const values = names.map((_, at) => String(at));
    const table = `a\nb\nTcpExt: ${names.join(' ')}\nTcpExt: ${values.join(' ')}\n`;
    const html = renderHtml(fieldReport0, { outputs: new Map([[counters, bytesOf(table)]]) });
    expect(html).toContain('<mark><i>4</i>TcpExt: … PAWSPassive 70 …</mark>');
    // Under a sentence stands what it speaks of, and nothing of what others say of the same line.
    const [cause] = fieldReport0.findings;
    const [, other] = (cause?.because ?? []).map((because) => ({ ...because, text: 'Counter3 did not move' }));
    if (cause === undefined || other === undefined) throw new Error('the fixture has sentences');
    const more = { ...cause, verdict: 'ruledOut' as const, because: [other] };
    const both = renderHtml(
      { ...fieldReport0, findings: [...fieldReport0.findings, more] },
      { outputs: new Map([[counters, bytesOf(table)]]) },
    );
    expect(both).toContain('<mark><i>4</i>TcpExt: … PAWSPassive 70 …</mark>');
    expect(both).toContain('<mark><i>4</i>TcpExt: … Counter3 3 … PAWSPassive 70 …</mark>');
  });

  it('lets nothing in an output work', () => {
    const evil = '<script>alert(1)</script>\u001b[31m\u202e</pre></details><img src=x>\n'.repeat(4);
    const paths = fieldReport0.evidence.flatMap(({ out, err }) => [out, err].filter((path) => path !== undefined));
    const html = renderHtml(fieldReport0, { outputs: new Map(paths.map((path) => [path, bytesOf(evil)])) });
    expect(html).toContain('&lt;script&gt;alert(1)');
    expect(html).not.toMatch(/<img|<script>alert|\u001b|\u202e/);
  });

  it('never shows a capture, and stays below 3 MB whatever was said', () => {
    const [entry] = fieldReport0.evidence;
    if (entry === undefined) throw new Error('no evidence');
    const evidence = Array.from({ length: 2000 }, (_, at) => ({
      ...entry,
      id: `${at}-big`,
      kind: at % 2 === 0 ? 'pcap' : entry.kind,
      out: `evidence/node-50/${at}-big.out`,
    }));
    const long = bytesOf(`${'&'.repeat(900)}\n`.repeat(5000));
    const outputs = new Map(evidence.map(({ out, kind }) => [out, kind === 'pcap' ? bytesOf('payload') : long]));
    const html = renderHtml({ ...fieldReport0, evidence }, { outputs });
    expect(html.length).toBeLessThan(3 * 1024 * 1024);
    expect(html).not.toContain('payload');
    expect(renderHtml({ ...fieldReport0, evidence }, { outputs })).toBe(html);
  });
});

describe('where the time went', () => {
  it.each(Object.entries(fixtures))('of %s: phases follow each other without a hole', (_name, report) => {
    const { tookMs, phases, nodes } = runTimeline(report);
    let at = 0;
    for (const { fromMs, toMs } of phases) {
      expect(fromMs).toBe(at);
      at = toMs;
    }
    if (report.evidence.length > 0) expect(at).toBe(tookMs);
    for (const { spans } of nodes)
      for (const { fromMs, toMs } of spans) {
        expect(fromMs).toBeGreaterThanOrEqual(0);
        expect(toMs).toBeLessThanOrEqual(tookMs);
      }
  });

  it('is told with its lengths', () => {
    const html = renderHtml(fieldReport0);
    expect(html).toContain('Where the time went');
    expect(html).toMatch(/probe <b>[\d.]+ m?s<\/b>/);
  });
});
