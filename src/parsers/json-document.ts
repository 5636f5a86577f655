import type { ParseInput } from '../model/parser.ts';
import type { ProblemList } from './problem-list.ts';

/** Largest JSON document that is read; a rule set of this size would be a quarter of a million rules. */
export const largestJsonBytes = 64 << 20;

/** No tool nests a tenth of it; what reads the document may call itself for every level. */
const mostNesting = 200;

/** A JSON value that was not checked yet. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * The one JSON document on standard output, with the line where it begins; lines before it (warnings) are skipped.
 * Undefined where there is none, or where it was cut: then a problem says so.
 */
export function jsonDocument(input: ParseInput, problems: ProblemList): { json: Json; line: number } | undefined {
  const { stdout } = input;
  let line = 1;
  let start = 0;
  while (start < stdout.length) {
    let at = start;
    while (stdout[at] === 0x20 || stdout[at] === 0x09) at += 1;
    if (stdout[at] === 0x7b || stdout[at] === 0x5b) break;
    const next = stdout.indexOf(0x0a, at);
    if (next === -1) return undefined;
    start = next + 1;
    line += 1;
  }
  if (start >= stdout.length) return undefined;
  if (stdout.length - start > largestJsonBytes) {
    problems.add(`JSON of ${stdout.length - start} bytes is more than netcheck reads`, line);
    return undefined;
  }
  if (isTooDeep(stdout, start)) {
    problems.add(`the JSON document is nested more than ${mostNesting} deep`, line);
    return undefined;
  }
  try {
    return { json: JSON.parse(new TextDecoder('utf-8').decode(stdout.subarray(start))) as Json, line };
  } catch {
    problems.add('the JSON document is damaged or was cut', line);
    return undefined;
  }
}

/** Brackets inside strings do not count. */
function isTooDeep(bytes: Uint8Array, from: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (quoted) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) quoted = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > mostNesting) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return false;
}

/** Whether standard output looks like JSON: its first character that is not blank opens an object or a list. */
export function looksLikeJson(input: ParseInput): boolean {
  const byte = firstByte(input.stdout, 0);
  return byte === 0x7b || byte === 0x5b;
}

export function member(json: Json | undefined, name: string): Json | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined;
  const object = json as { readonly [name: string]: Json };
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

export function listMember(json: Json | undefined, name: string): readonly Json[] {
  const value = member(json, name);
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

export function textMember(json: Json | undefined, name: string): string | undefined {
  const value = member(json, name);
  return typeof value === 'string' ? value : undefined;
}

export function numberMember(json: Json | undefined, name: string): number | undefined {
  const value = member(json, name);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function firstByte(bytes: Uint8Array, from: number): number | undefined {
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return byte;
  }
  return undefined;
}
