import { describe, expect, it } from 'vitest';
import type { IpvsService } from '../../src/model/facts.ts';
import type { Parser } from '../../src/model/parser.ts';
import { conntrackList } from '../../src/parsers/conntrack-list.ts';
import { conntrackStats } from '../../src/parsers/conntrack-stats.ts';
import { ipLink } from '../../src/parsers/ip-link.ts';
import { ipVsStats } from '../../src/parsers/ip-vs-stats.ts';
import { ipset } from '../../src/parsers/ipset.ts';
import { ipvsadm } from '../../src/parsers/ipvsadm.ts';
import { ipvsadmConnections } from '../../src/parsers/ipvsadm-connections.ts';
import { ipvsadmTimeouts } from '../../src/parsers/ipvsadm-timeouts.ts';
import { procNetIpVs } from '../../src/parsers/proc-net-ip-vs.ts';
import { procNetIpVsConn } from '../../src/parsers/proc-net-ip-vs-conn.ts';
import { procNfConntrackStat } from '../../src/parsers/proc-nf-conntrack-stat.ts';
import { parseText, withoutAt } from './parse-text.ts';
import { textOf } from './sample-kinds.ts';

function read<Value>(parser: Parser<Value>, file: string): Value {
  const { value } = parseText(parser, textOf(`uml/${file}.txt`));
  if (value === undefined) throw new Error(`nothing usable in ${file}`);
  return value;
}

// Compared by hand with what was set up (samples/uml/README.md).
describe('an IPVS director with a tunnel, as a 6.1 kernel shows it', () => {
  it('services and servers: ipvsadm and /proc/net/ip_vs agree', () => {
    // ipvsadm sorts what the kernel keeps in the order of its hash table
    const sorted = ({ services = [] }: { readonly services?: readonly IpvsService[] }) =>
      services.map((one) => ({ ...one, servers: [...one.servers].sort((a, b) => a.address.localeCompare(b.address)) }));
    const services = withoutAt(sorted(read(ipvsadm, 'ipvsadm-ln'))) as unknown[];
    expect(services.slice(0, 2)).toMatchObject([
      {
        protocol: 'tcp',
        address: '10.99.0.88',
        port: 80,
        scheduler: 'rr',
        servers: [{ address: '10.99.0.3', port: 80, forward: 'Tunnel', activeConnections: 3, inactiveConnections: 1 }],
      },
      {
        port: 81,
        scheduler: 'wlc',
        servers: [
          { port: 8081, forward: 'Masq', weight: 3 },
          { forward: 'Route', weight: 0 },
        ],
      },
    ]);
    expect(services[3]).toMatchObject({ address: 'fd00::88', port: 80, servers: [{ address: 'fd00::3' }] });
    expect(withoutAt(sorted(read(procNetIpVs, 'proc-net-ip-vs')))).toEqual(services);
  });

  it('connections: ipvsadm and /proc/net/ip_vs_conn agree but for the second between them', () => {
    const connections = read(ipvsadmConnections, 'ipvsadm-lnc').connections ?? [];
    expect(connections.map(({ state }) => state).sort()).toEqual([
      'ESTABLISHED',
      'ESTABLISHED',
      'ESTABLISHED',
      'FIN_WAIT',
      'NONE',
      'SYN_RECV',
      'UDP',
    ]);
    const own = ({ protocol, state, source, virtual, destination }: (typeof connections)[number]): string =>
      JSON.stringify([protocol, state, source, virtual, destination]);
    const raw = read(procNetIpVsConn, 'proc-net-ip-vs-conn').connections ?? [];
    expect(raw.map(own).sort()).toEqual(connections.map(own).sort());
    expect(connections[0]).toMatchObject({ expireSec: 895, source: { address: '10.99.0.1', port: 42_468 } });
  });

  it('time-outs and totals; the totals are hexadecimal', () => {
    expect(withoutAt(read(ipvsadmTimeouts, 'ipvsadm-l-timeout').timeoutsSec)).toEqual({
      tcp: 900,
      tcpfin: 120,
      udp: 300,
    });
    const totals = Object.values(read(ipVsStats, 'proc-net-ip-vs-stats')).map(({ value }) => value);
    // 14 + 4 + 1 packets, 760 + 240 + 29 bytes, as `ipvsadm -Ln --stats` has them
    expect(totals).toEqual(expect.arrayContaining([6, 19, 1029]));
  });

  it('the tunnel: 14 packets came out of it at the other end', () => {
    const tunnel = read(ipLink, 'real-server-ip-s-o-link').find(({ name }) => name === 'tunl0');
    expect(tunnel).toMatchObject({ mtu: 1480, type: 'ipip', rx: { packets: 14, bytes: 760 } });
  });

  it('connection tracking: counters of both sources, and entries that saw one direction only', () => {
    const named = { 'conntrack.invalid': { value: 10 }, 'conntrack.insert': { value: 1 } };
    expect(read(conntrackStats, 'conntrack-s')).toMatchObject(named);
    expect(read(procNfConntrackStat, 'proc-net-stat-nf-conntrack')).toMatchObject({
      ...named,
      'conntrack.entries': { value: 13 },
    });
    expect(read(conntrackList, 'conntrack-l')).toHaveLength(13);
    expect(read(conntrackList, 'proc-net-nf-conntrack')).toHaveLength(13);
  });

  it('sets', () => {
    expect(withoutAt(read(ipset, 'ipset-list-t'))).toEqual([
      { name: 'blocked', type: 'hash:ip', family: 'inet', entries: 0, maxEntries: 65_536 },
      { name: 'pods', type: 'hash:net', family: 'inet', entries: 1, maxEntries: 65_536 },
    ]);
  });
});
