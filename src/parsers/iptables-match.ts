import type { FirewallRule } from '../model/facts.ts';
import { portNumber } from './endpoint.ts';
import { ipv4 } from './ip-address.ts';
import type { IptablesWord } from './iptables-words.ts';

type Match = FirewallRule['match'];
type PortRange = NonNullable<Match['destinationPorts']>[number];

export interface IptablesRuleParts {
  readonly match: Match;
  /** Of `-j` or `-g`. */
  readonly target?: string;
  /** The same, where it may be a chain. */
  readonly jump?: string;
  readonly rejectWith?: string;
}

/**
 * Reads the words behind `-A CHAIN` (iptables(8), iptables-extensions(8)). `understood` stays true only while every
 * word is one of those that the fields of `match` express: anything negated and any other match extension make it
 * false, and a part that cannot be expressed is left out rather than approximated. A wildcard device stays as it is
 * written (`eth+`).
 */
export function readIptablesMatch(words: readonly IptablesWord[]): IptablesRuleParts {
  let understood = true;
  let protocol: string | undefined;
  let sources: readonly string[] | undefined;
  let destinations: readonly string[] | undefined;
  let destinationPorts: readonly PortRange[] | undefined;
  let outDevice: string | undefined;
  let sourcePorts: readonly PortRange[] | undefined;
  let inDevice: string | undefined;
  let negated = false;
  let at = 0;
  const result = (more: Omit<IptablesRuleParts, 'match'>): IptablesRuleParts => ({
    match: {
      ...(protocol === undefined ? {} : { protocol }),
      ...(sources === undefined ? {} : { sources }),
      ...(destinations === undefined ? {} : { destinations }),
      ...(destinationPorts === undefined ? {} : { destinationPorts }),
      ...(sourcePorts === undefined ? {} : { sourcePorts }),
      ...(inDevice === undefined ? {} : { inDevice }),
      ...(outDevice === undefined ? {} : { outDevice }),
      understood,
    },
    ...more,
  });
  while (at < words.length) {
    const word = words[at]?.quoted === true ? 'a value' : (words[at]?.text ?? '');
    const next = words[at + 1]?.text;
    at += 1;
    if (word === '!') {
      negated = true;
      continue;
    }
    if (word === '-j' || word === '-g' || word === '--jump' || word === '--goto') {
      if (next === undefined) understood = false;
      // Options of the target follow it; matches never do.
      const reject = words.findIndex(({ text, quoted }, index) => index > at && !quoted && text === '--reject-with');
      const rejectWith = reject === -1 ? undefined : words[reject + 1]?.text;
      return result({
        ...(next === undefined ? {} : { target: next, jump: next }),
        ...(rejectWith === undefined ? {} : { rejectWith }),
      });
    }
    const not = negated;
    negated = false;
    if (next === undefined) {
      understood = false;
      break;
    }
    const take = <Value>(value: Value | undefined): Value | undefined => {
      at += 1;
      if (value === undefined || not) understood = false;
      return not ? undefined : value;
    };
    switch (word) {
      case '-p':
      case '--protocol': {
        const named = take(protocolName(next));
        protocol = named === 'all' ? undefined : named;
        break;
      }
      case '-s':
      case '--source':
        sources = take(prefixes(next));
        break;
      case '-d':
      case '--destination':
        destinations = take(prefixes(next));
        break;
      case '-i':
      case '--in-interface':
        if (next === '+' && !not) at += 1;
        else inDevice = take(next);
        break;
      case '-o':
      case '--out-interface':
        if (next === '+' && !not) at += 1;
        else outDevice = take(next);
        break;
      case '--dport':
      case '--destination-port':
      case '--dports':
      case '--destination-ports':
        destinationPorts = take(portRanges(next));
        break;
      case '--sport':
      case '--source-port':
      case '--sports':
      case '--source-ports':
        sourcePorts = take(portRanges(next));
        break;
      case '-m':
      case '--match':
        at += 1;
        // These carry nothing by themselves: their options are read (or not understood) one by one.
        if (!(neutralModules.has(next) || next === protocol)) understood = false;
        break;
      case '--comment':
        at += 1;
        break;
      default:
        understood = false;
    }
  }
  return result({});
}

const neutralModules = new Set(['tcp', 'udp', 'sctp', 'multiport', 'comment']);

/** Names that iptables prints for numbers that /etc/protocols does not know. */
const protocolNumbers: ReadonlyMap<string, string> = new Map([
  ['0', 'all'],
  ['1', 'icmp'],
  ['4', 'ipencap'],
  ['6', 'tcp'],
  ['17', 'udp'],
  ['58', 'ipv6-icmp'],
  ['132', 'sctp'],
]);

function protocolName(text: string): string | undefined {
  const name = protocolNumbers.get(text) ?? text.toLowerCase();
  return /^[a-z0-9.-]{1,32}$/.test(name) ? name : undefined;
}

function prefixes(text: string): readonly string[] | undefined {
  const list = text.split(',').map(prefix);
  return list.includes(undefined) ? undefined : list.filter((one) => one !== undefined);
}

/** `10.0.0.0/8`; a mask in dotted form becomes its length, and one with holes cannot be expressed. */
function prefix(text: string): string | undefined {
  const [bare = '', mask] = text.split('/');
  if (mask === undefined || /^\d{1,3}$/.test(mask)) return text;
  const canonical = ipv4(mask);
  if (canonical === undefined) return undefined;
  const bits = canonical
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(bits) ? `${bare}/${bits.lastIndexOf('1') + 1}` : undefined;
}

/** `80`, `80,443`, `8000:8100`, `:1023`, `1024:`, service names. */
function portRanges(text: string): readonly PortRange[] | undefined {
  const ranges: PortRange[] = [];
  for (const part of text.split(',')) {
    const [low = '', high, ...more] = part.split(':');
    const from = low === '' && high !== undefined ? 0 : portNumber(low);
    const to = high === undefined ? from : high === '' ? 65535 : portNumber(high);
    if (from === undefined || to === undefined || more.length > 0 || part === '*') return undefined;
    ranges.push({ from, to });
  }
  return ranges;
}
