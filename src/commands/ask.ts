import { createMemorySink } from '../adapters/files/memory-sink.ts';
import { readOutputs } from '../adapters/files/read-outputs.ts';
import type { Options } from '../cli.ts';
import { loadConfig } from '../config.ts';
import { explainPlan } from '../engine/explain.ts';
import type { OnProgress } from '../engine/ports.ts';
import { languages } from '../model/language.ts';
import type { Report } from '../model/report.ts';
import { assumptionLines } from '../report/assumptions.ts';
import { renderExplain } from '../report/explain.ts';
import { createRunDirectory, wire } from '../wiring.ts';
import { printReport, reportStatus } from './print-report.ts';
import { terminalOf } from './terminal-of.ts';
import { progressLines } from './progress-lines.ts';
import { claimOutput } from './write-output.ts';

/** `netcheck node-50 port 1301 …`: plan, run, print. */
export async function ask(text: string, options: Options): Promise<number> {
  const loaded = loadConfig(options.config);
  const language = languages.find((one) => one === options.lang) ?? loaded.config.language;
  const wiring = await wire(loaded);
  try {
    const plan = await wiring.plan(text);
    if (options.explain) {
      const steps = explainPlan(plan, wiring.registries.collectors);
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ plan, steps }, null, 2)}\n`
          : `${renderExplain(plan, steps, { ...terminalOf(process.stdout), language })}\n`,
      );
      return 0;
    }
    if (options.html !== undefined) claimOutput(options.html);
    const memory = createMemorySink();
    const sink = options.save === undefined ? memory : createRunDirectory(options.save);
    const stopping = new AbortController();
    const interrupt = (): void => {
      if (stopping.signal.aborted) process.exit(130);
      process.stderr.write('\nStopping; what has been read so far is judged. Ctrl-C again to leave at once.\n');
      stopping.abort('cancelled');
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    for (const line of assumptionLines(plan, language)) process.stderr.write(`${line}\n`);
    const onProgress: OnProgress = progressLines(process.stderr, language);
    const report: Report = await wiring.run(plan, {
      language,
      signal: stopping.signal,
      onProgress,
      sink,
      askedBy: process.env['USER'] ?? 'cli',
      // who may use the command line may log in by hand as well
      mayJoin: () => Promise.resolve(true),
    });
    await printReport(report, options, () => readOutputs(options.save ?? memory, report.evidence));
    return reportStatus(report);
  } finally {
    await wiring.close();
  }
}
