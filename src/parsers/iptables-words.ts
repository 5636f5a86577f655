/** A word, and whether it stood in quotes: then it is a value, whatever it looks like. */
export interface IptablesWord {
  readonly text: string;
  readonly quoted: boolean;
}

/**
 * Words of an iptables-save rule: separated by blanks, double-quoted where they contain some, with `\` before a quote
 * or a backslash inside (xtables_save_string of libxtables). Undefined where a quote is not closed: the line was cut.
 */
export function iptablesWords(text: string): IptablesWord[] | undefined {
  const words: IptablesWord[] = [];
  let at = 0;
  while (at < text.length) {
    if (text[at] === ' ' || text[at] === '\t') {
      at += 1;
    } else if (text[at] === '"') {
      const pieces: string[] = [];
      at += 1;
      let from = at;
      while (at < text.length && text[at] !== '"') {
        if (text[at] === '\\') {
          pieces.push(text.slice(from, at));
          from = at + 1;
          at += 1;
        }
        at += 1;
      }
      if (at >= text.length) return undefined;
      pieces.push(text.slice(from, at));
      words.push({ text: pieces.join(''), quoted: true });
      at += 1;
    } else {
      const from = at;
      while (at < text.length && text[at] !== ' ' && text[at] !== '\t') at += 1;
      words.push({ text: text.slice(from, at), quoted: false });
    }
  }
  return words;
}
