import type { Language } from '../../model/language.ts';
import { isRecord } from './is-record.ts';
import { wordingIn } from './wording.ts';

/** Slack takes 50 blocks and about 13 200 characters of them; what is below leaves room for buttons and notes. */
export const maxBlocks = 45;
export const maxBlocksChars = 12_000;
export const maxSectionChars = 2800;
/** chat.update refuses a longer `text`. */
export const maxTextChars = 3900;
export const maxPlainChars = 12_000;

/**
 * Blocks that Slack will take: over-long texts are cut at a line end, what does not fit is counted in a last line
 * ("… and N more"), `tail` (the buttons) always stays.
 *
 * @param blocks Block Kit as JSON values, already escaped
 */
export function fitBlocks(blocks: readonly unknown[], tail: readonly unknown[], language: Language): unknown[] {
  const shaped = blocks.map(shape).filter((block) => block !== undefined);
  const reserved = lengthOf(tail) + 300;
  const kept: unknown[] = [];
  let chars = reserved;
  for (const [at, block] of shaped.entries()) {
    const isLast = at === shaped.length - 1;
    const room = maxBlocks - tail.length - (isLast ? 0 : 1);
    const length = lengthOf([block]);
    if (kept.length < room && chars + length <= maxBlocksChars) {
      kept.push(block);
      chars += length;
      continue;
    }
    const partly = kept.length < room ? shortened(block, maxBlocksChars - chars) : undefined;
    if (partly !== undefined) kept.push(partly);
    const left = shaped.length - at - (partly === undefined ? 0 : 1);
    if (left > 0) {
      const text = wordingIn(language).andMore(left);
      kept.push({ type: 'context', elements: [{ type: 'mrkdwn', text, verbatim: true }] });
    }
    break;
  }
  return [...kept, ...tail];
}

/** Cuts mrkdwn at a line end (or a space), closes an open code block, never cuts inside an entity or surrogate pair. */
export function clipMrkdwn(text: string, max: number): string {
  if (text.length <= max) return text;
  const closing = '\n```';
  let kept = text.slice(0, max - closing.length - 2);
  const lineEnd = kept.lastIndexOf('\n');
  if (lineEnd > kept.length / 2) kept = kept.slice(0, lineEnd);
  kept = kept.replace(/(?:&[a-z]{0,4}|<[^<>]*|[\ud800-\udbff]|`{1,2})$/u, '');
  const open = (kept.match(/```/gu) ?? []).length % 2 === 1;
  return open ? `${kept}\n…${closing}` : `${kept}\n…`;
}

/** The words of blocks, one block per line, for the message that must not be lost when blocks are refused. */
export function plainTextOf(blocks: readonly unknown[]): string {
  return blocks
    .map((block) => textsIn(block).join('  '))
    .filter((line) => line !== '')
    .join('\n');
}

function textsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(textsIn);
  if (!isRecord(value) || value['type'] === 'button' || value['type'] === 'actions') return [];
  return Object.entries(value).flatMap(([key, content]) =>
    key === 'text' && typeof content === 'string' ? [content] : textsIn(content),
  );
}

function lengthOf(blocks: readonly unknown[]): number {
  return JSON.stringify(blocks).length;
}

function withText(object: unknown, max: number): unknown {
  if (!isRecord(object) || typeof object['text'] !== 'string') return object;
  if (object['text'].trim() === '') return undefined;
  const text =
    object['type'] === 'plain_text' && object['text'].length > max
      ? `${object['text'].slice(0, max - 1).replace(/[\ud800-\udbff]$/u, '')}…`
      : clipMrkdwn(object['text'], max);
  return { ...object, text };
}

/** One block within Slack's limits; undefined where nothing of it is left to show. */
function shape(block: unknown): unknown {
  if (!isRecord(block)) return undefined;
  switch (block['type']) {
    case 'section': {
      const { text, fields, ...rest } = block;
      const shapedText = withText(text, maxSectionChars);
      const shapedFields = Array.isArray(fields)
        ? fields
            .map((field) => withText(field, 1900))
            .filter((field) => field !== undefined)
            .slice(0, 10)
        : [];
      if (shapedText === undefined && shapedFields.length === 0) return undefined;
      return {
        ...rest,
        ...(shapedText === undefined ? {} : { text: shapedText }),
        ...(shapedFields.length === 0 ? {} : { fields: shapedFields }),
      };
    }
    case 'header': {
      const text = withText(block['text'], 150);
      return text === undefined ? undefined : { ...block, text };
    }
    case 'context': {
      const elements = Array.isArray(block['elements']) ? block['elements'] : [];
      const shaped = elements.map((element) => withText(element, 1900)).filter((element) => element !== undefined);
      return shaped.length === 0 ? undefined : { ...block, elements: shaped.slice(0, 10) };
    }
    case 'actions': {
      const elements = Array.isArray(block['elements']) ? block['elements'] : [];
      return elements.length === 0 ? undefined : { ...block, elements: elements.slice(0, 25) };
    }
    default:
      return block;
  }
}

/** A section that is cut to what room is left, where that is worth it. */
function shortened(block: unknown, room: number): unknown {
  if (!isRecord(block) || block['type'] !== 'section' || !isRecord(block['text'])) return undefined;
  const text = block['text']['text'];
  if (typeof text !== 'string' || 'fields' in block) return undefined;
  // A newline or quote is two characters in JSON: halve until it fits.
  for (let max = Math.min(text.length - 1, room - 150); max > 300; max = Math.floor(max * 0.8)) {
    const candidate = { ...block, text: { ...block['text'], text: clipMrkdwn(text, max) } };
    if (lengthOf([candidate]) <= room) return candidate;
  }
  return undefined;
}
