import type { At } from '../model/evidence.ts';
import type { ConntrackTuple, ConntrackEntry } from '../model/node-facts.ts';
import type { ParseInput, Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

const summary = /^conntrack v[\w.]+ \(conntrack-tools\): \d+ flow entries have been shown\.$/;

/** `conntrack -L` (conntrack(8)) and /proc/net/nf_conntrack, which begins every line with the family. */
export const conntrackList: Parser<readonly ConntrackEntry[]> = {
  kind: 'conntrack-list',
  reads: 'conntrack -L | cat /proc/net/nf_conntrack',
  fact: 'conntrackEntries',
  sample: `udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=42754 dport=9 [UNREPLIED] src=127.0.0.1 dst=127.0.0.1 sport=9 dport=42754 mark=0 use=1
tcp      6 9 CLOSE src=127.0.0.1 dst=127.0.0.1 sport=55068 dport=99 src=127.0.0.1 dst=127.0.0.1 sport=99 dport=55068 [ASSURED] mark=0 use=1
icmp     1 29 src=127.0.0.1 dst=127.0.0.1 type=8 code=0 id=17 src=127.0.0.1 dst=127.0.0.1 type=0 code=0 id=17 mark=0 use=1
`,
  parse(input: ParseInput) {
    const problems = problemList();
    const entries: ConntrackEntry[] = [];
    let summarised = false;
    for (const { text, line } of outputLines(input, problems)) {
      if (text.trim() === '') continue;
      if (summary.test(text.trim())) {
        summarised = true;
        continue;
      }
      const entry = readEntry(words(text), { evidence: input.evidence, line });
      if (entry === undefined) problems.add(`not an entry: ${excerpt(text)}`, line);
      else entries.push(entry);
    }
    if (entries.length === 0 && !summarised && !silentlyNone(whatGrepSaid(input), summary)) {
      return nothingUsable(input, problems, 'connection-tracking entries');
    }
    addStderr(input, problems, summary);
    return { value: entries, problems: problems.all() };
  },
};

/** grep(1) says with status 1 that no line was selected; with 2 that something went wrong. */
function whatGrepSaid(input: ParseInput): ParseInput {
  return input.exitCode === 1 && input.argv.includes('grep') ? { ...input, exitCode: 0 } : input;
}

function readEntry(parts: readonly string[], at: At): ConntrackEntry | undefined {
  let start = 0;
  if ((parts[0] === 'ipv4' || parts[0] === 'ipv6') && count(parts[1]) !== undefined) start = 2;
  const protocol = parts[start] ?? '';
  if (!/^[a-z][a-z0-9-]{1,15}$/.test(protocol) || count(parts[start + 1]) === undefined) return undefined;
  const tuples: { -readonly [Name in keyof ConntrackTuple]?: ConntrackTuple[Name] | undefined }[] = [];
  let timeoutSec: number | null = null;
  let state: string | undefined;
  let mark: number | undefined;
  let zone: number | undefined;
  let unreplied = false;
  let assured = false;
  for (const part of parts.slice(start + 2)) {
    const equals = part.indexOf('=');
    const value = part.slice(equals + 1);
    const tuple = tuples.at(-1);
    if (part === '[UNREPLIED]') unreplied = true;
    else if (part === '[ASSURED]') assured = true;
    else if (part.startsWith('[')) continue;
    else if (equals === -1) {
      if (count(part) !== undefined) timeoutSec ??= count(part) ?? null;
      else if (/^[A-Z][A-Z0-9_]{1,20}$/.test(part)) state ??= part;
      else return undefined;
    } else {
      switch (part.slice(0, equals)) {
        case 'src':
          tuples.push({ source: address(value) });
          break;
        case 'dst':
          if (tuple !== undefined) tuple.destination = address(value);
          break;
        case 'sport':
          if (tuple !== undefined) tuple.sourcePort = count(value) ?? null;
          break;
        case 'dport':
          if (tuple !== undefined) tuple.destinationPort = count(value) ?? null;
          break;
        case 'packets':
          if (tuple !== undefined) tuple.packets = count(value);
          break;
        case 'bytes':
          if (tuple !== undefined) tuple.bytes = count(value);
          break;
        case 'mark':
          mark = count(value);
          break;
        case 'zone':
          zone = count(value);
          break;
        default:
      }
    }
  }
  const [original, reply] = tuples.map(wholeTuple);
  if (tuples.length !== 2 || original === undefined || reply === undefined) return undefined;
  return {
    protocol,
    ...(state === undefined ? {} : { state }),
    timeoutSec,
    original,
    reply,
    unreplied,
    assured,
    ...(mark === undefined ? {} : { mark }),
    ...(zone === undefined ? {} : { zone }),
    at,
  };
}

function wholeTuple(
  tuple: {
    [Name in keyof ConntrackTuple]?: ConntrackTuple[Name] | undefined;
  },
): ConntrackTuple | undefined {
  const { source, destination, sourcePort = null, destinationPort = null, packets, bytes } = tuple;
  if (source === undefined || destination === undefined) return undefined;
  return {
    source,
    destination,
    sourcePort,
    destinationPort,
    ...(packets === undefined ? {} : { packets }),
    ...(bytes === undefined ? {} : { bytes }),
  };
}
