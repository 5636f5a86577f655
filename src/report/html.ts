import type { EvidenceEntry } from '../model/evidence.ts';
import type { Language } from '../model/language.ts';
import type { Because, Finding, Remedy, Report } from '../model/report.ts';
import { cutText } from './cut-text.ts';
import { durationText, shortDuration } from './duration-text.ts';
import { escapeHtml } from './escape-html.ts';
import { exitText } from './exit-text.ts';
import { htmlStyle } from './html-style.ts';
import { renderLadderSvg } from './ladder-svg.ts';
import { evidenceText, findingPlace, remediesInOrder, reportView, type ReportView } from './report-view.ts';
import { shellText } from './shell-text.ts';
import { sizeText } from './size-text.ts';
import { pathSection, pathStyle } from './html-path.ts';
import { symptomText } from './symptom-text.ts';
import { unseenText } from './unseen-text.ts';
import { verdictSign } from './verdict-sign.ts';
import { visibleReport } from './visible-report.ts';
import { wording, type Wording } from './wording.ts';
import { copyScript, copyScriptHash, copyStyle } from './html-copy.ts';
import { evidenceStyle, excerptAround, excerptDetails } from './html-evidence.ts';
import { type Excerpt, excerptsOf, type Outputs } from './evidence-excerpts.ts';
import { htmlHead } from './html-head.ts';
import { timelineCard, timelineStyle } from './html-timeline.ts';
import { runTimeline } from './run-timeline.ts';
import { playbooksText } from './playbooks-text.ts';

/** Characters of one sentence that are shown; the report itself keeps all of it. */
const sentenceCharacters = 1000;
/** A command with more characters than this folds out, up to so many. */
const longCommand = 200;
const mostOfCommand = 2400;
/** Commands that are shown; the others are counted. */
const mostCommands = 800;

/** What every part of the page needs to know. */
interface Page {
  readonly report: Report;
  readonly view: ReportView;
  readonly words: Wording;
  readonly language: Language;
  /** Path in the run directory -> id of the row that tells of it. */
  readonly anchors: ReadonlyMap<string, string>;
  readonly excerpts: ReadonlyMap<string, Excerpt>;
}

export interface HtmlOptions {
  readonly language?: Language;
  /** What the commands said: lines that matter are shown on the page. Default: none. */
  readonly outputs?: Outputs;
}

/**
 * Renders a report as one HTML file that stands alone: nothing is loaded from anywhere and the only script is the one
 * that copies commands (its content security policy says so too); light and dark, readable on a phone and on paper, at
 * most about 3 MB. Everything from outside is escaped. The same report and outputs give the same page.
 */
export function renderHtml(reportGiven: Report, options: HtmlOptions = {}): string {
  const report = visibleReport(reportGiven);
  const language = options.language ?? report.run.language;
  const words = wording[language];
  const anchors = new Map<string, string>();
  for (const [index, entry] of report.evidence.slice(0, mostCommands).entries()) {
    for (const path of [entry.err, entry.out]) if (path !== undefined) anchors.set(path, `e${index + 1}`);
  }
  const excerpts = options.outputs === undefined ? new Map<string, Excerpt>() : excerptsOf(report, options.outputs);
  const page: Page = { report, view: reportView(report), words, language, anchors, excerpts };
  const unseen = unseenSection(page);
  const title = `${words.verdict[report.verdict]}${words.colon}${symptomText(report.symptom, language)}`;
  const style = htmlStyle + pathStyle + timelineStyle + evidenceStyle + copyStyle;
  return `${htmlHead(title, style, language, copyScriptHash)}<body data-copy="${escapeHtml(words.copy)}" data-copied="${escapeHtml(words.copied)}">
<main>
${verdictSection(page)}
${causeSection(page)}
${pathSection(report, language, (at) => evidenceLink(at, page))}
${ladderSection(page)}
${report.verdict === 'inconclusive' ? unseen : ''}
${ruledOutSection(page)}
${report.verdict === 'inconclusive' ? '' : unseen}
${nodeSection(page)}
${timelineSection(page)}
${evidenceSection(page)}
</main>
<footer>${escapeHtml(words.readOnlyPromise)}</footer>
<script>${copyScript}</script>
</body>
</html>
`;
}

