import { describe, expect, it } from 'vitest';
import { plainCommandProblems } from '../../src/collectors/plain-command.ts';

const kinds = new Set(['key-values', 'pcap']);
const problemsOf = (line: string): readonly string[] =>
  plainCommandProblems(
    { argv: line.split(' '), privilege: 'none', timeoutMs: 1000, maxBytes: 1000, kind: 'key-values' },
    kinds,
  );

describe('a command of a plug-in', () => {
  it.each([
    'uptime',
    'cat /proc/net/bonding/bond0',
    'chronyc -n tracking',
    'ip -s -o link show dev eth0',
    'ip -6 route',
    'ip route get 192.0.2.1',
    'bridge -s link show',
    'sysctl -n net.core.somaxconn',
    'sysctl -a --pattern ipv4',
    'nft -j list ruleset',
    'ethtool -S eth0',
    'ethtool --show-priv-flags eth0',
    'ethtool eth0',
    'systemctl show --property=ActiveState kubelet.service',
    'journalctl -u kubelet -n 50 --no-pager',
    'kubectl get nodes -o wide',
    'crictl ps -a',
    'date +%s',
    'hostname -f',
    'acme-nic-status --json',
  ])('may be %s', (line) => {
    expect(problemsOf(line)).toEqual([]);
  });

  it.each([
    'bash -c uptime',
    'sudo uptime',
    'env A=1 uptime',
    'timeout 5 rm x',
    'awk BEGIN{system("x")}',
    'python3 -c pass',
    'nsenter -t 1 -n ip addr',
    'xargs rm',
    'rm -rf /',
    'tee /etc/passwd',
    'modprobe ip_vs',
    'iptables -L',
    'tcpdump -i any',
    'curl http://example.com',
    'mkfs.ext4 /dev/sda',
    'ip link set eth0 down',
    'ip l s eth0 down',
    'ip route d default',
    'ip netns exec a rm x',
    'ip -batch /tmp/x',
    'ip -n a link show',
    'bridge fdb del 00:00:00:00:00:00 dev eth0',
    'sysctl -w net.ipv4.ip_forward=1',
    'sysctl net.ipv4.ip_forward=1',
    'sysctl -qw net.ipv4.ip_forward',
    'sysctl --system',
    'sysctl -p',
    'nft flush ruleset',
    'nft -f /tmp/list',
    'nft add table list',
    'ethtool -K eth0 gro off',
    'ethtool -r eth0',
    'ethtool --set-ring eth0',
    'systemctl restart kubelet',
    'journalctl --vacuum-size=1M',
    'journalctl -f',
    'dmesg -c',
    'dmesg -Tc',
    'chronyc makestep',
    'kubectl delete pod x',
    'kubectl -n get delete pod x',
    'docker exec a b',
    'find / -delete',
    'find / -exec rm',
    'date -s 2020-01-01',
    'hostname evil',
    'tail -f /var/log/messages',
    'ss -K dst 192.0.2.1',
    './uptime',
    '../uptime',
    '-x',
  ])('may not be %s', (line) => {
    expect(problemsOf(line)).toHaveLength(1);
  });

  it('may not be a capture: those are started, watched and stopped by netcheck', () => {
    const capture = { argv: ['x'], privilege: 'none', timeoutMs: 1000, maxBytes: 1000, kind: 'pcap' };
    expect(plainCommandProblems(capture, kinds)).toHaveLength(1);
  });

  it.each([null, undefined, 'uptime', [], {}, { argv: 'uptime' }, { argv: [] }, { argv: [1] }])(
    'may not be %j',
    (one) => {
      expect(plainCommandProblems(one, kinds).length).toBeGreaterThan(0);
    },
  );
});
