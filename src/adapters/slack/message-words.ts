import { isRecord } from './is-record.ts';
import { stringOf } from './string-of.ts';

/** What a message says, for a machine to read. */
export interface MessageWords {
  /** One line per paragraph, field or attachment; Slack's own mark-up is still in it. */
  readonly text: string;
  /** What stands in the addresses that it links to, decoded: alerts carry their labels there. */
  readonly links: string;
}

/** Most of a message that is looked at. */
const bounds = { lines: 300, depth: 12, links: 20, linkChars: 600 } as const;

/**
 * The words of a message as people and the apps of Alertmanager, Grafana, PagerDuty, Opsgenie and Datadog post them:
 * text, blocks and attachments. Never throws; anything that is not where it should be is left out.
 */
export function messageWords(message: unknown): MessageWords {
  if (!isRecord(message)) return { text: '', links: '' };
  const lines: string[] = [];
  const links: string[] = [];
  const say = (line: string): void => {
    for (const part of line.split('\n')) {
      const trimmed = part.trim();
      if (trimmed !== '' && lines.length < bounds.lines && !lines.includes(trimmed)) lines.push(trimmed);
    }
  };
  const link = (url: string): void => {
    if (links.length < bounds.links && !links.includes(url)) links.push(url);
  };

  const blocksIn = (blocks: unknown): void => {
    for (const block of Array.isArray(blocks) ? blocks.slice(0, bounds.lines) : []) paragraph(block, 0, say, link);
  };
  say(stringOf(message['text']));
  blocksIn(message['blocks']);
  for (const attachment of listOf(message['attachments'])) {
    say(stringOf(attachment['pretext']));
    say(stringOf(attachment['title']));
    say(stringOf(attachment['text']));
    for (const field of listOf(attachment['fields'])) {
      say(`${stringOf(field['title'])}: ${stringOf(field['value']).replaceAll('\n', ' ')}`);
    }
    blocksIn(attachment['blocks']);
    if (stringOf(attachment['text']) === '') say(stringOf(attachment['fallback']));
    for (const key of ['title_link', 'from_url', 'original_url']) link(stringOf(attachment[key]));
  }
  for (const { 1: url = '' } of lines.join('\n').matchAll(/<(https?:\/\/[^|>\s]+)(?:\|[^>]*)?>/gu)) link(url);
  return {
    text: lines.join('\n'),
    links: links
      .map(wordsOfLink)
      .filter((words) => words !== '')
      .join('\n'),
  };
}

function listOf(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.slice(0, bounds.lines).filter(isRecord) : [];
}

/** One line for each text object, section or list item of a block. */
function paragraph(value: unknown, depth: number, say: (line: string) => void, link: (url: string) => void): void {
  if (!isRecord(value) || depth > bounds.depth) return;
  const { type, text, fields, elements } = value;
  if (type === 'rich_text_section' || type === 'rich_text_quote' || type === 'rich_text_preformatted') {
    say(inline(elements, link));
    return;
  }
  if (typeof text === 'string') say(text);
  else if (isRecord(text)) say(stringOf(text['text']));
  for (const field of listOf(fields)) say(stringOf(field['text']).replaceAll('\n', ' '));
  if (type === 'actions') {
    for (const element of listOf(elements)) link(stringOf(element['url']));
    return;
  }
  for (const element of listOf(elements)) paragraph(element, depth + 1, say, link);
}

function inline(elements: unknown, link: (url: string) => void): string {
  return listOf(elements)
    .map((element) => {
      const url = stringOf(element['url']);
      if (url !== '') link(url);
      return stringOf(element['text']) === '' ? url : stringOf(element['text']);
    })
    .join('');
}

/** Path and query of an address, decoded; not its host, which is the monitoring system's. */
function wordsOfLink(address: string): string {
  if (address === '') return '';
  try {
    const { pathname, search, hash } = new URL(address);
    return decodeURIComponent(`${pathname} ${search} ${hash}`.replaceAll(/[+?&#;]/gu, ' ')).slice(0, bounds.linkChars);
  } catch {
    return '';
  }
}
