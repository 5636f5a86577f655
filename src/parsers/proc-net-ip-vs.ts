import type { Parser } from '../model/parser.ts';
import { address, addressFromHex } from './ip-address.ts';
import { ipvsProtocol, type IpvsServices, type OpenService } from './ipvs-parts.ts';
import { count, hexCount } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/** /proc/net/ip_vs (ip_vs_info_seq_show): as `ipvsadm -Ln`, in hexadecimal; IPv6 in full and in brackets. */
export const procNetIpVs: Parser<IpvsServices> = {
  kind: 'proc-net-ip-vs',
  reads: 'cat /proc/net/ip_vs',
  fact: 'ipvs',
  sample: `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C0A80016:0CEA wlc  
  -> C0A85216:0CEA      Tunnel  100    248        2         
`,
  parse(input) {
    const problems = problemList();
    const services: OpenService[] = [];
    let header = false;
    for (const { text, line } of outputLines(input, problems)) {
      const parts = words(text);
      const [first = ''] = parts;
      if (first === '') continue;
      if (text.startsWith('IP Virtual Server') || first === 'Prot' || parts[1] === 'RemoteAddress:Port') {
        header = true;
        continue;
      }
      const at = { evidence: input.evidence, line };
      if (first === '->') {
        const server = hexEndpoint(parts[1] ?? '');
        const [weight, active, inactive] = parts.slice(3).map(count);
        const service = services.at(-1);
        if (
          service === undefined ||
          server === undefined ||
          weight === undefined ||
          active === undefined ||
          inactive === undefined
        ) {
          problems.add(`not a real server: ${excerpt(text)}`, line);
          continue;
        }
        service.servers.push({
          ...server,
          forward: parts[2] ?? '',
          weight,
          activeConnections: active,
          inactiveConnections: inactive,
          at,
        });
        continue;
      }
      const protocol = ipvsProtocol(first);
      const mark = hexCount(parts[1]);
      const where =
        protocol === 'fwm'
          ? mark === undefined
            ? undefined
            : { address: String(mark), port: 0 }
          : hexEndpoint(parts[1] ?? '');
      const scheduler = parts[2];
      if (protocol === undefined || where === undefined || scheduler === undefined) {
        problems.add(`not a service: ${excerpt(text)}`, line);
        continue;
      }
      services.push({ protocol, ...where, scheduler, servers: [], at });
    }
    if (services.length === 0 && (!header || problems.all().length > 0))
      return nothingUsable(input, problems, 'IPVS services');
    addStderr(input, problems);
    return { value: { services }, problems: problems.all() };
  },
};

/** `C0A80016:0CEA`, `[2620:0000:…:0001]:0CEA` */
function hexEndpoint(text: string): { address: string; port: number } | undefined {
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, Math.max(colon, 0));
  const canonical = host.startsWith('[') ? address(host) : addressFromHex(host, 'networkOrder');
  const port = text.length - colon === 5 ? hexCount(text.slice(colon + 1)) : undefined;
  return canonical === undefined || port === undefined ? undefined : { address: canonical, port };
}