function verdictSection({ report, words, language }: Page): string {
  const facts: readonly (readonly [string, string])[] = [
    [words.run, report.run.id],
    [words.started, report.run.startedAt],
    [words.took, durationText(report.timing.tookMs, language)],
    [words.playbook, playbooksText(report.run, words)],
    ['netcheck', report.run.netcheck],
  ];
  return `<header class="verdict ${report.verdict}">
<p class="badge"><span aria-hidden="true">${verdictSign[report.verdict]}</span> ${escapeHtml(words.verdict[report.verdict])}</p>
<h1>${say(report.headline, language, 400)}</h1>
<p class="asked">${[symptomText(report.symptom, language), ...(report.resolved ?? [])].map((text) => say(text, language)).join('<br>')}</p>
<p class="means">${escapeHtml(words.verdictMeans[report.verdict])}</p>
<dl class="facts">${facts
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${say(value, language, 200)}</dd></div>`)
    .join('')}</dl>
</header>`;
}

function causeSection(page: Page): string {
  const { view, words } = page;
  if (view.causes.length === 0) return '';
  const title = view.causes.length === 1 ? words.cause : words.causes;
  return `<section>
<h2>${escapeHtml(title)}</h2>
${view.causes.map((finding) => causeCard(finding, page)).join('\n')}
${view.causes.some(({ remedies }) => remedies.length > 0) ? `<p>${escapeHtml(words.verify(page.report.symptom.text))}</p>` : ''}
</section>`;
}

function causeCard(finding: Finding, page: Page): string {
  const { words, language } = page;
  const remedies = remediesInOrder(finding);
  return `<article class="card ${finding.verdict}">
<p class="tag ${finding.verdict}"><span aria-hidden="true">${verdictSign[finding.verdict]}</span> ${escapeHtml(words.finding[finding.verdict])}</p>
<h3>${say(finding.title, language)}</h3>
<p class="where"><code>${say(finding.rule, language, 100)}</code> · ${say(findingPlace(finding), language, 200)}</p>
<ul class="because">
${finding.because
  .map((because, at) => {
    const isFirst = finding.because.findIndex((one) => evidenceText(one) === evidenceText(because)) === at;
    return becauseItem(because, isFirst, page);
  })
  .join('\n')}
</ul>
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

/** A sentence, where it was seen, and the line itself where there is one and it does not stand above already. */
function becauseItem(because: Because, isFirst: boolean, page: Page): string {
  const seen = isFirst && excerptAround(page.excerpts.get(because.evidence), because, page.language);
  return `<li>${say(because.text, page.language)}<br>${evidenceLink(because, page)}${seen || ''}</li>`;
}

function remedyCard(remedy: Remedy, { words, language }: Page): string {
  const on = remedy.node === undefined ? '' : ` <span class="muted">· ${say(remedy.node, language, 120)}</span>`;
  const parts = [`<h5>${escapeHtml(words.remedy[remedy.kind])}${on}</h5>`];
  if (remedy.text !== undefined) parts.push(`<p>${say(remedy.text, language)}</p>`);
  if (remedy.commands.length > 0) parts.push(commandBlock(remedy.commands, words));
  if (remedy.manifest !== undefined) {
    const { file, yaml } = remedy.manifest;
    parts.push(
      `<details open><summary><code>${say(file, language, 120)}</code></summary>${commandBlock([yaml.trimEnd()], words)}</details>`,
    );
  }
  if (remedy.risk.trim() !== '') {
    parts.push(`<p class="risk"><b>${escapeHtml(words.risk)}${words.colon}</b>${say(remedy.risk, language)}</p>`);
  }
  if (remedy.undo.length > 0) {
    parts.push(`<details><summary>${escapeHtml(words.undo)}</summary>${commandBlock(remedy.undo, words)}</details>`);
  }
  return `<div class="remedy">${parts.join('\n')}</div>`;
}

/** One click selects the whole of it, so that it can be copied without a script on the page. */
function commandBlock(commands: readonly string[], words: Wording): string {
  return `<pre class="copy" title="${escapeHtml(words.copyHint)}"><code>${escapeHtml(commands.join('\n'))}</code></pre>`;
}

function ladderSection({ report, words, language, anchors }: Page): string {
  const { ladder } = report;
  if (ladder === undefined || ladder.steps.length === 0) return '';
  return `<section>
<h2>${escapeHtml(words.packets)}</h2>
<figure class="card">
<div class="scroll on-desk">${renderLadderSvg(ladder, { theme: 'auto', language })}</div>
<div class="on-phone">${renderLadderSvg(ladder, { theme: 'auto', language, narrow: true })}</div>
<figcaption>${evidenceLink(ladder, { anchors, language })}</figcaption>
</figure>
</section>`;
}

