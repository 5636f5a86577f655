import * as z from 'zod';
import { AuditReport } from '../model/audit-report.ts';
import { Report } from '../model/report.ts';

/**
 * A report as text, the same bytes for the same report: keys in the order of the schema (records and unknown keys by
 * code unit), two spaces, one line feed at the end. What `--json` prints, `report.json` holds and `replay` compares.
 * Characters that would act on a terminal or hide text are written as `\u` escapes; the value is the same.
 */
export function renderJson(report: Report): string {
  return jsonOf(report, Report);
}

/** The same for an audit: what `netcheck audit --json` prints. */
export function renderAuditJson(report: AuditReport): string {
  return jsonOf(report, AuditReport);
}

function jsonOf(value: unknown, schema: z.core.$ZodType): string {
  const text = JSON.stringify(inSchemaOrder(value, schema), null, 2);
  return `${text.replace(acting, escapeSequence)}\n`;
}

/** JSON.stringify escapes C0 itself; C1, DEL, bidirectional controls and separators it does not. */
const acting = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

function escapeSequence(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The value with its keys in the schema's order. Nothing is checked, added or left out but absent (undefined) keys. */
function inSchemaOrder(value: unknown, schema: z.core.$ZodType | undefined): unknown {
  const shape = unwrapped(schema);
  if (Array.isArray(value)) {
    const element = shape instanceof z.ZodArray ? shape.element : undefined;
    return value.map((item: unknown) => inSchemaOrder(item, element));
  }
  if (typeof value !== 'object' || value === null) return value;
  const fields = fieldsOf(shape, value);
  const ordered: Record<string, unknown> = {};
  const rest = Object.keys(value).filter((key) => !fields.has(key));
  for (const key of [...fields.keys(), ...rest.sort()]) {
    if (!Object.hasOwn(value, key)) continue;
    const item = (value as Record<string, unknown>)[key];
    if (item !== undefined) ordered[key] = inSchemaOrder(item, fields.get(key));
  }
  return ordered;
}

function unwrapped(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  let current = schema;
  while (current instanceof z.ZodOptional || current instanceof z.ZodDefault || current instanceof z.ZodNullable) {
    current = current.unwrap();
  }
  return current;
}

function fieldsOf(schema: z.core.$ZodType | undefined, value: object): Map<string, z.core.$ZodType> {
  if (schema instanceof z.ZodObject) return new Map(Object.entries(schema.shape));
  if (schema instanceof z.ZodDiscriminatedUnion || schema instanceof z.ZodUnion) {
    // The member that knows most of the keys; on a draw the first. Only the order hangs on it.
    let best = new Map<string, z.core.$ZodType>();
    let most = -1;
    for (const option of schema.options) {
      const fields = fieldsOf(unwrapped(option), value);
      const known = Object.keys(value).filter((key) => fields.has(key)).length;
      if (known > most) [best, most] = [fields, known];
    }
    return best;
  }
  return new Map();
}
