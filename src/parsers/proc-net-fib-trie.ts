import type { At } from '../model/evidence.ts';
import type { Parser } from '../model/parser.ts';
import { ipv4 } from './ip-address.ts';
import { problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines } from './text-lines.ts';

/**
 * /proc/net/fib_trie (fib_trie_seq_show, net/ipv4/fib_trie.c): the own IPv4 addresses of a network namespace, readable
 * through /proc/PID/net by anybody. Each stands there once per table; loopback is left out.
 */
export const procNetFibTrie: Parser<readonly { readonly address: string; readonly at: At }[]> = {
  kind: 'proc-net-fib-trie',
  reads: 'cat /proc/net/fib_trie',
  fact: null,
  sample: `Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.1.0/24 2 0 2
        |-- 10.244.1.0
           /24 link UNICAST
        |-- 10.244.1.5
           /32 host LOCAL
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
`,
  parse(input) {
    const problems = problemList();
    const found = new Map<string, At>();
    let leaf: { address: string; at: At } | undefined;
    let understood = 0;
    for (const { text, line } of outputLines(input, problems)) {
      const address = ipv4(/^\s+\|-- ([0-9.]{7,15})$/.exec(text)?.[1] ?? '');
      if (address !== undefined) {
        understood++;
        leaf = { address, at: { evidence: input.evidence, line } };
      } else if (leaf !== undefined && /^\s+\/32 host LOCAL$/.test(text) && !leaf.address.startsWith('127.')) {
        if (!found.has(leaf.address) && found.size < 10_000) found.set(leaf.address, leaf.at);
      }
    }
    if (understood === 0) return nothingUsable(input, problems, 'table of routes');
    addStderr(input, problems);
    return { value: [...found].map(([address, at]) => ({ address, at })), problems: problems.all() };
  },
};
