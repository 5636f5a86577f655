import { describe, expect, it } from 'vitest';
import { rasteriseSvg } from '../../src/adapters/picture/rasterise-svg.ts';
import type { HeatMap, HeatRow } from '../../src/model/heat-map.ts';
import { shownHeatMap } from '../../src/report/heat-map-rows.ts';
import { renderHeatMapSvg } from '../../src/report/heat-map-svg.ts';

const columns = [
  { rule: 'tw-recycle', title: 'tcp_tw_recycle is on' },
  { rule: 'rp-filter-drop', title: 'rp_filter drops' },
  { rule: 'mtu-too-small', title: 'MTU too small' },
];
const one = (name: string, ...cells: HeatRow['cells']): HeatRow => ({ name, count: 1, cells });
const map: HeatMap = {
  title: 'node-audit',
  columns,
  rows: [
    one('node-1', 'ruledOut', 'ruledOut', 'notApplicable'),
    one('node-2', 'ruledOut', 'ruledOut', 'notApplicable'),
    one('node-3', 'ruledOut', 'unknown', 'notApplicable'),
    one('node-7', 'confirmed', 'ruledOut', 'ruledOut'),
  ],
};
const all = { maxRows: 100, maxColumns: 100 };

describe('what a heat map shows', () => {
  it('is one row for nodes that have all in common, the worst first', () => {
    expect(shownHeatMap(map, all).rows).toEqual([
      { name: 'node-7', count: 1, cells: ['confirmed', 'ruledOut'] },
      { name: 'node-3', count: 1, cells: ['ruledOut', 'unknown'] },
      { name: 'node-1', count: 2, cells: ['ruledOut', 'ruledOut'] },
    ]);
  });

  it('counts the checks that found nothing anywhere instead of showing them', () => {
    const shown = shownHeatMap(map, all);
    expect(shown.columns.map(({ rule }) => rule)).toEqual(['tw-recycle', 'rp-filter-drop']);
    expect(shown.left.quietColumns).toBe(1);
    expect(renderHeatMapSvg(map)).toContain('1 more check found nothing on any node.');
    expect(renderHeatMapSvg(map, { language: 'zh' })).toContain('另有 1 项检查在任何节点上都没有发现问题。');
  });

  it('never calls a fleet fine of which something could not be seen', () => {
    const fine = { ...map, rows: map.rows.slice(0, 2) };
    expect(renderHeatMapSvg(fine)).toContain('Every check is fine on every node.');
    for (const cell of ['unknown', 'error', null] as const)
      expect(
        renderHeatMapSvg({ ...fine, rows: [...fine.rows, one('node-9', 'ruledOut', cell, 'ruledOut')] }),
      ).not.toContain('Every check is fine');
    expect(renderHeatMapSvg({ ...map, rows: [] })).toContain('No node was looked at.');
  });

  it('says how many nodes and checks it left out', () => {
    const rows = Array.from({ length: 64 }, (_, at) =>
      one(
        `node-${at}`,
        ...Array.from({ length: 6 }, (_, bit) => ((at >> bit) & 1 ? ('likely' as const) : ('ruledOut' as const))),
      ),
    );
    const wide = {
      title: '',
      rows,
      columns: Array.from({ length: 6 }, (_, at) => ({ rule: `r${at}`, title: `R${at}` })),
    };
    const svg = renderHeatMapSvg(wide, { maxRows: 10, maxColumns: 5 });
    expect(svg).toContain('44 more nodes in 22 more groups are in the report.');
    expect(svg).toContain('1 more check found something; it is in the report.');
  });
});

describe('the picture of a heat map', () => {
  it('stays small for ten thousand nodes that are all different, and says the number', async () => {
    const many: HeatMap = {
      title: '夜间巡检 '.repeat(50),
      columns: Array.from({ length: 40 }, (_, at) => ({
        rule: `r${at}`,
        title: `某项检查第${at}号 with a long title`,
      })),
      rows: Array.from({ length: 10_000 }, (_, at) =>
        one(
          `node-${at}.a-long-domain-name.example.internal`,
          ...Array.from({ length: 40 }, (_, bit) =>
            (at * 31 + bit * 7) % 11 === 0 ? ('confirmed' as const) : ('ruledOut' as const),
          ),
        ),
      ),
    };
    const svg = renderHeatMapSvg(many, { theme: 'light', language: 'zh' });
    expect(svg.length).toBeLessThan(200_000);
    expect(svg).toContain('10000 个节点');
    const png = Buffer.from((await rasteriseSvg(svg)) ?? []);
    expect(png.length).toBeLessThan(1_000_000);
  });

  it('lets nothing of a name or a title work', () => {
    const hostile = {
      title: '</svg><script>alert(1)</script>',
      columns: [{ rule: 'x', title: '"><image href="http://x/"/>' }],
      rows: [one('<b>\u202enode\u001b[31m', 'confirmed')],
    };
    const svg = renderHeatMapSvg(hostile);
    expect(svg).not.toMatch(/<script|<image|<b>|\u202e|\u001b/);
  });

  it('has its colours in it where it becomes a PNG', () => {
    for (const theme of ['light', 'dark'] as const)
      expect(renderHeatMapSvg(map, { theme })).not.toMatch(/var\(|@media/);
    expect(renderHeatMapSvg(map)).toContain('prefers-color-scheme:dark');
  });
});
