import type { IpvsServiceTotals, IpvsTotals } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { endpoint } from './endpoint.ts';
import { ipvsProtocol } from './ipvs-parts.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** `ipvsadm -Ln --stats` (ipvsadm(8)). */
export const ipvsadmStats: Parser<readonly IpvsServiceTotals[]> = {
  kind: 'ipvsadm-stats',
  reads: 'ipvsadm -Ln --stats',
  fact: 'ipvs',
  sample: `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.98.0.50:80                       1        6        4      326      222
  -> 10.98.3.2:80                        1        6        4      326      222
`,
  parse(input) {
    const problems = problemList();
    const services: (Omit<IpvsServiceTotals, 'servers'> & { servers: IpvsTotals[] })[] = [];
    let header = false;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      const [first = '', where = ''] = parts;
      if (first === '' || text.startsWith('IP Virtual Server') || where === 'RemoteAddress:Port') continue;
      if (first === 'Prot') {
        header = parts.includes('InPkts');
        continue;
      }
      const protocol = ipvsProtocol(first);
      const place = protocol === 'fwm' ? { address: where, port: 0 } : endpoint(where);
      const from = protocol === 'fwm' && parts[2] === 'IPv6' ? 3 : 2;
      const [connections, inPackets, outPackets, inBytes, outBytes] = parts.slice(from, from + 5).map(rounded);
      if (
        !header ||
        (first !== '->' && protocol === undefined) ||
        place === undefined ||
        connections === undefined ||
        inPackets === undefined ||
        outPackets === undefined ||
        inBytes === undefined ||
        outBytes === undefined
      ) {
        problems.add(`not a service or server with its totals: ${excerpt(text)}`, line);
        continue;
      }
      const at = { evidence: input.evidence, line };
      const totals = { ...place, connections, inPackets, outPackets, inBytes, outBytes, at };
      if (protocol !== undefined) services.push({ protocol, ...totals, servers: [] });
      else if (services.length > 0) services.at(-1)?.servers.push(totals);
      else problems.add(`a real server without a service: ${excerpt(text)}`, line);
    }
    if (!header) return nothingUsable(input, problems, 'totals of IPVS');
    addStderr(input, problems);
    return { value: services, problems: problems.all() };
  },
};

const letters: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['K', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
]);

/** print_largenum of ipvsadm.c: `12345`, `1234K`, `987M` */
function rounded(text: string): number | undefined {
  const match = /^(\d{1,15})([KMGT]?)$/.exec(text);
  const unit = letters.get(match?.[2] ?? 'none');
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}
