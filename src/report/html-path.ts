import type { Language } from '../model/language.ts';
import type { Report } from '../model/report.ts';
import { escapeHtml } from './escape-html.ts';
import { hopNotes } from './path-notes.ts';
import { isTelling, pathWords } from './path-text.ts';
import { renderPathSvg } from './path-svg.ts';

export const pathStyle = `
.path .on-desk svg{display:block;width:100%;max-width:640px;height:auto;margin:0 auto;min-width:0}
.path figure{padding:0;border:0;background:none}.path details{padding:0 14px}
.path ul{margin:4px 0 12px;padding-left:20px}
`;

/**
 * The way of the connects as a picture, and below it every statement with the place that it was read at; empty where it
 * tells nothing.
 *
 * @param linkOf a link to a place in the evidence, as HTML
 */
export function pathSection(
  { path }: Pick<Report, 'path'>,
  language: Language,
  linkOf: (at: { readonly evidence: string; readonly line?: number }) => string,
): string {
  if (!isTelling(path)) return '';
  const words = pathWords[language];
  const read = path.hops.flatMap((hop) => {
    const items = hopNotes(hop, language).flatMap(({ text, evidence, line }) =>
      evidence === undefined
        ? []
        : [`<li>${escapeHtml(text)}<br>${linkOf({ evidence, ...(line === undefined ? {} : { line }) })}</li>`],
    );
    return items.length === 0 ? [] : [`<b>${escapeHtml(hop.node)}</b><ul>${items.join('')}</ul>`];
  });
  return `<section class="path">
<h2>${escapeHtml(words.title)}</h2>
<figure class="card">
<div class="on-desk">${renderPathSvg(path, { theme: 'auto', language })}</div>
<div class="on-phone">${renderPathSvg(path, { theme: 'auto', language, narrow: true })}</div>
${read.length === 0 ? '' : `<details><summary>${escapeHtml(words.details)}</summary>${read.join('')}</details>`}
</figure>
</section>`;
}
