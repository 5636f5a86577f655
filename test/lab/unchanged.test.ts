import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { collectors } from '../../src/collectors/index.ts';
import { exampleParams } from '../../src/engine/command-shapes.ts';
import { Report } from '../../src/model/report.ts';
import { command, must } from './network.ts';
import { type Guest, guestBlockers, startGuest, writtenFiles } from './uml/guest.ts';

// Nothing on a node changes: held against a kernel that has its modules on disk and loads them for whoever asks
// (Debian's user-mode Linux 6.1; inet_diag and tcp_diag are built into it, udp_diag and ipv6 are not).

const blockers = await guestBlockers();
const skipped = blockers.length === 0 ? '' : ` (skipped: ${blockers.join('; ')})`;
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const on = { name: 'guests', address: '10.99.0.1/24' };

/** What is compared, each part as a script that prints lines. Only reads; nothing in it loads a module. */
const parts = {
  modules: 'cut -d " " -f 1,2,5 /proc/modules | sort',
  mounts: 'cat /proc/mounts',
  // The guest's files are a layer over the machine's: whatever is written, removed or made is in it, wherever it was.
  files: `find ${writtenFiles} /run /tmp /dev/shm -path ${writtenFiles} -prune -o -printf '%p %y %m %U %s %T@ %C@ %i\\n' | sort; find ${writtenFiles}/ -printf '%p %y %m %U %s %T@ %C@ %i\\n' | sort`,
  sysctls:
    "sysctl -a 2>/dev/null | grep -v -E '^(fs.(dentry|inode|file-nr|quota|aio)|kernel.(random|ns_last_pid|pty.nr|seccomp)|net.netfilter.nf_conntrack_count)'",
  interfaces: "ip -o link | grep -o '^[^<]*<.*> mtu [0-9]*'; ip -o -4 addr; ip -4 route show table all; ip rule",
  processes: "ps -eo ppid=,args= | grep -v -E '^ *(0|2) |sshd: |bash -c|ps -eo|grep -v|sort$' | sort",
  // only what is there: looking at it would load it
  rules:
    'if grep -q ^nf_tables /proc/modules; then nft -s list ruleset; fi; if grep -q ^iptable_filter /proc/modules; then iptables-legacy-save | grep ^-; ip6tables-legacy-save | grep ^-; fi',
  ipvs: 'if grep -q "^ip_vs " /proc/modules; then ipvsadm-save -n; ipvsadm -l --timeout; fi',
  ipsets: 'if grep -q "^ip_set " /proc/modules; then ipset save; fi',
  tracked:
    'if grep -q ^nf_conntrack_netlink /proc/modules; then conntrack -L -s 192.0.2.1 2>/dev/null | sed -E "s,^(\\S+ +[0-9]+ )[0-9]+ ,\\1,"; fi',
} as const;
type Part = keyof typeof parts;
type State = Readonly<Record<Part, string>> & { readonly asked: string };

