import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import { Report } from '../../src/model/report.ts';
import { parsers } from '../../src/parsers/index.ts';
import { renderJson } from '../../src/report/json.ts';
import { rules } from '../../src/rules/index.ts';
import { wrong } from '../lab/compare-report.ts';
import { expectationOf } from './expectation-of.ts';

/** Runs that were recorded on the practice network (real kernels; see test/lab/README.md for what is imitated there). */
const here = import.meta.dirname;
const cases = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const registries = { collectors, parsers, rules };

describe('golden cases', () => {
  it('say what they expect, and are not a handful', () => {
    expect(cases.length).toBeGreaterThan(40);
    expect(() => expectationOf('never-recorded')).toThrow(/nobody says what its cause is/);
  });

  it.each(cases)('%s: the same evidence gives the same report, byte for byte', async (name) => {
    const { record, evidence } = await loadRun(path.join(here, name, 'run.tar.gz'));
    const report = judge(record, evidence, registries);
    expect(Report.safeParse(report).error).toBeUndefined();
    expect(renderJson(report)).toBe(readFileSync(path.join(here, name, 'report.json'), 'utf8'));
  });

  it.each(cases)('%s: the cause is the one that was broken, and no other is confirmed', async (name) => {
    const { record, evidence } = await loadRun(path.join(here, name, 'run.tar.gz'));
    expect(wrong(judge(record, evidence, registries), expectationOf(name)).join('\n')).toBe('');
  });

  it.each(cases)(
    '%s: every sentence points at evidence that is in the run, and at a line that it has',
    async (name) => {
      const { record, evidence } = await loadRun(path.join(here, name, 'run.tar.gz'));
      const files = new Map(
        evidence.flatMap(({ entry, stdout, stderr }) => [[entry.out, stdout] as const, [entry.err, stderr] as const]),
      );
      const { findings } = judge(record, evidence, registries);
      const sentences = findings.flatMap(({ because }) => because);
      expect(sentences.length).toBeGreaterThan(0);
      for (const { text, evidence: file, line } of sentences) {
        if (file === 'run.json') continue;
        const bytes = files.get(file);
        expect(bytes, `${text} -> ${file}`).toBeDefined();
        if (line !== undefined)
          expect(
            Buffer.from(bytes ?? [])
              .toString('latin1')
              .split('\n').length,
            `${text} -> ${file}:${line}`,
          ).toBeGreaterThanOrEqual(line);
      }
    },
  );

  it.each(cases)('%s: speaks Chinese throughout', async (name) => {
    const { record, evidence } = await loadRun(path.join(here, name, 'run.tar.gz'));
    const english = judge(record, evidence, registries);
    const chinese = judge({ ...record, language: 'zh' }, evidence, registries);
    expect(chinese.findings.map(({ rule, verdict, node }) => [rule, verdict, node])).toEqual(
      english.findings.map(({ rule, verdict, node }) => [rule, verdict, node]),
    );
    for (const { title } of chinese.findings) expect(title).toMatch(/[\u4e00-\u9fff]/);
    expect(chinese.headline).toMatch(/[\u4e00-\u9fff]/);
  });
});
