import type { AuditReport } from '../model/audit-report.ts';
import type { Language } from '../model/language.ts';
import type { Remedy } from '../model/report.ts';
import type { Verdict } from '../model/verdict.ts';
import {
  auditCommand,
  auditHeatMap,
  type FindingGroup,
  findingGroups,
  inOrderEverywhere,
  isQuiet,
  labelsText,
  whenText,
} from './audit-view.ts';
import { type AuditWords, auditWords } from './audit-words.ts';
import { cutText } from './cut-text.ts';
import { durationText } from './duration-text.ts';
import { escapeHtml } from './escape-html.ts';
import { renderHeatMapSvg } from './heat-map-svg.ts';
import { htmlHead } from './html-head.ts';
import { htmlStyle } from './html-style.ts';
import { remediesInOrder } from './report-view.ts';
import { verdictSign } from './verdict-sign.ts';
import { visible } from './visible-report.ts';
import { type Wording, wording } from './wording.ts';

/** Bounds of the page; the JSON has everything. */
const nodesPerFinding = 50;
const rowsShown = 1000;
const changesShown = 300;
const factsShown = 400;

/** On top of the style of a run's page. */
const auditStyle = `
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;font-weight:600;color:var(--muted);font-size:13px}
th,td{padding:7px 14px 7px 0;border-top:1px solid var(--edge);vertical-align:top}
tr:first-child th{border-top:0}
td.name{font-weight:600}
td:first-child .chip{white-space:nowrap}
th,td.name,td.labels{overflow-wrap:normal;white-space:nowrap}
.found td,.amber{color:inherit}
.chip{display:inline-block;margin:0 6px 4px 0;padding:1px 8px;border-radius:6px;background:var(--soft);color:var(--tone);font-size:13px}
.chip.plain{background:var(--code);color:var(--ink)}
.broad{max-width:none;overflow-x:auto}
.broad svg{display:block;max-width:100%;height:auto}
.outliers li{padding:7px 0}
`;

interface Page {
  readonly report: AuditReport;
  readonly words: Wording;
  readonly say: AuditWords;
  readonly language: Language;
}

/**
 * Renders an audit as one HTML file that stands alone: no script, nothing loaded from anywhere. Heat map, findings by
 * check with their remedies, what differs, every node with something to say, what is normal here.
 */
export function renderAuditHtml(reportGiven: AuditReport, options: { readonly language?: Language } = {}): string {
  const report = visible(reportGiven);
  const language = options.language ?? report.audit.language;
  const page: Page = { report, language, words: wording[language], say: auditWords[language] };
  const title = `${page.words.verdict[report.verdict]}${page.words.colon}${page.say.audit} ${report.audit.playbook}`;
  return `${htmlHead(title, htmlStyle + auditStyle, language)}<body>
<main>
${[
  head(page),
  heatMap(page),
  changes(page),
  findings(page),
  outliers(page),
  nodes(page),
  unseen(page),
  good(page),
  normal(page),
]
  .filter((part) => part !== '')
  .join('\n')}
</main>
<footer>${escapeHtml(page.words.readOnlyPromise)}</footer>
</body>
</html>
`;
}

function head({ report, words, say, language }: Page): string {
  const { audit } = report;
  const facts: readonly (readonly [string, string])[] = [
    [say.audit, audit.id],
    [words.started, audit.startedAt],
    [words.took, durationText(audit.endedAtMs - audit.startedAtMs, language)],
    [words.playbook, audit.playbook],
    ['netcheck', audit.netcheck],
  ];
  return `<header class="verdict ${report.verdict}">
<p class="badge"><span aria-hidden="true">${verdictSign[report.verdict]}</span> ${escapeHtml(words.verdict[report.verdict])}</p>
<h1>${text(report.headline, language, 400)}</h1>
<p class="asked">${text(audit.selector === '' ? say.allNodes : audit.selector, language, 300)} · ${escapeHtml(say.nodesLooked(report.counts))}</p>
<p class="means">${escapeHtml(say.verdictMeans[report.verdict])}</p>
<dl class="facts">${facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${text(value, language, 200)}</dd></div>`).join('')}</dl>
</header>`;
}

function heatMap({ report, say, language }: Page): string {
  if (report.counts.looked === 0 || report.checks.length === 0) return '';
  const svg = renderHeatMapSvg(auditHeatMap(report, say.heatMap), {
    theme: 'auto',
    language,
    maxRows: 60,
    maxColumns: 24,
  });
  return section(say.heatMap, `<figure class="card broad">${svg}</figure>`);
}

function changes({ report, say, words, language }: Page): string {
  if (report.previous === undefined) return section(say.changes, `<p class="muted">${escapeHtml(say.firstAudit)}</p>`);
  const since = say.since({ when: whenText(Date.parse(report.previous.startedAt)), ...report.counts });
  const tone = { new: 'likely', gone: 'clear', still: 'plain' } as const;
  const rows = report.changes
    .slice(0, changesShown)
    .map(
      ({ kind, node, rule, title, firstSeenMs }) =>
        `<tr><td><span class="chip ${tone[kind]}">${escapeHtml(say.change[kind])}</span></td><td class="name">${text(node, language)}</td><td>${text(title, language)} <code class="muted">${text(rule, language)}</code></td><td class="muted">${escapeHtml(kind === 'new' ? '' : say.firstSeen(whenText(firstSeenMs)))}</td></tr>`,
    );
  const more = report.counts.new + report.counts.gone + report.counts.still - rows.length;
  return section(
    `${say.changes}${words.colon}${since}`,
    rows.length === 0
      ? ''
      : `<div class="card broad"><table>${rows.join('\n')}</table>${more > 0 ? `<p class="muted">${escapeHtml(say.more(more))}</p>` : ''}</div>`,
  );
}

function findings(page: Page): string {
  const groups = findingGroups(page.report);
  if (groups.length === 0) return '';
  const all = page.report.counts.confirmed + page.report.counts.likely;
  const left = all - page.report.findings.length;
  return section(
    page.say.findings,
    `${groups.map((group) => findingCard(group, page)).join('\n')}
