import { describe, expect, it } from 'vitest';
import type { ScheduleLook, ScheduleNews, ScheduleState, ScheduleTrouble } from '../../src/model/schedule-state.ts';
import {
  renderScheduleFailure,
  renderScheduleNews,
  renderScheduleSummary,
  type SchedulePost,
} from '../../src/report/schedule-post.ts';

const trouble = (node: string, title: string): ScheduleTrouble => ({
  fingerprint: `${title}/${node}`,
  node,
  title,
  firstSeenMs: Date.parse('2026-11-03T20:30:00Z'),
});
const look = (more: Partial<ScheduleLook> = {}): ScheduleLook => ({
  isFirst: false,
  headline: 'headline',
  counts: { nodes: 45, looked: 43, new: 2, gone: 1, still: 41, unsure: 0 },
  new: [trouble('node-7', 'MTU 1430'), trouble('node-9', 'MTU 1430')],
  gone: [trouble('node-8', 'rp_filter')],
  still: [],
  unsure: [],
  unseen: [{ node: 'node-3', why: 'no route to host' }],
  ...more,
});
const news = (more: Partial<ScheduleNews> = {}): ScheduleNews => ({
  look: look(),
  lost: [],
  back: [],
  isAfterFailure: false,
  ...more,
});
const as = (language: 'en' | 'zh') => ({ name: 'nightly', language, timeZone: 'Asia/Shanghai' });
const textOf = ({ blocks }: SchedulePost): string =>
  blocks.map((block) => (block as { readonly text: { readonly text: string } }).text.text).join('\n');

describe('what a schedule posts', () => {
  it('a change, in English: counts first, then what is new, what is gone and since when', () => {
    const post = renderScheduleNews(news({ lost: look().unseen, back: ['node-4'] }), as('en'));
    expect(post.text).toBe('⚠️ nightly: 2 new, 1 gone, 41 as before');
    expect(textOf(post)).toBe(
      [
        '⚠️ *nightly* · 2 new, 1 gone, 41 as before',
        '*New*\n• `node-7` MTU 1430\n• `node-9` MTU 1430',
        '*Gone*\n• `node-8` rp_filter (since 4 Nov 2026, 04:30)',
        '*Could not be looked at*\n• `node-3` no route to host',
        '*Can be looked at again*\n• node-4',
      ].join('\n'),
    );
  });

  it('the same in Chinese', () => {
    const post = renderScheduleNews(news(), as('zh'));
    expect(post.text).toBe('⚠️ nightly: 新增 2 个，消失 1 个，其余 41 个未变');
    expect(textOf(post)).toContain('*已消失*\n• `node-8` rp_filter （自 2026年11月4日 04:30）');
  });

  it('the first look: everything that there is, and what comes from now on', () => {
    const counts = { nodes: 45, looked: 44, new: 0, gone: 0, still: 30, unsure: 0 };
    const still = Array.from({ length: 30 }, (_, n) => trouble(`node-${n}`, 'MTU 1430'));
    const post = renderScheduleNews(
      news({ look: look({ isFirst: true, counts, new: [], gone: [], still }) }),
      as('en'),
    );
    expect(post.text).toBe('⚠️ nightly: first look: 30 troubles on 44 of 45 nodes');
    expect(textOf(post)).toContain('… and 20 more');
    expect(textOf(post)).toContain('From now on only changes are told here');
    expect(textOf(post)).toContain('`node-3` no route to host');
  });

  it('what could not be told is not gone', () => {
    const counts = { nodes: 2, looked: 1, new: 0, gone: 0, still: 0, unsure: 1 };
    const unsure = [trouble('node-7', 'MTU 1430')];
    const post = renderScheduleNews(news({ look: look({ counts, new: [], gone: [], unsure }) }), as('en'));
    expect(textOf(post)).toContain('*Could not be told this time, so not counted as gone*\n• `node-7` MTU 1430');
  });

  it('another verdict, a failure, and that it runs again', () => {
    const quiet = { nodes: 2, looked: 2, new: 0, gone: 0, still: 0, unsure: 0 };
    const after = news({
      look: look({ counts: quiet, new: [], gone: [], headline: 'No conclusion' }),
      verdictBefore: 'clear',
      isAfterFailure: true,
    });
    expect(textOf(renderScheduleNews(after, as('en')))).toContain('It runs again.\nNow: No conclusion (before: clear)');
    const failed = renderScheduleFailure({ message: 'There is no node "x".', hint: 'Add it.' }, as('zh'));
    expect(failed.text).toBe('❗ nightly: 未能运行');
    expect(textOf(failed)).toContain('There is no node "x".\nAdd it.');
  });

  it('the summary has the counts, what is oldest, and when it looks next', () => {
    const state: ScheduleState = {
      format: 1,
      firing: 'f',
      atMs: 0,
      headline: '',
      nodes: 45,
      looked: 43,
      count: 2,
      troubles: [
        { ...trouble('node-9', 'new one'), firstSeenMs: Date.parse('2026-11-20T00:00Z') },
        trouble('node-7', 'old one'),
      ],
      unseen: ['node-3', 'node-4'],
      tally: { sinceMs: Date.parse('2026-11-16T01:00Z'), looks: 7, new: 3, gone: 2, failed: 1 },
    };
    const text = textOf(renderScheduleSummary(state, { ...as('en'), nextMs: Date.parse('2026-11-23T22:00Z') }));
    expect(text).toContain('since 16 Nov 2026, 09:00: 2 troubles now');
    expect(text).toContain('Looked 7 times: 3 new, 2 gone.\n1 time it could not run.');
    expect(text).toContain('The last time 43 of 45 nodes could be looked at.');
    expect(text.indexOf('old one')).toBeLessThan(text.indexOf('new one'));
    expect(text).toContain('Next look: 24 Nov 2026, 06:00.');
  });

  it('nothing that a node is called or says is at work', () => {
    const hostile = '<!channel> @here `x` \u001b[31m<http://evil|ok>';
    const post = renderScheduleNews(news({ look: look({ new: [trouble(hostile, hostile)] }) }), as('en'));
    const text = textOf(post) + post.text;
    expect(text).not.toContain('<!channel>');
    expect(text).not.toContain('<http');
    expect(text).not.toMatch(/(?<!\u2060)@here/u);
    expect(text).not.toContain('\u001b');
  });
});
