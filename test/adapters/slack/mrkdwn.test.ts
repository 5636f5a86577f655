import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  codeBlock,
  codeSpan,
  escapeMrkdwn,
  mentionOf,
  withoutMentions,
  withoutMentionsInText,
} from '../../../src/adapters/slack/mrkdwn.ts';
import { pingsOf } from '../../fakes/slack/pings-of.ts';

const hostile = [
  '<!channel>',
  '<!here|here>',
  '<@U0ANNA>',
  '<#C0INCIDENT>',
  '@here',
  '@channel',
  '@everyone',
  '<https://evil.example|click>',
  'https://evil.example',
  '`',
  '```',
  '&lt;!channel&gt;',
  '\u202e',
  '\u200b',
  'x',
  '\n',
];
const hostileText = fc.array(fc.constantFrom(...hostile), { maxLength: 12 }).map((parts) => parts.join(''));
const section = (text: string) => [{ type: 'section', text: { type: 'mrkdwn', text } }];

describe('untrusted text in mrkdwn', () => {
  it('alerts nobody and links nowhere, as prose', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const escaped = escapeMrkdwn(text);
        expect(pingsOf(escaped, section(escaped))).toEqual([]);
        expect(escaped).not.toMatch(/[<>]|https?:\/\/|[\u202e\u200b]/u);
      }),
    );
  });

  it('cannot leave a code span', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const span = codeSpan(text);
        expect(span).toMatch(/^(?:`[^`\n<>]+`)?$/u);
      }),
    );
  });

  it('cannot leave a code block, and keeps commands to copy', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const block = codeBlock(text);
        expect(block.slice(3, -3)).not.toMatch(/```|[<>]/u);
      }),
    );
    expect(codeBlock('echo `hostname`\nssh root@node-50')).toBe('```echo `hostname`\nssh root@node-50```');
    expect(escapeMrkdwn('log in as root@node-50')).toBe('log in as root@node-50');
  });

  it('mentions only what looks like an id of Slack', () => {
    expect(mentionOf('U0ANNA')).toBe('<@U0ANNA>');
    expect(mentionOf('U0><!channel>')).not.toContain('<');
  });

  it('is caught by the last guard even where a renderer forgot to escape', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const blocks = withoutMentions([
          ...section(text),
          { type: 'context', elements: [{ type: 'mrkdwn', text }] },
          {
            type: 'rich_text',
            elements: [{ type: 'rich_text_section', elements: [{ type: 'broadcast', range: 'channel' }] }],
          },
        ]);
        expect(pingsOf(withoutMentionsInText(text), blocks)).toEqual([]);
      }),
    );
    expect(pingsOf('', section('<!channel> @here'))).toEqual(['<!channel>', '@here']);
  });
});
