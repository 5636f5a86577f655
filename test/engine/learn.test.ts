import { describe, expect, it } from 'vitest';
import { createLearner, withServers } from '../../src/engine/learn.ts';
import type { Evidence } from '../../src/model/evidence.ts';
import { mostServers, nothingLearned } from '../../src/model/command.ts';
import { parsers } from '../../src/parsers/index.ts';
import { evidenceOf } from './evidence-of.ts';

const asked = { address: '10.9.0.77', port: 1301, protocol: 'tcp', isHere: true } as const;
const route = (to: string, stdout: string, more: Partial<Evidence['entry']> = {}): Evidence =>
  evidenceOf({ kind: 'ip-route-get', argv: ['ip', 'route', 'get', to], ...more }, stdout);
const learn = (...evidence: readonly Evidence[]) => createLearner(parsers, asked)(evidence);

describe('what later commands are made from', () => {
  it('devices and ways: from the route decisions of the kernel, each device once', () => {
    expect(
      learn(
        route('10.70.0.1', '10.70.0.1 via 10.9.0.254 dev bond0.100 src 10.9.0.77 uid 0 \n    cache \n'),
        route('10.9.0.12', '10.9.0.12 dev bond0.100 src 10.9.0.77 uid 0 \n    cache \n'),
        route('10.8.0.3', '10.8.0.3 dev eth1 src 10.8.0.1 \n'),
      ),
    ).toEqual({
      devices: ['bond0.100', 'eth1'],
      veths: [],
      addressed: ['bond0.100', 'eth1'],
      ways: [
        { address: '10.70.0.1', device: 'bond0.100' },
        { address: '10.9.0.12', device: 'bond0.100' },
        { address: '10.8.0.3', device: 'eth1' },
      ],
      listenerPids: [],
      servers: [],
      beyond: [],
      seen: [],
      tunnelPeers: [],
      searchDomains: [],
    });
  });

  it('not loopback, not a refused route, not a name that no device can have', () => {
    expect(
      learn(
        route('10.9.0.77', 'local 10.9.0.77 dev lo src 10.9.0.77 uid 0 \n    cache <local> \n'),
        evidenceOf(
          { kind: 'ip-route-get', argv: ['ip', 'route', 'get', '10.1.1.1'], exit: { how: 'exited', code: 2 } },
          '',
          'RTNETLINK answers: Network is unreachable\n',
        ),
        route('10.8.0.3', '10.8.0.3 dev $(reboot) src 10.8.0.1 \n'),
        route('10.8.0.4', '10.8.0.4 dev abcdefghijklmnop src 10.8.0.1 \n'),
        route('10.8.0.5', '10.8.0.5 dev eth1 src 10.8.0.1 \n', { exit: { how: 'timedOut', afterMs: 5 } }),
      ),
    ).toEqual(nothingLearned);
  });

  it('devices with an address, those of the way first: packets also come in by the others', () => {
    const table = ['lo', 'eth0', 'eth1', 'eth1', 'cni0', '$(x)']
      .map(
        (device, at) =>
          `${at + 1}: ${device}    inet 10.8.${at}.1/24 scope global ${device}\\       valid_lft forever\n`,
      )
      .join('');
    const addresses = evidenceOf({ kind: 'ip-addr', argv: ['ip', '-o', 'addr', 'show'] }, table);
    expect(learn(addresses, route('10.8.0.3', '10.8.0.3 dev eth1 src 10.8.0.1 \n')).addressed).toEqual([
      'eth1',
      'eth0',
      'cni0',
    ]);
  });

  it('the processes that listen on the port, and only those', () => {
    const text = `Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
tcp   LISTEN 0      128          0.0.0.0:1301      0.0.0.0:*    users:(("nginx",pid=812,fd=6),("nginx",pid=811,fd=6))
tcp   LISTEN 0      128             [::]:1301         [::]:*    users:(("nginx",pid=812,fd=7))
tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    users:(("sshd",pid=4,fd=3))
`;
    expect(learn(evidenceOf({ kind: 'ss', argv: ['ss', '-lntup'] }, text)).listenerPids).toEqual(['812']);
  });

  it('the nodes behind tunnels: the next hop of IP in IP, and what the forwarding table says of a VXLAN next hop', () => {
    const links =
      '3: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/ipip 0.0.0.0 brd 0.0.0.0\n';
    const fdb =
      '33:33:00:00:00:01 dev eth0 self permanent\n82:79:55:65:db:66 dev flannel.1 dst 192.168.7.50 self permanent\n';
    const neighbours =
      '10.244.3.0 dev flannel.1 lladdr 82:79:55:65:db:66 PERMANENT\n192.168.7.1 dev eth0 lladdr 82:79:55:65:db:66 REACHABLE\n';
    const read = [
      evidenceOf({ kind: 'ip-link', argv: ['ip', 'link'] }, links),
      evidenceOf({ kind: 'ip-neigh', argv: ['ip', 'neigh'] }, neighbours),
      evidenceOf({ kind: 'bridge-fdb', argv: ['bridge', 'fdb', 'show'] }, fdb),
    ];
    expect(
      learn(
        ...read,
        route('10.244.3.7', '10.244.3.7 via 10.244.3.0 dev flannel.1 src 10.244.1.0 uid 0 \n    cache \n'),
        route('10.8.0.9', '10.8.0.9 via 192.168.7.51 dev tunl0 src 10.8.1.1 uid 0 \n    cache \n'),
        route('10.9.0.9', '10.9.0.9 via 192.168.7.1 dev eth0 src 192.168.7.12 uid 0 \n    cache \n'),
      ).tunnelPeers,
    ).toEqual(['192.168.7.50', '192.168.7.51']);
  });

  it('where a server behind the port may live: its own address, the other end of the tunnel, the next hop', () => {
    const table = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.9.0.77:1301 rr
  -> 10.244.3.2:8080              Masq    1      0          0
  -> 10.244.2.9:8080              Masq    1      0          0
`;
    const links =
      '3: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/ipip 0.0.0.0 brd 0.0.0.0\n';
    const { beyond } = learn(
      evidenceOf({ kind: 'ipvsadm', argv: ['ipvsadm', '-Ln'] }, table),
      evidenceOf({ kind: 'ip-link', argv: ['ip', '-d', 'link'] }, links),
      route('10.244.3.2', '10.244.3.2 via 10.9.0.78 dev tunl0 src 10.244.2.0 uid 0 \n    cache \n'),
      route('10.244.2.9', '10.244.2.9 dev cni0 src 10.244.2.1 uid 0 \n    cache \n'),
    );
    expect(beyond).toEqual([
      { server: { address: '10.244.3.2', port: 8080 }, addresses: ['10.244.3.2', '10.9.0.78'] },
      { server: { address: '10.244.2.9', port: 8080 }, addresses: ['10.244.2.9'] },
    ]);
  });

  it('the card below a tunnel is a device of the way as well', () => {
    const links =
      '3: flannel.1: <UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN mode DEFAULT group default\\    link/ether 82:79:55:65:db:66 brd ff:ff:ff:ff:ff:ff promiscuity 0 \\    vxlan id 1 local 192.168.7.12 dev ens192 srcport 0 0 dstport 8472 nolearning\n';
    const { devices } = learn(
      evidenceOf({ kind: 'ip-link', argv: ['ip', '-d', 'link'] }, links),
      route('10.244.3.7', '10.244.3.7 via 10.244.3.0 dev flannel.1 src 10.244.1.0 uid 0 \n    cache \n'),
    );
    expect(devices).toEqual(['flannel.1', 'ens192']);
  });

  it('a veth has no driver worth asking', () => {
    const links =
      '3: eth0@if7: <UP,LOWER_UP> mtu 1450 qdisc noqueue state UP mode DEFAULT group default\\    link/ether 82:79:55:65:db:66 brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 0 \\    veth addrgenmode eui64\n';
    const { devices, veths } = learn(
      evidenceOf({ kind: 'ip-link', argv: ['ip', '-d', 'link'] }, links),
      route('10.244.3.7', '10.244.3.7 via 169.254.1.1 dev eth0 src 10.244.1.2 uid 0 \n    cache \n'),
    );
    expect({ devices, veths }).toEqual({ devices: ['eth0'], veths: ['eth0'] });
  });

  it('whether IPVS has a service here, once that was read before the window', () => {
    const head = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
`;
    const read = (text: string, phase: 'before' | 'after') =>
      learn(evidenceOf({ kind: 'ipvsadm', argv: ['ipvsadm', '-Ln'], phase }, text)).withoutIpvs;
    expect(read(head, 'before')).toBe(true);
    expect(read(`${head}TCP  10.9.0.78:80 rr\n`, 'before')).toBe(false);
    expect(read(head, 'after')).toBeUndefined();
  });

  it('the search domains of resolv.conf, as far as they are names, without the dot at the end', () => {
    const text = `search guoyutec.com. $(reboot) guoyutec.com svc.cluster.local .\nnameserver 10.96.0.10\n`;
    const read = evidenceOf({ kind: 'resolv-conf', argv: ['cat', '/etc/resolv.conf'] }, text);
    expect(learn(read).searchDomains).toEqual(['guoyutec.com', 'svc.cluster.local']);
    const many = evidenceOf({ kind: 'resolv-conf', argv: ['cat'] }, 'search a b c d e f g h\n');
    expect(learn(many).searchDomains).toHaveLength(6);
  });

  it('at most four of each', () => {
    const many = Array.from({ length: 9 }, (_one, at) =>
      route(`10.8.0.${at}`, `10.8.0.${at} dev eth${at} src 10.8.0.1\n`),
    );
    const rows = Array.from(
      { length: 9 },
      (_one, at) => `tcp LISTEN 0 5 10.0.0.${at}:1301 0.0.0.0:* users:(("a",pid=${at + 1},fd=6))\n`,
    ).join('');
    const learned = learn(...many, evidenceOf({ kind: 'ss', argv: ['ss', '-lntup'] }, rows));
    expect(learned.devices).toEqual(['eth0', 'eth1', 'eth2', 'eth3']);
    expect(learned.listenerPids).toEqual(['1', '2', '3', '4']);
  });

  it('grows with the evidence', () => {
    const learner = createLearner(parsers, asked);
    const evidence: Evidence[] = [];
    expect(learner(evidence).devices).toEqual([]);
    evidence.push(route('10.8.0.3', '10.8.0.3 dev eth1 src 10.8.0.1 \n'));
    expect(learner(evidence).devices).toEqual(['eth1']);
  });

  it('the servers behind the port: from the first reading of IPVS and the firewall, not from the one after', () => {
    const table = (server: string): string => `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.9.0.77:1301 rr
  -> ${server}           Masq    1      1          0
`;
    const ipvs = (server: string, phase: 'before' | 'after') =>
      evidenceOf({ kind: 'ipvsadm', argv: ['ipvsadm', '-Ln'], phase }, table(server));
    const nat = evidenceOf(
      { kind: 'iptables-save', argv: ['iptables-save', '-c'], phase: 'before' },
      '*nat\n:PREROUTING ACCEPT [0:0]\n[0:0] -A PREROUTING -p tcp -m tcp --dport 1301 -j DNAT --to-destination 10.8.0.7:80\nCOMMIT\n',
    );
    const learner = createLearner(parsers, asked);
    const evidence: Evidence[] = [ipvs('10.244.1.5:8080', 'before')];
    expect(learner(evidence).servers).toEqual([{ address: '10.244.1.5', port: 8080 }]);
    evidence.push(nat, ipvs('10.244.9.9:8080', 'after'));
    expect(learner(evidence).servers).toEqual([
      { address: '10.244.1.5', port: 8080 },
      { address: '10.8.0.7', port: 80 },
    ]);
  });

  it('a Service, also one without a server; a tunnel on the way, and not one beside it', () => {
    const empty = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.9.0.77:1301 rr
`;
    expect(learn(evidenceOf({ kind: 'ipvsadm', argv: ['ipvsadm', '-Ln'], phase: 'before' }, empty))).toMatchObject({
      seen: ['service'],
      servers: [],
    });
    const rejects =
      '*filter\n:KUBE-SERVICES - [0:0]\n[0:0] -A KUBE-SERVICES -d 10.9.0.77/32 -p tcp -m comment --comment "default/web has no endpoints" -m tcp --dport 1301 -j REJECT\nCOMMIT\n';
    const firewall = (text: string) =>
      evidenceOf({ kind: 'iptables-save', argv: ['iptables-save', '-c'], phase: 'before' }, text);
    expect(learn(firewall(rejects)).seen).toEqual(['service']);
    expect(learn(firewall(rejects.replace('dport 1301', 'dport 80'))).seen).toEqual([]);
    const links = evidenceOf(
      { kind: 'ip-link', argv: ['ip', '-s', '-d', 'link'] },
      `2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq state UP mode DEFAULT group default qlen 1000
    link/ether 52:54:00:00:00:02 brd ff:ff:ff:ff:ff:ff promiscuity 0
5: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN mode DEFAULT group default
    link/ether 52:54:00:00:00:05 brd ff:ff:ff:ff:ff:ff promiscuity 0
    vxlan id 1 local 10.9.0.77 dev eth0 srcport 0 0 dstport 8472 nolearning
`,
    );
    expect(learn(links, route('10.244.1.5', '10.244.1.5 via 10.244.1.0 dev flannel.1 src 10.244.0.0 \n')).seen).toEqual(
      ['tunnel'],
    );
    expect(learn(links, route('10.8.0.3', '10.8.0.3 dev eth0 src 10.9.0.77 \n')).seen).toEqual([]);
  });
});

describe('servers that another node knows', () => {
  const one = { address: '10.244.3.2', port: 8080 };
  const other = { address: '10.244.3.3', port: 8080 };
  const own = { ...nothingLearned, servers: [one] };

  it('are watched by forwarders too, each once and not too many: they may stand behind the translation', () => {
    expect(withServers(own, ['forwarder'], [one, other]).servers).toEqual([one, other]);
    const many = Array.from({ length: 40 }, (_, i) => ({ ...one, port: 9000 + i }));
    expect(withServers(own, ['forwarder', 'target'], many).servers).toHaveLength(mostServers);
  });

  it('are nothing to a client, which sees only the address that it asks for', () => {
    expect(withServers(nothingLearned, ['client'], [one])).toBe(nothingLearned);
  });
});
