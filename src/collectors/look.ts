import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

const tools =
  'bash sh timeout date ss ip tcpdump iptables-save ip6tables-save iptables-legacy-save nft ipvsadm conntrack sudo nc busybox python3 python perl ethtool netstat sysctl nstat bridge ipset tracepath ping getent arping dmesg nsenter';
const files =
  '/proc/net/ip_vs /proc/net/ip_vs_conn /proc/net/ip_vs_stats /proc/net/nf_conntrack /proc/net/stat/nf_conntrack /proc/net/ip_tables_names /proc/net/ip6_tables_names /proc/net/tcp /proc/net/tcp6 /proc/net/snmp /proc/net/netstat /proc/net/snmp6 /proc/net/sockstat /proc/net/stat/rt_cache /proc/net/stat/arp_cache /proc/net/if_inet6 /proc/net/dev /proc/net/softnet_stat /proc/softirqs /proc/interrupts /proc/uptime /etc/nsswitch.conf /proc/sys/net/netfilter/nf_conntrack_count';
const modules =
  'tcp_diag udp_diag inet_diag ip_vs nf_conntrack nf_conntrack_netlink ip_tables ip6_tables nf_tables ip_set ipv6';
/** What modules.builtin calls them. */
const patterns = modules
  .split(' ')
  .map((name) => `-e '/${name}\\.ko'`)
  .join(' ');

/**
 * A module counts as there when /sys/module has it (loaded, or built in with parameters) or modules.builtin names it.
 * Without /proc/modules, or with modules_disabled, the kernel can load nothing, so nothing can be loaded by accident.
 * Nearly all of it is done by the shell itself: every process that a node starts for it delays everything that follows.
 */
const script = `echo "uid $(id -u)"
for t in ${tools}; do printf 'tool %s ' "$t"; command -v "$t" 2>/dev/null || echo -; done
case $(ip -V 2>&1) in *iproute*) echo "tool ip:iproute2 yes";; *) echo "tool ip:iproute2 -";; esac
case $(tcpdump --help 2>&1) in *immediate-mode*) echo "tool tcpdump:immediate-mode yes";; *) echo "tool tcpdump:immediate-mode -";; esac
case $(iptables-save -V 2>&1) in *legacy*) echo "tool iptables-save:legacy yes";; *) echo "tool iptables-save:legacy -";; esac
for f in ${files}; do [ -e "$f" ] && echo "file $f"; done
absent=absent off=
if [ -r /proc/sys/kernel/modules_disabled ]; then read -r off </proc/sys/kernel/modules_disabled; fi
if [ ! -e /proc/modules ] || [ "$off" = 1 ]; then absent=unloadable; fi
b=/lib/modules/$(uname -r)/modules.builtin
[ -r "$b" ] || b=/usr$b
l=
if [ $absent = absent ] && [ -r "$b" ]; then l=$(grep ${patterns} "$b"); fi
for m in ${modules}; do
s=$absent
if [ -d "/sys/module/$m" ]; then s=loaded; else case $l in *"/$m.ko"*) s=builtin;; esac; fi
echo "module $m $s"
done`;

/** The first look: who we are, which tools, files and kernel modules are there. Everything else is chosen from it. */
export const look = defineCollector({
  id: 'look',
  purpose: 'account, tools, /proc files and kernel modules that are there (nothing is loaded by looking)',
  params: z.strictObject({}),
  when: 'once',
  provides: ['features'],
  commands: () => [
    { argv: ['sh', '-c', script, 'look'], privilege: 'none', timeoutMs: 10_000, maxBytes: 65_536, kind: 'look' },
  ],
});
