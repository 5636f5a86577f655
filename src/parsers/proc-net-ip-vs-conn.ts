import type { IpvsConnection } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { address, addressFromHex } from './ip-address.ts';
import type { IpvsConnections } from './ipvs-parts.ts';
import { count, hexCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** /proc/net/ip_vs_conn (ip_vs_conn_seq_show): IPv4 in hexadecimal, IPv6 in full, ports hexadecimal, seconds decimal. */
export const procNetIpVsConn: Parser<IpvsConnections> = {
  kind: 'proc-net-ip-vs-conn',
  reads: 'cat /proc/net/ip_vs_conn',
  fact: 'ipvs',
  sample: `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A62003C 9300 0A620032 0050 0A620302 0050 ESTABLISHED       5
`,
  parse(input) {
    const problems = problemList();
    const connections: IpvsConnection[] = [];
    let header = false;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      if (parts.length === 0) continue;
      if (parts[0] === 'Pro' && parts[1] === 'FromIP') {
        header = true;
        continue;
      }
      const protocol = parts[0] ?? '';
      const source = end(parts[1], parts[2]);
      const virtual = end(parts[3], parts[4]);
      const destination = end(parts[5], parts[6]);
      const state = parts[7] ?? '';
      const expireSec = count(parts[8]);
      if (
        !/^[A-Z]{2,4}$/.test(protocol) ||
        source === undefined ||
        virtual === undefined ||
        destination === undefined ||
        expireSec === undefined
      ) {
        problems.add(`not a connection entry: ${excerpt(text)}`, line);
        continue;
      }
      const at = { evidence: input.evidence, line };
      connections.push({ protocol: protocol.toLowerCase(), state, expireSec, source, virtual, destination, at });
    }
    if (connections.length === 0 && (!header || problems.all().length > 0))
      return nothingUsable(input, problems, 'IPVS connection entries');
    addStderr(input, problems);
    return { value: { connections }, problems: problems.all() };
  },
};

function end(where: string | undefined, port: string | undefined): { address: string; port: number } | undefined {
  const canonical = where?.includes(':') === true ? address(where) : addressFromHex(where ?? '', 'networkOrder');
  const number = port?.length === 4 ? hexCount(port) : undefined;
  return canonical === undefined || number === undefined ? undefined : { address: canonical, port: number };
}
