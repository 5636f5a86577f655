import type { RouteVerdict } from '../model/facts.ts';
import type { ParseInput, Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import {
  type Json,
  jsonDocument,
  listMember,
  looksLikeJson,
  member,
  numberMember,
  textMember,
} from './json-document.ts';
import { destinationOf, readAttributes, type RouteAttributes, routeTypes } from './ip-route.ts';
import { excerpt, type ProblemList, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, stderrLines } from './said-instead.ts';
import { oneLineParts, outputLines, textLines, words } from './text-lines.ts';

type Verdict = RouteVerdict['verdict'];

/**
 * The kernel's answer to one `ip route get TO [from FROM iif DEV]`: the route on standard output, or its errno behind
 * `RTNETLINK answers:`. Only that is a verdict; what ip(8) itself complains about is none. A list of one, so that the
 * answers of several commands can be put together.
 */
export const ipRouteGet: Parser<readonly RouteVerdict[]> = {
  kind: 'ip-route-get',
  reads: 'ip route get TO [from FROM iif DEV]',
  fact: 'routeGet',
  sample: `10.70.0.1 via 10.9.0.254 dev v0 src 10.9.0.77 uid 0 
    cache expires 599sec mtu 1300 
`,
  parse(input) {
    const problems = problemList();
    const asked = askedOf(input.argv);
    const refused = refusal(input);
    if (refused !== undefined) {
      const to = asked.to;
      if (to === undefined) return nothingUsable(input, problems, 'destination in the command');
      return {
        value: [
          {
            ...asked,
            to,
            verdict: refused.verdict,
            message: refused.message,
            at: { evidence: input.evidence, ...(refused.line === undefined ? {} : { line: refused.line }) },
          },
        ],
        problems: problems.all(),
      };
    }
    const answer = looksLikeJson(input) ? fromJson(input, problems) : fromText(input, problems);
    if (answer === undefined) return nothingUsable(input, problems, 'route');
    addStderr(input, problems);
    const { type, destination, attributes, line } = answer;
    const from = asked.from ?? (attributes.from === '::' ? undefined : attributes.from);
    const iif = asked.iif ?? attributes.iif;
    const { via, device, source, mtu } = attributes;
    return {
      value: [
        {
          to: asked.to ?? destination,
          ...(from === undefined ? {} : { from }),
          ...(iif === undefined ? {} : { iif }),
          verdict: verdictOf(type, attributes.errno),
          ...(device === undefined ? {} : { device }),
          ...(via === undefined ? {} : { via }),
          ...(source === undefined ? {} : { source }),
          ...(mtu === undefined ? {} : { mtu }),
          at: { evidence: input.evidence, line },
        },
      ],
      problems: problems.all(),
    };
  },
};

interface Answer {
  readonly type: string;
  readonly destination: string;
  readonly attributes: RouteAttributes;
  readonly line: number;
}

function askedOf(argv: readonly string[]): Pick<RouteVerdict, 'from' | 'iif'> & { to?: string } {
  const get = argv.indexOf('get');
  if (get === -1) return {};
  const rest = argv.slice(get + 1);
  const after = (word: string): string | undefined => {
    const found = rest.indexOf(word);
    return found === -1 ? undefined : rest[found + 1];
  };
  const [first] = rest;
  const to = first === 'to' || (first !== undefined && routeTypes.has(first)) ? rest[1] : first;
  const from = after('from');
  const iif = after('iif');
  return {
    ...(to === undefined ? {} : { to: address(to) ?? to }),
    ...(from === undefined ? {} : { from: address(from) ?? from }),
    ...(iif === undefined ? {} : { iif }),
  };
}

/** strerror of glibc and of musl, because busybox answers with musl's words. */
const errnos: readonly (readonly [RegExp, Verdict])[] = [
  [/^(?:No route to host|Host is unreachable)$/, 'no-route-to-host'],
  [/^(?:Network is unreachable|Network unreachable)$/, 'network-unreachable'],
  [/^(?:Invalid cross-device link|Cross-device link)$/, 'reverse-path-filtered'],
  [/^Invalid argument$/, 'invalid-argument'],
  [/^Permission denied$/, 'prohibited'],
];

function refusal(input: ParseInput): { verdict: Verdict; message: string; line?: number } | undefined {
  const read = (text: string): { verdict: Verdict; message: string } | undefined => {
    const message = /^(?:ip: )?RTNETLINK answers: (.{1,100})$/.exec(text.trim())?.[1]?.trim();
    if (message === undefined) return undefined;
    return { verdict: errnos.find(([pattern]) => pattern.test(message))?.[1] ?? 'other', message };
  };
  for (const text of stderrLines(input)) {
    const found = read(text);
    if (found !== undefined) return found;
  }
  for (const { text, line } of textLines(input.stdout)) {
    const found = read(text);
    if (found !== undefined) return { ...found, line };
  }
  return undefined;
}

function fromText(input: ParseInput, problems: ProblemList): Answer | undefined {
  let first: { type: string; destination: string; line: number } | undefined;
  const rest: string[] = [];
  for (const { text, line } of outputLines(input, problems)) {
    const parts = words(oneLineParts(text).join(' '));
    if (parts.length === 0) continue;
    const indented = text.startsWith(' ') || text.startsWith('\t');
    if (first !== undefined) {
      if (indented && rest.length < 200) rest.push(...parts);
      else problems.add(`more than one route: ${excerpt(text)}`, line);
      continue;
    }
    const typed = routeTypes.has(parts[0] ?? '');
    const destination = destinationOf(parts[typed ? 1 : 0] ?? '');
    if (destination === undefined || (parts.length < 3 && !typed)) {
      problems.add(`not a route: ${excerpt(text)}`, line);
      continue;
    }
    first = { type: typed ? (parts[0] ?? '') : 'unicast', destination, line };
    rest.push(...parts.slice(typed ? 2 : 1, 200));
  }
  return first === undefined ? undefined : { ...first, attributes: readAttributes(rest, 0) };
}

function fromJson(input: ParseInput, problems: ProblemList): Answer | undefined {
  const document = jsonDocument(input, problems);
  const route = Array.isArray(document?.json) ? (document.json as readonly Json[])[0] : undefined;
  const destination = destinationOf(textMember(route, 'dst') ?? '');
  if (document === undefined || destination === undefined) return undefined;
  const told = (name: string): string | undefined => textMember(route, name);
  const mtu = listMember(route, 'metrics')
    .map((one) => numberMember(one, 'mtu'))
    .find((one) => one !== undefined);
  const via = told('gateway') ?? textMember(member(route, 'via'), 'host');
  const [from, device, source, iif] = [told('from'), told('dev'), told('prefsrc'), told('iif')];
  return {
    type: told('type') ?? 'unicast',
    destination,
    line: document.line,
    attributes: {
      ...(from === undefined ? {} : { from }),
      ...(via === undefined ? {} : { via }),
      ...(device === undefined ? {} : { device }),
      ...(source === undefined ? {} : { source }),
      ...(iif === undefined ? {} : { iif }),
      ...(mtu === undefined ? {} : { mtu }),
    },
  };
}

/** Old kernels answer for IPv6 with a route that refuses, and its errno, instead of an error. */
function verdictOf(type: string, errno: number | undefined): Verdict {
  if (errno === 101) return 'network-unreachable';
  if (errno === 113) return 'no-route-to-host';
  if (errno === 13) return 'prohibited';
  if (errno === 22) return 'invalid-argument';
  if (errno !== undefined) return 'other';
  switch (type) {
    case 'local':
      return 'local';
    case 'unreachable':
      return 'no-route-to-host';
    case 'prohibit':
      return 'prohibited';
    case 'blackhole':
      return 'invalid-argument';
    case 'throw':
      return 'network-unreachable';
    default:
      return 'ok';
  }
}
