import { isRecord } from './is-record.ts';
import type { MessageBody } from './outbox.ts';

/** Reads a message body that we stored ourselves; anything else counts as not there. */
export function messageBodyOf(json: string): MessageBody | undefined {
  const value = parsedJson(json);
  if (!isRecord(value) || typeof value['text'] !== 'string' || !Array.isArray(value['blocks'])) return undefined;
  return { text: value['text'], blocks: value['blocks'] };
}

/** Text of our own store as JSON; undefined where it is none. */
export function parsedJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
