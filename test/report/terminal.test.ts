import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/model/report.ts';
import { withoutAnsi } from '../../src/report/ansi.ts';
import { stringWidth } from '../../src/report/string-width.ts';
import { renderTerminal } from '../../src/report/terminal.ts';
import { visibleText } from '../../src/report/visible-text.ts';
import { arbitraryReport } from './arbitrary-report.ts';
import {
  clear,
  everythingMissing,
  fieldReport0,
  fieldReport0Zh,
  fixtures,
  hostile,
  inconclusive,
  twoCauses,
} from './fixtures.ts';

describe('renderTerminal', () => {
  it.each([
    ['field-report-0', fieldReport0],
    ['field-report-0-zh', fieldReport0Zh],
    ['clear', clear],
    ['inconclusive', inconclusive],
    ['everything-missing', everythingMissing],
    ['two-causes', twoCauses],
  ])('%s reads as reviewed', async (name, report) => {
    await expect(renderTerminal(report)).toMatchFileSnapshot(`goldens/${name}.golden.txt`);
  });

  it('reads as reviewed in colour', async () => {
    const text = renderTerminal(fieldReport0, { colour: true, width: 100 });
    await expect(text.replaceAll('\u001b', '␛')).toMatchFileSnapshot('goldens/field-report-0-colour.golden.txt');
  });

  it('says the same in colour as without, but for the drawing of the ladder', () => {
    const { ladder: _, ...report } = fieldReport0;
    const plain = renderTerminal(report);
    const colour = renderTerminal(report, { colour: true });
    expect(withoutAnsi(colour)).toBe(plain);
    expect(colour).not.toBe(plain);
  });

  it('puts the verdict first, the confirmed cause before the likely one, and what was not seen before what was ruled out only where nothing could be concluded', () => {
    const text = renderTerminal(twoCauses);
    expect(text.startsWith('FOUND: ')).toBe(true);
    expect(text.indexOf('confirmed: IP forwarding is off')).toBeLessThan(text.indexOf('likely: Accept queue overflow'));
    const found = renderTerminal(fieldReport0);
    expect(found.indexOf('RULED OUT')).toBeLessThan(found.indexOf('COULD NOT SEE'));
    const open = renderTerminal(inconclusive);
    expect(open.indexOf('COULD NOT SEE')).toBeLessThan(open.indexOf('RULED OUT'));
  });

  it('orders remedies by how soon they help, whatever the order of the rule', () => {
    const text = renderTerminal(fieldReport0);
    const places = ['Now (temporary)', 'For good (permanent)', 'In Kubernetes'].map((kind) => text.indexOf(kind));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(0);
  });

  it('is green only for what is clear or ruled out', () => {
    const green = /\u001b\[32m([^\u001b]*)/g;
    const greens = (report: Report) =>
      Array.from(renderTerminal(report, { colour: true }).matchAll(green), ([, text]) => text);
    expect(greens(clear)).toContain('CLEAR');
    expect(greens(everythingMissing)).toEqual([]);
    // The one check of it that could be made.
    expect(greens(inconclusive)).toEqual(['-']);
  });

  it('shows a command whole and alone on its line at any width', () => {
    const text = renderTerminal(fieldReport0, { width: 40 });
    expect(text).toContain(
      "\n      printf '%s\\n' 'net.ipv4.tcp_tw_recycle = 0' > /etc/sysctl.d/90-no-tw-recycle.conf\n",
    );
  });

  it('groups what could not be told by its reason', () => {
    const text = renderTerminal(inconclusive, { width: 200 });
    expect(text).toContain('so this cannot be told: tw-recycle, accept-queue-overflow, fw-input-drop');
    expect(text.match(/after 8 s\n/g)).toHaveLength(2);
  });

  it('renders every report within the width, and lets nothing from outside act on the terminal', {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(
        arbitraryReport,
        fc.integer({ min: 40, max: 140 }),
        fc.boolean(),
        fc.constantFrom('en' as const, 'zh' as const),
        (report, width, colour, language) => {
          const text = renderTerminal(report, { width, colour, language });
          holds(report, text, width, colour);
        },
      ),
      { numRuns: 80 },
    );
  });

  it.each(Object.entries(fixtures))('holds for %s at every width', (_, report) => {
    for (const width of [40, 57, 80, 132]) holds(report, renderTerminal(report, { width, colour: true }), width, true);
  });

  it('shows a hostile text instead of obeying it', () => {
    const text = renderTerminal(hostile, { colour: true });
    expect(text).toContain('␛[2J');
    expect(text).toContain('\\x9b31m');
    expect(text).toContain('\\u202egpj.exe');
    expect(text).toContain('more characters in the bundle');
  });
});

function holds(report: Report, text: string, width: number, colour: boolean): void {
  const commands = new Set(
    report.findings.flatMap((finding) =>
      finding.remedies.flatMap((remedy) =>
        [
          ...[...remedy.commands, ...remedy.undo].map(visibleText),
          visibleText(remedy.manifest?.yaml ?? '').trimEnd(),
        ].flatMap((text) => text.split('\n')),
      ),
    ),
  );
  expect(text.endsWith('\n')).toBe(true);
  const bare = colour ? withoutAnsi(text) : text;
  expect(bare).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
  for (const line of bare.split('\n')) {
    const isCommand = line.startsWith('      ') && commands.has(line.slice(6));
    if (!isCommand) expect(stringWidth(line), line).toBeLessThanOrEqual(width);
  }
}
