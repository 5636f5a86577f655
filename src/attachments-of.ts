import { packRun } from './adapters/files/pack-run.ts';
import { readOutputs } from './adapters/files/read-outputs.ts';
import { rasteriseSvg } from './adapters/picture/rasterise-svg.ts';
import type { Attachment } from './engine/ports.ts';
import type { AuditReport } from './model/audit-report.ts';
import type { Language } from './model/language.ts';
import type { Remedy, Report } from './model/report.ts';
import { renderAuditHtml } from './report/audit-html.ts';
import { auditHeatMap } from './report/audit-view.ts';
import { auditWords } from './report/audit-words.ts';
import { renderHeatMapSvg } from './report/heat-map-svg.ts';
import { renderHtml } from './report/html.ts';
import { renderLadderSvg } from './report/ladder-svg.ts';
import { renderPathSvg } from './report/path-svg.ts';

/** A file that is larger is not attached; the saved run has it all. */
const maxAttachmentBytes = 20 * 1024 * 1024;

/** Threads are read on phones: a picture that is longer is shown too small to read. The page has more. */
const maxPictureSteps = 24;

/** More files than this are in the page and the bundle. */
const maxManifests = 4;

const titles: Readonly<
  Record<Language, Readonly<Record<'ladder' | 'path' | 'manifest' | 'report' | 'bundle' | 'heatMap' | 'audit', string>>>
> = {
  en: {
    ladder: 'Packets of one connection, time down',
    path: 'The way of the packets, hop by hop',
    manifest: 'For kubectl diff --server-side -f',
    report: 'The whole report as a page',
    bundle: 'Everything that was seen; netcheck replay reads it',
    heatMap: 'Nodes and checks of the audit',
    audit: 'The whole audit as a page',
  },
  zh: {
    ladder: '一次连接的报文，时间自上而下',
    path: '报文的路径，逐跳展示',
    manifest: '用于 kubectl diff --server-side -f',
    report: '完整的报告网页',
    bundle: '全部证据，可用 netcheck replay 重放',
    heatMap: '巡检的节点与检查项',
    audit: '完整的巡检网页',
  },
};

/**
 * What goes with an answer in a thread: the packet ladder and the way as pictures, the report as a page, the run as a bundle.
 *
 * @param directory where the run was saved
 * @param onLoss told of each that could not be made, in a sentence; the others are given all the same
 */
export async function attachmentsOf(
  report: Report,
  directory: string,
  language: Language,
  onLoss: (sentence: string) => void,
): Promise<readonly Attachment[]> {
  const { ladder, path } = report;
  const { id } = report.run;
  const attempt = attempting(language, onLoss);
  const made = await Promise.all([
    ladder === undefined
      ? null
      : attempt('ladder', `netcheck-${id}.png`, () =>
          rasteriseSvg(renderLadderSvg(ladder, { language, theme: 'light', narrow: true, maxSteps: maxPictureSteps })),
        ),
    // two hops stand in the answer already
    path === undefined || path.hops.length < 3
      ? null
      : attempt('path', `netcheck-${id}-path.png`, () =>
          rasteriseSvg(renderPathSvg(path, { language, theme: 'light', narrow: true })),
        ),
    attempt('report', `netcheck-${id}.html`, async () => {
      const outputs = await readOutputs(directory, report.evidence);
      return new TextEncoder().encode(renderHtml(report, { language, outputs }));
    }),
    ...manifestsOf(report).map(({ file, yaml }) =>
      attempt('manifest', file, () => Promise.resolve(new TextEncoder().encode(yaml))),
    ),
    attempt('bundle', `netcheck-${id}.tar.gz`, () => packRun(directory)),
  ]);
  return made.filter((one) => one !== null);
}

/** Files for kubectl, each name once: what one rule says of several nodes is one file. Slack shows them folded. */
function manifestsOf({ findings }: Report): readonly NonNullable<Remedy['manifest']>[] {
  const found = new Map<string, Set<string>>();
  for (const { manifest } of findings.flatMap(({ remedies }) => remedies)) {
    if (manifest === undefined || (found.size === maxManifests && !found.has(manifest.file))) continue;
    found.set(manifest.file, (found.get(manifest.file) ?? new Set()).add(manifest.yaml));
  }
  return [...found].map(([file, texts]) => ({ file, yaml: [...texts].join('') }));
}

/** What goes with the post of an audit: nodes and checks as a picture, the audit as a page. */
export async function auditAttachmentsOf(
  report: AuditReport,
  language: Language,
  onLoss: (sentence: string) => void,
): Promise<readonly Attachment[]> {
  const { id } = report.audit;
  const attempt = attempting(language, onLoss);
  const made = await Promise.all([
    report.counts.looked === 0 || report.checks.length === 0
      ? null
      : attempt('heatMap', `netcheck-${id}.png`, () => {
          const map = auditHeatMap(report, auditWords[language].heatMap);
          return rasteriseSvg(renderHeatMapSvg(map, { theme: 'light', language }));
        }),
    attempt('audit', `netcheck-${id}.html`, async () =>
      new TextEncoder().encode(renderAuditHtml(report, { language })),
    ),
  ]);
  return made.filter((one) => one !== null);
}

/** Makes one file; null where it cannot be made, or is too large. */
function attempting(language: Language, onLoss: (sentence: string) => void) {
  return async (
    what: keyof (typeof titles)[Language],
    name: string,
    make: () => Promise<Uint8Array | null>,
  ): Promise<Attachment | null> => {
    try {
      const bytes = await make();
      if (bytes === null) return null;
      if (bytes.length <= maxAttachmentBytes) return { name, title: titles[language][what], bytes };
      onLoss(`${name} is not attached: it has ${bytes.length} bytes, and ${maxAttachmentBytes} is the most`);
    } catch (error) {
      onLoss(`${name} could not be made: ${error instanceof Error ? error.message : String(error)}`);
    }
    return null;
  };
}
