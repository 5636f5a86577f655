import type { Clock } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import type { NodeSession } from './node-session.ts';

export function offsetsOf(
  connected: readonly { readonly session: NodeSession }[],
  parsers: ReadonlyMap<string, Parser>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(connected.flatMap(({ session }) => clockOffset(session, parsers)));
}

/** The node's clock was read in the middle of the command's own time, so that is what it is compared with. */
export function clockOffset(
  session: NodeSession,
  parsers: ReadonlyMap<string, Parser>,
): readonly (readonly [string, number])[] {
  const evidence = session.evidence.find(({ entry }) => entry.kind === 'date');
  const parser = parsers.get('date');
  if (!evidence || !parser) return [];
  const { entry, stdout, stderr } = evidence;
  const value = parser.parse({ stdout, stderr, argv: entry.argv, exitCode: 0, evidence: entry.out ?? '' }).value as
    | Partial<Clock>
    | undefined;
  return value?.epochMs === undefined
    ? []
    : [[session.name, Math.round(value.epochMs - (entry.startedAtMs + entry.endedAtMs) / 2)]];
}
