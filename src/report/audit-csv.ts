import type { AuditReport } from '../model/audit-report.ts';
import { labelsText } from './audit-view.ts';
import { visibleText } from './visible-text.ts';

const header = [
  'kind',
  'node',
  'labels',
  'check',
  'verdict',
  'title',
  'value',
  'usual',
  'because',
  'first_seen',
] as const;
type Row = Readonly<Partial<Record<(typeof header)[number], string>>>;

/**
 * An audit as CSV (RFC 4180, UTF-8, comma, CRLF): one line per finding, outlier, change to "gone", unreachable node and
 * reason for not knowing. A cell that a spreadsheet would take for a formula begins with an apostrophe.
 */
export function renderAuditCsv(report: AuditReport): string {
  const labels = new Map(report.nodes.map((node) => [node.name, labelsText(node.labels)]));
  const seen = new Map(report.changes.map(({ fingerprint, firstSeenMs }) => [fingerprint, dateText(firstSeenMs)]));
  const rows: Row[] = [
    ...report.findings.map(
      ({ node, check, verdict, title, because, fingerprint }): Row => ({
        kind: 'finding',
        node,
        check,
        verdict,
        title,
        because: because.map(({ text }) => text).join('; '),
        first_seen: seen.get(fingerprint) ?? report.audit.startedAt,
      }),
    ),
    ...report.outliers.flatMap(({ fact, group, value: usual, severity, differing }) =>
      differing.flatMap(({ value, examples }) =>
        examples.map((node): Row => ({ kind: `outlier (${severity})`, node, check: fact, title: group, value, usual })),
      ),
    ),
    ...report.changes
      .filter(({ kind }) => kind === 'gone')
      .map(
        ({ node, rule, title, firstSeenMs }): Row => ({
          kind: 'gone',
          node,
          check: rule,
          title,
          first_seen: dateText(firstSeenMs),
        }),
      ),
    ...report.nodes.flatMap(({ name, outcome, why }): Row[] =>
      outcome === 'looked' ? [] : [{ kind: outcome, node: name, because: why ?? '' }],
    ),
    ...report.unseen
      .filter(({ checks }) => checks.length > 0)
      .flatMap(({ why, checks, examples }) =>
        examples.map((node): Row => ({ kind: 'unknown', node, check: checks.join(' '), because: why })),
      ),
  ];
  const lines = rows.map((row) =>
    header.map((name) => cell(name === 'labels' ? (labels.get(row.node ?? '') ?? '') : (row[name] ?? ''))).join(','),
  );
  return `${[header.join(','), ...lines].join('\r\n')}\r\n`;
}

function cell(text: string): string {
  const shown = visibleText(text).replaceAll(/\s+/g, ' ');
  const safe = /^[=+\-@]/.test(shown) && !/^-?\d+(?:\.\d+)?$/.test(shown) ? `'${shown}` : shown;
  return /[",']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function dateText(ms: number): string {
  return new Date(ms).toISOString();
}
