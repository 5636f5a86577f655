import type { Language } from '../model/language.ts';
import type { Path, PathHop, Report } from '../model/report.ts';
import { escapeHtml } from './escape-html.ts';
import { endSentence, isTelling, pathWords } from './path-text.ts';
import { wording } from './wording.ts';

/** Boxes side by side where there is room, else below each other; the arrows between them turn with them. */
export const pathStyle = `
.way{display:flex;flex-wrap:nowrap;align-items:stretch;gap:0;overflow-x:auto;padding:4px 0 10px}
.way .hop{border:1px solid var(--edge);border-radius:10px;padding:10px 12px;min-width:140px;background:var(--card)}
.way .hop.end{border-color:var(--red);box-shadow:inset 0 3px 0 var(--red)}
.way .hop.far{opacity:.65}
.way .hop b{display:block;overflow-wrap:anywhere}
.way .hop small{display:block;color:var(--muted)}
.way .leg{flex:1 0 74px;display:flex;flex-direction:column;justify-content:center;align-items:center;font-size:.82em;color:var(--muted);padding:0 6px;text-align:center}
.way .leg .to{border-bottom:2px solid currentColor;width:100%;padding-bottom:2px}
.way .leg .back{padding-top:2px}
.way .leg.cut{color:var(--red);font-weight:600}
.way .leg.cut .to{border-bottom-style:dashed}
.endsAt{color:var(--red);font-weight:600;margin:0}
@media (max-width:640px){.way{flex-direction:column;gap:6px}.way .leg{flex:none;flex-direction:row;gap:10px}.way .leg .to{border:0;width:auto}}
`;

/** The way of the connects as boxes, with what went between them; empty where it tells nothing. */
export function pathSection({ path }: Pick<Report, 'path'>, language: Language): string {
  if (!isTelling(path)) return '';
  const words = pathWords[language];
  const end = endSentence(path, language);
  const stop = path.hops.findIndex(({ node }) => node === path.endsAt?.node);
  const how = path.endsAt?.how;
  const cutAt = how === 'inside' ? stop + 1 : how === 'before' ? stop : -1;
  const parts = path.hops.map((hop, index) => {
    const isFar = cutAt !== -1 && index >= cutAt;
    const box = hopBox(hop, language, index === stop, isFar);
    return index === 0 ? box : `${leg(path, index, index === cutAt)}${box}`;
  });
  return `<section class="path">
<h2>${escapeHtml(words.title)} <small>${escapeHtml(words.about(path.connects, path.failed))}</small></h2>
<div class="way">${parts.join('')}</div>
${end === undefined ? '' : `<p class="endsAt">✗ ${escapeHtml(end)}</p>`}
</section>`;
}

function hopBox(hop: PathHop, language: Language, isEnd: boolean, isFar: boolean): string {
  const words = pathWords[language];
  const device = (one: PathHop['in'], label: string): string =>
    one === undefined
      ? ''
      : `<small>${escapeHtml(label)} ${escapeHtml(one.device)}${one.mtu === undefined ? '' : ` · mtu ${one.mtu}`}</small>`;
  const [inLabel, outLabel] = words.columns;
  return `<div class="hop${isEnd ? ' end' : ''}${isFar ? ' far' : ''}"><b>${escapeHtml(hop.node)}</b><small>${escapeHtml(wording[language].role[hop.role])}</small>${device(hop.in, inLabel)}${device(hop.out, outLabel)}${hop.forwards === false ? `<small>${escapeHtml(words.notForwarding)}</small>` : ''}${hop.translatedTo === undefined ? '' : `<small>→ ${escapeHtml(hop.translatedTo)}</small>`}${hop.connects === undefined ? `<small>${escapeHtml(words.notCaptured)}</small>` : ''}</div>`;
}

/** What went from the hop before to this one, and what came back to the one before. */
function leg({ hops }: Path, index: number, isCut: boolean): string {
  const [before, here] = [hops[index - 1], hops[index]];
  const to = here?.connects;
  const back = before?.answers;
  return `<div class="leg${isCut ? ' cut' : ''}"><span class="to">${to === undefined ? '?' : `${to} SYN`} ${isCut ? '✗' : '→'}</span><span class="back">← ${back ?? '?'}</span></div>`;
}
