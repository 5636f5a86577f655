import type { Capture } from '../model/facts.ts';
import type { DnsExchange } from '../model/packet-facts.ts';
import { hasAddress, isMiss, nameOf } from './dns-in-capture.ts';
import { groupBy } from './group-by.ts';

/** A lookup that went through the resolver's search list: names that do not exist, then one that has an address. */
export interface SearchSeries {
  readonly client: string;
  /** What the application asked for, as far as the series shows it: what all its names begin with. */
  readonly name: string;
  /** Search domain that was behind it when there was an address; empty: the name itself. */
  readonly suffix: string;
  readonly misses: readonly DnsExchange[];
  readonly hit: DnsExchange;
}

/** A resolver goes through its list without a pause; with lost packets it takes this long at most. */
const withinMs = 10_000;
/** The latest misses of a client that a hit is compared with: a search list has six domains in most resolvers. */
const maxMisses = 64;
/** Labels of a name that are looked at. */
const maxLabels = 12;

/**
 * Lookups through a search list, one per name, client and list of misses (A and AAAA are one lookup). The name has two
 * labels at least: what two names with the same first label have in common says nothing.
 */
export function searchSeries(capture: Capture): readonly SearchSeries[] {
  const questions = capture.dns.filter(({ type }) => type === 'A' || type === 'AAAA');
  return [...groupBy(questions, ({ client }) => client.address)].flatMap(([client, exchanges]) => {
    const known = new Set(exchanges.filter(hasAddress).map(nameOf));
    const lastHit = new Map<string, number>();
    /** The name that a miss led to: another one that is asked for later has nothing to do with it. */
    const ledTo = new Map<DnsExchange, string>();
    const found = new Map<string, SearchSeries>();
    let misses: DnsExchange[] = [];
    for (const exchange of exchanges) {
      const name = nameOf(exchange);
      // a name with an address of the other family is no miss
      if (isMiss(exchange) && !known.has(name)) {
        misses.push(exchange);
        if (misses.length > 2 * maxMisses) misses = misses.slice(-maxMisses);
      }
      if (!hasAddress(exchange)) continue;
      const key = `${name} ${exchange.type}`;
      const since = Math.max(exchange.atMs - withinMs, lastHit.get(key) ?? 0);
      lastHit.set(key, exchange.atMs);
      const own = misses.slice(-maxMisses).filter((miss) => miss.atMs >= since && (ledTo.get(miss) ?? name) === name);
      const series = seriesOf(client, exchange, own);
      const first = series?.misses[0];
      if (series === null || first === undefined) continue;
      for (const miss of series.misses) ledTo.set(miss, name);
      const lookup = `${series.name} ${series.suffix} ${first.frame}`;
      const earlier = found.get(lookup);
      if (earlier === undefined || earlier.misses.length < series.misses.length) found.set(lookup, series);
    }
    return [...found.values()];
  });
}

/** The beginning of the hit's name that most misses share; of equals the longest. */
function seriesOf(client: string, hit: DnsExchange, misses: readonly DnsExchange[]): SearchSeries | null {
  const labels = nameOf(hit).split('.');
  let best: SearchSeries | null = null;
  let bestNames = 0;
  for (let length = Math.min(labels.length, maxLabels); length >= 2; length--) {
    const name = labels.slice(0, length).join('.');
    const own = misses.filter((miss) => nameOf(miss).startsWith(`${name}.`));
    const names = new Set(own.map(nameOf)).size;
    if (names <= bestNames) continue;
    bestNames = names;
    best = { client, name, suffix: labels.slice(length).join('.'), misses: own, hit };
  }
  return best;
}

/** Different names among the misses. */
export function missedNames({ misses }: SearchSeries): readonly string[] {
  return [...new Set(misses.map(nameOf))];
}
