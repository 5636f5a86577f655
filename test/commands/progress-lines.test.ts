import { describe, expect, it } from 'vitest';
import { progressLines } from '../../src/commands/progress-lines.ts';
import type { ProgressEvent } from '../../src/engine/ports.ts';

function linesOf(events: readonly ProgressEvent[]): readonly string[] {
  const written: string[] = [];
  const stream = { isTTY: false, columns: 80, write: (text: string) => written.push(text) };
  const show = progressLines(stream as unknown as NodeJS.WriteStream, 'en');
  for (const event of events) show(event);
  return written.map((line) => line.replace(/^\[ *[\d.]+ s\] /, '').trimEnd());
}

const decided = (rule: string): ProgressEvent => ({
  type: 'decided',
  rule,
  node: 'node-50',
  title: `title of ${rule}`,
});

describe('the lines of a run on its way', () => {
  it('tell the first finding as soon as it is there, and no other', () => {
    expect(
      linesOf([{ type: 'phase', phase: 'probe', atMs: 0 }, decided('tw-recycle'), decided('rp-filter-drop')]),
    ).toEqual(['probing', 'so far: title of tw-recycle (tw-recycle, node-50)']);
  });

  it('leave to the report what is decided only at the end', () => {
    expect(linesOf([{ type: 'phase', phase: 'judge', atMs: 0 }, decided('tw-recycle')])).toEqual(['judging']);
  });
});
