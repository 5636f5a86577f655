import type { Capture } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { JoinedCaptures } from '../model/packet-facts.ts';
import type { Finding, Ladder } from '../model/report.ts';
import { captureOverview, type CaptureOverview, type ConversationRow } from './capture-overview.ts';
import { endpointText, isCalm } from './conversation-diagnosis.ts';
import { cutText } from './cut-text.ts';
import { shortDuration } from './duration-text.ts';
import { escapeHtml } from './escape-html.ts';
import { htmlStyle } from './html-style.ts';
import { joinedOverview } from './joined-overview.ts';
import { renderLadderSvg } from './ladder-svg.ts';
import { type ConversationState, pcapWording, type PcapWording } from './pcap-wording.ts';
import { remediesInOrder } from './report-view.ts';
import { sizeText } from './size-text.ts';
import { visible } from './visible-report.ts';
import { wording } from './wording.ts';
import { htmlHead } from './html-head.ts';

/** One capture of the page. */
export interface PcapHtmlCapture {
  readonly capture: Capture;
  readonly findings: readonly Finding[];
  /** Ladders of some of its conversations, in the order in which they are to be shown. */
  readonly ladders: readonly { readonly number: number; readonly ladder: Ladder }[];
}

export interface PcapHtmlOptions {
  readonly language: Language;
  /** Captures of several places laid over each other, with ladders of the worst connections. */
  readonly joined?: { readonly captures: JoinedCaptures; readonly ladders: readonly Ladder[] };
}

const maxRows = 50;
const maxJoinedRows = 20;
/** Steps of one ladder on the page: more than in a chat, where a picture has to be small. */
const maxSteps = 60;
const sentenceCharacters = 1000;

const tone: Readonly<Record<ConversationState, 'red' | 'amber' | 'green' | 'plain'>> = {
  unanswered: 'red',
  challengeAck: 'red',
  refused: 'red',
  icmpError: 'red',
  noFinalAck: 'red',
  stuck: 'red',
  windowShut: 'amber',
  reset: 'amber',
  retransmissions: 'amber',
  slowHandshake: 'amber',
  oneWay: 'amber',
  midStream: 'plain',
  fine: 'green',
};

const ownStyle = `
.conv{padding:4px 18px}
.c{display:grid;grid-template-columns:52px minmax(0,5fr) minmax(0,7fr);gap:4px 16px;padding:12px 0;border-top:1px solid var(--edge);font-size:14px;align-items:start}
.c:first-child{border-top:0}
.c .no{font-variant-numeric:tabular-nums;color:var(--muted)}
.c code{font-size:13px}
.s{display:inline-block;padding:1px 9px;border-radius:99px;font-size:13px;font-weight:650;margin:0 8px 2px 0;background:var(--code);color:var(--muted)}
.s.red{background:var(--red-soft);color:var(--red)}
.s.amber{background:var(--amber-soft);color:var(--amber)}
.s.green{background:var(--green-soft);color:var(--green)}
.file{margin-top:44px}
.file:first-of-type{margin-top:0}
.lines{list-style:none;padding:12px 22px}
.lines li{padding:4px 0}
figure{scroll-margin-top:12px}
.verdict+figure{margin-top:16px}
@media(max-width:720px){.c{grid-template-columns:auto minmax(0,1fr)}.c .what{grid-column:1/-1}.conv{padding:2px 14px}figure.card{padding:6px}}
`;

/**
 * Renders captures as one HTML page that stands alone: no script, nothing loaded from anywhere, light and dark,
 * readable on a phone and on paper. Summary and diagnosis, the table of conversations worst first, and the ladders that
 * were given. Everything from the captures is escaped, and the page is bounded: so many rows, so many steps.
 */
export function renderPcapHtml(capturesGiven: readonly PcapHtmlCapture[], options: PcapHtmlOptions): string {
  const { language } = options;
  const say = pcapWording[language];
  const files = capturesGiven.map(({ capture, findings, ladders }) => ({
    overview: visible(captureOverview(capture, findings, language, maxRows)),
    ladders,
    capture,
  }));
  const title = `netcheck pcap${say.colon}${files.map(({ overview }) => overview.file).join(say.list)}`;
  const sections = files.map((file, index) =>
    fileSection(file.overview, file.capture, file.ladders, `f${index}`, language, files.length > 1),
  );
  return `${htmlHead(title, htmlStyle + ownStyle, language)}<body>
<main>
${options.joined === undefined ? '' : joinedSection(options.joined, language)}
${sections.join('\n')}
</main>
</body>
</html>
`;
}

type Verdict = 'found' | 'clear' | 'inconclusive';

