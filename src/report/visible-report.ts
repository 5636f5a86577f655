import type { Report } from '../model/report.ts';
import { visibleText } from './visible-text.ts';

/**
 * The report with every string of it made safe to show (`visibleText`). Renderers for people start with this, so that
 * no field can be forgotten; JSON does not, it keeps what was there.
 */
export function visibleReport(report: Report): Report {
  return visible(report);
}

/** Any plain data with every string in it made safe to show. */
export function visible<Value>(value: Value): Value;
export function visible(value: unknown): unknown {
  if (typeof value === 'string') return visibleText(value);
  if (Array.isArray(value)) return value.map((item) => visible(item));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [visibleText(key), visible(item)]));
  }
  return value;
}
