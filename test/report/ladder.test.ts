import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ladder } from '../../src/model/report.ts';
import { renderLadderSvg } from '../../src/report/ladder-svg.ts';
import { renderLadderText } from '../../src/report/ladder-text.ts';
import { stringWidth } from '../../src/report/string-width.ts';
import { arbitraryReport } from './arbitrary-report.ts';
import { fieldReport0, hostile } from './fixtures.ts';

const ladder: Ladder = {
  client: '10.0.0.1:40000',
  target: '10.0.0.2:80',
  capturedOn: 'node-1',
  evidence: 'evidence/node-1/01-capture.pcap',
  steps: [
    { atMs: 0, from: 'client', label: 'SYN', fate: 'answered' },
    { atMs: 0.4, from: 'target', label: 'SYN+ACK', fate: 'lost' },
    { atMs: 1004, from: 'client', label: 'SYN again', fate: 'unanswered' },
    { atMs: 1005, from: 'target', label: 'RST', fate: 'unanswered' },
    { atMs: 3020, from: 'client', label: 'SYN again (#3)', fate: 'lost' },
    { atMs: 3021, from: 'target', label: 'ICMP host-unreachable from 10.0.0.254 about 10.0.0.2', fate: 'seen' },
  ],
};

describe('renderLadderText', () => {
  it('draws two lanes, time down, and lets what is lost die on the way', () => {
    expect(renderLadderText(ladder, { width: 72, glyphs: 'box' }).join('\n')).toMatchInlineSnapshot(`
      "                    10.0.0.1:40000                10.0.0.2:80
          0 ms            ├─ SYN ────────────────────────────────▶│
        0.4 ms            │             ×─────────────── SYN+ACK ─┤  lost
        1.00 s   +1.00 s  ├─ SYN again ──────────────────────────▶×  no answer
        1.00 s     +1 ms  ×◀──────────────────────────────── RST ─┤  no answer
        3.02 s   +2.02 s  ├─ SYN again (#3) ────────×             │  lost
                          │ ICMP host-unreachable from 10.0.0.254 │
                          │ about 10.0.0.2                        │
        3.02 s     +1 ms  │◀──────────────────────────────────────┤"
    `);
  });

  it('draws with ASCII where there is no colour', () => {
    expect(renderLadderText(ladder, { width: 56, language: 'zh' }).join('\n')).toMatchInlineSnapshot(`
      "          10.0.0.1:40000             10.0.0.2:80
          0 ms  |- SYN ----------------------------->|
        0.4 ms  |            x------------- SYN+ACK -|  丢失
        1.00 s  |- SYN again ----------------------->x  无应答
        1.00 s  x<----------------------------- RST -|  无应答
        3.02 s  |- SYN again (#3) ------x            |  丢失
                | ICMP host-unreachable from         |
                | 10.0.0.254 about 10.0.0.2          |
        3.02 s  |<-----------------------------------|"
    `);
    expect(renderLadderText({ ...ladder, client: 'a', target: 'b', capturedOn: 'c' }).join('')).toMatch(
      /^[\u0020-\u007e]*$/,
    );
  });

  it('keeps first and last of many packets and says how many it left out', () => {
    const steps = Array.from({ length: 50 }, (_, index) => ({
      atMs: index,
      from: 'client' as const,
      label: `packet ${index}`,
      fate: 'seen' as const,
    }));
    const text = renderLadderText({ ...ladder, steps }, { maxSteps: 8 }).join('\n');
    expect(text).toContain('packet 4');
    expect(text).not.toContain('packet 5 ');
    expect(text).toContain('… 43 more packets …');
    expect(text).toContain('packet 49');
  });

  it('keeps its lanes in line whatever the labels are', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(arbitraryReport, fc.integer({ min: 40, max: 120 }), (report, width) => {
        fc.pre(report.ladder !== undefined);
        for (const line of renderLadderText(report.ladder ?? ladder, { width })) {
          expect(stringWidth(line)).toBeLessThanOrEqual(width);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('renderLadderSvg', () => {
  it('draws as reviewed', async () => {
    await expect(renderLadderSvg(fieldReport0.ladder ?? ladder, { theme: 'auto' })).toMatchFileSnapshot(
      'goldens/field-report-0-ladder.golden.svg',
    );
  });

  it('shows every packet, breaks the axis for long silences, and ends what dies in a cross', () => {
    const svg = renderLadderSvg(ladder, { theme: 'light' });
    for (const { label } of ladder.steps) expect(svg).toContain(`>${label}<`);
    expect(svg).toContain('>+1.00 s<');
    expect(svg.match(/class="x"/g)).toHaveLength(4);
    expect(svg.match(/class="p dies dash"/g)).toHaveLength(4);
    expect(svg.match(/class="r"/g)).toHaveLength(2);
  });

  it('has the colours of its theme only, or both where the reader decides', () => {
    expect(renderLadderSvg(ladder, { theme: 'dark' })).not.toContain('prefers-color-scheme');
    expect(renderLadderSvg(ladder, { theme: 'dark' })).not.toContain('--l-ground:#ffffff');
    expect(renderLadderSvg(ladder, { theme: 'auto' })).toContain('prefers-color-scheme:dark');
  });

  it('is well-formed and inert for any ladder', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(arbitraryReport, (report) => {
        fc.pre(report.ladder !== undefined);
        inert(renderLadderSvg(report.ladder ?? ladder));
      }),
      { numRuns: 40 },
    );
    inert(renderLadderSvg(hostile.ladder ?? ladder));
  });
});

/** Only our own elements, each closed; no character that XML forbids; nothing loaded, nothing run. */
function inert(svg: string): void {
  const open: string[] = [];
  for (const [, slash, name = '', selfClosing] of svg.matchAll(/<(\/?)([^\s/>]*)(?:[^<>"]|"[^"<]*")*?(\/?)>/g)) {
    expect(['svg', 'title', 'style', 'rect', 'text', 'path', 'circle']).toContain(name);
    if (slash === '/') expect(open.pop()).toBe(name);
    else if (selfClosing !== '/') open.push(name);
  }
  expect(open).toEqual([]);
  expect(svg.match(/</g)?.length).toBe(Array.from(svg.matchAll(/<(\/?)([a-z]+)/g)).length);
  expect(svg).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u);
  expect(svg.replace('http://www.w3.org/2000/svg', '').replace(/aria-label="[^"]*"/, '')).not.toMatch(
    /<[^>]*(?:href|url\(|https?:|\son\w+=)/,
  );
}
