import { type ClusterService, podNetwork, podsBehind, services } from './pods.ts';

const hash = (text: string): string => Buffer.from(text).toString('base64url').toUpperCase().replaceAll(/\W/g, 'X');
const chainOf = (kind: 'SVC' | 'SEP', of: string): string => `KUBE-${kind}-${hash(of).slice(-16)}`;

/** Lines of a shell: kube-proxy in IPVS mode on a node with that address. */
export function ipvsRules(nodeAddress: string): readonly string[] {
  const virtual = services.flatMap((service) => [
    { at: `${service.address}:${service.port}`, service },
    ...(service.nodePort === undefined ? [] : [{ at: `${nodeAddress}:${service.nodePort}`, service }]),
  ]);
  const nodePorts = services.flatMap(({ nodePort }) => (nodePort === undefined ? [] : [nodePort]));
  return [
    'ip link add kube-ipvs0 type dummy',
    ...services.map(({ address }) => `ip addr add ${address}/32 dev kube-ipvs0`),
    'iptables -t nat -N KUBE-SERVICES',
    'iptables -t nat -N KUBE-NODE-PORT',
    'iptables -t nat -N KUBE-MARK-MASQ',
    'iptables -t nat -N KUBE-POSTROUTING',
    'iptables -t nat -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    'iptables -t nat -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    'iptables -t nat -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
    'iptables -t nat -A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
    'iptables -t nat -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
    `iptables -t nat -A KUBE-NODE-PORT -p tcp -m multiport --dports ${nodePorts.join(',')} -j KUBE-MARK-MASQ`,
    'iptables -t nat -A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE',
    ...virtual.flatMap(({ at, service }) => [
      `ipvsadm -A -t ${at} -s rr`,
      ...podsBehind(service).map(({ address }) => `ipvsadm -a -t ${at} -r ${address}:${service.targetPort} -m`),
    ]),
  ];
}

/** iptables-restore text: kube-proxy 1.30 in iptables mode. A Service without a pod is refused, as kube-proxy does it. */
export function iptablesRules(without?: ClusterService): string {
  const chains: string[] = [];
  const nat: string[] = [];
  const filter: string[] = [];
  for (const service of services) {
    const { namespace, name, address, port, nodePort, targetPort } = service;
    const called = `${namespace}/${name}:http`;
    const servers = service === without ? [] : podsBehind(service);
    if (servers.length === 0) {
      filter.push(
        `-A KUBE-SERVICES -d ${address}/32 -p tcp -m comment --comment "${called} has no endpoints" -m tcp --dport ${port} -j REJECT --reject-with icmp-port-unreachable`,
      );
      continue;
    }
    const chain = chainOf('SVC', called);
    chains.push(chain);
    nat.push(
      `-A KUBE-SERVICES -d ${address}/32 -p tcp -m comment --comment "${called} cluster IP" -m tcp --dport ${port} -j ${chain}`,
      `-A ${chain} ! -s ${podNetwork} -d ${address}/32 -p tcp -m comment --comment "${called} cluster IP" -m tcp --dport ${port} -j KUBE-MARK-MASQ`,
    );
    if (nodePort !== undefined)
      nat.push(
        `-A KUBE-NODEPORTS -p tcp -m comment --comment "${called}" -m tcp --dport ${nodePort} -j KUBE-MARK-MASQ`,
        `-A KUBE-NODEPORTS -p tcp -m comment --comment "${called}" -m tcp --dport ${nodePort} -j ${chain}`,
      );
    for (const [index, server] of servers.entries()) {
      const to = `${server.address}:${targetPort}`;
      const endpoint = chainOf('SEP', `${called}${to}`);
      const left = servers.length - index;
      const turn = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(8)}`;
      chains.push(endpoint);
      nat.push(
        `-A ${chain} -m comment --comment "${called} -> ${to}"${turn} -j ${endpoint}`,
        `-A ${endpoint} -p tcp -m comment --comment "${called}" -m tcp -j DNAT --to-destination ${to}`,
      );
    }
  }
  const table = (name: string, own: readonly string[], rules: readonly string[]): readonly string[] => [
    `*${name}`,
    ...own.map((chain) => `:${chain} - [0:0]`),
    ...rules,
    'COMMIT',
  ];
  const portals = '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES';
  const fresh = '-m conntrack --ctstate NEW';
  return `${[
    ...table(
      'nat',
      ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ', ...chains],
      [
        `-A PREROUTING ${portals}`,
        `-A OUTPUT ${portals}`,
        '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
        '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
        '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
        '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
        '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
        ...nat,
        '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
      ],
    ),
    ...table(
      'filter',
      ['KUBE-SERVICES'],
      [...['INPUT', 'FORWARD', 'OUTPUT'].map((hook) => `-A ${hook} ${fresh} ${portals}`), ...filter],
    ),
  ].join('\n')}\n`;
}
