/** Removed: zero-width characters, soft hyphen, directional marks and isolates, byte order mark. */
const invisible = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|\u034f|\ufe0e|\ufe0f/gu;
/** Every other kind of white space, NBSP and ideographic space among them. */
const spaces = /[\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu;
const doubleQuotes = /[\u201c-\u201f\u00ab\u00bb\u2033\u2036\u301d-\u301f]/gu;
const singleQuotes = /[\u2018-\u201b\u2032\u2035\u2039\u203a]/gu;
/** macOS and iOS turn a typed `--` into an em dash. */
const emDashOption = /(^| )[\u2014\u2015](?=[A-Za-z])/gu;
const dashes = /[\u2010-\u2015\u2212\ufe58\ufe63]/gu;
/** Full-width ASCII, as Chinese input methods type it. */
const fullWidth = /[\uff01-\uff5e]/gu;

const marks = ['```', '*', '_', '~', '`'] as const;

/**
 * What a person meant to type, from what Slack delivers: links, mentions and telephone numbers become the text that
 * the person saw, entities are decoded once, formatting marks around words go, odd spaces, quotes and dashes become
 * ASCII. Pure, linear in the length of the text, and the identity on text that Slack did not touch.
 *
 * Source: https://docs.slack.dev/messaging/formatting-message-text
 *
 * @param text the `text` of a slash command or message event
 * @returns one line without leading, trailing or doubled spaces; for the grammar to judge
 */
export function unmangle(text: string): string {
  const plain = text
    .replace(/<([^<>]*)>/gu, (whole, inside: string) => textOfReference(inside) ?? whole)
    .replace(/&(amp|lt|gt);/gu, (_whole, name: string) => (name === 'amp' ? '&' : name === 'lt' ? '<' : '>'))
    .replace(invisible, '')
    .replace(fullWidth, (character) => String.fromCharCode(character.charCodeAt(0) - 0xfee0))
    .replace(spaces, ' ')
    .replace(doubleQuotes, '"')
    .replace(singleQuotes, "'")
    .replace(emDashOption, '$1--')
    .replace(dashes, '-')
    .trim();
  return withoutMarks(plain.split(' ')).join(' ');
}

/** `inside` is what stands between `<` and `>`. Undefined: not one of Slack's references. */
function textOfReference(inside: string): string | undefined {
  const bar = inside.indexOf('|');
  const reference = bar < 0 ? inside : inside.slice(0, bar);
  const label = bar < 0 ? '' : inside.slice(bar + 1);
  const kind = reference[0];
  if (kind === '@' || kind === '#') return label === '' ? reference : `${kind}${label.replace(/^[@#]/u, '')}`;
  if (kind === '!') {
    if (label !== '') return label;
    const name = reference.slice(1).split('^')[0] ?? '';
    return `@${name}`;
  }
  const scheme = /^(https?|ftp|mailto|tel|sip|slack):/iu.exec(reference);
  if (scheme === null) return undefined;
  if (label !== '') return label;
  return /^(mailto|tel|sip):$/iu.test(scheme[0]) ? reference.slice(scheme[0].length) : reference;
}

/** Takes pairs of formatting marks off the words that they stand around; an unpaired mark stays as it is. */
function withoutMarks(words: readonly string[]): string[] {
  let current = [...words];
  for (let round = 0; round < marks.length; round += 1) {
    let changed = false;
    for (const mark of marks) {
      let opened: number | undefined;
      for (let at = 0; at < current.length; at += 1) {
        const word = current[at] ?? '';
        if (opened === undefined && word.startsWith(mark)) opened = at;
        if (opened === undefined || !word.endsWith(mark)) continue;
        if (opened === at && word.length < mark.length * 2 + (mark === '```' ? 0 : 1)) {
          // A lone mark opens as well as closes: it stays open for a later word.
          continue;
        }
        current[opened] = (current[opened] ?? '').slice(mark.length);
        current[at] = (current[at] ?? '').slice(0, -mark.length);
        opened = undefined;
        changed = true;
      }
    }
    current = current.filter((word) => word !== '');
    if (!changed) break;
  }
  return current;
}
