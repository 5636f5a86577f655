import * as z from 'zod';
import { Report } from '../model/report.ts';

/**
 * The published JSON Schema (draft 2020-12) of what `--json` prints, as the text of `docs/report.schema.json`.
 * It describes the report as written, so that defaults are required and no other key is allowed.
 */
export function reportJsonSchema(): string {
  const schema = z.toJSONSchema(Report, { target: 'draft-2020-12', io: 'output' });
  const named = {
    $schema: schema.$schema,
    title: 'netcheck report',
    description: 'What `netcheck --json` prints and `report.json` holds: schema netcheck/report/1.',
    ...schema,
  };
  return `${JSON.stringify(named, null, 2)}\n`;
}
