import type { Options } from '../cli.ts';
import type { Report } from '../model/report.ts';
import type { Outputs } from '../report/evidence-excerpts.ts';
import { renderHtml } from '../report/html.ts';
import { renderJson } from '../report/json.ts';
import { renderTerminal } from '../report/terminal.ts';
import { terminalOf } from './terminal-of.ts';
import { writeOutput } from './write-output.ts';

/**
 * The report where and how the options say: terminal or JSON on stdout, HTML into a file.
 *
 * @param outputs what the commands said; asked for only where there is a page to write
 */
export async function printReport(
  report: Report,
  options: Pick<Options, 'json' | 'html'>,
  outputs: () => Outputs | Promise<Outputs>,
): Promise<void> {
  const text = options.json
    ? renderJson(report)
    : renderTerminal(report, { ...terminalOf(process.stdout), language: report.run.language });
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  // Last: a disk that is full now must not cost the report itself.
  if (options.html !== undefined) writeOutput(options.html, renderHtml(report, { outputs: await outputs() }));
}

/** Exit status of a report (design section 2). */
export function reportStatus({ verdict }: Pick<Report, 'verdict'>): 0 | 1 | 2 {
  return verdict === 'clear' ? 0 : verdict === 'found' ? 1 : 2;
}
