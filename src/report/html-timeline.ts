import type { Language } from '../model/language.ts';
import { cutText } from './cut-text.ts';
import { durationText, shortDuration } from './duration-text.ts';
import { escapeHtml } from './escape-html.ts';
import type { RunTimeline, TimelineSpan } from './run-timeline.ts';
import { wording } from './wording.ts';

/** Nodes that have a row of their own. */
const mostNodes = 24;

const words: Readonly<
  Record<Language, { readonly capturing: string; readonly wholeRun: string; readonly more: (nodes: number) => string }>
> = {
  en: { capturing: 'captures', wholeRun: 'the run', more: (nodes) => `${nodes} more nodes` },
  zh: { capturing: '抓包', wholeRun: '整个运行', more: (nodes) => `另外 ${nodes} 个节点` },
};

/** Where the time of a run went: a bar of its phases with their lengths, and what each node did meanwhile. */
export function timelineCard(timeline: RunTimeline, language: Language): string {
  const say = words[language];
  const phaseWords = wording[language].status.phase;
  const { tookMs } = timeline;
  const place = ({ fromMs, toMs }: Pick<TimelineSpan, 'fromMs' | 'toMs'>): string =>
    `left:${percent(fromMs, tookMs)}%;width:max(2px,${percent(toMs - fromMs, tookMs)}%)`;
  const bar = (span: TimelineSpan): string =>
    `<i class="bar p-${span.phase}" style="${place(span)}" title="${escapeHtml(`${phaseWords[span.phase]} ${shortDuration(span.toMs - span.fromMs)}`)}"></i>`;
  const row = (name: string, bars: string, kind: string): string =>
    `<div class="lane ${kind}"><span class="name">${name}</span><span class="track">${bars}</span></div>`;

  const shown = timeline.nodes.slice(0, mostNodes);
  const legend = timeline.phases.map(
    ({ phase, fromMs, toMs }) =>
      `<li><i class="p-${phase}"></i>${escapeHtml(phaseWords[phase])} <b>${escapeHtml(durationText(Math.round(toMs - fromMs), language))}</b></li>`,
  );
  if (shown.some(({ capture }) => capture !== undefined))
    legend.push(`<li><i class="p-capture thin"></i>${escapeHtml(say.capturing)}</li>`);
  return `<div class="card timeline">
<ul class="legend">${legend.join('')}</ul>
<div class="lanes">
${row(escapeHtml(say.wholeRun), timeline.phases.map(bar).join(''), 'whole')}
${shown
  .map(({ node, spans, capture }) =>
    row(
      escapeHtml(cutText(node, 80, language)),
      spans.map(bar).join('') +
        (capture === undefined
          ? ''
          : `<i class="bar thin p-capture" style="${place(capture)}" title="${escapeHtml(`${say.capturing} ${shortDuration(capture.toMs - capture.fromMs)}`)}"></i>`),
      'one',
    ),
  )
  .join('\n')}
${timeline.nodes.length > shown.length ? `<p class="muted">${escapeHtml(say.more(timeline.nodes.length - shown.length))}</p>` : ''}
<div class="lane axis" aria-hidden="true"><span class="name"></span><span class="track">${ticks(tookMs)
    .map((ms) => `<span style="left:${percent(ms, tookMs)}%">${escapeHtml(tickText(ms))}</span>`)
    .join('')}</span></div>
</div>
</div>`;
}

/** Three to six round times. */
function ticks(tookMs: number): number[] {
  const rough = tookMs / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough;
  const found: number[] = [];
  // The last word needs room on its right.
  for (let at = 0; at <= tookMs * 0.94 && found.length < 12; at += step) found.push(at);
  return found;
}

function tickText(ms: number): string {
  return ms >= 1000 ? `${Number((ms / 1000).toFixed(1))} s` : ms === 0 ? '0' : `${Number(ms.toFixed(1))} ms`;
}

function percent(ms: number, wholeMs: number): string {
  return Math.min(100, Math.max(0, (ms / wholeMs) * 100)).toFixed(2);
}

export const timelineStyle = `
.timeline .legend{list-style:none;display:flex;flex-wrap:wrap;gap:6px 20px;margin:0 0 14px;padding:0;font-size:14px;color:var(--muted)}
.timeline .legend b{color:var(--ink);font-weight:600;font-variant-numeric:tabular-nums}
.timeline .legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:7px;vertical-align:-1px}
.timeline .legend i.thin{height:4px;vertical-align:3px}
.lane{display:grid;grid-template-columns:150px minmax(0,1fr);gap:14px;align-items:center;margin:0 0 8px}
.lane .name{font-size:14px;text-align:right;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.lane.whole .name{font-weight:600}
.lane .track{height:22px;margin:0;border-radius:5px;overflow:hidden}
.lane.whole .track{height:26px}
.lane .bar{border-radius:0}
.lane.one .bar{bottom:8px;border-radius:3px}
.lane.one .bar.thin{top:17px;bottom:1px}
.lane.axis{margin:0}.lane.axis .track{background:none;height:18px;overflow:visible}
.lane.axis .track span{position:absolute;top:0;font-size:12px;color:var(--muted);border-left:1px solid var(--edge);padding-left:5px;white-space:nowrap}
.p-connect{background:var(--p-connect)}.p-look{background:var(--p-look)}.p-capture{background:var(--p-capture)}.p-before,.p-after{background:var(--p-before)}.p-probe{background:var(--p-probe)}.p-judge{background:var(--p-judge)}
:root{--p-connect:#9aa7b3;--p-look:#4f86b3;--p-capture:#7a5bb5;--p-before:#2f9484;--p-probe:#d9911f;--p-judge:#b3589a}
@media(prefers-color-scheme:dark){:root{--p-connect:#66737f;--p-look:#4f86b3;--p-capture:#a68be0;--p-before:#3aa896;--p-probe:#d9972b;--p-judge:#c56fae}}
@media(max-width:720px){.lane{grid-template-columns:minmax(0,1fr);gap:2px;margin-bottom:10px}.lane .name{text-align:left}.lane.axis .name{display:none}}
@media print{.bar,.timeline i{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
