import { describe, expect, it } from 'vitest';
import { serversBehind } from '../../src/rules/servers-behind.ts';
import { mostServers } from '../../src/model/command.ts';
import type { FirewallRule, IpvsService } from '../../src/model/facts.ts';
import { iptablesSave } from '../../src/parsers/iptables-save.ts';
import { nftJson } from '../../src/parsers/nft-json.ts';

const here = { address: '10.51.2.2', port: 30_170, protocol: 'tcp', isHere: true } as const;

const rulesOf = (text: string): readonly FirewallRule[] =>
  iptablesSave.parse({
    stdout: Buffer.from(text),
    stderr: Buffer.from(''),
    argv: ['iptables-save', '-c'],
    exitCode: 0,
    evidence: 'evidence/node-50/05-firewall.out',
  }).value ?? [];

/** As kube-proxy v1.29 writes it, with two pods behind a NodePort, and docker's chain. */
const kubeProxy = `*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-EXT-TJP2 - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
:KUBE-SEP-X - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-TJP2 - [0:0]
:KUBE-SVC-OTHER - [0:0]
[9:540] -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[9:540] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[9:540] -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[0:0] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 1301 -j DNAT --to-destination 172.17.0.2:80
[0:0] -A KUBE-EXT-TJP2 -m comment --comment "masquerade traffic for default/web external destinations" -j KUBE-MARK-MASQ
[0:0] -A KUBE-EXT-TJP2 -j KUBE-SVC-TJP2
[0:0] -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
[0:0] -A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30170 -j KUBE-EXT-TJP2
[0:0] -A KUBE-SEP-A -s 10.244.1.5/32 -m comment --comment "default/web" -j KUBE-MARK-MASQ
[0:0] -A KUBE-SEP-A -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.244.1.5:8080
[0:0] -A KUBE-SEP-B -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination 10.244.2.7:8080
[0:0] -A KUBE-SEP-X -p tcp -m comment --comment "default/other" -m tcp -j DNAT --to-destination 10.244.2.8:9090
[0:0] -A KUBE-SERVICES -d 10.96.0.20/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-TJP2
[0:0] -A KUBE-SERVICES -d 10.96.0.21/32 -p tcp -m comment --comment "default/other cluster IP" -m tcp --dport 80 -j KUBE-SVC-OTHER
[0:0] -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
[0:0] -A KUBE-SVC-OTHER -j KUBE-SEP-X
[0:0] -A KUBE-SVC-TJP2 ! -s 10.244.0.0/16 -d 10.96.0.20/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ
[0:0] -A KUBE-SVC-TJP2 -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-A
[0:0] -A KUBE-SVC-TJP2 -j KUBE-SEP-B
COMMIT
`;
const pods = [
  { address: '10.244.1.5', port: 8080 },
  { address: '10.244.2.7', port: 8080 },
];

