import { describe, expect, expectTypeOf, it } from 'vitest';
import type { ExplainedStep } from '../../src/engine/explain.ts';
import { withoutAnsi } from '../../src/report/ansi.ts';
import { type ExplainStep, renderExplain } from '../../src/report/explain.ts';
import { shellText } from '../../src/report/shell-text.ts';
import { stringWidth } from '../../src/report/string-width.ts';
import { plan, steps } from './fixtures.ts';

describe('renderExplain', () => {
  it('takes what the engine explains', () => {
    expectTypeOf<ExplainedStep>().toExtend<ExplainStep>();
  });

  it.each(['en', 'zh'] as const)('reads as reviewed in %s', async (language) => {
    await expect(renderExplain(plan, steps, { language })).toMatchFileSnapshot(
      `goldens/explain-${language}.golden.txt`,
    );
  });

  it('shows every command word for word, at any width', () => {
    for (const width of [40, 80, 200]) {
      const text = renderExplain(plan, steps, { width });
      for (const { argv } of steps) expect(text).toContain(shellText(argv));
    }
  });

  it('is as wide as asked but for commands', () => {
    for (const width of [60, 80, 120]) {
      for (const line of withoutAnsi(renderExplain(plan, steps, { width, colour: true })).split('\n')) {
        const command = steps.some(({ argv }) => line.endsWith(shellText(argv)));
        if (!command) expect(stringWidth(line)).toBeLessThanOrEqual(width);
      }
    }
  });

  it('says where nothing would run, and that nothing is changed', () => {
    const text = renderExplain(plan, steps);
    expect(text).toContain('No command would run here.');
    expect(text).toContain('Nothing is changed on a node');
  });
});
