/** Characters that change how the text around them looks or reads: controls, directional overrides, zero-width. */
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;
/** U+2060 WORD JOINER: invisible, no line break, and enough to keep Slack from recognising what it stands in. */
const joiner = '\u2060';
/** U+02CB: looks like a backtick and is none. */
const looksLikeBacktick = '\u02cb';

/**
 * Text of unknown origin as plain prose inside mrkdwn: nothing in it is a mention or a link.
 * `user@host` stays as it is, so that it can be copied.
 * Source: https://docs.slack.dev/messaging/formatting-message-text (escaping; automatic parsing).
 */
export function escapeMrkdwn(text: string): string {
  return escapeEntities(text.replace(hidden, ''))
    .replace(/(?<![\p{L}\p{N}])[@#](?=[\p{L}\p{N}])|@(?=here|channel|everyone)/giu, `$&${joiner}`)
    .replace(/:\/\//gu, `:${joiner}//`);
}

/** Text of unknown origin as an inline code span: one line, no way out of the span. Empty text gives empty text. */
export function codeSpan(text: string): string {
  const line = text.replace(hidden, '').replace(/\s+/gu, ' ').trim();
  return line === '' ? '' : `\`${escapeEntities(line.replaceAll('`', looksLikeBacktick))}\``;
}

/** Text of unknown origin as a code block. Lines and single backticks stay, so that commands can be copied. */
export function codeBlock(text: string): string {
  const kept = text.replace(hidden, '').replace(/`{3,}/gu, (run) => looksLikeBacktick.repeat(run.length));
  return `\`\`\`${escapeEntities(kept)}\`\`\``;
}

/** A mention that works. Only for ids that Slack itself delivered; anything else becomes escaped text. */
export function mentionOf(userId: string): string {
  return /^[UW][A-Z0-9]{2,20}$/u.test(userId) ? `<@${userId}>` : escapeMrkdwn(userId);
}

/**
 * A moment (ISO 8601) in the reader's own time zone; in UTC where Slack cannot show it.
 * Source: https://docs.slack.dev/messaging/formatting-message-text (date formatting).
 */
export function slackTime(iso: string): string {
  const seconds = Math.floor(Date.parse(iso) / 1000);
  if (!Number.isFinite(seconds) || seconds <= 0) return '–';
  return `<!date^${seconds}^{date_short_pretty} {time_secs}|${new Date(seconds * 1000).toISOString()}>`;
}

function escapeEntities(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/**
 * The last guard before sending: whatever a renderer let through, no mention in these blocks or texts works.
 * Turns every reference `<!…>`, `<@…>`, `<#…>` into text, and switches automatic parsing off (`verbatim`).
 *
 * @param value blocks, a block, or any part of one, as JSON values
 */
export function withoutMentions<T>(value: T): T {
  return walk(value) as T;
}

/** {@link withoutMentions} for one mrkdwn string. */
export function withoutMentionsInText(text: string): string {
  return text.replace(/<(?=[!@#])/gu, '&lt;').replace(/@(here|channel|everyone)\b/giu, `@${joiner}$1`);
}

function walk(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(walk);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const isMrkdwn = entries.some(([key, content]) => key === 'type' && content === 'mrkdwn');
  const isMarkdown = entries.some(([key, content]) => key === 'type' && content === 'markdown');
  const guarded = Object.fromEntries(
    entries.map(([key, content]) =>
      key === 'text' && typeof content === 'string' && (isMrkdwn || isMarkdown)
        ? [key, withoutMentionsInText(content)]
        : [key, walk(content)],
    ),
  );
  if (isMrkdwn) return { ...guarded, verbatim: true };
  // rich_text holds mentions as elements, not as text.
  const type = 'type' in value ? value.type : undefined;
  if (type === 'broadcast' || type === 'user' || type === 'usergroup') {
    return { type: 'text', text: `(${type})` };
  }
  return guarded;
}
