import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clipMrkdwn,
  fitBlocks,
  maxBlocks,
  maxBlocksChars,
  plainTextOf,
} from '../../../src/adapters/slack/fit-blocks.ts';
import { faultsInBlocks } from '../../fakes/slack/validate-blocks.ts';

const text = fc.oneof(
  fc.string({ maxLength: 5000 }),
  fc.integer({ min: 1, max: 9000 }).map((n) => 'line of evidence\n'.repeat(n / 17)),
  fc.integer({ min: 1, max: 3000 }).map((n) => '&amp;'.repeat(n)),
  fc.integer({ min: 1, max: 3000 }).map((n) => '"\\\n'.repeat(n)),
  fc.integer({ min: 1, max: 4000 }).map((n) => `\`\`\`${'😀'.repeat(n)}\`\`\``),
);
const mrkdwn = text.map((content) => ({ type: 'mrkdwn', text: content }));
const block = fc.oneof(
  mrkdwn.map((content) => ({ type: 'section', text: content })),
  fc.array(mrkdwn, { maxLength: 14 }).map((fields) => ({ type: 'section', fields })),
  text.map((content) => ({ type: 'header', text: { type: 'plain_text', text: content } })),
  fc.array(mrkdwn, { maxLength: 14 }).map((elements) => ({ type: 'context', elements })),
  fc.constant({ type: 'divider' }),
);
const tail = [
  {
    type: 'actions',
    block_id: 'netcheck:r:answer',
    elements: [{ type: 'button', action_id: 'a', text: { type: 'plain_text', text: 'Re-check' }, value: 'r' }],
  },
];

describe('fitBlocks', () => {
  it('makes of any blocks something that Slack takes, buttons included', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 70 }), (blocks) => {
        const fitted = fitBlocks(blocks, tail, 'en');
        expect(faultsInBlocks(fitted)).toEqual([]);
        expect(fitted.length).toBeLessThanOrEqual(maxBlocks);
        expect(JSON.stringify(fitted).length).toBeLessThanOrEqual(maxBlocksChars);
        expect(fitted.at(-1)).toEqual(tail[0]);
      }),
      { numRuns: 200 },
    );
  });

  it('leaves small messages as they are', () => {
    const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: 'found' } }, { type: 'divider' }];
    expect(fitBlocks(blocks, [], 'en')).toEqual(blocks);
  });

  it('says how much it left out, in the language of the report', () => {
    const blocks = Array.from({ length: 60 }, (_, i) => ({
      type: 'section',
      text: { type: 'mrkdwn', text: `n ${i}` },
    }));
    expect(JSON.stringify(fitBlocks(blocks, tail, 'en').at(-2))).toContain('… and 17 more');
    expect(JSON.stringify(fitBlocks(blocks, tail, 'zh').at(-2))).toContain('还有 17 项');
    expect(fitBlocks(blocks.slice(0, 45), [], 'en')).toHaveLength(45);
  });
});

describe('clipMrkdwn', () => {
  it('closes an open code block and cuts no entity', () => {
    const clipped = clipMrkdwn(`\`\`\`${'a &lt; b\n'.repeat(400)}\`\`\``, 2800);
    expect(clipped.length).toBeLessThanOrEqual(2800);
    expect(clipped.endsWith('```')).toBe(true);
    expect(clipped).not.toMatch(/&(?:l|lt)?\n/u);
  });
});

describe('plainTextOf', () => {
  it('keeps the words and drops the buttons', () => {
    expect(
      plainTextOf([
        { type: 'header', text: { type: 'plain_text', text: 'A' } },
        ...tail,
        { type: 'context', elements: [{ type: 'mrkdwn', text: 'B' }] },
      ]),
    ).toBe('A\nB');
  });
});
