import { loadRun } from '../adapters/files/load-run.ts';
import type { Options } from '../cli.ts';
import { collectors } from '../collectors/index.ts';
import { judge } from '../engine/judge.ts';
import { NetcheckError } from '../model/errors.ts';
import { languages } from '../model/language.ts';
import { parsers } from '../parsers/index.ts';
import { rules } from '../rules/index.ts';
import { printReport, reportStatus } from './print-report.ts';
import { claimOutput } from './write-output.ts';

/** `netcheck replay RUN`: the saved bytes through the same judge. `--lang` is the one thing that may differ. */
export async function replay(args: readonly string[], options: Options): Promise<number> {
  const [path, ...more] = args;
  if (path === undefined || more.length > 0)
    throw new NetcheckError(
      'usage/missing-argument',
      'netcheck replay takes one saved run: a directory or a .tar.gz.',
      'For example: netcheck replay runs/2026-11-21',
    );
  const { record, evidence } = await loadRun(path);
  if (options.html !== undefined) claimOutput(options.html);
  const language = languages.find((one) => one === options.lang) ?? record.language;
  const report = judge({ ...record, language }, evidence, { collectors, parsers, rules });
  printReport(report, options);
  return reportStatus(report);
}
