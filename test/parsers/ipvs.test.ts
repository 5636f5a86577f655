import { describe, expect, it } from 'vitest';
import { conntrackList } from '../../src/parsers/conntrack-list.ts';
import { ipvsadm } from '../../src/parsers/ipvsadm.ts';
import { ipvsadmConnections } from '../../src/parsers/ipvsadm-connections.ts';
import { ipvsadmStats } from '../../src/parsers/ipvsadm-stats.ts';
import { ipvsadmTimeouts } from '../../src/parsers/ipvsadm-timeouts.ts';
import { procNetIpVs } from '../../src/parsers/proc-net-ip-vs.ts';
import { procNetIpVsConn } from '../../src/parsers/proc-net-ip-vs-conn.ts';
import { parseText, withoutAt } from './parse-text.ts';

describe('IPVS services', () => {
  const expected = {
    services: [
      {
        protocol: 'tcp',
        address: '10.98.0.50',
        port: 80,
        scheduler: 'rr',
        servers: [
          { address: '10.98.3.2', port: 80, forward: 'Masq', weight: 1, activeConnections: 1, inactiveConnections: 0 },
          { address: '10.98.3.3', port: 80, forward: 'Route', weight: 0, activeConnections: 0, inactiveConnections: 7 },
        ],
      },
      {
        protocol: 'udp',
        address: 'fd00::50',
        port: 53,
        scheduler: 'wlc',
        servers: [
          {
            address: 'fd00::2',
            port: 53,
            forward: 'Tunnel',
            weight: 100,
            activeConnections: 248,
            inactiveConnections: 2,
          },
        ],
      },
      { protocol: 'fwm', address: '100', port: 0, scheduler: 'sh', servers: [] },
    ],
  };

  it('from the tool, with persistence and firewall marks', () => {
    const text = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.98.0.50:80 rr persistent 300
  -> 10.98.3.2:80                 Masq    1      1          0         
  -> 10.98.3.3:80                 Route   0      0          7         
UDP  [fd00::50]:53 wlc
  -> [fd00::2]:53                 Tunnel  100    248        2         
FWM  100 sh
`;
    const { value, problems } = parseText(ipvsadm, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual(expected);
    expect(value?.services[0]?.servers[1]?.at.line).toBe(6);
  });

  it('from /proc, in hexadecimal', () => {
    const text = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A620032:0050 rr persistent 300 ffffffff
  -> 0A620302:0050      Masq    1      1          0         
  -> 0A620303:0050      Route   0      0          7         
UDP  [fd00:0000:0000:0000:0000:0000:0000:0050]:0035 wlc 
  -> [fd00:0000:0000:0000:0000:0000:0000:0002]:0035      Tunnel  100    248        2         
FWM  00000064 sh  
`;
    const { value, problems } = parseText(procNetIpVs, text);
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual(expected);
  });

  it('are none with only the heading, and not read from the tables of --stats', () => {
    const heading = ipvsadm.sample.split('\n').slice(0, 3).join('\n');
    expect(parseText(ipvsadm, `${heading}\n`).value).toEqual({ services: [] });
    expect(parseText(ipvsadm, ipvsadmStats.sample).value).toBeUndefined();
  });
});

describe('IPVS connections, time-outs and totals', () => {
  const expected = {
    connections: [
      {
        protocol: 'tcp',
        state: 'ESTABLISHED',
        expireSec: 898,
        source: { address: '10.98.0.60', port: 37_632 },
        virtual: { address: '10.98.0.50', port: 80 },
        destination: { address: '10.98.3.2', port: 80 },
      },
      {
        protocol: 'udp',
        state: 'UDP',
        expireSec: 5,
        source: { address: 'fd00::60', port: 5353 },
        virtual: { address: 'fd00::50', port: 53 },
        destination: { address: 'fd00::2', port: 53 },
      },
    ],
  };

  it('reads connection entries of tool and /proc alike', () => {
    const tool = `IPVS connection entries
pro expire state       source             virtual            destination
TCP 14:58  ESTABLISHED 10.98.0.60:37632   10.98.0.50:80      10.98.3.2:80
UDP 00:05  UDP         [fd00::60]:5353    [fd00::50]:53      [fd00::2]:53
`;
    const proc = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A62003C 9300 0A620032 0050 0A620302 0050 ESTABLISHED     898
UDP fd00:0000:0000:0000:0000:0000:0000:0060 14E9 fd00:0000:0000:0000:0000:0000:0000:0050 0035 fd00:0000:0000:0000:0000:0000:0000:0002 0035 UDP               5
`;
    expect(withoutAt(parseText(ipvsadmConnections, tool).value)).toEqual(expected);
    expect(withoutAt(parseText(procNetIpVsConn, proc).value)).toEqual(expected);
    expect(parseText(ipvsadmConnections, tool.split('\n').slice(0, 2).join('\n')).value).toEqual({ connections: [] });
  });

  it('reads time-outs', () => {
    expect(parseText(ipvsadmTimeouts, 'Timeout (tcp tcpfin udp): 900 120 300\n').value).toEqual({
      timeoutsSec: { tcp: 900, tcpfin: 120, udp: 300, at: { evidence: 'out', line: 1 } },
    });
  });

  it('reads totals, rounded ones too', () => {
    const text = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.98.0.50:80                   1234K     987M        4      12G        0
  -> 10.98.3.2:80                        1        6        4      326      222
`;
    expect(withoutAt(parseText(ipvsadmStats, text).value)).toEqual([
      {
        protocol: 'tcp',
        address: '10.98.0.50',
        port: 80,
        connections: 1_234_000,
        inPackets: 987_000_000,
        outPackets: 4,
        inBytes: 12_000_000_000,
        outBytes: 0,
        servers: [
          { address: '10.98.3.2', port: 80, connections: 1, inPackets: 6, outPackets: 4, inBytes: 326, outBytes: 222 },
        ],
      },
    ]);
  });
});

