import { packRun } from './adapters/files/pack-run.ts';
import { readOutputs } from './adapters/files/read-outputs.ts';
import { rasteriseSvg } from './adapters/picture/rasterise-svg.ts';
import type { Attachment } from './engine/ports.ts';
import type { Language } from './model/language.ts';
import type { Report } from './model/report.ts';
import { renderHtml } from './report/html.ts';
import { renderLadderSvg } from './report/ladder-svg.ts';

/** A file that is larger is not attached; the saved run has it all. */
const maxAttachmentBytes = 20 * 1024 * 1024;

/** Threads are read on phones: a picture that is longer is shown too small to read. The page has more. */
const maxPictureSteps = 24;

const titles: Readonly<Record<Language, Readonly<Record<'ladder' | 'report' | 'bundle', string>>>> = {
  en: {
    ladder: 'Packets of one connection, time down',
    report: 'The whole report as a page',
    bundle: 'Everything that was seen; netcheck replay reads it',
  },
  zh: {
    ladder: '一次连接的报文，时间自上而下',
    report: '完整的报告网页',
    bundle: '全部证据，可用 netcheck replay 重放',
  },
};

/**
 * What goes with an answer in a thread: the packet ladder as a picture, the report as a page, the run as a bundle.
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
  const { ladder } = report;
  const { id } = report.run;
  const say = titles[language];
  const made = await Promise.all([
    ladder === undefined
      ? null
      : attempt('ladder', `netcheck-${id}.png`, () =>
          rasteriseSvg(renderLadderSvg(ladder, { language, theme: 'light', narrow: true, maxSteps: maxPictureSteps })),
        ),
    attempt('report', `netcheck-${id}.html`, async () => {
      const outputs = await readOutputs(directory, report.evidence);
      return new TextEncoder().encode(renderHtml(report, { language, outputs }));
    }),
    attempt('bundle', `netcheck-${id}.tar.gz`, () => packRun(directory)),
  ]);
  return made.filter((one) => one !== null);

  async function attempt(
    what: keyof typeof say,
    name: string,
    make: () => Promise<Uint8Array | null>,
  ): Promise<Attachment | null> {
    try {
      const bytes = await make();
      if (bytes === null) return null;
      if (bytes.length <= maxAttachmentBytes) return { name, title: say[what], bytes };
      onLoss(`${name} is not attached: it has ${bytes.length} bytes, and ${maxAttachmentBytes} is the most`);
    } catch (error) {
      onLoss(`${name} could not be made: ${error instanceof Error ? error.message : String(error)}`);
    }
    return null;
  }
}
