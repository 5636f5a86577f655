import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeCodeBlock, escapeInlineCode, escapeMrkdwn, escapeMrkdwnUpTo } from '../../src/report/escape-mrkdwn.ts';
import { nastyText } from './arbitrary-report.ts';

describe('escapeMrkdwn', () => {
  it.each([
    ['<!channel>', '&lt;!channel&gt;'],
    ['<@U024BE7LH>', '&lt;@\u2060U024BE7LH&gt;'],
    ['see #general', 'see #\u2060general'],
    ['a && b', 'a &amp;&amp; b'],
    ['&lt;', '&amp;lt;'],
    ['@here and @Channel', '@\u2060here and @\u2060Channel'],
    ['root@node-50', 'root@node-50'],
    ['https://evil.example', 'https:\u2060//evil.example'],
    ['`code`', 'ˋcodeˋ'],
    ['内核参数 = 1', '内核参数 = 1'],
  ])('%j becomes %j', (text, escaped) => {
    expect(escapeMrkdwn(text)).toBe(escaped);
  });

  it('leaves no markup of Slack in any text', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(nastyText, (text) => {
        const escaped = escapeMrkdwn(text);
        expect(escaped).not.toMatch(/[<>`]|&(?!amp;|lt;|gt;)|@(?:channel|here|everyone)|:\/\//i);
      }),
    );
  });
});

describe('escapeMrkdwnUpTo', () => {
  it('keeps what fits and never half of an entity', () => {
    expect(escapeMrkdwnUpTo('a<b', 6)).toBe('a&lt;b');
    expect(escapeMrkdwnUpTo('a<b', 5)).toBe('a…');
    expect(escapeMrkdwnUpTo('<<<', 9)).toBe('&lt;&lt;…');
    expect(escapeMrkdwnUpTo('🔴🔴', 3)).toBe('🔴…');
  });

  it('is a beginning of the whole, within the bound', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(nastyText, fc.integer({ min: 1, max: 400 }), (text, most) => {
        const whole = escapeMrkdwn(text);
        const kept = escapeMrkdwnUpTo(text, most);
        expect(kept.length).toBeLessThanOrEqual(most);
        if (whole.length <= most) expect(kept).toBe(whole);
        else expect(whole.startsWith(kept.slice(0, -1)) && kept.endsWith('…')).toBe(true);
      }),
    );
  });
});

describe('code', () => {
  it('cannot be left from inside', { timeout: 60_000 }, () => {
    expect(escapeInlineCode('a`b\nc<d>')).toBe('aˋb c&lt;d&gt;');
    expect(escapeCodeBlock('echo `id` ``` <!here>')).toBe('echo `id` `\u2060`\u2060` &lt;!here&gt;');
    fc.assert(
      fc.property(nastyText, (text) => {
        expect(escapeCodeBlock(text)).not.toMatch(/```|[<>]/);
        expect(escapeInlineCode(text)).not.toMatch(/[`\n<>]/);
      }),
    );
  });

  it('leaves a command as it is copied', () => {
    expect(escapeCodeBlock("kill $(pidof nginx) | grep 'x'")).toBe("kill $(pidof nginx) | grep 'x'");
  });
});
