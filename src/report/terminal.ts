import type { Language } from '../model/language.ts';
import type { Finding, Report } from '../model/report.ts';
import type { ReportVerdict, Verdict } from '../model/verdict.ts';
import type { Style } from './ansi.ts';
import { cutText } from './cut-text.ts';
import { durationText } from './duration-text.ts';
import { renderLadderText } from './ladder-text.ts';
import { remedyLines } from './remedy-lines.ts';
import { evidenceText, findingPlace, remediesInOrder, reportView } from './report-view.ts';
import { renderPathLines } from './path-lines.ts';
import { endSentence, isTelling, pathWords } from './path-text.ts';
import { symptomText } from './symptom-text.ts';
import { renderTable } from './table.ts';
import { TextPage } from './text-page.ts';
import { ruleName, unseenText } from './unseen-text.ts';
import { visibleReport } from './visible-report.ts';
import { playbooksText } from './playbooks-text.ts';

export interface TerminalOptions {
  /** Columns; default 80, at least 40. Only commands, which must stay whole, are ever longer. */
  readonly width?: number;
  /** Colour and box drawing; off for pipes, files and NO_COLOR. The caller decides. */
  readonly colour?: boolean;
  /** Default: the language that the report was made in. */
  readonly language?: Language;
}

const verdictStyle: Readonly<Record<ReportVerdict, readonly Style[]>> = {
  found: ['bold', 'red'],
  clear: ['bold', 'green'],
  inconclusive: ['bold', 'yellow'],
};
const findingStyle: Readonly<Record<Verdict, readonly Style[]>> = {
  confirmed: ['bold', 'red'],
  likely: ['bold', 'yellow'],
  ruledOut: ['green'],
  notApplicable: ['dim'],
  unknown: ['yellow'],
  error: ['magenta'],
};

/**
 * Renders a report for a terminal: verdict, causes with their numbers and remedies, packets, what was ruled out, what
 * could not be seen, nodes, run. Ends with a line feed. Nothing from a node reaches the terminal raw.
 */
export function renderTerminal(reportGiven: Report, options: TerminalOptions = {}): string {
  const report = visibleReport(reportGiven);
  const language = options.language ?? report.run.language;
  const page = new TextPage({ ...options, language, sentenceCharacters: 600 });
  const { words } = page;
  const view = reportView(report);

  page.text(`${words.verdict[report.verdict]}${words.colon}${report.headline}`, {
    lead: words.verdict[report.verdict],
    leadStyle: verdictStyle[report.verdict],
    style: ['bold'],
  });
  page.text(symptomText(report.symptom, language));
  for (const sentence of report.resolved ?? []) page.text(sentence);
  page.text(words.verdictMeans[report.verdict], { style: ['dim'] });

  if (view.causes.length > 0) {
    page.section(view.causes.length === 1 ? words.cause : words.causes);
    for (const [index, finding] of view.causes.entries()) {
      if (index > 0) page.blank();
      cause(page, finding);
    }
    if (view.causes.some(({ remedies }) => remedies.length > 0)) {
      page.blank();
      page.text(words.verify(report.symptom.text), { indent: 2 });
    }
  }
  if (report.ladder !== undefined && report.ladder.steps.length > 0) {
    page.section(words.packets, words.capturedOn(report.ladder.capturedOn));
    page.raw(renderLadderText(report.ladder, { width: page.width, colour: page.colour, language }));
    page.text(evidenceText(report.ladder), { indent: 2, style: ['dim'] });
  }
  if (isTelling(report.path)) {
    const { path } = report;
    page.section(pathWords[language].title, pathWords[language].about(path.connects, path.failed));
    page.raw(renderPathLines(path, { width: page.width, colour: page.colour, language }));
    const end = endSentence(path, language);
    if (end !== undefined) page.text(`✗ ${end}`, { indent: 2, lead: '✗', leadStyle: ['red'] });
  }
  const unseen = () => {
    if (view.unseen.length + report.unseen.length + view.failed.length === 0) return;
    page.section(words.couldNotSee);
    for (const sentence of report.unseen) page.item(sentence, { mark: ['yellow'] });
    for (const group of view.unseen) {
      page.item(unseenText(group, language), { mark: ['yellow'] });
      page.text(
        `${words.cannotTell}${words.colon}${group.rules.map((rule) => ruleName(rule.id, rule.title, language)).join(words.list)}`,
        {
          indent: 4,
          style: ['dim'],
        },
      );
    }
    if (view.failed.length > 0) {
      page.item(
        `${words.ownFault}${words.colon}${view.failed.map((finding) => `${finding.rule} (${findingPlace(finding)})`).join(words.list)}`,
        { mark: ['magenta'] },
      );
      for (const finding of view.failed) {
        for (const { text } of finding.because) page.text(cutText(text, 200, language), { indent: 4, style: ['dim'] });
      }
    }
  };
  // Where nothing could be concluded, what was missing is the news; else it is a footnote to the cause.
  if (report.verdict === 'inconclusive') unseen();
  if (view.ruledOut.length > 0) {
    page.section(words.ruledOut, String(view.ruledOut.length));
    for (const finding of view.ruledOut) short(page, finding);
  }
  if (view.notApplicable.length > 0) {
    page.section(words.notApplicable, String(view.notApplicable.length));
    for (const finding of view.notApplicable) short(page, finding);
  }
  if (report.verdict !== 'inconclusive') unseen();

  if (report.nodes.length > 0) {
    page.section(words.nodes);
    page.raw(nodeLines(report, page));
  }

  page.blank();
  const facts = [
    `${words.run} ${report.run.id}`,
    `${words.started} ${report.run.startedAt}`,
    `${words.took} ${durationText(report.timing.tookMs, language)}`,
    ...(report.run.playbooks.length > 0 ? [`${words.playbook} ${playbooksText(report.run, words)}`] : []),
    `netcheck ${report.run.netcheck}`,
  ];
  page.text(facts.join(' · '), { style: ['dim'] });
  page.text(words.readOnlyPromise, { style: ['dim'] });
  return page.end();
}

