import type { AuditReport } from '../model/audit-report.ts';
import type { ReportVerdict, Verdict } from '../model/verdict.ts';
import type { Style } from './ansi.ts';
import {
  auditCommand,
  type FindingGroup,
  findingGroups,
  inOrderEverywhere,
  isQuiet,
  labelsText,
  whenText,
} from './audit-view.ts';
import { type AuditWords, auditWords } from './audit-words.ts';
import { durationText } from './duration-text.ts';
import { remedyLines } from './remedy-lines.ts';
import { remediesInOrder } from './report-view.ts';
import { renderTable, type TableCell } from './table.ts';
import type { TerminalOptions } from './terminal.ts';
import { TextPage } from './text-page.ts';
import { visible } from './visible-report.ts';

const verdictStyle: Readonly<Record<ReportVerdict, readonly Style[]>> = {
  found: ['bold', 'red'],
  clear: ['bold', 'green'],
  inconclusive: ['bold', 'yellow'],
};
const findingStyle: Readonly<Partial<Record<Verdict, readonly Style[]>>> = {
  confirmed: ['bold', 'red'],
  likely: ['bold', 'yellow'],
};
const changeStyle = { new: ['bold', 'yellow'], gone: ['green'], still: ['dim'] } as const;
const changeMark = { new: '+', gone: '-', still: '=' } as const;

/** Their ids say nothing of what is wrong. */
const unnamed: readonly string[] = ['outlier', 'expect'];

/** Bounds of what a screen shows; JSON, CSV and HTML have more. */
const nodesPerFinding = 4;
const namesPerFinding = 12;
const nodesInTable = 60;
const changesShown = 30;
const unseenShown = 12;
const sentencesPerNode = 3;

/**
 * Renders an audit for a terminal: verdict, changes, findings by check with their numbers and remedies, what differs from
 * node to node, nodes with something to say, what could not be seen. Ends with a line feed.
 */
export function renderAudit(reportGiven: AuditReport, options: TerminalOptions = {}): string {
  const report = visible(reportGiven);
  const language = options.language ?? report.audit.language;
  const say = auditWords[language];
  const page = new TextPage({ ...options, language, sentenceCharacters: 600 });
  const { words } = page;

  page.text(`${words.verdict[report.verdict]}${words.colon}${report.headline}`, {
    lead: words.verdict[report.verdict],
    leadStyle: verdictStyle[report.verdict],
    style: ['bold'],
  });
  page.text(say.nodesLooked(report.counts));
  page.text(say.verdictMeans[report.verdict], { style: ['dim'] });

  changes(page, report, say);
  const groups = findingGroups(report);
  if (groups.length > 0) {
    page.section(say.findings, `${report.counts.confirmed + report.counts.likely}`);
    for (const [index, group] of groups.entries()) {
      if (index > 0) page.blank();
      findingLines(page, group, say);
    }
    const left = report.counts.confirmed + report.counts.likely - report.findings.length;
    if (left > 0) page.text(say.moreFindings(left), { style: ['dim'] });
  }
  const risks = report.outliers.filter(({ severity }) => severity === 'risk');
  const notes = report.outliers.filter(({ severity }) => severity === 'note');
  if (risks.length > 0) {
    page.section(say.outliers, `${risks.length}`);
    for (const { text } of risks) page.item(text, { mark: ['yellow'] });
  }
  if (notes.length > 0) {
    page.section(say.alsoDiffer, `${notes.length}`);
    for (const { text } of notes) page.item(text, { mark: ['dim'] });
  }
  nodeTable(page, report, say);
  if (report.unseen.length > 0) {
    page.section(say.unseen);
    for (const { why, checks, nodes, examples } of report.unseen.slice(0, unseenShown)) {
      const names = `${examples.join(words.list)}${nodes > examples.length ? ` ${say.more(nodes - examples.length)}` : ''}`;
      page.item(`${names}${words.colon}${why}`, { mark: ['yellow'] });
      if (checks.length > 0) page.text(checks.join(words.list), { indent: 4, style: ['dim'] });
    }
    if (report.unseen.length > unseenShown) page.text(say.more(report.unseen.length - unseenShown), { indent: 2 });
  }
  const good = inOrderEverywhere(report);
  if (good.length > 0) {
    page.section(say.inOrder, say.checks(good.length));
    page.text(good.map(({ check, title }) => (language === 'en' ? check : title)).join(words.list), { style: ['dim'] });
  }

  page.blank();
  if (report.verdict === 'found') page.text(say.again(auditCommand(report.audit)));
  const { audit } = report;
  const facts = [
    `${say.audit} ${audit.id}`,
    audit.playbook,
    audit.selector === '' ? say.allNodes : audit.selector,
    `${words.started} ${audit.startedAt}`,
    `${words.took} ${durationText(audit.endedAtMs - audit.startedAtMs, language)}`,
    `netcheck ${audit.netcheck}`,
  ];
  page.text(facts.join(' · '), { style: ['dim'] });
  page.text(words.readOnlyPromise, { style: ['dim'] });
  return page.end();
}