function verdictOf({ causes, unseen, tally }: CaptureOverview): Verdict {
  if (causes.length > 0) return 'found';
  return unseen.length > 0 || tally.length === 0 || tally.some(({ state }) => !isCalm(state))
    ? 'inconclusive'
    : 'clear';
}

function fileSection(
  overview: CaptureOverview,
  capture: Capture,
  ladders: PcapHtmlCapture['ladders'],
  id: string,
  language: Language,
  severalFiles: boolean,
): string {
  const say = pcapWording[language];
  const words = wording[language];
  const verdict = verdictOf(overview);
  const sign = { found: '✗', clear: '✓', inconclusive: '?' }[verdict];
  const [worst] = overview.rows;
  const headline =
    overview.causes[0]?.title ??
    (worst === undefined || isCalm(worst.state)
      ? capture.packets === 0
        ? say.notJudged
        : say.noFault
      : `${endpointText(worst.connection.client)} → ${endpointText(worst.connection.server)}${say.colon}${worst.text}`);
  const taken =
    capture.firstAtMs === null || Math.abs(capture.firstAtMs) > 8e15
      ? ''
      : `<p class="means">${escapeHtml(say.captured(new Date(capture.firstAtMs).toISOString()))}</p>`;
  const drawn = new Set(ladders.map(({ number }) => number));
  return `<section class="file">
<header class="verdict ${verdict}">
<p class="badge"><span aria-hidden="true">${sign}</span> ${escapeHtml(words.verdict[verdict])}</p>
<h1>${show(headline, language, 400)}</h1>
<p class="asked"><code>${show(overview.file, language, 300)}</code></p>
<p class="means">${show(overview.summary, language)}</p>
${taken}
${overview.warnings.map((warning) => `<p class="warn">${show(warning, language)}</p>`).join('\n')}
</header>
${causeSection(overview, language)}
${severalFiles || overview.rows.length === 0 ? '' : ladderSection(ladders, id, say, language)}
${conversationSection(overview, drawn, id, language)}
${severalFiles ? ladderSection(ladders, id, say, language) : ''}
${listSection(say.icmpErrors, overview.icmp, language)}
${listSection(say.alsoSeen, overview.alsoSeen, language)}
${listSection(say.couldNotSee, overview.unseen, language, ' unseen')}
${listSection(say.unreadable, overview.problems, language, ' unseen')}
</section>`;
}

function causeSection({ causes, ruledOut }: CaptureOverview, language: Language): string {
  const say = pcapWording[language];
  const words = wording[language];
  const cards = causes.map((finding) => {
    const remedies = remediesInOrder(finding);
    return `<article class="card ${finding.verdict}">
<p class="tag ${finding.verdict}">${escapeHtml(words.finding[finding.verdict])}</p>
<h3>${show(finding.title, language)}</h3>
<p class="where"><code>${show(finding.rule, language, 100)}</code></p>
<ul class="because">
${finding.because.map(({ text }) => `<li>${show(text, language)}</li>`).join('\n')}
</ul>
${
  remedies.length === 0
    ? ''
    : `<details><summary>${escapeHtml(words.whatToDo)}</summary><div class="remedies">
${remedies
  .map(
    ({ kind, text, commands, risk }) =>
      `<div class="remedy"><h5>${escapeHtml(words.remedy[kind])}</h5>${text === undefined ? '' : `<p>${show(text, language)}</p>`}${
        commands.length === 0
          ? ''
          : `<pre class="copy" title="${escapeHtml(words.copyHint)}"><code>${escapeHtml(commands.join('\n'))}</code></pre>`
      }${risk.trim() === '' ? '' : `<p class="risk"><b>${escapeHtml(words.risk)}${words.colon}</b>${show(risk, language)}</p>`}</div>`,
  )
  .join('\n')}
</div></details>`
}
</article>`;
  });
  const titles = [...new Set(ruledOut.map(({ title }) => title))];
  const out =
    titles.length === 0
      ? ''
      : `<details><summary>${escapeHtml(words.ruledOut)} ${titles.length}</summary><ul class="card checks">${titles.map((title) => `<li><span class="mark" aria-hidden="true">✓</span><span>${show(title, language)}</span></li>`).join('')}</ul></details>`;
  if (cards.length === 0 && out === '') return '';
  return `<section>
<h2>${escapeHtml(say.diagnosis)}</h2>
${cards.join('\n')}
${out}
</section>`;
}