${left > 0 ? `<p class="muted">${escapeHtml(page.say.moreFindings(left))}</p>` : ''}
<p>${escapeHtml(page.say.again(auditCommand(page.report.audit)))}</p>`,
    String(all),
  );
}

function findingCard({ check, title, verdict, findings: list }: FindingGroup, page: Page): string {
  const { words, say, language } = page;
  const [first] = list;
  const remedies = first === undefined ? [] : remediesInOrder(first);
  const shown = list.slice(0, nodesPerFinding);
  return `<article class="card ${verdict}">
<p class="tag ${verdict}"><span aria-hidden="true">${verdictSign[verdict]}</span> ${escapeHtml(words.finding[verdict])}</p>
<h3>${text(title, language)}</h3>
<p class="where"><code>${text(check, language, 200)}</code> · ${escapeHtml(say.onNodes(list.length))}</p>
<ul class="because">
${shown.map(({ node, because }) => `<li><b>${text(node, language, 200)}</b>${words.colon}${because.map((one) => text(one.text, language)).join('<br>')}</li>`).join('\n')}
</ul>
${list.length > shown.length ? `<p class="muted">${escapeHtml(say.more(list.length - shown.length))}</p>` : ''}
${
  remedies.length === 0
    ? ''
    : `<h4>${escapeHtml(words.whatToDo)}</h4>
<div class="remedies">
${remedies.map((remedy) => remedyCard(remedy, page)).join('\n')}
</div>`
}
</article>`;
}

function remedyCard({ kind, node, text: what, commands, undo, risk }: Remedy, { words, language }: Page): string {
  const block = (lines: readonly string[]): string =>
    `<pre class="copy" title="${escapeHtml(words.copyHint)}"><code>${escapeHtml(lines.join('\n'))}</code></pre>`;
  const on = node === undefined ? '' : ` <span class="muted">· ${text(node, language, 120)}</span>`;
  return `<div class="remedy">${[
    `<h5>${escapeHtml(words.remedy[kind])}${on}</h5>`,
    ...(what === undefined ? [] : [`<p>${text(what, language)}</p>`]),
    ...(commands.length === 0 ? [] : [block(commands)]),
    ...(risk.trim() === ''
      ? []
      : [`<p class="risk"><b>${escapeHtml(words.risk)}${words.colon}</b>${text(risk, language)}</p>`]),
    ...(undo.length === 0 ? [] : [`<details><summary>${escapeHtml(words.undo)}</summary>${block(undo)}</details>`]),
  ].join('\n')}</div>`;
}

function outliers({ report, say, language }: Page): string {
  const list = (severity: 'risk' | 'note', title: string): string => {
    const some = report.outliers.filter((one) => one.severity === severity).slice(0, factsShown);
    if (some.length === 0) return '';
    const items = some.map((one) => `<li>${text(one.text, language)}</li>`).join('\n');
    return section(
      title,
      `<ul class="card outliers${severity === 'risk' ? ' unseen' : ''}">${items}</ul>`,
      String(some.length),
    );
  };
  return [list('risk', say.outliers), list('note', say.alsoDiffer)].filter((part) => part !== '').join('\n');
}

function nodes({ report, say, words, language }: Page): string {
  const telling = report.nodes.filter((node) => !isQuiet(node));
  const quiet = report.nodes.length - telling.length;
  const chips = (checks: readonly string[], tone: string): string =>
    checks.map((check) => `<span class="chip ${tone}">${text(check, language, 120)}</span>`).join('');
  const rows = telling.slice(0, rowsShown).map((node) => {
    const of = (...verdicts: readonly Verdict[]): string[] =>
      Object.entries(node.open).flatMap(([check, verdict]) => (verdicts.includes(verdict) ? [check] : []));
    const cells = [
      `<td class="name">${text(node.name, language, 200)}</td>`,
      `<td class="muted labels">${text(labelsText(node.labels), language, 200)}</td>`,
      node.outcome === 'looked'
        ? `<td>${chips(of('confirmed'), 'confirmed')}${chips(of('likely'), 'likely')}</td>`
        : `<td class="warn">${text(node.why ?? '', language, 300)}</td>`,
      `<td>${chips(node.differs, 'plain')}</td>`,
      `<td class="muted">${node.outcome === 'looked' ? text(of('unknown', 'error').join(words.list), language, 400) : escapeHtml(say.everyCheck)}</td>`,
      `<td class="muted labels">${text(node.kernel ?? '', language, 100)}</td>`,
    ];
    return `<tr>${cells.join('')}</tr>`;
  });
  const columns = [
    say.nodeColumn,
    say.labelsColumn,
    say.foundColumn,
    say.differsColumn,
    say.notSeenColumn,
    words.kernel,
  ];
  const tableText =
    rows.length === 0
      ? ''
      : `<div class="card broad"><table><tr>${columns.map((name) => `<th>${escapeHtml(name)}</th>`).join('')}</tr>
