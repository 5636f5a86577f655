/**
 * The name of an ICMP or ICMPv6 error, in the words of iptables' `--reject-with` and tcpdump without their prefixes:
 * `host-unreachable`, `admin-prohibited`, `frag-needed` … Codes without a name are `unreachable-code-N`, types without
 * one `type-N-code-N` (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1, RFC 4443).
 */
export function icmpErrorName(version: 4 | 6, type: number, code: number): string {
  if (version === 4) {
    if (type === 3) return unreachable4[code] ?? `unreachable-code-${code}`;
    if (type === 4) return 'source-quench';
    if (type === 11) return code === 1 ? 'reassembly-time-exceeded' : 'time-exceeded';
    if (type === 12) return 'parameter-problem';
  } else {
    if (type === 1) return unreachable6[code] ?? `unreachable-code-${code}`;
    if (type === 2) return 'packet-too-big';
    if (type === 3) return code === 1 ? 'reassembly-time-exceeded' : 'time-exceeded';
    if (type === 4) return 'parameter-problem';
  }
  return `type-${type}-code-${code}`;
}

const unreachable4: readonly string[] = [
  'net-unreachable',
  'host-unreachable',
  'protocol-unreachable',
  'port-unreachable',
  'frag-needed',
  'source-route-failed',
  'net-unknown',
  'host-unknown',
  'host-isolated',
  'net-prohibited',
  'host-prohibited',
  'net-unreachable-for-tos',
  'host-unreachable-for-tos',
  'admin-prohibited',
  'host-precedence-violation',
  'precedence-cutoff',
];

const unreachable6: readonly string[] = [
  'no-route',
  'admin-prohibited',
  'beyond-scope',
  'address-unreachable',
  'port-unreachable',
  'policy-fail',
  'reject-route',
];
