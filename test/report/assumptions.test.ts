import { expect, it } from 'vitest';
import { assumptionLines } from '../../src/report/assumptions.ts';

it('says what was chosen and how to choose otherwise, in both languages', () => {
  const assumed = [
    { what: 'from' as const, node: 'node-12', others: ['node-30'] },
    { what: 'owner' as const, node: 'node-50', others: ['node-51'] },
    { what: 'words' as const, node: 'node-12', others: ['node-50'] },
  ];
  for (const language of ['en', 'zh'] as const) {
    const [from = '', owner = '', words = ''] = assumptionLines({ assumed, targetAddress: '10.51.2.2' }, language);
    expect(from).toContain('from node-30');
    expect(owner).toContain('10.51.2.2 on node-51');
    expect(words).toContain('node-50 port');
  }
  expect(assumptionLines({ targetAddress: '10.51.2.2' }, 'en')).toEqual([]);
});