async function stateOf(guest: Guest): Promise<State> {
  const script = Object.entries(parts)
    .map(([part, lines]) => `echo "== ${part}"; { ${lines}; } 2>&1`)
    .join('\n');
  const { stdout } = await guest.exec(script);
  const read = stdout.split(/^== /m).slice(1);
  const found = Object.fromEntries(
    read.map((text) => [text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n') + 1)]),
  );
  expect(Object.keys(found)).toEqual(Object.keys(parts));
  const asked = guest.console().match(/^guest: module wanted: .*$/gm) ?? [];
  return { ...(found as Record<Part, string>), asked: asked.join('\n') };
}

const partsThatDiffer = (a: State, b: State): readonly string[] =>
  Object.keys(a).filter((part) => a[part as Part] !== b[part as Part]);

const parametersOf: Readonly<Record<string, unknown>> = {
  ...exampleParams,
  sysctl: { keys: ['net.ipv4.ip_forward', 'net.ipv4.tcp_tw_recycle', 'net.netfilter.nf_conntrack_max'] },
  // one with an IPv6 address too: sorting the two opens a socket of each family
  'name-lookup': { names: ['both.test', 'example.com'] },
  netns: { name: '1' },
  'tcp-probe': { attempts: 2 },
};

/** Every collector that there is, on every node that takes part. */
const everything = {
  id: 'everything',
  title: { en: 'Everything', zh: '全部' },
  collect: [...collectors.keys()]
    .filter((id) => id !== 'look')
    .map((id) => ({
      on: id === 'tcp-probe' ? ['client'] : ['target', 'client'],
      use: id,
      with: parametersOf[id] ?? {},
    })),
  rules: [{ use: 'port-closed' }],
};

/** Tool -> the module that it loads on a clean node: what the gates are for. */
const loaders = [
  // first: what is loaded after it stays, and ipv6 cannot be unloaded
  ['ping -c 1 -W 1 127.0.0.1', 'ipv6'],
  ['ss -lntup', 'udp_diag'],
  ['ipset list -t', 'ip_set'],
  ['conntrack -L', 'nf_conntrack_netlink'],
  ['conntrack -S', 'nf_conntrack_netlink'],
  ['ipvsadm -Ln', 'ip_vs'],
  ['iptables -L', 'nf_tables'],
  ['nft -j list ruleset', 'nf_tables'],
  ['iptables-legacy -L', 'ip_tables'],
] as const;

/** Everything that a run looks at, loaded and with something in it (this kernel's nf_tables knows bridges only). */
const inUse = `modprobe -a udp_diag ip_vs ip_vs_rr nf_conntrack_netlink nf_tables iptable_filter ip6table_filter ip_set ip_set_hash_ip ipip
nft 'add table bridge guard; add chain bridge guard watch; add rule bridge guard watch counter'
iptables-legacy -A INPUT -s 10.99.0.77 -j DROP
ip6tables-legacy -A INPUT -s fd00::77 -j DROP
ipvsadm -A -t 10.99.0.88:80 -s rr
ipvsadm -a -t 10.99.0.88:80 -r 10.99.0.89:80 -i
ipset create places hash:ip
ipset add places 192.0.2.7
conntrack -I -s 192.0.2.1 -d 192.0.2.2 -p tcp --sport 1 --dport 2 --state ESTABLISHED -t 3600 2>/dev/null
ping -c 1 -W 1 10.99.0.1`;

/** One change for each part, so that no comparison is one of nothing with nothing. */
const changes = `modprobe dummy
ip link add ifb9 type ifb
mount -t tmpfs tmpfs /mnt
nstat >/dev/null
touch /usr/share/doc
sysctl -q -w net.ipv4.tcp_fin_timeout=59
sleep 61 >/dev/null 2>&1 &
nft delete table bridge guard
iptables-legacy -D INPUT -s 10.99.0.77 -j DROP
ipvsadm --set 901 0 0
ipset del places 192.0.2.7
conntrack -D -s 192.0.2.1 >/dev/null 2>&1`;

/**
 * They ask only where the way to the target goes through a tunnel (a ping like path-mtu's), where servers stand behind the
 * target (route-get's command), and nothing at all (`last-audit` and `kubernetes` only write down what netcheck itself has kept or was told).
 */
const notHere = ['tunnel-ping', 'server-route', 'last-audit', 'kubernetes'];

describe.skipIf(blockers.length > 0)(`a run leaves a node as it was${skipped}`, () => {
  let folder: string;
  let asRoot: Guest;
  let asUser: Guest;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'netcheck-unchanged-'));
    const sudoers = await must([process.execPath, cli, 'sudoers', 'probe']);
    const wrapper = await must([process.execPath, cli, 'sudoers', 'probe', '--wrapper']);
    [asRoot, asUser] = await Promise.all([
      startGuest({ name: 'as-root', interfaces: [{ on, address: '10.99.0.2/24' }] }),
      startGuest({
        name: 'as-user',
        interfaces: [{ on, address: '10.99.0.3/24' }],
        login: { user: 'probe', sudoers, wrapper },
        // as systemd sets it; file capabilities do not come through to a guest
        sysctls: { 'net.ipv4.ping_group_range': '0 2147483647' },
      }),
    ]);
    // A service with a process id; not SSH's own port: the capture would see itself on its way to netcheck.
    for (const guest of [asRoot, asUser])
      await guest.exec(
        'echo 10.99.0.1 both.test >> /etc/hosts; echo fd00::1 both.test >> /etc/hosts; $(command -v sshd) -p 1301 -f /run/netcheck-lab/sshd_config',
      );
    const knownHosts = join(folder, 'known_hosts');
    await writeFile(knownHosts, `${asRoot.address} ${asRoot.hostKey}\n${asUser.address} ${asUser.hostKey}\n`);
    await mkdir(join(folder, 'playbooks'));
    await writeFile(join(folder, 'playbooks/everything.yaml'), stringify(everything));
    await writeFile(
      join(folder, 'netcheck.yaml'),
      stringify({
        nodes: { 'as-root': asRoot.inventory, 'as-user': asUser.inventory },
        playbooks: ['playbooks'],
        ssh: { identity: [asRoot.identityFile, asUser.identityFile], knownHosts, agent: false },
      }),
    );
  });
  afterAll(async () => {
    await Promise.all([asRoot?.stop(), asUser?.stop()]);
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  /** One question about `target`, asked from the other; what both were before and after it. */
  async function ask(target: Guest, from: Guest) {
    const states = () => Promise.all([stateOf(target), stateOf(from)]);
    const before = await states();
    const argv = `--config ${join(folder, 'netcheck.yaml')} --json ${target.name} port 1301 from ${from.name} playbook everything`;
    const { stdout, stderr } = await command([process.execPath, cli, ...argv.split(' ')], { timeoutMs: 90_000 });
    if (!stdout.startsWith('{')) throw new Error(`netcheck gave no report: ${stdout}${stderr}`);
    const report = Report.parse(JSON.parse(stdout));
    console.log(`${report.evidence.length} commands in ${(report.timing.tookMs / 1000).toFixed(1)} s`);
    return { report, before, after: await states() };
  }
  const skippedIn = (report: Report, node: string): readonly string[] => [
    ...new Set(
      report.evidence.flatMap((one) => (one.node === node && one.exit.how === 'skipped' ? [one.exit.why] : [])),
    ),
  ];

  const refusedBySudo = (report: Report): readonly string[] =>
    report.evidence.flatMap(({ argv, exit }) =>
      exit.how === 'notStarted' && exit.why === 'sudo' ? [argv.join(' ')] : [],
    );
  const ranOn = (report: Report, guest: Guest, tool: string): readonly string[] =>
    report.evidence.flatMap(({ node, argv, exit }) =>
      node === guest.name && argv[0] === tool && exit.how === 'exited' && exit.code === 0 ? [argv.join(' ')] : [],
    );

  test('with no module loaded: nothing is loaded, not even asked for', { timeout: 120_000 }, async () => {
    const { report, before, after } = await ask(asRoot, asUser);
    for (const state of before) expect(state.modules).toMatch(/^overlay [^\n]*\n$/);
    expect(after).toEqual(before);
    // It was a whole run, and the gates are what kept it so.
    expect(report.nodes.map(({ unseen }) => unseen)).toEqual([undefined, undefined]);
    expect(refusedBySudo(report)).toEqual([]);
    const ran = new Set(report.evidence.map(({ collector }) => collector));
    // whose socket it is, only ss tells
    expect(
      [...collectors.keys()].filter((id) => !ran.has(id) && ![...notHere, 'listener-process'].includes(id)),
    ).toEqual([]);
    for (const guest of [asRoot, asUser])
      expect(skippedIn(report, guest.name).toSorted()).toEqual([
        'would load ip_set',
        'would load ip_tables',
        'would load ip_vs',
        'would load ipv6',
        'would load nf_conntrack, nf_conntrack_netlink',
        'would load nf_tables',
      ]);
  });

  test('which means something: plain tools do load modules there', async () => {
    const script = loaders.map(
      ([tool, module]) =>
        `modprobe -q -r ${module}; ! grep -q '^${module} ' /proc/modules && ${tool} >/dev/null 2>&1; grep -o '^${module} ' /proc/modules`,
    );
    const { stdout } = await asRoot.exec(script.join('\n'));
    expect(stdout.trim().split(/\s+/)).toEqual(loaders.map(([, module]) => module));
  });

  test('with every module loaded and in use: rules, services, sets and entries stay', {
    timeout: 120_000,
  }, async () => {
    for (const guest of [asRoot, asUser]) {
      const { code, stderr } = await guest.exec(`set -e; ${inUse}`);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
    const { report, before, after } = await ask(asUser, asRoot);
    for (const rule of ['10.99.0.77', 'fd00::77', 'counter']) expect(before[0].rules).toContain(rule);
    expect(before[0].ipvs).toContain('10.99.0.88:80');
    expect(before[0].ipsets).toContain('192.0.2.7');
    expect(before[0].tracked).toContain('src=192.0.2.1');
    expect(after).toEqual(before);
    expect(refusedBySudo(report)).toEqual([]);
    const ran = new Set(report.evidence.map(({ collector }) => collector));
    expect([...collectors.keys()].filter((id) => !ran.has(id) && !notHere.includes(id))).toEqual([]);
    for (const guest of [asRoot, asUser]) {
      expect(skippedIn(report, guest.name)).toEqual([]);
      for (const tool of [
        'ss',
        'ipvsadm',
        'conntrack',
        'iptables-save',
        'iptables-legacy-save',
        'nft',
        'ipset',
        'ping',
      ])
        expect(ranOn(report, guest, tool), tool).not.toEqual([]);
    }
  });

  test('and all of it would be seen', { timeout: 60_000 }, async () => {
    const before = await stateOf(asRoot);
    expect(await asRoot.exec(changes)).toEqual({ code: 0, stdout: '', stderr: '' });
    const after = await stateOf(asRoot);
    expect(partsThatDiffer(before, after)).toEqual([...Object.keys(parts), 'asked']);
    expect(after.files).toContain('/tmp/.nstat');
    expect(after.files).toContain('/written/usr/share/doc ');
  });
});
