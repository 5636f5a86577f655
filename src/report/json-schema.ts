import * as z from 'zod';
import { AuditReport } from '../model/audit-report.ts';
import { Report } from '../model/report.ts';

/**
 * The published JSON Schema (draft 2020-12) of what `--json` prints, as the text of `docs/report.schema.json`.
 * It describes the report as written, so that defaults are required and no other key is allowed.
 */
export function reportJsonSchema(): string {
  return published(Report, {
    title: 'netcheck report',
    description: 'What `netcheck --json` prints and `report.json` holds: schema netcheck/report/1.',
  });
}

/** The same of `netcheck audit --json`, as the text of `docs/audit.schema.json`. */
export function auditJsonSchema(): string {
  return published(AuditReport, {
    title: 'netcheck audit',
    description: 'What `netcheck audit --json` prints: schema netcheck/audit/1.',
  });
}

function published(type: z.ZodType, names: { readonly title: string; readonly description: string }): string {
  const schema = z.toJSONSchema(type, { target: 'draft-2020-12', io: 'output' });
  return `${JSON.stringify({ $schema: schema.$schema, ...names, ...schema }, null, 2)}\n`;
}
