import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { exampleParams } from '../../src/engine/command-shapes.ts';
import type { CollectContext, Command } from '../../src/model/command.ts';
import { nothingLearned } from '../../src/model/command.ts';
import { Budget } from '../../src/model/plan.ts';

const context: CollectContext = {
  target: '192.0.2.50',
  port: 1301,
  protocol: 'tcp',
  clientAddresses: ['198.51.100.7'],
  ownAddresses: [],
  roles: ['target'],
  targetNames: ['node-50'],
  learned: {
    devices: ['eth0'],
    veths: [],
    addressed: ['eth0'],
    ways: [
      { address: '198.51.100.7', device: 'eth0' },
      { address: '192.0.2.50', device: 'eth1' },
    ],
    listenerPids: ['4711'],
    servers: [],
    beyond: [],
    seen: [],
    tunnelPeers: ['192.0.2.60'],
    searchDomains: ['corp.example'],
  },
  budget: Budget.parse({}),
};

function commandsOf(id: string, more: Partial<CollectContext> = {}, params?: unknown): readonly Command[] {
  const collector = collectors.get(id);
  if (collector === undefined) throw new Error(`no collector ${id}`);
  const parsed = collector.params.safeParse(params ?? {});
  return collector.commands(parsed.success ? parsed.data : exampleParams[id], { ...context, ...more });
}
const argvsOf = (id: string, more?: Partial<CollectContext>, params?: unknown): readonly string[] =>
  commandsOf(id, more, params).map(({ argv }) => argv.join(' '));
/** Each command with its alternatives. */
const all = [...collectors.keys()].flatMap((id) =>
  commandsOf(id).flatMap((first) => {
    const found: { id: string; command: Command }[] = [];
    for (let command: Command | undefined = first; command; command = command.otherwise) found.push({ id, command });
    return found;
  }),
);

describe('every command', () => {
  it.each(
    all.map(({ id, command }) => [`${id}: ${command.argv.slice(0, 4).join(' ').slice(0, 60)}`, command] as const),
  )('%s is bounded, and its words are plain', (_name, command) => {
    expect(command.timeoutMs).toBeGreaterThan(0);
    expect(command.maxBytes).toBeGreaterThan(0);
    expect(command.maxBytes).toBeLessThanOrEqual(64 << 20);
    expect(command.argv.length).toBeGreaterThan(1);
    for (const word of command.argv) expect(word).not.toMatch(/\0/);
    // What a shell runs is one text of ours; what a run fills in are arguments behind it.
    if (command.argv[0] === 'sh' || command.argv[0] === 'bash')
      expect(command.argv[2]).not.toMatch(/192\.0\.2\.50|198\.51\.100\.7|4711/);
  });

  it('asks, and sets nothing', () => {
    const changes = all.filter(({ command }) =>
      command.argv.some((word) =>
        /^(?:add|del|delete|set|flush|replace|change|restore|-A|-D|-F|-X|--flush)$/.test(word),
      ),
    );
    // arping -D: duplicate address detection.
    expect(changes.map(({ command }) => command.argv[0])).toEqual(['arping']);
    expect(
      all.filter(({ command }) => command.argv.includes('nstat')).every(({ command }) => command.argv[1] === '-asz'),
    ).toBe(true);
  });

  it('is told what it needs: nothing was learned, nothing is asked', () => {
    for (const id of ['nics', 'nic-counters', 'listener-process', 'route-get-in', 'arp-probe'])
      expect(argvsOf(id, { learned: nothingLearned }), id).toEqual([]);
  });
});

