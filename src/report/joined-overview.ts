import type { Language } from '../model/language.ts';
import type { JoinedCaptures, JoinedConnection } from '../model/packet-facts.ts';
import { endpointText, timeText } from './conversation-diagnosis.ts';
import { pcapWording } from './pcap-wording.ts';

/** Captures of several places laid over each other, as a person is to see it. */
export interface JoinedOverview {
  readonly summary: string;
  readonly clocks: readonly string[];
  /** Those of which packets died or appeared first, then by number; at most `maxRows`. */
  readonly rows: readonly {
    readonly joined: JoinedConnection;
    readonly heading: string;
    /** What became of its packets, in short. */
    readonly verdict: string;
    readonly sentences: readonly string[];
    readonly died: boolean;
  }[];
  readonly more: readonly string[];
}

/** Arranges joined captures for reading. */
export function joinedOverview(captures: JoinedCaptures, language: Language, maxRows: number): JoinedOverview {
  const say = pcapWording[language];
  const { places, clocks, connections } = captures;
  const first = places[0] ?? '';
  const rows = connections
    .map((joined) => ({
      joined,
      heading: headingOf(joined),
      ...sentencesOf(joined, captures, language),
      died: lost(joined) > 0,
    }))
    .sort((a, b) => lost(b.joined) - lost(a.joined) || appeared(b.joined) - appeared(a.joined));
  const shown = rows.slice(0, maxRows);
  const rest = rows.slice(maxRows);
  const restDied = rest.filter(({ died }) => died).length;
  return {
    summary: connections.length === 0 ? say.joinedNothing : say.joinedShared(connections.length, places.join(' → ')),
    clocks: places.slice(1).map((place, index) => {
      const clock = clocks[index + 1];
      if (clock === undefined || clock.samples === 0) return say.clockUnknown(place);
      const offset = `${clock.offsetMs < 0 ? '−' : '+'}${timeText(clock.offsetMs, language)}`;
      return say.clock(place, offset, timeText(clock.uncertaintyMs, language), clock.samples, first);
    }),
    rows: shown,
    more: [
      ...(restDied > 0 ? [say.moreJoinedDied(restDied)] : []),
      ...(rest.length > restDied ? [say.moreJoined(rest.length - restDied)] : []),
    ],
  };
}

function lost({ died }: JoinedConnection): number {
  return died.reduce((sum, { packets }) => sum + packets, 0);
}

function appeared({ packets }: JoinedConnection): number {
  return packets.reduce((sum, { fate }) => sum + (fate === 'appeared' ? 1 : 0), 0);
}

function headingOf({ numbers, tuples }: JoinedConnection): string {
  const tuple = tuples.find((one) => one !== null);
  const ids = numbers.map((number) => (number === null ? '-' : `#${number}`)).join('/');
  return tuple === undefined || tuple === null
    ? ids
    : `${ids}  ${endpointText(tuple.client)} → ${endpointText(tuple.server)}`;
}

function sentencesOf(
  joined: JoinedConnection,
  { places }: JoinedCaptures,
  language: Language,
): { readonly verdict: string; readonly sentences: readonly string[] } {
  const say = pcapWording[language];
  const name = (index: number): string => places[index] ?? '?';
  const counts = places.map((place, index) =>
    say.saw(place, joined.packets.filter(({ seen }) => (seen[index] ?? null) !== null).length, index === 0),
  );
  const fates = joined.died.map(({ packets, smallest, largest, after, before }) =>
    say.died(packets, say.ofBytes(smallest, largest), name(after), name(before)),
  );
  const made = joined.packets.filter(({ fate }) => fate === 'appeared');
  const byPlace = new Map<string, { count: number; flags: Set<string> }>();
  for (const { seen, flags, from } of made) {
    const indexes = seen.flatMap((sight, index) => (sight === null ? [] : [index]));
    // A packet of the server comes in at the far end first.
    const at = name((from === 'server' ? indexes.at(-1) : indexes[0]) ?? 0);
    const group = byPlace.get(at) ?? { count: 0, flags: new Set() };
    group.count += 1;
    group.flags.add(flags);
    byPlace.set(at, group);
  }
  for (const [place, { count, flags }] of byPlace)
    fates.push(say.appeared(count, [...flags].slice(0, 3).join(' '), place));
  const uncertain = joined.packets.filter(({ fate }) => fate === 'uncertain').length;
  if (uncertain > 0) fates.push(say.uncertain(uncertain));
  const verdict = fates.length === 0 ? say.allArrived : fates.join(say.semicolon);
  const sentences = [`${counts.join(say.list)}${say.colon}${verdict}`];
  if (joined.by === 'nat') {
    sentences.push(
      say.translated(joined.matchedBy.join(say.list)),
      ...joined.tuples.flatMap((tuple, index) =>
        tuple === null ? [] : [say.asSeenAt(name(index), endpointText(tuple.client), endpointText(tuple.server))],
      ),
    );
  }
  return { verdict, sentences };
}
