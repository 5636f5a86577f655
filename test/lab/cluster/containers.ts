import { labRoot } from '../network.ts';
import type { ClusterPod } from './pods.ts';

/** containerd on a guest, with everything of it in the guest's own memory. Never the machine's. */
export const startContainerd = `mkdir -p /sys/fs/cgroup
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/rootfs && cd /run/rootfs
mkdir -p proc sys dev etc run tmp usr lab
for folder in bin sbin lib lib64; do ln -sfn usr/$folder $folder; done
printf 'nameserver 10.96.0.10\\n' > etc/resolv.conf
cat > /run/containerd.toml <<END
version = 2
root = "/run/containerd-root"
state = "/run/containerd"
disabled_plugins = [${[
  'grpc.v1.cri',
  'snapshotter.v1.aufs',
  'snapshotter.v1.btrfs',
  'snapshotter.v1.devmapper',
  'snapshotter.v1.zfs',
  'internal.v1.opt',
  'internal.v1.tracing',
  'tracing.processor.v1.otlp',
]
  .map((plugin) => `"io.containerd.${plugin}"`)
  .join(', ')}]
END
setsid containerd --config /run/containerd.toml >/run/containerd.log 2>&1 </dev/null &
for i in $(seq 200); do ctr version >/dev/null 2>&1 && exit 0; sleep 0.1; done
cat /run/containerd.log >&2
exit 1`;

/** As the CRI gives them: 64 hexadecimal digits. */
export const containerId = ({ uid }: ClusterPod): string => uid.replaceAll('-', '').repeat(2);
/** What a CNI plug-in calls the namespace of a pod, below /run/netns. */
export const netnsOf = ({ uid }: ClusterPod): string => `cni-${uid}`;
export const deviceOf = ({ uid }: ClusterPod): string => `cali${uid.slice(-2)}`;
const logsOf = ({ namespace, name, uid }: ClusterPod): string => `/var/log/pods/${namespace}_${name}_${uid}`;

/** A pod's network as Calico makes it: one route to a gateway that is not there, which the node answers for. MTU 1450. */
function podNetworkLines(pod: ClusterPod, netns: string): readonly string[] {
  const device = deviceOf(pod);
  return [
    `ip netns add ${netns}`,
    `ip link add ${device} mtu 1450 type veth peer name eth0 mtu 1450 netns ${netns}`,
    `sysctl -qw net.ipv4.conf.${device}.proxy_arp=1 net.ipv4.neigh.${device}.proxy_delay=0`,
    `ip link set ${device} up`,
    `ip route add ${pod.address}/32 dev ${device}`,
    `ip -n ${netns} link set lo up`,
    `ip -n ${netns} addr add ${pod.address}/32 dev eth0`,
    `ip -n ${netns} link set eth0 up`,
    `ip -n ${netns} route add 169.254.1.1 dev eth0`,
    `ip -n ${netns} route add default via 169.254.1.1`,
    ...Object.entries(pod.sysctls ?? {}).map(([key, value]) => `ip netns exec ${netns} sysctl -qw ${key}=${value}`),
  ];
}

/** Where the kernel keeps the processes of a pod's container (cgroup v2, the kubelet's cgroupfs driver). */
export const cgroupOf = (pod: ClusterPod): string =>
  `/sys/fs/cgroup/kubepods/burstable/pod${pod.uid}/${containerId(pod)}`;

/**
 * A pod that containerd and runc run, with the labels of the CRI, the cgroup and the directory of logs of a kubelet. Its
 * root is the machine's /usr, read-only.
 */
export function runPod(pod: ClusterPod): string {
  const { namespace, name, uid, app, port } = pod;
  const id = containerId(pod);
  const labels = {
    'io.cri-containerd.kind': 'container',
    'io.kubernetes.container.name': app,
    'io.kubernetes.pod.name': name,
    'io.kubernetes.pod.namespace': namespace,
    'io.kubernetes.pod.uid': uid,
  };
  const serve = port === undefined ? '' : `${server(port)}; `;
  const log = `${logsOf(pod)}/${app}/0.log`;
  return [
    ...podNetworkLines(pod, netnsOf(pod)),
    [
      'ctr -n k8s.io run -d --rootfs',
      `--with-ns network:/run/netns/${netnsOf(pod)}`,
      `--cgroup ${cgroupOf(pod).replace('/sys/fs/cgroup', '')}`,
      `--log-uri file://${log}`,
      '--mount type=bind,src=/usr,dst=/usr,options=rbind:ro',
      `--mount type=bind,src=${labRoot},dst=/lab,options=rbind:ro`,
      ...Object.entries(labels).map(([key, value]) => `--label ${key}=${value}`),
      `/run/rootfs ${id} /usr/bin/sh -c '${serve}exec sleep infinity'`,
    ].join(' '),
    ...(port === undefined
      ? []
      : [`for i in $(seq 100); do ss -Hltn -N ${netnsOf(pod)} | grep -q :${port} && exit 0; sleep 0.1; done; exit 1`]),
  ].join('\n');
}

const server = (port: number): string => `/usr/bin/perl /lab/service.pl 0.0.0.0 ${port} 511`;

/** Ends the server of a pod and starts it again, in the namespaces and the cgroup of its container. */
export const serveAgain = (pod: ClusterPod): string => `cd ${cgroupOf(pod)}
for pid in $(cat cgroup.procs); do
  if grep -qs infinity /proc/$pid/cmdline; then first=$pid; else kill -KILL $pid 2>/dev/null || true; fi
done
sh -c 'echo $$ > cgroup.procs; exec nsenter --target '$first' --mount --net --pid --ipc --uts --root ${server(pod.port ?? 0)}' >/dev/null`;

/** A pod without a container: its namespace has the kubelet's name for the pod, and there is a directory of logs. */
export const plainPod = (pod: ClusterPod): string =>
  [`mkdir -p ${logsOf(pod)}/${pod.app}`, ...podNetworkLines(pod, plainNetnsOf(pod))].join('\n');
export const plainNetnsOf = ({ uid }: ClusterPod): string => `pod${uid}`;
