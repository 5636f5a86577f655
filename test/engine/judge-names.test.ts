import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { collectors } from '../../src/collectors/index.ts';
import { judge } from '../../src/engine/judge.ts';
import { engineText } from '../../src/engine/wording.ts';
import { parsers } from '../../src/parsers/index.ts';
import { rules } from '../../src/rules/index.ts';

const registries = { collectors, parsers, rules };
/** A recorded run on a healthy network, as if its captures had been to show questions about names. */
async function healthy(filter: 'target' | 'dns') {
  const { record, evidence } = await loadRun(path.join(import.meta.dirname, '../cases/healthy/run.tar.gz'));
  const steps = record.plan.steps.map((step) =>
    step.collector === 'capture' ? { ...step, params: { filter } } : step,
  );
  return judge({ ...record, plan: { ...record.plan, steps } }, evidence, registries);
}

describe('a run about names', () => {
  it('is not clear where no question about a name was seen: caches and encryption hide them', async () => {
    const report = await healthy('dns');
    expect(report.verdict).toBe('inconclusive');
    expect(report.unseen).toContain(engineText.en.noNames);
  });

  it('is the only kind that has to see them', async () => {
    expect((await healthy('target')).verdict).toBe('clear');
  });
});