function changes(page: TextPage, { previous, changes: list, counts }: AuditReport, say: AuditWords): void {
  if (previous === undefined) {
    page.section(say.changes);
    page.text(say.firstAudit, { style: ['dim'] });
    return;
  }
  page.section(say.changes, say.since({ when: whenText(Date.parse(previous.startedAt)), ...counts }));
  const news = list.filter(({ kind }) => kind !== 'still').slice(0, changesShown);
  const rows = news.map(({ kind, node, rule, title, firstSeenMs }): TableCell[] => [
    { text: `${changeMark[kind]} ${say.change[kind]}`, style: changeStyle[kind] },
    { text: node, style: ['bold'] },
    page.language === 'en' && !unnamed.includes(rule) ? rule : title,
    { text: kind === 'gone' ? say.firstSeen(whenText(firstSeenMs)) : '', style: ['dim'] },
  ]);
  if (rows.length > 0)
    page.raw(
      renderTable([{ header: '' }, { header: '' }, { header: '' }, { header: '' }], rows, {
        width: page.width,
        colour: page.colour,
        header: false,
      }).split('\n'),
    );
  const left = counts.new + counts.gone - news.length;
  if (left > 0) page.text(say.more(left), { style: ['dim'] });
}

function findingLines(page: TextPage, { check, title, verdict, findings }: FindingGroup, say: AuditWords): void {
  const { words } = page;
  const lead = words.finding[verdict];
  page.text(`${lead}${words.colon}${title}`, {
    indent: 2,
    lead,
    leadStyle: findingStyle[verdict] ?? [],
    style: ['bold'],
  });
  page.text(`${check} · ${say.onNodes(findings.length)}`, { indent: 2, style: ['dim'] });
  for (const { node, because } of findings.slice(0, nodesPerFinding)) {
    page.item(`${node}${words.colon}${because[0]?.text ?? ''}`, { indent: 2, lead: node, leadStyle: ['bold'] });
    for (const { text } of because.slice(1, sentencesPerNode)) page.text(text, { indent: 4 });
  }
  const others = findings.slice(nodesPerFinding);
  if (others.length > 0) {
    const names = others.slice(0, namesPerFinding).map(({ node }) => node);
    const more = others.length - names.length;
    page.item(`${names.join(words.list)}${more > 0 ? ` ${say.more(more)}` : ''}`, { indent: 2 });
  }
  const [first] = findings;
  const remedies = first === undefined ? [] : remediesInOrder(first);
  if (remedies.length === 0) return;
  page.blank();
  page.text(words.whatToDo, { indent: 2, style: ['bold'] });
  for (const [index, remedy] of remedies.entries()) {
    if (index > 0) page.blank();
    remedyLines(page, remedy);
  }
}

function nodeTable(page: TextPage, report: AuditReport, say: AuditWords): void {
  const telling = report.nodes.filter((node) => !isQuiet(node));
  const { words } = page;
  if (telling.length === 0) return;
  page.section(say.nodes);
  const hasLabels = telling.some(({ labels }) => Object.keys(labels).length > 0);
  const weight = (node: AuditReport['nodes'][number]): number =>
    Object.values(node.open).reduce(
      (sum, verdict) => sum + (verdict === 'confirmed' ? 100 : verdict === 'likely' ? 10 : 0),
      0,
    ) +
    (node.outcome === 'looked' ? 0 : 1) +
    node.differs.length / 100;
  const shown = [...telling].sort((a, b) => weight(b) - weight(a)).slice(0, nodesInTable);
  const rows = shown.map((node): TableCell[] => {
    const of = (...verdicts: readonly Verdict[]): string[] =>
      Object.entries(node.open).flatMap(([check, verdict]) => (verdicts.includes(verdict) ? [check] : []));
    const confirmed = of('confirmed');
    const found = [...confirmed, ...of('likely')];
    const unknown = of('unknown', 'error');
    return [
      { text: node.name, style: ['bold'] },
      ...(hasLabels ? [{ text: labelsText(node.labels), style: ['dim'] as const }] : []),
      node.outcome === 'looked'
        ? { text: found.join(words.list), style: confirmed.length > 0 ? ['red'] : ['yellow'] }
        : { text: say.outcome[node.outcome], style: ['yellow'] },
      node.differs.length > 3 ? say.facts(node.differs.length) : node.differs.join(words.list),
      {
        text: node.outcome === 'looked' ? (unknown.length === 0 ? '' : say.checks(unknown.length)) : say.everyCheck,
        style: ['dim'],
      },
    ];
  });
  const columns = [
    { header: say.nodeColumn },
    ...(hasLabels ? [{ header: say.labelsColumn }] : []),
    { header: say.foundColumn },
    { header: say.differsColumn },
    { header: say.notSeenColumn },
  ];
  page.raw(renderTable(columns, rows, { width: page.width, colour: page.colour, indent: 2 }).split('\n'));
  const left = telling.length - shown.length;
  if (left > 0) page.text(say.more(left), { indent: 2, style: ['dim'] });
  const quiet = report.nodes.length - telling.length;
  if (quiet > 0) page.text(say.quiet(quiet), { indent: 2, style: ['dim'] });
}
