import type { Parser } from '../model/parser.ts';
import { endpoint } from './endpoint.ts';
import { ipvsProtocol, type IpvsServices, type OpenService } from './ipvs-parts.ts';
import { count } from './number.ts';
import { excerpt, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { outputLines, words } from './text-lines.ts';

/**
 * IPVS services with their real servers (ipvsadm(8)). A service by firewall mark has the mark as its address and
 * port 0.
 */
export const ipvsadm: Parser<IpvsServices> = {
  kind: 'ipvsadm',
  reads: 'ipvsadm -Ln',
  fact: 'ipvs',
  sample: `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.98.0.50:80 rr
  -> 10.98.3.2:80                 Masq    1      1          0         
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
        if (parts.includes('Conns') || parts.includes('CPS')) {
          return nothingUsable(
            input,
            problems,
            'services (this is the output of --stats or --rate: kind ipvsadm-stats)',
          );
        }
        continue;
      }
      const at = { evidence: input.evidence, line };
      if (first === '->') {
        const [, where = '', forward = ''] = parts;
        const server = endpoint(where);
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
          forward,
          weight,
          activeConnections: active,
          inactiveConnections: inactive,
          at,
        });
        continue;
      }
      const protocol = ipvsProtocol(first);
      const where = protocol === 'fwm' ? { address: parts[1] ?? '', port: 0 } : endpoint(parts[1] ?? '');
      // A mark of IPv6 says so before the scheduler (print_service_entry, ipvsadm.c).
      const scheduler = protocol === 'fwm' && parts[2] === 'IPv6' ? parts[3] : parts[2];
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