describe('serversBehind', () => {
  it('kube-proxy with iptables: a NodePort and a ClusterIP lead to the pods of their Service, and to no others', () => {
    expect(serversBehind(here, {}, rulesOf(kubeProxy))).toEqual(pods);
    expect(serversBehind({ ...here, address: '10.96.0.20', port: 80, isHere: false }, {}, rulesOf(kubeProxy))).toEqual(
      pods,
    );
  });

  it('a NodePort of another node leads nowhere here', () => {
    expect(serversBehind({ ...here, isHere: false }, {}, rulesOf(kubeProxy))).toEqual([]);
  });

  it('the published port of a container, a port forwarding, a redirection', () => {
    expect(serversBehind({ ...here, port: 1301 }, {}, rulesOf(kubeProxy))).toEqual([
      { address: '172.17.0.2', port: 80 },
    ]);
    const plain = (rule: string) => rulesOf(`*nat\n:PREROUTING ACCEPT [0:0]\n[0:0] -A PREROUTING ${rule}\nCOMMIT\n`);
    const asked = { ...here, port: 1301 };
    expect(serversBehind(asked, {}, plain('-p tcp -m tcp --dport 1301 -j DNAT --to-destination 10.8.0.9'))).toEqual([
      { address: '10.8.0.9', port: 1301 },
    ]);
    expect(serversBehind(asked, {}, plain('-p tcp -m tcp --dport 1301 -j REDIRECT --to-ports 8080'))).toEqual([
      { address: here.address, port: 8080 },
    ]);
    expect(serversBehind(asked, {}, plain('-p tcp -m tcp --dport 1302 -j DNAT --to-destination 10.8.0.9:1'))).toEqual(
      [],
    );
    expect(serversBehind(asked, {}, plain('-p udp -m udp --dport 1301 -j DNAT --to-destination 10.8.0.9:1'))).toEqual(
      [],
    );
    expect(
      serversBehind(asked, {}, plain('-p tcp -m tcp --dport 1301 -j DNAT --to-destination 10.8.0.9-10.8.0.12:80-90')),
    ).toEqual([]);
  });

  it('nftables', () => {
    const ruleset = JSON.stringify({
      nftables: [
        {
          chain: {
            family: 'ip',
            table: 'nat',
            name: 'pre',
            handle: 1,
            type: 'nat',
            hook: 'prerouting',
            prio: -100,
            policy: 'accept',
          },
        },
        {
          rule: {
            family: 'ip',
            table: 'nat',
            chain: 'pre',
            handle: 2,
            expr: [
              { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: 30_170 } },
              { dnat: { addr: '10.244.1.5', port: 8080 } },
            ],
          },
        },
      ],
    });
    const { value } = nftJson.parse({
      stdout: Buffer.from(ruleset),
      stderr: Buffer.from(''),
      argv: ['nft', '-j', 'list', 'ruleset'],
      exitCode: 0,
      evidence: 'x',
    });
    expect(serversBehind(here, {}, value ?? [])).toEqual([pods[0]]);
  });

  it('kube-proxy with nftables: by the maps of its Services and node ports, to the endpoints of the right one', () => {
    const family = { family: 'ip', table: 'kube-proxy' };
    const chain = (name: string, more: object = {}) => ({ chain: { ...family, name, handle: 1, ...more } });
    let handle = 10;
    const rule = (name: string, ...expr: readonly object[]) => {
      handle += 1;
      return { rule: { ...family, chain: name, handle, expr } };
    };
    const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
    const l4 = { meta: { key: 'l4proto' } };
    const map = (name: string, type: readonly string[], elem: readonly unknown[]) => ({
      map: { ...family, name, handle: 2, type, map: 'verdict', elem },
    });
    const way = (key: readonly (string | number)[], target: string) => [{ concat: key }, { goto: { target } }];
    const endpoint = (name: string, addr: string, port: number) => [
      chain(name),
      rule(name, { match: { op: '==', left: l4, right: 'tcp' } }, { dnat: { addr, port } }),
    ];
    const ruleset = {
      nftables: [
        map(
          'service-ips',
          ['ipv4_addr', 'inet_proto', 'inet_service'],
          [
            way(['10.96.0.20', 'tcp', 80], 'service-A-default/web/tcp/http'),
            way(['10.96.0.21', 'tcp', 80], 'service-B-default/other/tcp/http'),
          ],
        ),
        map(
          'service-nodeports',
          ['inet_proto', 'inet_service'],
          [
            way(['tcp', here.port], 'external-A-default/web/tcp/http'),
            way(['tcp', 30_171], 'service-B-default/other/tcp/http'),
          ],
        ),
        chain('nat-prerouting', { type: 'nat', hook: 'prerouting', prio: -100, policy: 'accept' }),
        chain('services'),
        rule('nat-prerouting', { jump: { target: 'services' } }),
        rule('services', {
          vmap: { key: { concat: [payload('ip', 'daddr'), l4, payload('th', 'dport')] }, data: '@service-ips' },
        }),
        rule('services', { vmap: { key: { concat: [l4, payload('th', 'dport')] }, data: '@service-nodeports' } }),
        chain('external-A-default/web/tcp/http'),
        rule('external-A-default/web/tcp/http', { goto: { target: 'service-A-default/web/tcp/http' } }),
        chain('service-A-default/web/tcp/http'),
        rule('service-A-default/web/tcp/http', {
          vmap: {
            key: { numgen: { mode: 'random', mod: 2, offset: 0 } },
            data: {
              set: [
                [0, { goto: { target: 'endpoint-1-default/web/tcp/http__10.244.1.5/8080' } }],
                [1, { goto: { target: 'endpoint-2-default/web/tcp/http__10.244.2.7/8080' } }],
              ],
            },
          },
        }),
        chain('service-B-default/other/tcp/http'),
        rule('service-B-default/other/tcp/http', { goto: { target: 'endpoint-3' } }),
        ...endpoint('endpoint-1-default/web/tcp/http__10.244.1.5/8080', '10.244.1.5', 8080),
        ...endpoint('endpoint-2-default/web/tcp/http__10.244.2.7/8080', '10.244.2.7', 8080),
        ...endpoint('endpoint-3', '10.244.2.8', 9090),
      ],
    };
    const { value = [] } = nftJson.parse({
      stdout: Buffer.from(JSON.stringify(ruleset)),
      stderr: Buffer.from(''),
      argv: ['nft', '-j', 'list', 'ruleset'],
      exitCode: 0,
      evidence: 'x',
    });
    expect(serversBehind(here, {}, value)).toEqual(pods);
    expect(serversBehind({ ...here, address: '10.96.0.20', port: 80 }, {}, value)).toEqual(pods);
    expect(serversBehind({ ...here, port: 30_172 }, {}, value)).toEqual([]);
  });

  it('addresses of IPv6, with and without a port', () => {
    const six = { ...here, address: 'fd00::50', port: 1301 };
    const plain = (to: string) =>
      rulesOf(
        `*nat\n:PREROUTING ACCEPT [0:0]\n[0:0] -A PREROUTING -p tcp -m tcp --dport 1301 -j DNAT --to-destination ${to}\nCOMMIT\n`,
      ).map((rule): FirewallRule => ({ ...rule, family: 6 }));
    expect(serversBehind(six, {}, plain('[fd00::7]:8080'))).toEqual([{ address: 'fd00::7', port: 8080 }]);
    expect(serversBehind(six, {}, plain('fd00::7'))).toEqual([{ address: 'fd00::7', port: 1301 }]);
  });

  const at = { evidence: 'evidence/node-50/04-ipvs.out', line: 4 };
  const server = (address: string, weight = 1, port = 8080) => ({
    address,
    port,
    forward: 'Masq',
    weight,
    activeConnections: 0,
    inactiveConnections: 0,
    at,
  });
  const service = (values: Partial<IpvsService> = {}): IpvsService => ({
    protocol: 'tcp',
    address: here.address,
    port: here.port,
    scheduler: 'rr',
    servers: [server('10.244.1.4', 0), server('10.244.1.5')],
    at,
    ...values,
  });

  it('IPVS: the real servers of the asked address, port and protocol; those with a weight first', () => {
    expect(
      serversBehind(
        here,
        {
          services: [
            service({ address: '10.51.2.3', servers: [server('10.1.1.1')] }),
            service({ protocol: 'udp', servers: [server('10.1.1.2')] }),
            service(),
          ],
        },
        [],
      ),
    ).toEqual([
      { address: '10.244.1.5', port: 8080 },
      { address: '10.244.1.4', port: 8080 },
    ]);
  });

  it('IPVS: a server that is gone, as long as entries point to it', () => {
    const entry = {
      protocol: 'TCP',
      state: 'TIME_WAIT',
      expireSec: 60,
      source: { address: '10.12.1.2', port: 40_000 },
      virtual: here,
      destination: { address: '10.244.1.9', port: 8080 },
      at,
    };
    const other = {
      ...entry,
      virtual: { address: '10.51.2.3', port: 1 },
      destination: { address: '10.1.1.1', port: 1 },
    };
    expect(serversBehind(here, { services: [service({ servers: [] })], connections: [entry, other] }, [])).toEqual([
      entry.destination,
    ]);
  });

  it('a server that is the asked address and port itself is none; what is no address is none; there is a bound', () => {
    expect(serversBehind(here, { services: [service({ servers: [server(here.address, 1, here.port)] })] }, [])).toEqual(
      [],
    );
    expect(
      serversBehind(here, { services: [service({ servers: [server('10.1.1.1 or icmp'), server('*', 1, 0)] })] }, []),
    ).toEqual([]);
    const many = Array.from({ length: 300 }, (_one, i) => server(`10.244.7.${i % 250}`, 1, 1000 + i));
    expect(serversBehind(here, { services: [service({ servers: many })] }, [])).toHaveLength(mostServers);
  });
});
