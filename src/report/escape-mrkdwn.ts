/**
 * Slack reads three characters as markup in any text (`&`, `<`, `>`), and builds mentions and links from `<…>`
 * (docs.slack.dev, "Formatting message text": escaping). The functions here take text that `visibleText` has made safe.
 */

/** A word joiner: shows nothing, and keeps Slack from seeing one token. */
const joiner = '\u2060';

/**
 * Untrusted text for a mrkdwn or plain place: no entity, mention, link or code span in it works. Blocks say
 * `verbatim: true` besides; this holds in the notification text too, where there is no such switch.
 */
export function escapeMrkdwn(text: string): string {
  let escaped = '';
  for (const unit of units(text)) escaped += unit.escaped;
  return escaped;
}

/** Untrusted text between two backticks. */
export function escapeInlineCode(text: string): string {
  return escapeEntities(text).replaceAll('`', 'ˋ').replace(/\s+/g, ' ');
}

/** Untrusted text between two lines of three backticks; what is there is copied as it was but for such a line. */
export function escapeCodeBlock(text: string): string {
  return escapeEntities(text).replace(/`{3,}/g, (ticks) => ticks.split('').join(joiner));
}

/** `escapeMrkdwn` of as much of the text as fits in `most` characters, with `…` where something is left out. */
export function escapeMrkdwnUpTo(text: string, most: number): string {
  let escaped = '';
  let kept = '';
  for (const unit of units(text)) {
    escaped += unit.escaped;
    if (escaped.length > most) return `${kept}…`;
    // The ellipsis must fit behind what is kept.
    if (escaped.length < most) kept = escaped;
  }
  return escaped;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

function escapeEntities(text: string): string {
  return text.replace(/[&<>]/g, (character) => entities[character] ?? character);
}

/** Pieces that must not be torn apart, each with what stands for it. */
function* units(text: string): Generator<{ readonly escaped: string }> {
  // `@name` and `#name` where a word begins; `root@node-50` stays as it is, so that it can be copied.
  const pattern = /(?<![\p{L}\p{N}])([@#])(?=[\p{L}\p{N}])|:\/\/|[^]/gu;
  for (const [piece, mention] of text.matchAll(pattern)) {
    if (mention !== undefined) yield { escaped: `${mention}${joiner}` };
    else if (piece === '://') yield { escaped: `:${joiner}//` };
    else if (piece === '`') yield { escaped: 'ˋ' };
    else yield { escaped: entities[piece] ?? piece };
  }
}