describe('conntrack-list', () => {
  it('reads both directions, states and flags, from the tool and from /proc', () => {
    // conntrack-tools 1.4.7 and /proc/net/nf_conntrack of Linux 6.18
    const tool = `tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.96.0.10 sport=55068 dport=80 packets=5 bytes=300 src=10.244.1.2 dst=10.0.0.1 sport=8080 dport=55068 packets=4 bytes=240 [ASSURED] mark=16384 zone=3 use=1
udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=42754 dport=9 [UNREPLIED] src=127.0.0.1 dst=127.0.0.1 sport=9 dport=42754 mark=0 use=1
icmp     1 29 src=127.0.0.1 dst=127.0.0.1 type=8 code=0 id=17 src=127.0.0.1 dst=127.0.0.1 type=0 code=0 id=17 mark=0 use=1
tcp      6 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [OFFLOAD] mark=0 use=2
`;
    const { value, problems } = parseText(conntrackList, tool, {
      stderr: 'conntrack v1.4.7 (conntrack-tools): 4 flow entries have been shown.\n',
    });
    expect(problems).toEqual([]);
    expect(withoutAt(value)).toEqual([
      {
        protocol: 'tcp',
        state: 'ESTABLISHED',
        timeoutSec: 431_999,
        unreplied: false,
        assured: true,
        mark: 16_384,
        zone: 3,
        original: {
          source: '10.0.0.1',
          destination: '10.96.0.10',
          sourcePort: 55_068,
          destinationPort: 80,
          packets: 5,
          bytes: 300,
        },
        reply: {
          source: '10.244.1.2',
          destination: '10.0.0.1',
          sourcePort: 8080,
          destinationPort: 55_068,
          packets: 4,
          bytes: 240,
        },
      },
      {
        protocol: 'udp',
        timeoutSec: 29,
        unreplied: true,
        assured: false,
        mark: 0,
        original: { source: '127.0.0.1', destination: '127.0.0.1', sourcePort: 42_754, destinationPort: 9 },
        reply: { source: '127.0.0.1', destination: '127.0.0.1', sourcePort: 9, destinationPort: 42_754 },
      },
      {
        protocol: 'icmp',
        timeoutSec: 29,
        unreplied: false,
        assured: false,
        mark: 0,
        original: { source: '127.0.0.1', destination: '127.0.0.1', sourcePort: null, destinationPort: null },
        reply: { source: '127.0.0.1', destination: '127.0.0.1', sourcePort: null, destinationPort: null },
      },
      {
        protocol: 'tcp',
        timeoutSec: null,
        unreplied: false,
        assured: false,
        mark: 0,
        original: { source: '10.0.0.1', destination: '10.0.0.2', sourcePort: 1, destinationPort: 2 },
        reply: { source: '10.0.0.2', destination: '10.0.0.1', sourcePort: 2, destinationPort: 1 },
      },
    ]);
    const proc = tool
      .split('\n')
      .slice(0, 3)
      .map((line) => `ipv4     2 ${line}`)
      .join('\n');
    expect(withoutAt(parseText(conntrackList, proc).value)).toEqual((withoutAt(value) as unknown[]).slice(0, 3));
  });

  it('takes "0 flow entries" for none, on either stream', () => {
    const said = 'conntrack v1.4.7 (conntrack-tools): 0 flow entries have been shown.\n';
    expect(parseText(conntrackList, '', { stderr: said }).value).toEqual([]);
    expect(parseText(conntrackList, said).value).toEqual([]);
  });
});

describe('services by a mark of IPv6', () => {
  it('say so before the scheduler', () => {
    const head = 'IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n';
    expect(parseText(ipvsadm, `${head}FWM  7 IPv6 wlc persistent 300\n`).value?.services[0]).toMatchObject({
      protocol: 'fwm',
      address: '7',
      scheduler: 'wlc',
    });
    const totals = 'Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n';
    expect(
      parseText(ipvsadmStats, `${totals}FWM  7 IPv6        1        6        4      326      222\n`).value?.[0],
    ).toMatchObject({
      connections: 1,
      outBytes: 222,
    });
  });
});