function unseenSection({ report, view, words, language }: Page): string {
  const items = report.unseen.map((sentence) => `<li>${say(sentence, language)}</li>`);
  for (const group of view.unseen) {
    items.push(
      `<li>${say(unseenText(group, language), language)}<br><span class="muted">${escapeHtml(words.cannotTell)}${words.colon}${group.rules
        .map((rule) => `${say(rule.title, language, 200)} <code>(${say(rule.id, language, 100)})</code>`)
        .join(' · ')}</span></li>`,
    );
  }
  for (const finding of view.failed) {
    const [first] = finding.because;
    const why = first === undefined ? '' : `${words.colon}${say(first.text, language, 300)}`;
    items.push(
      `<li>${escapeHtml(words.ownFault)}${words.colon}<code>${say(finding.rule, language, 100)}</code> (${say(findingPlace(finding), language, 200)})${why}</li>`,
    );
  }
  if (items.length === 0) return '';
  return `<section>
<h2>${escapeHtml(words.couldNotSee)}</h2>
<ul class="card unseen">
${items.join('\n')}
</ul>
</section>`;
}

function ruledOutSection(page: Page): string {
  const { view, words } = page;
  const { ruledOut, notApplicable } = view;
  if (ruledOut.length + notApplicable.length === 0) return '';
  const list = (findings: readonly Finding[]): string =>
    `<ul class="card checks">\n${findings.map((finding) => checkItem(finding, page)).join('\n')}\n</ul>`;
  return `<section>
<h2>${escapeHtml(words.ruledOut)} <span class="count">${ruledOut.length}</span></h2>
${ruledOut.length === 0 ? '' : list(ruledOut)}
${
  notApplicable.length === 0
    ? ''
    : `<details class="folded"><summary>${escapeHtml(words.notApplicable)} <span class="count">${notApplicable.length}</span></summary>${list(notApplicable)}</details>`
}
</section>`;
}

function checkItem(finding: Finding, page: Page): string {
  const { language } = page;
  const [first] = finding.because;
  return `<li class="${finding.verdict}"><span class="mark" aria-hidden="true">${verdictSign[finding.verdict]}</span><div><b>${say(finding.title, language, 300)}</b> <span class="muted">· ${say(findingPlace(finding), language, 200)}</span>${
    first === undefined ? '' : `<br>${say(first.text, language)} ${evidenceLink(first, page)}`
  }</div></li>`;
}

