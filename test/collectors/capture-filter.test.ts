import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { quoteArgv } from '../../src/adapters/ssh/quote-argv.ts';
import { filterOf } from '../../src/collectors/capture.ts';
import { collectors } from '../../src/collectors/index.ts';
import { commandShapes } from '../../src/engine/command-shapes.ts';
import { mostServers, nothingLearned } from '../../src/model/command.ts';
import type { Endpoint } from '../../src/model/facts.ts';
import type { Role } from '../../src/model/plan.ts';

const icmp = '(icmp and (icmp[0]=3 or icmp[0]=11)) or (icmp6 and (ip6[40]=1 or ip6[40]=2 or ip6[40]=3))';
const vxlan = 'udp and (port 4789 or port 8472 or port 6081)';
/** The port in question behind inner headers: IPv4 in IPIP, IPv4 and IPv6 in VXLAN or Geneve. */
const inside = [
  '(ip proto 4 and ip[29]=6 and (ip[40:2]=30170 or ip[42:2]=30170))',
  `(${vxlan} and udp[28:2]=0x0800 and udp[39]=6 and (udp[50:2]=30170 or udp[52:2]=30170))`,
  `(${vxlan} and udp[28:2]=0x86dd and udp[36]=6 and (udp[70:2]=30170 or udp[72:2]=30170))`,
].join(' or ');
const filter = (roles: readonly Role[], servers: readonly Endpoint[] = [], target = '10.51.2.2'): string =>
  filterOf({ target, port: 30_170, protocol: 'tcp', roles, learned: { ...nothingLearned, servers } });
const pod = { address: '10.244.1.5', port: 8080 };
const most = Array.from({ length: mostServers }, (_one, i) => ({ address: `10.244.100.${100 + i}`, port: 60_000 + i }));

describe('the filter of a capture', () => {
  it('is the port in question where nothing is known to stand behind it', () => {
    expect(filter(['target'])).toBe(`(tcp port 30170) or ${inside} or ${icmp}`);
    expect(filter(['client'])).toBe(`(tcp port 30170 and host 10.51.2.2) or ${inside} or ${icmp}`);
  });

  it('takes the servers behind it too: bare, in IPIP and in VXLAN', () => {
    const either = (source: string, destination: string) =>
      ['0x0a330202', '0x0af40105'].map((one) => `${source}=${one} or ${destination}=${one}`).join(' or ');
    expect(filter(['target'], [pod])).toBe(
      `(tcp port 30170) or (host 10.244.1.5 and tcp port 8080) or (ip proto 4 and (${either('ip[32:4]', 'ip[36:4]')})) or ((udp dst port 4789 or udp dst port 8472) and (${either('udp[42:4]', 'udp[46:4]')})) or ${inside} or ${icmp}`,
    );
  });

  it('says the port once where the servers have the same: only a client asks for one host', () => {
    const same = { address: '10.244.1.5', port: 30_170 };
    expect(filter(['forwarder'], [same])).not.toContain('host 10.244.1.5');
    expect(filter(['client'], [same])).toContain('(host 10.244.1.5 and tcp port 30170)');
  });

  const cases = [
    ['plain', filter(['target'])],
    ['client', filter(['client'], [pod])],
    ['most servers', filter(['target'], most)],
    ['IPv6', filter(['client'], [{ address: 'fd00:10:244::5', port: 8080 }], 'fd00::50')],
  ] as const;
  const patterns = commandShapes(collectors, { loginUser: 'netcheck' })
    .filter(({ tool }) => tool === 'tcpdump')
    .map(({ pattern }) => new RegExp(`^(?:${pattern})$`));
  const start = ['tcpdump', '-i', 'any', '-nn', '-s', '160', '--immediate-mode', '-c', '20000', '-U', '-w', '-'];
  const allowed = (...words: readonly string[]): boolean =>
    patterns.some((pattern) => pattern.test(quoteArgv([...start, ...words])));

  it.each(cases)('%s: what guards a node lets it pass, and nothing that was put into it', (_name, text) => {
    expect(allowed('-Z', 'netcheck', text)).toBe(true);
    expect(allowed('-Z', 'root', text)).toBe(false);
    expect(allowed('-Z', 'netcheck', `${text} -w /etc/passwd`)).toBe(false);
    expect(allowed('-Z', 'netcheck', text, '-w', '/etc/passwd')).toBe(false);
    const put = text.replace(' or (icmp ', ' or (host 10.0.0.1 and tcp port 1) -z reboot or (icmp ');
    expect(allowed('-Z', 'netcheck', put)).toBe(false);
  });

  it('a server more than there is room for does not pass', () => {
    expect(allowed('-Z', 'netcheck', filter(['target'], [...most, pod]))).toBe(false);
  });

  const noTcpdump = existsSync('/usr/bin/tcpdump') ? undefined : 'tcpdump is not installed';
  it.skipIf(noTcpdump !== undefined).each(cases)(
    `%s: libpcap takes it, within the kernel's bound on instructions${noTcpdump === undefined ? '' : ` (skipped: ${noTcpdump})`}`,
    (_name, text) => {
      for (const link of ['LINUX_SLL2', 'LINUX_SLL', 'EN10MB']) {
        const program = execFileSync('/usr/bin/tcpdump', ['-ddd', '-s', '160', '-y', link, text], { stdio: 'pipe' });
        expect(Number(program.toString().split('\n')[0])).toBeLessThanOrEqual(4096);
      }
    },
  );
});
