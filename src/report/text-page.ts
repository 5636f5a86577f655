import type { Language } from '../model/language.ts';
import { painter, type Style } from './ansi.ts';
import { cutText } from './cut-text.ts';
import { stringWidth } from './string-width.ts';
import { wording, type Wording } from './wording.ts';
import { wrapText } from './wrap-text.ts';

export interface TextPageOptions {
  /** Columns; default 80, at least 40. Only commands, which must stay whole, are ever longer. */
  readonly width?: number;
  readonly colour?: boolean;
  readonly language: Language;
  /** Characters of one sentence that are shown; default: all of them. */
  readonly sentenceCharacters?: number;
}

interface TextStyle {
  readonly indent?: number;
  readonly style?: readonly Style[];
  /** The text begins with this, in a style of its own. */
  readonly lead?: string;
  readonly leadStyle?: readonly Style[];
}

/** Lines of a given width, growing downwards: what every text for a terminal is made of. */
export class TextPage {
  readonly width: number;
  readonly colour: boolean;
  readonly language: Language;
  readonly words: Wording;
  readonly #lines: string[] = [];
  readonly #paint;

  readonly #sentenceCharacters: number;

  constructor({
    width = 80,
    colour = false,
    language,
    sentenceCharacters = Number.POSITIVE_INFINITY,
  }: TextPageOptions) {
    this.width = Math.max(40, Math.floor(width));
    this.colour = colour;
    this.language = language;
    this.words = wording[language];
    this.#paint = painter(colour);
    this.#sentenceCharacters = sentenceCharacters;
  }

  blank(): void {
    if (this.#lines.at(-1) !== '') this.#lines.push('');
  }

  section(title: string, aside = ''): void {
    this.blank();
    const note = aside === '' ? '' : ` (${aside})`;
    for (const [index, line] of wrapText(`${title.toUpperCase()}${note}`, this.width).entries()) {
      this.#lines.push(
        index === 0 && line.startsWith(title.toUpperCase())
          ? this.#led(line, title.toUpperCase(), ['bold'], ['dim'])
          : line,
      );
    }
  }

  text(text: string, { indent = 0, style = [], lead = '', leadStyle = [] }: TextStyle = {}): void {
    // Following lines hang under the text, not under its lead word.
    for (const [index, line] of wrapText(
      cutText(text, this.#sentenceCharacters, this.language),
      this.width - indent,
    ).entries()) {
      const painted =
        index === 0 && lead !== '' ? this.#led(line, lead, leadStyle, style) : this.#paint(line, ...style);
      this.#lines.push(' '.repeat(indent) + painted);
    }
  }

  item(
    text: string,
    options: { indent?: number; lead?: string; leadStyle?: readonly Style[]; mark?: readonly Style[] } = {},
  ): void {
    const { indent = 0, lead = '', leadStyle = [], mark = [] } = options;
    for (const [index, line] of wrapText(
      cutText(text, this.#sentenceCharacters, this.language),
      this.width - indent - 2,
    ).entries()) {
      const bullet = index === 0 ? `${this.#paint('-', ...mark)} ` : '  ';
      const painted = index === 0 && lead !== '' ? this.#led(line, lead, leadStyle, []) : line;
      this.#lines.push(' '.repeat(indent) + bullet + painted);
    }
  }

  /** Commands stand alone on their lines, whole, with nothing before them that would be copied along. */
  commands(commands: readonly string[], style: readonly Style[]): void {
    for (const command of commands) {
      for (const line of command.split('\n')) this.#lines.push(`      ${this.#paint(line, ...style)}`);
    }
  }

  raw(lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  end(): string {
    return `${this.#lines.join('\n').replace(/\n+$/, '')}\n`;
  }

  #led(line: string, lead: string, leadStyle: readonly Style[], style: readonly Style[]): string {
    if (!line.startsWith(lead) || stringWidth(lead) > stringWidth(line)) return this.#paint(line, ...style);
    return this.#paint(lead, ...leadStyle) + this.#paint(line.slice(lead.length), ...style);
  }
}
