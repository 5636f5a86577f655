import type { Neighbour } from '../model/facts.ts';
import type { ParseInput, Parsed, Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { type Json, jsonDocument, listMember, looksLikeJson, textMember } from './json-document.ts';
import { excerpt, type ProblemList, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** NUD_* of ip-neighbour(8). An entry that was never looked up (`NONE`) is printed without a state by old versions. */
const states: ReadonlySet<string> = new Set(
  'INCOMPLETE REACHABLE STALE DELAY PROBE FAILED NOARP PERMANENT NONE'.split(' '),
);

/** The neighbour (ARP, ND) table. No output at all with exit 0 is an empty table. */
export const ipNeigh: Parser<readonly Neighbour[]> = {
  kind: 'ip-neigh',
  reads: 'ip neigh | ip -s neigh | ip -j neigh',
  fact: 'neighbours',
  sample: `10.9.0.254 dev v0 lladdr 02:00:00:00:00:01 PERMANENT 
10.9.0.200 dev v0 INCOMPLETE 
`,
  parse(input) {
    const problems = problemList();
    if (looksLikeJson(input)) return fromJson(input, problems);
    const found: Neighbour[] = [];
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      const canonical = address(parts[0] ?? '');
      const state = parts.findLast((word) => states.has(word));
      if (canonical === undefined || state === undefined) {
        problems.add(`not a neighbour: ${excerpt(text)}`, line);
        continue;
      }
      const device = parts[1] === 'dev' ? parts[2] : undefined;
      const mac = parts[parts.indexOf('lladdr') + 1];
      found.push({
        address: canonical,
        ...(device === undefined ? {} : { device }),
        ...(parts.includes('lladdr') && mac !== undefined ? { mac } : {}),
        state,
        at: { evidence: input.evidence, line },
      });
    }
    if (found.length === 0 && !silentlyNone(input)) return nothingUsable(input, problems, 'neighbours');
    addStderr(input, problems);
    return { value: found, problems: problems.all() };
  },
};

function fromJson(input: ParseInput, problems: ProblemList): Parsed<readonly Neighbour[]> {
  const document = jsonDocument(input, problems);
  if (document === undefined || !Array.isArray(document.json)) return nothingUsable(input, problems, 'neighbours');
  const found: Neighbour[] = [];
  for (const item of document.json as readonly Json[]) {
    const canonical = address(textMember(item, 'dst') ?? '');
    const [state] = listMember(item, 'state');
    if (canonical === undefined || typeof state !== 'string' || !states.has(state)) {
      problems.add(`not a neighbour: ${excerpt(JSON.stringify(item))}`, document.line);
      continue;
    }
    const device = textMember(item, 'dev');
    const mac = textMember(item, 'lladdr');
    found.push({
      address: canonical,
      ...(device === undefined ? {} : { device }),
      ...(mac === undefined ? {} : { mac }),
      state,
      at: { evidence: input.evidence, line: document.line },
    });
  }
  addStderr(input, problems);
  return { value: found, problems: problems.all() };
}