function nodeSection({ report, words, language }: Page): string {
  if (report.nodes.length === 0) return '';
  const cards = report.nodes.map((node) => {
    const offset = node.clockOffsetMs;
    const facts: readonly (readonly [string, string])[] = [
      [words.address, node.address],
      [words.kernel, node.kernel ?? ''],
      [
        words.clock,
        offset === undefined ? '' : `${offset >= 0 ? '+' : ''}${durationText(Math.round(offset), language)}`,
      ],
    ];
    const unseen =
      node.unseen === undefined
        ? ''
        : `<p class="warn">${escapeHtml(words.notSeen)}${words.colon}${say(node.unseen, language, 400)}</p>`;
    return `<div class="card node"><h3>${say(node.name, language, 260)}</h3><p class="muted">${escapeHtml(node.roles.map((role) => words.role[role]).join(words.list))}</p>${unseen}<dl>${facts
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${say(value, language, 200)}</dd></div>`)
      .join('')}</dl></div>`;
  });
  return `<section>
<h2>${escapeHtml(words.nodes)}</h2>
<div class="nodes">
${cards.join('\n')}
</div>
</section>`;
}

function timelineSection({ report, words, language }: Page): string {
  if (report.evidence.length === 0) return '';
  return `<section>
<h2>${escapeHtml(words.whereTimeWent)} <span class="count">${escapeHtml(durationText(report.timing.tookMs, language))}</span></h2>
${timelineCard(runTimeline(report), language)}
</section>`;
}

function evidenceSection({ report, words, language, excerpts }: Page): string {
  if (report.evidence.length === 0) return '';
  const left = report.evidence.length - mostCommands;
  const rows = report.evidence.slice(0, mostCommands).map((entry, index) => ({ entry, id: `e${index + 1}` }));
  // The axis of all bars: the run, and whatever lies outside it.
  const from = Math.min(report.timing.startedAtMs, ...rows.map(({ entry }) => entry.startedAtMs));
  const to = Math.max(report.timing.endedAtMs, ...rows.map(({ entry }) => entry.endedAtMs), from + 1);
  const nodes = [...new Set(rows.map(({ entry }) => entry.node))];
  const tables = nodes.map((node) => {
    const own = rows
      .filter(({ entry }) => entry.node === node)
      .sort((a, b) => a.entry.startedAtMs - b.entry.startedAtMs || a.entry.id.localeCompare(b.entry.id, 'en'));
    return `<h3>${say(node, language, 260)}</h3>
<div class="card evidence">
<div class="row head" aria-hidden="true"><span>${escapeHtml(words.command)}</span><span>${escapeHtml(words.timeline)} <span class="muted">0 – ${escapeHtml(shortDuration(to - from))}</span></span><span>${escapeHtml(words.ended)}</span><span class="n">${escapeHtml(words.bytes)}</span></div>
${own.map(({ entry, id }) => evidenceRow(entry, id, { from, to }, words, language, excerpts)).join('\n')}
</div>`;
  });
  return `<section>
<h2>${escapeHtml(words.evidence)} <span class="count">${report.evidence.length}</span></h2>
<p class="muted">${escapeHtml(words.evidenceAbout)}</p>
${tables.join('\n')}
${left > 0 ? `<p class="muted">${escapeHtml(words.moreInBundle(left))}</p>` : ''}
</section>`;
}

function evidenceRow(
  entry: EvidenceEntry,
  id: string,
  axis: { readonly from: number; readonly to: number },
  words: Wording,
  language: Language,
  excerpts: Page['excerpts'],
): string {
  const span = axis.to - axis.from;
  const left = clampPercent(((entry.startedAtMs - axis.from) / span) * 100);
  const length = Math.min(100 - left, clampPercent(((entry.endedAtMs - entry.startedAtMs) / span) * 100));
  const fine = entry.exit.how === 'exited' && entry.exit.code === 0;
  const planned = entry.exit.how === 'stopped' && entry.exit.why !== 'cancelled';
  // A tool that is not there is no trouble: another tells the same, or what is missing is told where it matters.
  const isLeftOut =
    entry.exit.how === 'skipped' || (entry.exit.how === 'notStarted' && entry.exit.why === 'toolMissing');
  const state = fine || planned ? 'fine' : isLeftOut ? 'skipped' : 'trouble';
  const took = shortDuration(entry.endedAtMs - entry.startedAtMs);
  const root = entry.privilege === 'root' ? ` <span class="root">${escapeHtml(words.asRoot)}</span>` : '';
  const error = entry.errBytes > 0 ? ` + ${sizeText(entry.errBytes)} stderr` : '';
  const said = [entry.out, entry.err].flatMap((path) => {
    const excerpt = path === undefined ? undefined : excerpts.get(path);
    return excerpt === undefined ? [] : excerptDetails(excerpt, path === entry.err, language);
  });
  return `<div class="row" id="${id}"><span class="cmd"><span class="muted">${say(entry.id, language, 80)} · ${escapeHtml(words.evidencePhase[entry.phase])}</span>${root}<br>${commandText(shellText(entry.argv), language)}</span><span class="track" title="${escapeHtml(took)}"><i class="bar ${entry.phase}" style="left:${left.toFixed(2)}%;width:max(3px,${length.toFixed(2)}%)"></i><span class="took">${escapeHtml(took)}</span></span><span class="exit ${state}">${say(exitText(entry.exit, language), language, 300)}</span><span class="n">${escapeHtml(`${sizeText(entry.outBytes)}${error}`)}</span>${said.join('')}</div>`;
}

/** A command; the rest of a long one folds out. */
function commandText(command: string, language: Language): string {
  if (command.length <= longCommand) return `<code>${say(command, language)}</code>`;
  const head = command.slice(0, longCommand * 0.6).replace(/[\ud800-\udbff]$/u, '');
  return `<details class="long"><summary><code>${escapeHtml(head)}…</code></summary><code>${say(command, language, mostOfCommand)}</code></details>`;
}

function clampPercent(value: number): number {
  return Number.isFinite(value) ? Math.min(100, Math.max(0, value)) : 0;
}

/** Where a sentence was seen; a link to the command's row where the report tells of it. */
function evidenceLink(
  at: Pick<Because, 'evidence' | 'line'> | { readonly evidence: string },
  { anchors, language }: Pick<Page, 'anchors' | 'language'>,
): string {
  const shown = say(evidenceText(at), language, 200);
  const anchor = anchors.get(at.evidence);
  return anchor === undefined ? `<span class="at">${shown}</span>` : `<a class="at" href="#${anchor}">${shown}</a>`;
}

/** Text from outside: cut where it is out of all proportion, and escaped. */
function say(text: string, language: Language, most = sentenceCharacters): string {
  return escapeHtml(cutText(text, most, language));
}
