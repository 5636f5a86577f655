import { describe, expect, it } from 'vitest';
import { type Path } from '../../src/model/report.ts';
import { pathSection } from '../../src/report/html-path.ts';
import { endSentence, hopCells, isTelling, pathLine } from '../../src/report/path-text.ts';

const way = (endsAt: Path['endsAt'], changes: Partial<Path> = {}): Path => ({
  connects: 8,
  failed: true,
  hops: [
    { node: 'node-12', role: 'client', connects: 8, sentOn: 8, answers: 0 },
    {
      node: 'r1',
      role: 'forwarder',
      in: { device: 'eth1', mtu: 1500 },
      connects: 8,
      sentOn: 0,
      answers: 0,
      forwards: false,
    },
    { node: 'node-50', role: 'target', connects: 0, answers: 0 },
  ],
  ...(endsAt === undefined ? {} : { endsAt }),
  ...changes,
});

describe('the way in words', () => {
  it.each([
    [{ node: 'r1', how: 'inside' }, 'node-12 → r1 ✗ node-50', 'they end in r1: it had them and sent none on'],
    [{ node: 'node-50', how: 'before' }, 'node-12 → r1 ✗ node-50', 'they end between r1 and node-50: node-50 saw none'],
    [{ node: 'r1', how: 'before' }, 'node-12 ✗ r1 ⋯ node-50', 'they end between node-12 and r1: r1 saw none'],
    [
      { node: 'node-50', how: 'unanswered' },
      'node-12 → r1 → node-50 ✗',
      'they arrive at node-50, and it does not answer',
    ],
    [undefined, 'node-12 → r1 → node-50', undefined],
  ] as const)('%o', (endsAt, line, sentence) => {
    expect(pathLine(way(endsAt))).toBe(line);
    expect(endSentence(way(endsAt), 'en')).toBe(sentence);
  });

  it('is told in Chinese as well', () => {
    expect(endSentence(way({ node: 'r1', how: 'inside' }), 'zh')).toBe('止于 r1：收到了，但一个也没有转发出去');
  });

  it('tells of forwarding that is off, and of captures that are missing', () => {
    expect(hopCells(way(undefined).hops[1] as Path['hops'][number], 'en')).toEqual([
      'r1',
      'forwarder, forwarding off',
      'eth1 mtu 1500',
      '',
      '8',
      '0',
      '0',
    ]);
    expect(hopCells({ node: 'x', role: 'target' }, 'en')[4]).toBe('no capture');
  });

  it('is shown where something failed or somebody stands in between', () => {
    expect(isTelling(undefined)).toBe(false);
    expect(isTelling(way(undefined, { failed: false, hops: way(undefined).hops.slice(0, 2) }))).toBe(false);
    expect(isTelling(way(undefined, { failed: false }))).toBe(true);
    expect(isTelling(way(undefined))).toBe(true);
  });
});

describe('the way as a picture in the page', () => {
  it('marks the node where the connects stop and the leg that none went over, and escapes names', () => {
    const page = pathSection({ path: way({ node: 'r1', how: 'inside' }) }, 'en');
    expect(page).toMatch(/class="hop end"><b>r1</);
    expect(page).toMatch(/class="leg cut"><span class="to">0 SYN ✗/);
    expect(page).toMatch(/class="hop far"><b>node-50</);
    const hostile = way(undefined);
    const name = '<script>alert(1)</script>';
    expect(
      pathSection({ path: { ...hostile, hops: hostile.hops.map((hop) => ({ ...hop, node: name })) } }, 'en'),
    ).not.toContain('<script>');
    expect(pathSection({}, 'en')).toBe('');
  });
});
