import { describe, expect, it } from 'vitest';
import { exhibits, fallbackOf, shownCases } from './gallery.ts';
import { mrkdwnHtml, renderGallery } from './render-html.ts';
import type { FakeMessage } from './slack-world.ts';
import { faultsInBlocks, isObject, maxBlocksChars } from './validate-blocks.ts';

const shown = await exhibits({ pictures: false });
const messages = shown.flatMap((exhibit) =>
  'thread' in exhibit ? exhibit.thread.map((message) => ({ title: exhibit.title, message })) : [],
);

/** Every text of blocks that Slack reads as mrkdwn, and every one that it shows as it is. */
function textsOf(value: unknown): readonly { readonly type: unknown; readonly text: string }[] {
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (!isObject(value)) return [];
  const own = typeof value['text'] === 'string' ? [{ type: value['type'], text: value['text'] }] : [];
  return [...own, ...Object.values(value).flatMap(textsOf)];
}
const all = ({ text, blocks }: FakeMessage) => [{ type: 'mrkdwn', text }, ...textsOf(blocks)];
const proseOf = (mrkdwn: string): string => mrkdwn.replace(/```[^]*?```/gu, '').replace(/`[^`\n]*`/gu, '');

describe('every message that netcheck sends in Slack', () => {
  it('is within the limits of Slack', () => {
    expect(messages.length).toBeGreaterThan(60);
    for (const { title, message } of messages) {
      expect(faultsInBlocks(message.blocks), title).toEqual([]);
      expect(JSON.stringify(message.blocks).length, title).toBeLessThanOrEqual(maxBlocksChars);
      expect(message.text.length, title).toBeLessThanOrEqual(4000);
    }
  });

  it('has no reference but to the people it is about, and no character that is broken', () => {
    for (const { title, message } of messages)
      for (const { type, text } of all(message)) {
        expect(text, title).not.toMatch(/\ufffd|\p{Surrogate}|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u);
        // A name of an emoji shows as such where Slack does not know it.
        expect(proseOf(text), title).not.toMatch(/(?<![\w.:])[:][a-z_+-]{2,}[:](?![\w:])/u);
        if (type !== 'mrkdwn') continue;
        for (const [, inside = ''] of proseOf(text).matchAll(/<([^>]*)>/gu))
          expect(inside.replace(/^!date\^\d+\^\{[^|<>]*\|[^|<>]+$/u, '@U0'), title).toMatch(
            /^[@#][UC]0\w*$|^https:\/\/(?:(?:practice\.)?slack\.com\/archives\/[A-Z0-9]+\/p\d+|(?:prometheus|runbooks)\.example\.com\/[\w./?=-]+)\|[^|<>]+$/u,
          );
        expect(text.match(/```/gu)?.length ?? 0, title).toSatisfy((count: number) => count % 2 === 0);
        // Slack wants a space or an ASCII mark after emphasis, also in Chinese: what it does not take stands there as it is.
        expect(mrkdwnHtml(text).replace(/<(pre|code)>.*?<\/\1>|<[^>]*>/gsu, ''), title).not.toMatch(
          /(?:^|\s)[*_][\p{L}\p{N}][^*_\n]*[*_]/u,
        );
      }
  });

  it('of a normal run is one answer, with its files as one more', () => {
    for (const exhibit of shown) {
      if (!('thread' in exhibit) || !shownCases.some((name) => exhibit.title.startsWith(`${name} `))) continue;
      const [root, answer, files, ...more] = exhibit.thread;
      expect(more, exhibit.title).toEqual([]);
      expect(answer?.threadTs, exhibit.title).toBe(root?.ts);
      if (files !== undefined) expect(files.blocks, exhibit.title).toEqual([]);
    }
  });

  it('begins with a headline that can be read at a glance', () => {
    for (const { title, message } of messages)
      for (const block of message.blocks)
        if (isObject(block) && block['type'] === 'header')
          expect(textsOf(block['text'])[0]?.text.length ?? 0, title).toBeLessThanOrEqual(150);
  });

  it('is Chinese where Chinese was asked for', () => {
    for (const { title, message } of messages)
      if (title.endsWith('(zh)') && message.files.length === 0 && message.user === 'U0NETCHECK')
        expect(JSON.stringify([message.text, message.blocks]), title).toMatch(/[\u4e00-\u9fff]/u);
  });

  it('makes a page to look at', () => {
    const page = renderGallery(shown);
    expect(page).toContain('tw-recycle (zh)');
    expect(page).not.toMatch(/<script|\son\w+=|undefined|\[object/u);
  });
});

describe('where Slack refuses the blocks', () => {
  it.each(shownCases)('%s: the plain text has the headline, every cause and every command', async (name) => {
    const { report, message } = await fallbackOf(name);
    expect(message.blocks).toEqual([]);
    const text = message.text
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&')
      .replace(/\s+/gu, ' ');
    expect(text).toContain(report.headline.replace(/\s+/gu, ' '));
    for (const { verdict, title, remedies } of report.findings) {
      if (verdict !== 'confirmed' && verdict !== 'likely') continue;
      expect(text).toContain(title);
      for (const command of remedies.flatMap(({ commands }) => commands))
        expect(text, command).toContain(command.replace(/\s+/gu, ' ').trim());
    }
  });
});
