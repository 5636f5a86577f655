import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/model/report.ts';
import { escapeCodeBlock } from '../../src/report/escape-mrkdwn.ts';
import { renderSlackReport, type SlackBlock } from '../../src/report/slack-blocks.ts';
import { visibleText } from '../../src/report/visible-text.ts';
import { arbitraryReport } from './arbitrary-report.ts';
import {
  clear,
  everythingMissing,
  fieldReport0,
  fieldReport0Zh,
  fixtures,
  inconclusive,
  twoCauses,
} from './fixtures.ts';

interface TextObject {
  readonly type: string;
  readonly text: string;
  readonly verbatim?: boolean;
}

function textsOf(block: SlackBlock): readonly TextObject[] {
  return block['type'] === 'context' ? (block['elements'] as TextObject[]) : [block['text'] as TextObject];
}

/** The message as a person reads it, for the goldens. */
function reading(message: { readonly text: string; readonly blocks: readonly SlackBlock[] }): string {
  const blocks = message.blocks.map(
    (block) =>
      `[${String(block['type'])}] ${textsOf(block)
        .map(({ text }) => text)
        .join(' | ')}`,
  );
  return `text: ${message.text}\n${blocks.join('\n')}\n`;
}

describe('renderSlackReport', () => {
  it.each([
    ['field-report-0', fieldReport0],
    ['field-report-0-zh', fieldReport0Zh],
    ['clear', clear],
    ['inconclusive', inconclusive],
    ['everything-missing', everythingMissing],
    ['two-causes', twoCauses],
  ])('%s reads as reviewed', async (name, report) => {
    await expect(reading(renderSlackReport(report))).toMatchFileSnapshot(`goldens/${name}-slack.golden.txt`);
  });

  it('begins with the verdict and the headline, in the message and in the notification', () => {
    const { text, blocks } = renderSlackReport(fieldReport0);
    expect(blocks[0]).toEqual({
      type: 'header',
      text: { type: 'plain_text', text: `🔴 FOUND: ${fieldReport0.headline}`, emoji: false },
    });
    expect(text).toBe(`🔴 FOUND: ${fieldReport0.headline}`);
  });

  it('puts a headline that is too long for a header below it, whole', () => {
    const headline = 'a long story '.repeat(20).trim();
    const { blocks } = renderSlackReport({ ...fieldReport0, headline });
    expect(textsOf(blocks[0] ?? {})[0]?.text).toBe('🔴 FOUND');
    expect(textsOf(blocks[1] ?? {})[0]?.text).toBe(`*${headline}*`);
  });

  it('is never green for what is not known', () => {
    for (const report of [inconclusive, everythingMissing, fieldReport0]) {
      expect(JSON.stringify(renderSlackReport(report))).not.toMatch(/🟢|✅/);
    }
    expect(renderSlackReport(clear).text).toMatch(/^🟢/);
  });

  it('says honestly what it leaves out', () => {
    const [cause] = fieldReport0.findings;
    if (cause === undefined) throw new Error('the fixture has a cause');
    const many: Report = {
      ...fieldReport0,
      findings: Array.from({ length: 9 }, (_, at) => ({ ...cause, rule: `rule-${at}` })),
    };
    const all = reading(renderSlackReport(many));
    const shown = all.match(/confirmed: /g)?.length ?? 0;
    expect(shown).toBeGreaterThan(0);
    expect(all).toContain(`… ${9 - shown} more in the bundle`);
  });

  it('says what was seen at both ends once, with one line for the other', () => {
    const [cause] = fieldReport0.findings;
    if (cause === undefined) throw new Error('the fixture has a cause');
    const both: Report = { ...fieldReport0, findings: [cause, { ...cause, node: 'node-12' }] };
    const all = reading(renderSlackReport(both));
    expect(all.match(/tcp_tw_recycle=0/g)).toHaveLength(1);
    expect(all).toContain('[context] 🔴 *confirmed* · `tw-recycle` · node-12\n• net.ipv4.tcp_tw_recycle = 1');
  });

  it('would rather point to a command than show half of it', () => {
    const [cause] = fieldReport0.findings;
    if (cause === undefined) throw new Error('the fixture has a cause');
    const long = `echo ${'x'.repeat(5000)}`;
    const all = reading(
      renderSlackReport({
        ...fieldReport0,
        findings: [{ ...cause, remedies: [{ kind: 'temporary', commands: [long], undo: ['true'], risk: 'none' }] }],
      }),
    );
    expect(all).not.toContain('xxx');
    expect(all).toContain('copy it from the bundle');
    expect(all).toContain('_Undo:_ `true`');
  });

  it.each(Object.entries(fixtures))('keeps to the limits for %s', (_, report) => {
    holds(report, renderSlackReport(report));
  });

  it('keeps to the limits where every character costs two', () => {
    const quotes = (length: number) => '"'.repeat(length);
    const costly = (value: unknown): unknown => {
      if (typeof value === 'string') return value.length > 12 ? quotes(5000) : value;
      if (Array.isArray(value)) return value.map(costly);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, costly(item)]));
    };
    const { symptom, timing, schema } = fieldReport0;
    const report = { ...(costly(twoCauses) as Report), symptom, timing, schema };
    const findings = [...report.findings, ...report.findings, ...(costly(fieldReport0.findings) as Report['findings'])];
    const message = renderSlackReport({ ...report, findings, nodes: [...report.nodes, ...report.nodes] });
    holds({ ...report, findings }, message);
    expect(reading(message)).toContain('more in the bundle');
  });

  it('keeps to the limits and lets no mention, link or code span of a host work, for any report', {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(arbitraryReport, fc.constantFrom('en' as const, 'zh' as const), (report, language) => {
        holds(report, renderSlackReport(report, { language }));
      }),
      { numRuns: 100 },
    );
  });
});

