import type { Language } from '../model/language.ts';
import type { Because } from '../model/report.ts';
import { escapeHtml } from './escape-html.ts';
import type { Excerpt, ExcerptLine } from './evidence-excerpts.ts';

const words: Readonly<
  Record<
    Language,
    {
      readonly left: (lines: number) => string;
      readonly output: (shown: number, total: number) => string;
      readonly errors: string;
    }
  >
> = {
  en: {
    left: (lines) => (lines === 1 ? '1 line' : `${lines} lines`),
    output: (shown, total) =>
      shown === total ? `Output (${total} ${total === 1 ? 'line' : 'lines'})` : `Output (${shown} of ${total} lines)`,
    errors: 'what it complained of',
  },
  zh: {
    left: (lines) => `${lines} 行`,
    output: (shown, total) => (shown === total ? `输出（${total} 行）` : `输出（${total} 行中的 ${shown} 行）`),
    errors: '报错',
  },
};

/** Lines with their numbers; those that matter stand out, and what was left out between `from` and `to` is said. */
function linesOf(lines: readonly ExcerptLine[], from: number, to: number, language: Language): string {
  const rows: string[] = [];
  let next = from;
  const gap = (count: number): void => {
    if (count > 0) rows.push(`<span class="gap">⋯ ${escapeHtml(words[language].left(count))}</span>`);
  };
  for (const { number, text, matters } of lines) {
    gap(number - next);
    const row = `<i>${number}</i>${text === '' ? ' ' : escapeHtml(text)}`;
    rows.push(matters ? `<mark>${row}</mark>` : `<span>${row}</span>`);
    next = number + 1;
  }
  gap(to - next + 1);
  return `<pre class="out"><code>${rows.join('')}</code></pre>`;
}

/** An output with so few lines needs no folding. */
const shortOutput = 2;

/** An output under the command that gave it; one of many lines folds out. */
export function excerptDetails(excerpt: Excerpt, isError: boolean, language: Language): string {
  if (excerpt.total <= shortOutput && !isError)
    return `<div class="said">${linesOf(excerpt.lines, 1, excerpt.total, language)}</div>`;
  const say = words[language];
  const title = say.output(excerpt.lines.length, excerpt.total) + (isError ? ` · ${say.errors}` : '');
  return `<details class="said"><summary>${escapeHtml(title)}</summary>${linesOf(excerpt.lines, 1, excerpt.total, language)}</details>`;
}

/** The one line that a sentence rests on, with a neighbour on each side; undefined where it is not there. */
export function excerptAround(
  excerpt: Excerpt | undefined,
  { line, text }: Pick<Because, 'line' | 'text'>,
  language: Language,
): string | undefined {
  const own = excerpt?.lines.find(({ number }) => number === line);
  if (excerpt === undefined || own === undefined) return undefined;
  // Names and values by the hundred: its neighbours are others of the kind.
  const far = own.spokenOf === undefined ? 1 : 0;
  const lines = excerpt.lines
    .filter(({ number }) => Math.abs(number - own.number) <= far)
    .map((one) => ({
      ...one,
      text: one === own ? (own.spokenOf?.(text) ?? one.text) : one.text,
      matters: one === own,
    }));
  return linesOf(lines, lines[0]?.number ?? 1, lines.at(-1)?.number ?? 0, language);
}

export const evidenceStyle = `
pre.out{margin:8px 0 2px;padding:8px 0;background:var(--code);border-radius:8px;overflow-x:auto;overflow-wrap:normal;font-size:13px;line-height:1.55}
pre.out code{display:block;min-width:max-content;font-size:inherit}
pre.out code>*{display:block;padding:0 14px 0 0;white-space:pre;color:var(--muted)}
pre.out i{display:inline-block;width:5ch;margin-right:12px;text-align:right;font-style:normal;opacity:.65;user-select:none;-webkit-user-select:none}
pre.out mark{background:var(--mark);color:var(--ink);box-shadow:inset 3px 0 var(--mark-edge);font-weight:600}
pre.out .gap{padding-left:calc(5ch + 12px);font-style:italic;opacity:.8}
.because pre.out{margin:6px 0 4px}
details.said,.said{grid-column:1/-1;margin:0;min-width:0}
.said pre.out{margin-top:0}details.said pre.out{margin-top:8px}
details.long{margin:0}details.long summary{color:inherit}details.long>code{display:block;margin-top:6px}
:root{--mark:#fff0c2;--mark-edge:#d9911f}
@media(prefers-color-scheme:dark){:root{--mark:#3a2f10;--mark-edge:#d9972b}}
@media(max-width:720px){pre.out i{width:3ch;margin-right:8px}pre.out .gap{padding-left:calc(3ch + 8px)}}
@media print{pre.out mark{print-color-adjust:exact;-webkit-print-color-adjust:exact}pre.out code>*{white-space:pre-wrap}pre.out code{min-width:0}}
`;