function cause(page: TextPage, finding: Finding): void {
  const { words } = page;
  const verdict = words.finding[finding.verdict];
  page.text(`${verdict}${words.colon}${finding.title}`, {
    indent: 2,
    lead: verdict,
    leadStyle: findingStyle[finding.verdict],
    style: ['bold'],
  });
  page.text(`${finding.rule} · ${findingPlace(finding)}`, { indent: 2, style: ['dim'] });
  for (const because of finding.because) {
    page.item(because.text, { indent: 2 });
    page.text(evidenceText(because), { indent: 4, style: ['dim'] });
  }
  const remedies = remediesInOrder(finding);
  if (remedies.length === 0) return;
  page.blank();
  page.text(words.whatToDo, { indent: 2, style: ['bold'] });
  for (const [index, remedy] of remedies.entries()) {
    if (index > 0) page.blank();
    remedyLines(page, remedy);
  }
}

function short(page: TextPage, finding: Finding): void {
  const [first] = finding.because;
  const number = first === undefined ? '' : `${page.words.colon}${cutText(first.text, 240, page.language)}`;
  const name = ruleName(finding.rule, finding.title, page.language);
  page.item(`${name} (${findingPlace(finding)})${number}`, {
    lead: name,
    leadStyle: [],
    mark: findingStyle[finding.verdict],
  });
}

function nodeLines(report: Report, page: TextPage): string[] {
  const { words, language } = page;
  const rows = report.nodes.map((node) => {
    const offset = node.clockOffsetMs;
    const clock = offset === undefined ? '' : `${offset >= 0 ? '+' : ''}${durationText(Math.round(offset), language)}`;
    return [
      { text: cutText(node.name, 200, language), style: ['bold'] as const },
      node.roles.map((role) => words.role[role]).join(words.list),
      cutText(node.address, 200, language),
      node.unseen === undefined
        ? cutText(node.kernel ?? '', 200, language)
        : { text: `${words.notSeen}${words.colon}${cutText(node.unseen, 200, language)}`, style: ['yellow'] as const },
      clock,
    ];
  });
  const table = renderTable(
    [
      { header: words.node },
      { header: words.roleColumn },
      { header: words.address },
      { header: words.kernel },
      { header: words.clock, align: 'right' },
    ],
    rows,
    { width: page.width, colour: page.colour, indent: 2 },
  );
  return table.split('\n');
}