function holds(report: Report, message: ReturnType<typeof renderSlackReport>): void {
  const { blocks, text, plain } = message;
  expect(blocks.length).toBeLessThanOrEqual(45);
  expect(JSON.stringify(blocks).length).toBeLessThanOrEqual(11_000);
  expect(text.length).toBeLessThanOrEqual(700);
  expect(plain.length).toBeLessThanOrEqual(12_000);
  const blocksOfCommands = new Set(
    report.findings.flatMap((finding) =>
      finding.remedies.flatMap(({ commands, undo }) =>
        [commands, undo].map((lines) => escapeCodeBlock(lines.map(visibleText).join('\n'))),
      ),
    ),
  );
  for (const block of blocks) {
    expect(['header', 'section', 'context']).toContain(block['type']);
    const texts = textsOf(block);
    expect(texts.length).toBeLessThanOrEqual(10);
    for (const object of texts) {
      expect(object.text.trim()).not.toBe('');
      if (block['type'] === 'header') {
        expect(object.type).toBe('plain_text');
        expect(object.text.length).toBeLessThanOrEqual(150);
        continue;
      }
      expect(object).toMatchObject({ type: 'mrkdwn', verbatim: true });
      expect(object.text.length).toBeLessThanOrEqual(block['type'] === 'section' ? 2800 : 2000);
      harmless(object.text);
      for (const [, code = ''] of object.text.matchAll(/```\n([^]*?)\n```/g)) {
        // A ladder is the only other code block.
        if (!/\d [mµ]?s {2}/.test(code)) expect(blocksOfCommands).toContain(code);
      }
    }
  }
  harmless(text);
  harmless(plain);
}

function harmless(text: string): void {
  expect(text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
  expect((text.match(/```/g) ?? []).length % 2).toBe(0);
  expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/u);
  // Outside of code blocks, where nothing is parsed.
  const prose = text.replace(/```[^]*?```/g, '').replace(/`[^`]*`/g, '');
  expect(prose).not.toMatch(/@(?:channel|here|everyone)|:\/\/|`/i);
}