${rows.join('\n')}</table></div>`;
  const left = telling.length - rows.length;
  const notes = [...(left > 0 ? [say.more(left)] : []), ...(quiet > 0 ? [say.quiet(quiet)] : [])];
  return section(
    say.nodes,
    `${tableText}${notes.map((note) => `<p class="muted">${escapeHtml(note)}</p>`).join('\n')}`,
    String(report.nodes.length),
  );
}

function unseen({ report, say, words, language }: Page): string {
  if (report.unseen.length === 0) return '';
  const items = report.unseen.map(({ why, checks, nodes: count, examples }) => {
    const names = `${examples.join(words.list)}${count > examples.length ? ` ${say.more(count - examples.length)}` : ''}`;
    const about = checks.length === 0 ? say.everyCheck : checks.join(words.list);
    return `<li><b>${text(names, language, 400)}</b>${words.colon}${text(why, language)}<br><span class="muted">${text(about, language, 600)}</span></li>`;
  });
  return section(say.unseen, `<ul class="card unseen">${items.join('\n')}</ul>`);
}

function good({ report, say, language }: Page): string {
  const list = inOrderEverywhere(report);
  if (list.length === 0) return '';
  const items = list.map(
    ({ title, check }) =>
      `<li><span class="mark" aria-hidden="true">✓</span><span>${text(title, language)} <code class="muted">${text(check, language, 200)}</code></span></li>`,
  );
  return section(say.inOrder, `<ul class="card checks">${items.join('\n')}</ul>`, String(list.length));
}

/** What the audit vouches for as normal, folded away: it is for looking something up. */
function normal({ report, say, language }: Page): string {
  if (report.normal.length === 0) return '';
  const shown = (value: string): string => (value === '-' ? say.notThere : value === '' ? say.empty : value);
  const rows = report.normal
    .slice(0, factsShown)
    .map(
      (one) =>
        `<tr><td><code>${text(one.fact, language, 200)}</code></td><td>${text(shown(one.value), language, 300)}</td><td class="muted">${escapeHtml(say.normalShare(one))}</td><td class="muted">${text(one.group, language, 200)}</td></tr>`,
    );
  const columns = [say.factColumn, say.valueColumn, say.sharedColumn, say.groupColumn];
  return section(
    say.normal,
    `<details class="card"><summary>${escapeHtml(say.facts(report.normal.length))}</summary><div class="broad"><table><tr>${columns.map((name) => `<th>${escapeHtml(name)}</th>`).join('')}</tr>
${rows.join('\n')}</table></div></details>`,
  );
}

function section(title: string, body: string, count = ''): string {
  const aside = count === '' ? '' : ` <span class="count">${escapeHtml(count)}</span>`;
  return `<section>
<h2>${escapeHtml(title)}${aside}</h2>
${body}
</section>`;
}

function text(value: string, language: Language, most = 1000): string {
  return escapeHtml(cutText(value, most, language));
}
