import type { At } from '../model/evidence.ts';
import type { FirewallRule } from '../model/facts.ts';
import { type Json, listMember, member, textMember } from './json-document.ts';

/** kube-proxy has one element per port of a Service; a map of more is cut. */
const mostElements = 50_000;
const mostNameLength = 200;

type Match = FirewallRule['match'];

/**
 * The elements of one named verdict map (libnftables-json(5), `map` with `"map": "verdict"`) as rules: what `vmap @NAME`
 * does with a packet of that address, protocol and port. They have no count of their own, and no hook: a base chain
 * reaches them only through the rule that looks the map up. Empty for every other map.
 */
export function readVerdictMap(
  json: Json | undefined,
  place: { readonly family: string; readonly table: string; readonly name: string },
  family: FirewallRule['family'],
  at: At,
): readonly FirewallRule[] {
  if (textMember(json, 'map') !== 'verdict') return [];
  const types = typesOf(member(json, 'type'));
  if (types === undefined) return [];
  const chain = `map ${place.name}`.slice(0, mostNameLength);
  return listMember(json, 'elem')
    .slice(0, mostElements)
    .flatMap((element): readonly FirewallRule[] => {
      if (!Array.isArray(element) || element.length !== 2) return [];
      const [key = null, answer = null] = element as readonly Json[];
      const inner = member(key, 'elem');
      const value = inner === undefined ? key : (member(inner, 'val') ?? null);
      const comment = textMember(inner, 'comment')?.slice(0, mostNameLength);
      const values = Array.isArray(member(value, 'concat')) ? listMember(value, 'concat') : [value];
      const match = matchOf(types, values);
      const ended = verdictOf(answer);
      if (match === undefined || ended === undefined) return [];
      const said = comment === undefined ? '' : ` comment "${comment}"`;
      const text = `${place.family} ${place.table} ${chain} ${values.map(String).join(' . ')}${said} : ${ended.said}`;
      return [
        {
          tool: 'nft',
          family,
          table: place.table,
          chain,
          id: ['nft', text].join(' '),
          text,
          isPolicy: false,
          verdict: ended.verdict,
          ...(ended.jumpTo === undefined ? {} : { jumpTo: ended.jumpTo }),
          match,
          packets: null,
          at,
        },
      ];
    });
}

const known = new Set(['ipv4_addr', 'ipv6_addr', 'inet_proto', 'inet_service']);

function typesOf(json: Json | undefined): readonly string[] | undefined {
  const types = typeof json === 'string' ? [json] : Array.isArray(json) ? (json as readonly Json[]) : [];
  const names = types.filter((type) => typeof type === 'string' && known.has(type)) as readonly string[];
  return names.length === types.length && names.length > 0 ? names : undefined;
}

/** Undefined where an element is not what the map's type says. */
function matchOf(types: readonly string[], values: readonly Json[]): Match | undefined {
  if (types.length !== values.length) return undefined;
  let match: Match = { understood: true };
  for (const [i, type] of types.entries()) {
    const value = values[i];
    if (type === 'inet_service') {
      if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 65_535) return undefined;
      match = { ...match, destinationPorts: [{ from: value, to: value }] };
    } else if (typeof value !== 'string' || !/^[0-9A-Za-z.:-]{1,64}$/.test(value)) {
      return undefined;
    } else {
      match = type === 'inet_proto' ? { ...match, protocol: value } : { ...match, destinations: [value] };
    }
  }
  return match;
}

interface Ended {
  readonly verdict: FirewallRule['verdict'];
  readonly jumpTo?: string;
  readonly said: string;
}

function verdictOf(json: Json): Ended | undefined {
  const [name] = Object.keys(typeof json === 'object' && json !== null ? json : {});
  if (name === 'drop' || name === 'accept') return { verdict: name, said: name };
  if (name !== 'goto' && name !== 'jump') return undefined;
  const target = textMember(member(json, name), 'target')?.slice(0, mostNameLength);
  return target === undefined ? undefined : { verdict: 'jump', jumpTo: target, said: `${name} ${target}` };
}