function conversationSection(
  { rows, hidden, tally, uneventful }: CaptureOverview,
  drawn: ReadonlySet<number>,
  id: string,
  language: Language,
): string {
  if (rows.length === 0 && uneventful.count === 0) return '';
  const say = pcapWording[language];
  const more = hidden.reduce((sum, { count }) => sum + count, 0);
  const notes = [
    ...(more === 0
      ? []
      : [say.more(more, hidden.map(({ state, count }) => `${count} ${say.state[state]}`).join(say.list))]),
    ...(uneventful.count === 0 ? [] : [say.uneventful(uneventful.count), ...uneventful.services]),
  ];
  return `<section>
<h2>${escapeHtml(say.conversations)}</h2>
<p>${tally.map(({ state, count }) => `<span class="s ${tone[state]}">${count} ${escapeHtml(say.state[state])}</span>`).join('')}</p>
<div class="card conv">
${rows.map((row) => conversationRow(row, drawn, id, language)).join('\n')}
</div>
${notes.map((note) => `<p class="muted">${show(note, language)}</p>`).join('\n')}
</section>`;
}

function conversationRow(
  { connection, state, text, alike }: ConversationRow,
  drawn: ReadonlySet<number>,
  id: string,
  language: Language,
): string {
  const say = pcapWording[language];
  const { number, client, server, packets, bytes } = connection;
  const label = `#${number}`;
  const link = drawn.has(number) ? `<a href="#${id}-${number}">${label}</a>` : label;
  const numbers = [
    `${packets.client}/${packets.server} ${say.columns.packets}`,
    `${sizeText(bytes.client)}/${sizeText(bytes.server)}`,
    shortDuration(connection.lastAtMs - connection.firstAtMs),
  ].join(' · ');
  return `<div class="c"><span class="no">${link}</span><span><code>${show(endpointText(client), language, 100)} → ${show(endpointText(server), language, 100)}</code><br><span class="muted">${escapeHtml(numbers)}</span></span><span class="what"><span class="s ${tone[state]}">${escapeHtml(say.state[state])}</span>${show(text, language)}${
    alike === 0 ? '' : ` <span class="muted">${escapeHtml(say.moreAlike(alike))}</span>`
  }</span></div>`;
}

function ladderSection(ladders: PcapHtmlCapture['ladders'], id: string, say: PcapWording, language: Language): string {
  if (ladders.length === 0) return '';
  return `<section>
<h2>${escapeHtml(say.ladders)}</h2>
${ladders.map(({ number, ladder }) => figure(ladder, `${id}-${number}`, `#${number}`, language)).join('\n')}
</section>`;
}

function figure(ladder: Ladder, id: string, caption: string, language: Language): string {
  return `<figure class="card" id="${id}">
<div class="scroll on-desk">${renderLadderSvg(ladder, { theme: 'auto', language, maxSteps })}</div>
<div class="on-phone">${renderLadderSvg(ladder, { theme: 'auto', language, maxSteps, narrow: true })}</div>
<figcaption>${escapeHtml(caption)}</figcaption>
</figure>`;
}

function joinedSection({ captures, ladders }: NonNullable<PcapHtmlOptions['joined']>, language: Language): string {
  const say = pcapWording[language];
  const { summary, clocks, rows, more } = visible(joinedOverview(captures, language, maxJoinedRows));
  const died = rows.some((row) => row.died);
  const cards = rows.map(
    ({ heading, sentences, died: dies }) =>
      `<div class="card ${dies ? 'confirmed' : ''}"><h3><code>${show(heading, language, 300)}</code></h3>${sentences.map((sentence) => `<p>${show(sentence, language)}</p>`).join('')}</div>`,
  );
  return `<section>
<header class="verdict ${died ? 'found' : 'inconclusive'}">
<p class="badge">${escapeHtml(say.joined)}</p>
<h1>${show(rows[0]?.verdict ?? summary, language, 400)}</h1>
<p class="means">${show(summary, language)}</p>
${clocks.map((clock) => `<p class="means">${show(clock, language)}</p>`).join('\n')}
</header>
${ladders.map((ladder, index) => figure(ladder, `j${index}`, say.joined, language)).join('\n')}
${cards.join('\n')}
${more.map((line) => `<p class="muted">${show(line, language)}</p>`).join('\n')}
</section>`;
}

function listSection(title: string, lines: readonly string[], language: Language, kind = ''): string {
  if (lines.length === 0) return '';
  return `<section>
<h2>${escapeHtml(title)}</h2>
<ul class="card lines${kind}">
${lines.map((line) => `<li>${show(line, language)}</li>`).join('\n')}
</ul>
</section>`;
}

/** Text from outside: cut where it is out of all proportion, and escaped. */
function show(text: string, language: Language, most = sentenceCharacters): string {
  return escapeHtml(cutText(text, most, language));
}
