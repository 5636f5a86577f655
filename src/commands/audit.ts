import { setMaxListeners } from 'node:events';
import path from 'node:path';
import { auditOverWorkers } from '../audit-over-workers.ts';
import type { Options } from '../cli.ts';
import { loadConfig } from '../config.ts';
import { explainPlan } from '../engine/explain.ts';
import { planNode } from '../engine/plan-audit.ts';
import type { AuditReport } from '../model/audit-report.ts';
import { NetcheckError } from '../model/errors.ts';
import { languages } from '../model/language.ts';
import { renderAuditCsv } from '../report/audit-csv.ts';
import { renderAuditHtml } from '../report/audit-html.ts';
import { renderAudit } from '../report/audit-terminal.ts';
import { renderExplain } from '../report/explain.ts';
import { renderAuditJson } from '../report/json.ts';
import { createRunDirectory, wire, type Wiring } from '../wiring.ts';
import { auditProgress } from './audit-progress.ts';
import { reportStatus } from './print-report.ts';
import { terminalOf } from './terminal-of.ts';
import { claimOutput, writeOutput } from './write-output.ts';

/** `netcheck audit [PLAYBOOK] [--nodes SELECTOR]`: the whole fleet, one node beside the other. */
export async function audit(args: readonly string[], options: Options): Promise<number> {
  const [playbook, ...more] = args;
  if (more.length > 0)
    throw new NetcheckError(
      'usage/missing-argument',
      `netcheck audit takes one playbook, not "${args.join(' ')}".`,
      "Nodes are chosen with --nodes, for example: netcheck audit --nodes 'rack=r1,role!=db'",
    );
  if (options.json && options.csv)
    throw new NetcheckError('usage/unknown-option', '--json and --csv exclude each other.', 'Use one of them.');
  if (options.workers && (options.save !== undefined || options.explain))
    throw new NetcheckError(
      'usage/unknown-option',
      '--workers goes with neither --save nor --explain.',
      'The evidence stays where the workers are; leave --workers out to keep it.',
    );
  const loaded = loadConfig(options.config);
  const language = languages.find((one) => one === options.lang) ?? loaded.config.language;
  const wiring = await wire(loaded);
  const asked = { selector: options.nodes ?? '', ...(playbook === undefined ? {} : { playbook }) };
  try {
    if (options.explain) return await explain(asked, { wiring, options, language });
    for (const file of [options.html]) if (file !== undefined) claimOutput(file);
    const { save } = options;
    const stopping = new AbortController();
    // every node listens
    setMaxListeners(0, stopping.signal);
    const interrupt = (): void => {
      if (stopping.signal.aborted) process.exit(130);
      process.stderr.write('\nStopping; the nodes that were looked at are reported. Ctrl-C again to leave at once.\n');
      stopping.abort('cancelled');
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    const progress = auditProgress(process.stderr, language);
    const common = {
      language,
      signal: stopping.signal,
      onProgress: progress.onProgress,
      askedBy: process.env['USER'] ?? 'cli',
    };
    const made = options.workers
      ? auditOverWorkers(loaded, asked, common)
      : wiring.audit(asked, {
          ...common,
          ...(save === undefined ? {} : { sinkFor: (node: string) => createRunDirectory(path.join(save, node)) }),
        });
    const report = await made.finally(() => progress.end());
    print(report, options);
    if (save !== undefined) writeOutput(path.join(save, 'audit.json'), renderAuditJson(report));
    return reportStatus(report);
  } finally {
    await wiring.close();
  }
}

function print(report: AuditReport, options: Options): void {
  const text = options.json
    ? renderAuditJson(report)
    : options.csv
      ? renderAuditCsv(report)
      : renderAudit(report, { ...terminalOf(process.stdout), language: report.audit.language });
  process.stdout.write(text);
  // Last: a disk that is full now must not cost the report itself.
  if (options.html !== undefined) writeOutput(options.html, renderAuditHtml(report));
}

/** Which nodes, and what would run on each: the same on all, so it is shown once. */
async function explain(
  asked: { readonly selector: string; readonly playbook?: string },
  { wiring, options, language }: { readonly wiring: Wiring; readonly options: Options; readonly language: 'en' | 'zh' },
): Promise<number> {
  const { plan } = await wiring.planAudit(asked, language);
  const names = plan.jobs.map(({ node }) => node);
  const [job] = plan.jobs;
  const node = job === undefined ? null : await wiring.inventory.find(job.node);
  if (job === undefined || node === null) return 0;
  const nodePlan = planNode(job, node, wiring.registries);
  const steps = explainPlan(nodePlan, wiring.registries.collectors);
  if (options.json) process.stdout.write(`${JSON.stringify({ nodes: names, plan: nodePlan, steps }, null, 2)}\n`);
  else {
    const said =
      language === 'zh'
        ? `共 ${names.length} 个节点：${names.join('、')}\n每个节点上运行的都一样，以 ${job.node} 为例：\n`
        : `${names.length} nodes: ${names.join(', ')}\nThe same on each of them; ${job.node} for example:\n`;
    process.stdout.write(`${said}\n${renderExplain(nodePlan, steps, { ...terminalOf(process.stdout), language })}\n`);
  }
  return 0;
}
