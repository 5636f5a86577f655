import type { Address } from '../model/facts.ts';
import type { ParseInput, Parsed, Parser } from '../model/parser.ts';
import { address } from './ip-address.ts';
import { type Json, jsonDocument, listMember, looksLikeJson, numberMember, textMember } from './json-document.ts';
import { count } from './number.ts';
import { excerpt, type ProblemList, problemList } from './problem-list.ts';
import { addStderr, nothingUsable, silentlyNone } from './said-instead.ts';
import { oneLineParts, outputLines, words } from './text-lines.ts';

/** Addresses of every device, from `ip addr` in its three shapes (ip-address(8)). */
export const ipAddr: Parser<readonly Address[]> = {
  kind: 'ip-addr',
  reads: 'ip -o addr | ip addr | ip -j addr',
  fact: 'addresses',
  sample: `1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
3: v0    inet 10.9.1.5 peer 10.9.1.6/32 scope global v0\\       valid_lft forever preferred_lft forever
3: v0    inet6 fd00::1/64 scope global tentative \\       valid_lft forever preferred_lft forever
`,
  parse(input) {
    const problems = problemList();
    if (looksLikeJson(input)) return fromJson(input, problems);
    const found: Address[] = [];
    let links = 0;
    let device: string | undefined;
    for (const { text, line } of outputLines(input, problems)) {
      for (const part of oneLineParts(text)) {
        const parts = words(part);
        const [first = ''] = parts;
        if (/^\d{1,10}:$/.test(first)) {
          device = deviceName(parts[1] ?? '');
          if (parts[1]?.endsWith(':') === true) {
            links += 1;
            continue;
          }
          parts.splice(0, 2);
        }
        const family = parts[0] === 'inet' ? 4 : parts[0] === 'inet6' ? 6 : undefined;
        if (family === undefined) {
          if (first !== '' && !/^(?:link\/|valid_lft|inet|RX|TX|\d)/.test(first) && !part.startsWith(' ')) {
            problems.add(`not an address: ${excerpt(part)}`, line);
          }
          continue;
        }
        const [bare = '', prefix] = (parts[1] ?? '').split('/');
        const canonical = address(bare);
        const peerPrefix = parts[2] === 'peer' ? parts[3]?.split('/')[1] : undefined;
        const prefixLength =
          count(prefix ?? peerPrefix) ?? (prefix === undefined ? (family === 4 ? 32 : 128) : undefined);
        if (device === undefined || canonical === undefined || prefixLength === undefined) {
          problems.add(`not an address: ${excerpt(part)}`, line);
          continue;
        }
        const scope = parts[parts.indexOf('scope') + 1];
        found.push({
          family,
          device,
          address: canonical,
          prefixLength,
          ...(parts.includes('scope') && scope !== undefined ? { scope } : {}),
          at: { evidence: input.evidence, line },
        });
      }
    }
    if (found.length === 0 && links === 0 && !silentlyNone(input)) return nothingUsable(input, problems, 'addresses');
    addStderr(input, problems);
    return { value: found, problems: problems.all() };
  },
};

/** `v1@v0:` -> `v1` */
export function deviceName(text: string): string {
  const name = text.endsWith(':') ? text.slice(0, -1) : text;
  const at = name.indexOf('@');
  return at > 0 ? name.slice(0, at) : name;
}

function fromJson(input: ParseInput, problems: ProblemList): Parsed<readonly Address[]> {
  const document = jsonDocument(input, problems);
  if (document === undefined || !Array.isArray(document.json)) return nothingUsable(input, problems, 'addresses');
  const found: Address[] = [];
  const at = { evidence: input.evidence, line: document.line };
  for (const link of document.json as readonly Json[]) {
    const device = textMember(link, 'ifname');
    if (device === undefined) continue;
    for (const item of listMember(link, 'addr_info')) {
      const canonical = address(textMember(item, 'local') ?? '');
      const prefixLength = numberMember(item, 'prefixlen');
      const family = textMember(item, 'family') === 'inet6' ? 6 : 4;
      const scope = textMember(item, 'scope');
      if (canonical === undefined || prefixLength === undefined) {
        problems.add(`not an address: ${excerpt(JSON.stringify(item))}`, document.line);
      } else {
        found.push({ family, device, address: canonical, prefixLength, ...(scope === undefined ? {} : { scope }), at });
      }
    }
  }
  addStderr(input, problems);
  return { value: found, problems: problems.all() };
}