describe('the words of commands that a run fills in', () => {
  it.each([
    ['arp-probe', {}, ['arping -D -c 2 -w 3 -I eth1 192.0.2.50']],
    ['arp-probe', { target: 'fd00::50' }, []],
    ['route-get', {}, ['ip route get 192.0.2.50', 'ip route get 198.51.100.7']],
    ['route-get', { roles: ['client'] }, ['ip route get 192.0.2.50']],
    ['route-get-in', {}, ['ip route get 192.0.2.50 from 198.51.100.7 iif eth0']],
    ['nics', {}, ['ethtool -i eth0', 'ethtool -k eth0', 'ethtool -g eth0', 'ethtool eth0']],
    ['nics', { learned: { ...nothingLearned, devices: ['eth0'], veths: ['eth0'] } }, ['ethtool -i eth0']],
    ['nic-counters', {}, ['ethtool -S eth0']],
    ['nic-counters', { learned: { ...nothingLearned, devices: ['eth0'], veths: ['eth0'] } }, []],
    ['ipvs', { learned: { ...nothingLearned, withoutIpvs: true } }, []],
    ['conntrack-table', {}, ['conntrack -L -p tcp --orig-port-dst 1301']],
    ['conntrack-table', { protocol: 'udp' }, ['conntrack -L -p udp --orig-port-dst 1301']],
    ['path-mtu', {}, ['tracepath -n 192.0.2.50']],
    ['ipsets', {}, ['ipset list -t']],
    ['bridge-fdb', {}, ['bridge fdb show']],
  ] as const)('%s %j', (id, more, expected) => {
    expect(argvsOf(id, more as Partial<CollectContext>)).toEqual(expected);
  });

  it('ping: sizes are those of whole packets, with the headers of the family', () => {
    expect(argvsOf('ping-sizes', {}, { sizes: [1500, 40] })).toEqual([
      'ping -n -c 3 -W 1 -M do -s 1472 192.0.2.50',
      'ping -n -c 3 -W 1 -M do -s 12 192.0.2.50',
    ]);
    expect(argvsOf('ping-sizes', { target: 'fd00::50' }, { sizes: [1500, 40] })).toEqual([
      'ping -n -c 3 -W 1 -M do -s 1452 fd00::50',
    ]);
  });

  it('settings of each device that has an address; a dot in its name is a slash in the key', () => {
    const keys = ['net.ipv4.ip_forward', 'net.ipv4.conf.{device}.rp_filter'];
    expect(argvsOf('sysctl', { learned: { ...nothingLearned, addressed: ['eth0', 'bond0.100'] } }, { keys })).toEqual([
      'grep -H  /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/eth0/rp_filter /proc/sys/net/ipv4/conf/bond0.100/rp_filter',
    ]);
    expect(argvsOf('sysctl', { learned: nothingLearned }, { keys: ['net.ipv4.conf.{device}.rp_filter'] })).toEqual([]);
    for (const key of ['net.ipv4.conf.{host}.rp_filter', 'net.ipv4.{device', 'net.{device}x.y', '{device}.a'])
      expect(collectors.get('sysctl')?.params.safeParse({ keys: [key] }).success, key).toBe(false);
  });

  it('names are looked up with and without a dot at the end, each once', () => {
    expect(argvsOf('name-lookup', {}, { names: ['a.b', 'a.b.'] })).toEqual(['getent ahosts a.b', 'getent ahosts a.b.']);
    expect(argvsOf('target-name')).toEqual([
      'getent ahosts node-50',
      'getent ahosts node-50.',
      'getent ahosts node-50.corp.example.',
      'getent ahosts netcheck-probe.corp.example.',
    ]);
    expect(argvsOf('target-name', { targetNames: [] })).toEqual([]);
    expect(argvsOf('target-name', { targetNames: [`${'x.'.repeat(125)}x`] })).toHaveLength(3);
    for (const name of ['-h', 'a b', '$(x)', 'a;b', ''])
      expect(collectors.get('name-lookup')?.params.safeParse({ names: [name] }).success, name).toBe(false);
  });

  it('the process that listens: its files alone need root', () => {
    const commands = commandsOf('listener-process');
    expect(commands.map(({ kind, privilege }) => `${kind} ${privilege}`)).toEqual([
      'proc-limits none',
      'fd-count root',
      'cpu-stat none',
    ]);
    expect(commands[2]?.argv.at(-1)).toBe('4711');
  });

  it('what could load a module says so', () => {
    const gated = all
      .filter(({ command }) => command.wouldLoad !== undefined)
      .map(({ command }) => command.argv[0] ?? '');
    for (const tool of ['ss', 'ipvsadm', 'conntrack', 'iptables-save', 'ip6tables-save', 'nft', 'ipset'])
      expect(gated).toContain(tool);
    const open = all.filter(
      ({ command }) =>
        command.wouldLoad === undefined &&
        /^(?:ipvsadm|conntrack|ip6?tables(?:-legacy)?-save|nft|ipset)$/.test(command.argv[0] ?? ''),
    );
    expect(open.map(({ command }) => command.argv.join(' '))).toEqual([]);
  });
});
