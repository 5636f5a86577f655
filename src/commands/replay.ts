import { loadRun } from '../adapters/files/load-run.ts';
import type { Options } from '../cli.ts';
import { judge } from '../engine/judge.ts';
import { NetcheckError } from '../model/errors.ts';
import { languages } from '../model/language.ts';
import { registriesFor, warnOf } from './registries-for.ts';
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
  const [{ record, evidence }, { registries, problems }] = await Promise.all([
    loadRun(path),
    registriesFor(options, { required: false }),
  ]);
  warnOf(problems);
  if (options.html !== undefined) claimOutput(options.html);
  const language = languages.find((one) => one === options.lang) ?? record.language;
  const report = judge({ ...record, language }, evidence, registries);
  await printReport(
    report,
    options,
    () =>
      new Map(
        evidence.flatMap(({ entry, stdout, stderr }) => [
          ...(entry.out === undefined ? [] : [[entry.out, stdout] as const]),
          ...(entry.err === undefined ? [] : [[entry.err, stderr] as const]),
        ]),
      ),
  );
  return reportStatus(report);
}
