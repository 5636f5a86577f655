import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ladder } from '../../src/model/report.ts';
import { conversationLadder, joinedLadder } from '../../src/report/conversation-ladder.ts';
import { renderLadderSvg } from '../../src/report/ladder-svg.ts';
import { renderLadderText } from '../../src/report/ladder-text.ts';
import { stringWidth } from '../../src/report/string-width.ts';
import { arbitraryReport } from './arbitrary-report.ts';
import { fieldReport0, hostile } from './fixtures.ts';
import {
  blackHole,
  conversation,
  joinedStory,
  resetAfterIdle,
  resetAfterIdleConnection,
  shutWindow,
  startMs,
  transfer,
} from './ladder-fixtures.ts';

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

const told = { language: 'en', capturedOn: 'x.pcap', evidence: 'x.pcap', captureEndMs: startMs + 20_000 } as const;
const stories = (): Readonly<Record<string, Ladder>> => {
  const joined = joinedStory();
  const [one] = joined.connections;
  if (one === undefined) throw new Error('the fixture has a connection');
  return {
    'a black hole': conversationLadder(conversation(blackHole()), blackHole(), told),
    'a shut window': conversationLadder(conversation(shutWindow()), shutWindow(), told),
    'a RST after 15 min': conversationLadder(resetAfterIdleConnection(), resetAfterIdle(), told),
    'a transfer': conversationLadder(conversation(transfer()), transfer(), told),
    'three places': joinedLadder(joined, one, { ...told, title: 'packets die & "quotes" <live>' }),
  };
};

describe('the ladders of conversations', () => {
  it.each(Object.entries(stories()))('%s: well-formed, inert, bounded, in every width and theme', (_name, story) => {
    for (const narrow of [false, true])
      for (const theme of ['light', 'dark', 'auto'] as const) {
        const svg = renderLadderSvg(story, { theme, narrow });
        inert(svg);
        expect(svg).not.toMatch(/NaN|undefined|Infinity/);
        expect(svg.length).toBeLessThan(40_000);
      }
    for (const width of [40, 64, 80, 100, 140])
      for (const glyphs of ['box', 'ascii'] as const)
        for (const line of renderLadderText(story, { width, glyphs, maxSteps: 200 }))
          expect(stringWidth(line), line).toBeLessThanOrEqual(width);
  });

  it('draws a hole until it is filled, the arcs of retransmissions, and a shut window', () => {
    const { 'a black hole': hole, 'a shut window': shut, 'a transfer': filled } = stories();
    if (hole === undefined || shut === undefined || filled === undefined) throw new Error('the stories are there');
    const open = renderLadderSvg(hole, { theme: 'light' });
    expect(open).toContain('never filled');
    expect(open.match(/class="y2"/g)).toHaveLength(5);
    expect(open).not.toContain('class="z"');
    expect(renderLadderSvg(filled, { theme: 'light' })).not.toContain('never filled');
    expect(renderLadderSvg(filled, { theme: 'light' }).match(/class="o2"/g)).toHaveLength(1);
    expect(renderLadderSvg(shut, { theme: 'light' }).match(/class="z"/g)).toHaveLength(1);
  });

  it('breaks the lanes for a silence, in words', () => {
    const { 'a RST after 15 min': story } = stories();
    if (story === undefined) throw new Error('the story is there');
    expect(renderLadderSvg(story)).toContain('15 min 04 s of silence');
    expect(renderLadderText(story, { width: 80 }).join('\n')).toMatchInlineSnapshot(`
      "                    10.12.1.2:43512                    10.51.2.2:1301
          0 ms            |- SYN mss 1460 TSval 492021437 --------------->|
        0.4 ms            |<--------------------------- SYN,ACK mss 1460 -|
        0.4 ms            |- ACK ack 1 ---------------------------------->|
          1 ms            |- PSH,ACK seq 1 ack 1 len 212 ---------------->|
        1.6 ms            |<-------------------------------- ACK ack 213 -|
          4 ms   +2.4 ms  |<-------------- PSH,ACK seq 1 ack 213 len 980 -|
        4.1 ms            |- ACK ack 981 -------------------------------->|
                          :                                               :
                          :            15 min 04 s of silence             :
                          :                                               :
         904 s    +904 s  |- PSH,ACK seq 213 ack 981 len 212 ------------>|
         904 s            |<---------------------------------------- RST -|
                          |  TTL 63, its other packets 61: somebody in    |
                          |  between sent it; after 15 min 04 s of        |
                          |  silence                                      |"
    `);
  });

  it('has a lane for the forwarder, and lets packets die before and behind it', () => {
    const { 'three places': story } = stories();
    if (story === undefined) throw new Error('the story is there');
    expect(renderLadderText(story, { width: 100, glyphs: 'box' }).join('\n')).toMatchInlineSnapshot(`
      "                    client.pcap 10.12.1.2:43512
                                                    node-30.pcap
                                                                target.pcap 172.20.4.9:8080
          0 ms            ├─ SYN ─────────────────────────┼──────────────────────────────▶│
        0.7 ms            │◀──────────────────────────────┼───────────────────── SYN,ACK ─┤
        1.2 ms            ├─ ACK ack 1 ───────────────────┼──────────────────────────────▶│
        1.3 ms            ├─ PSH,ACK seq 1 ack 1 len 4 ───┼──────────────────────────────▶│
        1.9 ms            │◀──────────────────────────────┼─────────────────── ACK ack 5 ─┤
        100 ms    +98 ms  ├─ PSH,ACK seq 5 ack 1 len 1440 ┼───────────────────×           │  lost
        100 ms            ├─ PSH,ACK seq 1445 ack 1 len 700 ─────────────────────────────▶│
        101 ms            │◀──────────────────────────────┼─────────────────── ACK ack 5 ─┤  dup ACK
        320 ms   +219 ms  ├─ PSH,ACK seq 5 ack 1 len 1440 ┼───────────────────×           │  lost, 2nd try
        760 ms   +440 ms  ├─ PSH,ACK seq 5 ack 1 len 1440 ┼───────────────────×           │  lost, 3rd try
        1.60 s   +840 ms  ├─ PSH,ACK seq 5 ack 1 len 1440 ┼───────────────────×           │  lost, 4th try
                          │ PSH,ACK seq 5 ack 1 len 1440  │                               │
        1.90 s   +300 ms  ├───────────────────×           │                               │  lost, 5th try
        2.00 s   +100 ms  │◀──────────────────────────────┼───────────── RST ◆            │
                          │  made on the way              │                               │"
    `);
    const svg = renderLadderSvg(story, { theme: 'light' });
    expect(svg.match(/class="l"/g)).toHaveLength(3);
    // Behind the forwarder, and before it.
    const crosses = [...svg.matchAll(/class="x" d="M([\d.]+) /g)].map((match) => Number(match[1]));
    expect(crosses.filter((x) => x > 470 && x < 812)).toHaveLength(4);
    expect(crosses.filter((x) => x < 470)).toHaveLength(1);
  });

  it('keeps to the colours that it was given', () => {
    for (const story of Object.values(stories())) {
      expect(renderLadderText(story, { width: 80 }).join('')).not.toContain('\u001b');
      expect(renderLadderText(story, { width: 80, colour: true }).join('')).toContain('\u001b[');
    }
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
