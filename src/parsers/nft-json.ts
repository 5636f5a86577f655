import type { At } from '../model/evidence.ts';
import type { FirewallRule } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { type Json, jsonDocument, listMember, member, numberMember, textMember } from './json-document.ts';
import { type NamedSets, readNftRule } from './nft-rule.ts';
import { problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { readVerdictMap } from './nft-verdict-map.ts';

/**
 * Rules, policies of base chains and elements of verdict maps from `nft -j list ruleset` (libnftables-json(5)), one
 * reading: the count is in `packets.after`. A policy has no counter, and neither has a rule without `counter`.
 */
export const nftJson: Parser<readonly FirewallRule[]> = {
  kind: 'nft-json',
  reads: 'nft -j list ruleset',
  fact: 'firewall',
  sample: `{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"table": {"family": "inet", "name": "filter", "handle": 1}}, {"chain": {"family": "inet", "table": "filter", "name": "in", "handle": 2, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}, {"rule": {"family": "inet", "table": "filter", "chain": "in", "handle": 8, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 1301}}, {"counter": {"packets": 7, "bytes": 420}}, {"drop": null}]}}]}
`,
  parse(input) {
    const problems = problemList();
    const document = jsonDocument(input, problems);
    const items = member(document?.json, 'nftables');
    if (document === undefined || !Array.isArray(items)) return nothingUsable(input, problems, 'nftables rules');
    const at: At = { evidence: input.evidence, line: document.line };
    const list = items as readonly Json[];
    const hooks = new Map<string, string>();
    const sets: NamedSets = new Map();
    for (const item of list) {
      const chain = placeOf(member(item, 'chain'), 'name');
      const hook = textMember(member(item, 'chain'), 'hook');
      if (chain !== undefined && hook !== undefined) hooks.set(chain.key, hook);
      const set = member(item, 'set');
      const named = placeOf(set, 'name');
      if (named !== undefined) sets.set(named.key, listMember(set, 'elem'));
    }
    const rules: FirewallRule[] = [];
    for (const item of list) {
      const policy = readPolicy(member(item, 'chain'), at);
      if (policy !== undefined) rules.push(policy);
      const map = member(item, 'map');
      const mapped = placeOf(map, 'name');
      if (mapped !== undefined)
        for (const one of readVerdictMap(map, mapped, familyOf(mapped.family), at)) rules.push(one);
      const json = member(item, 'rule');
      if (json === undefined) continue;
      const place = placeOf(json, 'chain');
      const handle = numberMember(json, 'handle');
      const expressions = listMember(json, 'expr');
      if (place === undefined || handle === undefined) {
        problems.add('a rule without chain or handle', document.line);
        continue;
      }
      const { family, table, name: chain, key } = place;
      const read = readNftRule(expressions, (set) => sets.get([family, table, set].join(' ')));
      const hook = hooks.get(key);
      const { text, ...parts } = read;
      rules.push({
        tool: 'nft',
        family: familyOf(family),
        table,
        chain,
        ...(hook === undefined ? {} : { hook }),
        id: ['nft', family, table, chain, handle, text].join(' '),
        text: [family, table, chain, text].join(' '),
        isPolicy: false,
        ...parts,
        at,
      });
    }
    addStderr(input, problems);
    return { value: rules, problems: problems.all() };
  },
};

function readPolicy(json: Json | undefined, at: At): FirewallRule | undefined {
  const place = placeOf(json, 'name');
  const hook = textMember(json, 'hook');
  const policy = textMember(json, 'policy');
  if (place === undefined || hook === undefined || policy === undefined) return undefined;
  const { family, table, name: chain } = place;
  return {
    tool: 'nft',
    family: familyOf(family),
    table,
    chain,
    hook,
    id: ['nft', family, table, chain, 'policy', policy].join(' '),
    text: [family, table, chain, 'policy', policy].join(' '),
    isPolicy: true,
    verdict: policy === 'drop' ? 'drop' : policy === 'accept' ? 'accept' : 'other',
    match: { understood: true },
    packets: null,
    at,
  };
}

interface Place {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly key: string;
}

function placeOf(json: Json | undefined, nameMember: 'name' | 'chain'): Place | undefined {
  const family = textMember(json, 'family');
  const table = textMember(json, 'table');
  const name = textMember(json, nameMember);
  if (family === undefined || table === undefined || name === undefined) return undefined;
  return { family, table, name, key: [family, table, name].join(' ') };
}

function familyOf(family: string): FirewallRule['family'] {
  if (family === 'ip') return 4;
  if (family === 'ip6') return 6;
  return family === 'inet' ? 'inet' : 'other';
}
