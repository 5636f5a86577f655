import { type Json, listMember, member, numberMember, textMember } from './json-document.ts';

/** Rules with sets of thousands of addresses are cut to this. */
const longestText = 2000;

/**
 * A rule as `nft list ruleset` prints it, without its counters, as far as the common expressions go; what is rarer is
 * kept as JSON, so that nothing is left out.
 */
export function nftText(expressions: readonly Json[]): string {
  const text = expressions
    .map(statement)
    .filter((part) => part !== '')
    .join(' ');
  return text.length > longestText ? `${text.slice(0, longestText)}…` : text;
}

function statement(json: Json): string {
  const [name] = Object.keys(typeof json === 'object' && json !== null ? json : {});
  if (name === undefined) return brief(json);
  const body = member(json, name);
  switch (name) {
    case 'match':
      return match(body);
    case 'counter':
      return '';
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
    case 'notrack':
      return name;
    case 'jump':
    case 'goto':
      return `${name} ${textMember(body, 'target') ?? '?'}`;
    case 'reject': {
      const type = textMember(body, 'type');
      const code = textMember(body, 'expr');
      return ['reject', ...(type === undefined ? [] : ['with', type]), ...(code === undefined ? [] : [code])].join(' ');
    }
    case 'log': {
      const prefix = textMember(body, 'prefix');
      return prefix === undefined ? 'log' : `log prefix ${JSON.stringify(prefix)}`;
    }
    case 'limit':
      return `limit rate ${numberMember(body, 'rate') ?? '?'}/${textMember(body, 'per') ?? '?'}`;
    case 'masquerade':
    case 'redirect': {
      const port = member(body, 'port');
      return [name, ...(port === undefined ? [] : [`to :${expression(port)}`]), ...natFlags(body)].join(' ');
    }
    case 'dnat':
    case 'snat': {
      const to = textMember(body, 'addr') ?? expression(member(body, 'addr') ?? '');
      const port = member(body, 'port');
      const host = to.includes(':') && port !== undefined ? `[${to}]` : to;
      return [`${name} to ${host}${port === undefined ? '' : `:${expression(port)}`}`, ...natFlags(body)].join(' ');
    }
    case 'reset':
      return `reset ${expression(body ?? null)}`;
    case 'mangle':
      return `${expression(member(body, 'key') ?? null)} set ${expression(member(body, 'value') ?? null)}`;
    case 'vmap':
      return `${expression(member(body, 'key') ?? null)} vmap ${expression(member(body, 'data') ?? null)}`;
    case 'xt':
      return `xt ${textMember(body, 'type') ?? ''} ${textMember(body, 'name') ?? ''}`.trim();
    default:
      return brief(json);
  }
}

/** `random`, `fully-random`, `persistent`: one as a text, several as a list. */
function natFlags(body: Json | undefined): readonly string[] {
  const one = textMember(body, 'flags');
  const flags = one === undefined ? listMember(body, 'flags').filter((flag) => typeof flag === 'string') : [one];
  return flags.length === 0 ? [] : [flags.join(',')];
}

function match(body: Json | undefined): string {
  const operator = textMember(body, 'op') ?? '==';
  const sign = operator === '==' || operator === 'in' ? '' : `${operator} `;
  return `${expression(member(body, 'left') ?? null)} ${sign}${expression(member(body, 'right') ?? null)}`;
}

function expression(json: Json): string {
  if (typeof json === 'string') return /^[\w.:/@*+-]+$/.test(json) ? json : JSON.stringify(json);
  if (json === null || typeof json !== 'object') return String(json);
  if (Array.isArray(json)) return (json as readonly Json[]).map(expression).join(',');
  const payload = member(json, 'payload');
  const field = textMember(payload, 'field');
  if (field !== undefined) return `${textMember(payload, 'protocol') ?? ''} ${field}`.trim();
  const option = member(json, 'tcp option');
  if (option !== undefined)
    return ['tcp option', textMember(option, 'name') ?? '?', textMember(option, 'field') ?? ''].join(' ').trim();
  const meta = textMember(member(json, 'meta'), 'key');
  if (meta !== undefined) return meta === 'iifname' || meta === 'oifname' || meta === 'iif' ? meta : `meta ${meta}`;
  const ct = textMember(member(json, 'ct'), 'key');
  if (ct !== undefined) return `ct ${ct}`;
  const prefix = member(json, 'prefix');
  if (prefix !== undefined) return `${textMember(prefix, 'addr') ?? '?'}/${numberMember(prefix, 'len') ?? '?'}`;
  const range = listMember(json, 'range');
  if (range.length === 2) return range.map(expression).join('-');
  const set = member(json, 'set');
  if (set !== undefined)
    return `{ ${(Array.isArray(set) ? (set as readonly Json[]) : [set]).map(element).join(', ')} }`;
  const concat = listMember(json, 'concat');
  if (concat.length > 0) return concat.map(expression).join(' . ');
  const masked = listMember(json, '&');
  if (masked.length === 2) return masked.map((one) => expression(one)).join(' & ');
  return brief(json);
}

/** An element of a set, or `key : verdict` of a map. */
function element(json: Json): string {
  if (Array.isArray(json) && json.length === 2) {
    const [key = null, verdict = null] = json as readonly Json[];
    return `${expression(key)} : ${statement(verdict)}`;
  }
  return expression(member(member(json, 'elem'), 'val') ?? json);
}

/** Counters never get here: two readings of a rule must have the same text. */
function brief(json: Json): string {
  const text = JSON.stringify(json);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
