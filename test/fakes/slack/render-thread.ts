import { styleText } from 'node:util';
import type { FakeChange, FakeMessage } from './slack-world.ts';
import { isObject } from './validate-blocks.ts';

export interface RenderOptions {
  /** Columns. Default 100. */
  readonly width?: number;
  readonly colour?: boolean;
  /** User id -> name, for authors and mentions. */
  readonly users?: ReadonlyMap<string, string>;
  /** Default: the machine's. */
  readonly timeZone?: string;
}

type Style = (format: Parameters<typeof styleText>[0], text: string) => string;

/** A thread as a person sees it in Slack now: the root, then the replies indented under it. */
export function renderThread(messages: readonly FakeMessage[], options: RenderOptions = {}): string {
  const [root, ...replies] = messages;
  if (root === undefined) return '(no messages)\n';
  const style = styleWith(options);
  const lines = renderMessage(root, options).split('\n');
  if (replies.length > 0) {
    lines.push(style('dim', `  ${replies.length} ${replies.length === 1 ? 'reply' : 'replies'} ─────────`));
    for (const reply of replies) {
      lines.push(
        ...renderMessage(reply, { ...options, width: (options.width ?? 100) - 4 })
          .split('\n')
          .map((line) => `    ${line}`),
        '',
      );
    }
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

/** One change as a line of news plus the message as it is after it: what a live view prints. */
export function renderChange(change: FakeChange, options: RenderOptions = {}): string {
  const style = styleWith(options);
  const reply = change.message.threadTs === undefined ? '' : ' in the thread';
  const news = {
    posted: `new message${reply}`,
    edited: 'edited',
    deleted: 'deleted',
    ephemeral: `only visible to ${nameOf(change.onlyFor ?? '', options)}`,
    responded: `only visible to ${nameOf(change.onlyFor ?? '', options)}`,
    home: `App Home of ${nameOf(change.onlyFor ?? '', options)}`,
  }[change.what];
  const indent = change.message.threadTs === undefined ? '' : '    ';
  const body = renderMessage(change.message, { ...options, width: (options.width ?? 100) - indent.length });
  return `${[style('dim', `· ${timeOf(change.atMs, options)} ${news}`), ...body.split('\n')].map((line) => `${indent}${line}`).join('\n')}\n`;
}

/** One message: author and time, then text or blocks, `(edited)`, files. */
export function renderMessage(message: FakeMessage, options: RenderOptions = {}): string {
  const style = styleWith(options);
  const width = Math.max(20, options.width ?? 100);
  const isApp = message.user === 'U0NETCHECK';
  const head = `${style('bold', nameOf(message.user, options))}${isApp ? ` ${style('inverse', ' APP ')}` : ''}  ${style('dim', timeOf(message.postedAtMs, options))}`;
  const body =
    message.blocks.length === 0
      ? mrkdwnLines(message.text, width - 2, style, options)
      : message.blocks.flatMap((block) => blockLines(block, width - 2, style, options));
  const edited = message.edits > 0 ? [style('dim', '(edited)')] : [];
  const files = message.files.map((file) => style('cyan', `📎 ${file.name} (${file.bytes} bytes)`));
  return [head, ...[...body, ...edited, ...files].map((line) => `  ${line}`)].join('\n');
}

function blockLines(block: unknown, width: number, style: Style, options: RenderOptions): string[] {
  if (!isObject(block)) return [];
  const text = (value: unknown): string[] => {
    if (!isObject(value) || typeof value['text'] !== 'string') return [];
    return value['type'] === 'mrkdwn' ? mrkdwnLines(value['text'], width, style, options) : wrap(value['text'], width);
  };
  const elements = Array.isArray(block['elements']) ? block['elements'] : [];
  switch (block['type']) {
    case 'header':
      return ['', ...text(block['text']).map((line) => style('bold', line)), ''];
    case 'section': {
      const fields = Array.isArray(block['fields']) ? block['fields'] : [];
      return [...text(block['text']), ...fields.flatMap(text)];
    }
    case 'context':
      return elements.flatMap(text).map((line) => style('dim', line));
    case 'divider':
      return [style('dim', '─'.repeat(Math.min(width, 60)))];
    case 'actions':
      return [
        elements
          .filter(isObject)
          .map((one) => {
            const label = isObject(one['text']) ? String(one['text']['text']) : String(one['type']);
            return style(one['style'] === 'danger' ? 'red' : 'cyan', `[ ${label} ]`);
          })
          .join('  '),
      ];
    case 'markdown':
      return typeof block['text'] === 'string' ? mrkdwnLines(block['text'], width, style, options) : [];
    default:
      return [style('dim', `(${String(block['type'])})`)];
  }
}

/** mrkdwn as lines: code blocks framed, quotes barred, bold, italic, strike, code, links and mentions as they show. */
function mrkdwnLines(mrkdwn: string, width: number, style: Style, options: RenderOptions): string[] {
  const lines: string[] = [];
  for (const [at, part] of mrkdwn.split('```').entries()) {
    if (at % 2 === 1) {
      const code = references(part, options).replace(/^\n|\n$/gu, '');
      for (const line of code.split('\n')) {
        for (const piece of hardWrap(line, width - 2)) lines.push(`${style('dim', '│')} ${style('yellow', piece)}`);
      }
      continue;
    }
    const prose = at > 0 ? part.replace(/^\n/u, '') : part;
    if (prose === '' && at > 0) continue;
    for (const line of prose.replace(/\n$/u, at % 2 === 0 ? '' : '\n').split('\n')) {
      const isQuote = /^(?:&gt;|>) ?/u.test(line);
      const content = isQuote ? line.replace(/^(?:&gt;|>) ?/u, '') : line;
      const pieces = wrap(references(content, options), isQuote ? width - 2 : width);
      for (const piece of pieces.length === 0 ? [''] : pieces) {
        lines.push(`${isQuote ? `${style('dim', '┃')} ` : ''}${inline(piece, style)}`);
      }
    }
  }
  return lines;
}

/** References and entities as text. */
function references(text: string, options: RenderOptions): string {
  return text
    .replace(/<([^<>]*)>/gu, (_whole, inside: string) => {
      const [target = '', label] = inside.split('|');
      if (target.startsWith('@')) return `@${label ?? nameOf(target.slice(1), options)}`;
      if (target.startsWith('#')) return `#${label ?? target.slice(1)}`;
      if (target.startsWith('!')) return `@${label ?? target.slice(1)}`;
      return label === undefined ? target : `${label} (${target})`;
    })
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

function inline(line: string, style: Style): string {
  const parts = line.split(/(`[^`\n]+`)/u);
  return parts
    .map((part) => {
      if (/^`[^`]+`$/u.test(part)) return style('yellow', part.slice(1, -1));
      return part
        .replace(
          /(^|[\s([{·])\*([^\s*](?:[^*\n]*[^\s*])?)\*(?=$|[\s.,:;!?)\]}·])/gu,
          (_w, before: string, inner: string) => `${before}${style('bold', inner)}`,
        )
        .replace(
          /(^|[\s([{])_([^\s_](?:[^_\n]*[^\s_])?)_(?=$|[\s.,:;!?)\]}])/gu,
          (_w, before: string, inner: string) => `${before}${style('italic', inner)}`,
        )
        .replace(
          /(^|[\s([{])~([^\s~](?:[^~\n]*[^\s~])?)~(?=$|[\s.,:;!?)\]}])/gu,
          (_w, before: string, inner: string) => `${before}${style('strikethrough', inner)}`,
        );
    })
    .join('');
}

/** Word-wraps plain text (formatting marks count as characters, which is close enough for a picture). */
function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => {
    const out: string[] = [];
    let current = '';
    for (const word of line.split(' ')) {
      const next = current === '' ? word : `${current} ${word}`;
      if (columnsOf(next) <= width || current === '') current = next;
      else {
        out.push(current);
        current = word;
      }
    }
    out.push(current);
    return out.flatMap((piece) => hardWrap(piece, width));
  });
}

function hardWrap(line: string, width: number): string[] {
  if (columnsOf(line) <= width) return [line];
  const out: string[] = [];
  let current = '';
  for (const character of line) {
    if (columnsOf(current) + columnsOf(character) > width) {
      out.push(current);
      current = '';
    }
    current += character;
  }
  out.push(current);
  return out;
}

/** Terminal columns: wide for CJK and emoji, none for zero-width. */
function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (/[\u200b-\u200f\u2060]|\p{Mn}|\ufe0f/u.test(character)) continue;
    columns += /[\p{Script=Han}\u3000-\u303f\uff00-\uff60\p{Emoji_Presentation}]/u.test(character) ? 2 : 1;
  }
  return columns;
}

function nameOf(user: string, options: RenderOptions): string {
  return options.users?.get(user) ?? (user === 'U0NETCHECK' ? 'netcheck' : user);
}

function timeOf(atMs: number, options: RenderOptions): string {
  return new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    ...(options.timeZone === undefined ? {} : { timeZone: options.timeZone }),
  }).format(atMs);
}

function styleWith(options: RenderOptions): Style {
  return options.colour === true
    ? (format, text) => styleText(format, text, { validateStream: false })
    : (_format, text) => text;
}
