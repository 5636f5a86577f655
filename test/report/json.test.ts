import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Report } from '../../src/model/report.ts';
import { reportJsonSchema } from '../../src/report/json-schema.ts';
import { renderJson } from '../../src/report/json.ts';
import { arbitraryReport } from './arbitrary-report.ts';
import { fieldReport0, fixtures, hostile } from './fixtures.ts';

/** The same value with every object's keys the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  );
}

describe('renderJson', () => {
  it('begins as the interface says, two spaces, and ends with a line feed', () => {
    const text = renderJson(fieldReport0);
    expect(text.startsWith('{\n  "schema": "netcheck/report/1",\n  "run": {\n    "id": ')).toBe(true);
    expect(text.endsWith('\n}\n')).toBe(true);
    expect(Object.keys(JSON.parse(text) as object)).toEqual([
      'schema',
      'run',
      'verdict',
      'headline',
      'symptom',
      'nodes',
      'findings',
      'unseen',
      'ladder',
      'evidence',
      'timing',
    ]);
  });

  it.each(Object.entries(fixtures))('%s is a valid report and comes back as it was', (_, report) => {
    const back: unknown = JSON.parse(renderJson(report));
    expect(Report.parse(back)).toEqual(back);
    expect(back).toEqual(JSON.parse(JSON.stringify(report)));
  });

  it('does not depend on the order in which keys were set, nor on absent keys', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(arbitraryReport, (report) => {
        const text = renderJson(report);
        expect(renderJson(reversed(report) as Report)).toBe(text);
        expect(renderJson(JSON.parse(text) as Report)).toBe(text);
      }),
      { numRuns: 40 },
    );
    const withAbsent = { ...fieldReport0, nodes: fieldReport0.nodes.map((node) => ({ ...node, unseen: undefined })) };
    expect(renderJson(withAbsent as unknown as Report)).toBe(renderJson(fieldReport0));
  });

  it('orders the members of a union by the member that it is', () => {
    const text = renderJson({
      ...fieldReport0,
      symptom: {
        ...fieldReport0.symptom,
        target: { name: 'web', namespace: 'shop', object: 'svc', kind: 'kubernetes' },
      },
    });
    expect(text.replace(/\s+/g, ' ')).toContain(
      '"target": { "kind": "kubernetes", "object": "svc", "namespace": "shop", "name": "web" }',
    );
  });

  it('has no character that acts on a terminal or hides text', () => {
    const text = renderJson(hostile);
    expect(text).toContain('\\u001b[2J');
    expect(text).toContain('\\u009b31m');
    expect(text).toContain('\\u202egpj.exe');
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/);
  });
});

describe('reportJsonSchema', () => {
  it('is the schema that docs/ publishes', () => {
    const published = readFileSync(new URL('../../docs/report.schema.json', import.meta.url), 'utf8');
    expect(JSON.parse(reportJsonSchema()), 'write docs/report.schema.json again').toEqual(JSON.parse(published));
  });

  it('names the draft, forbids other keys and knows every verdict', () => {
    const schema = JSON.parse(reportJsonSchema()) as {
      $schema: string;
      additionalProperties: boolean;
      properties: { findings: { items: { properties: { verdict: { enum: string[] } } } } };
    };
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema.additionalProperties).toBe(false);
    expect(schema.properties.findings.items.properties.verdict.enum).toContain('ruledOut');
  });
});
