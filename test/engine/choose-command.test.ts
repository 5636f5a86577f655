import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { chooseCommand } from '../../src/engine/choose-command.ts';
import { unlearned } from '../../src/engine/explain.ts';
import { exampleParams } from '../../src/engine/command-shapes.ts';
import { type CollectContext, type Command, nothingLearned } from '../../src/model/command.ts';
import type { Features } from '../../src/model/facts.ts';
import { Budget } from '../../src/model/plan.ts';

const context: CollectContext = {
  target: '192.0.2.50',
  port: 1301,
  protocol: 'tcp',
  clientAddresses: [],
  ownAddresses: [],
  roles: ['target'],
  targetNames: [],
  learned: nothingLearned,
  budget: Budget.parse({}),
};

function features(more: Partial<Features> = {}): Features {
  const tools = Object.fromEntries(
    [
      'ss',
      'ip',
      'tcpdump',
      'tcpdump:immediate-mode',
      'iptables-save',
      'ip6tables-save',
      'nft',
      'ipvsadm',
      'conntrack',
    ].map((tool) => [tool, `/usr/sbin/${tool}`]),
  );
  return { uid: 0, tools, modules: {}, files: [], at: { evidence: 'look.out' }, ...more };
}

function command(id: string, index = 0): Command {
  const found = collectors.get(id)?.commands({}, context)[index];
  if (!found) throw new Error(`no command ${index} of ${id}`);
  return found;
}

const chosen = (one: Command, seen: Features | undefined) => {
  const choice = chooseCommand(one, seen);
  return 'run' in choice ? choice.run.argv.slice(0, 2).join(' ') : choice.exit;
};

describe('choosing a command by looking', () => {
  it('never loads a kernel module: ipvsadm is skipped where ip_vs is not there', () => {
    expect(chosen(command('ipvs'), features({ modules: { ip_vs: 'absent' } }))).toEqual({
      how: 'skipped',
      why: 'would load ip_vs',
    });
  });
  it('runs ipvsadm where /proc/net/ip_vs proves that the module is there', () => {
    expect(chosen(command('ipvs'), features({ modules: { ip_vs: 'absent' }, files: ['/proc/net/ip_vs'] }))).toBe(
      'ipvsadm -Ln',
    );
  });
  it('reads /proc where ipvsadm is not installed', () => {
    expect(chosen(command('ipvs'), features({ tools: { ipvsadm: null }, files: ['/proc/net/ip_vs'] }))).toBe(
      'cat /proc/net/ip_vs',
    );
  });
  it.each(['absent', undefined] as const)('reads /proc/net/tcp where ss would load tcp_diag (%s)', (state) => {
    const modules: Features['modules'] =
      state === undefined ? {} : { tcp_diag: state, udp_diag: 'loaded', inet_diag: 'loaded' };
    expect(chosen(command('listeners'), features({ modules }))).toBe('cat /proc/net/tcp');
  });
  it.each(['loaded', 'builtin', 'unloadable'] as const)('runs ss where its modules are %s', (state) => {
    expect(
      chosen(command('listeners'), features({ modules: { tcp_diag: state, udp_diag: state, inet_diag: state } })),
    ).toBe('ss -lntup');
  });
  it('takes tcpdump without immediate mode where it is too old for it, and says so where there is none', () => {
    expect(
      chosen(command('capture'), features({ tools: { 'tcpdump:immediate-mode': null, tcpdump: '/usr/sbin/tcpdump' } })),
    ).toBe('tcpdump -i');
    expect(chosen(command('capture'), features({ tools: { 'tcpdump:immediate-mode': null, tcpdump: null } }))).toEqual({
      how: 'notStarted',
      why: 'toolMissing',
      message: 'tcpdump is not installed',
    });
  });
  it('prefers the file that needs no root for conntrack', () => {
    const loaded = { nf_conntrack: 'loaded', nf_conntrack_netlink: 'loaded' } as const;
    expect(chosen(command('conntrack'), features({ files: ['/proc/net/stat/nf_conntrack'] }))).toBe(
      'cat /proc/net/stat/nf_conntrack',
    );
    expect(chosen(command('conntrack'), features({ modules: loaded }))).toBe('conntrack -S');
    expect(chosen(command('conntrack'), features({ modules: { ...loaded, nf_conntrack_netlink: 'absent' } }))).toEqual({
      how: 'skipped',
      why: 'would load nf_conntrack_netlink',
    });
  });
  it('loads nothing either where the first look itself failed', () => {
    expect(chosen(command('firewall', 3), undefined)).toEqual({ how: 'skipped', why: 'would load nf_tables' });
  });
});

describe('the commands themselves', () => {
  const everything = [...collectors.values()].flatMap((collector) => {
    const params = collector.params.safeParse({});
    const commands: Command[] = [];
    for (const first of collector.commands(
      params.success
        ? params.data
        : collector.id === 'sysctl'
          ? { keys: ['net.ipv4.conf.eth0/100.rp_filter'] }
          : exampleParams[collector.id],
      {
        ...context,
        learned: unlearned([context.target, '192.0.2.9']),
      },
    ))
      for (let one: Command | undefined = first; one; one = one.otherwise) commands.push(one);
    return commands;
  });
  it('are bounded, all of them', () => {
    expect(everything.length).toBeGreaterThan(25);
    for (const { timeoutMs, maxBytes } of everything) {
      expect(timeoutMs).toBeGreaterThan(0);
      expect(timeoutMs).toBeLessThanOrEqual(60_000);
      expect(maxBytes).toBeGreaterThan(0);
      expect(maxBytes).toBeLessThanOrEqual(16 * 1024 * 1024);
    }
  });
  it('write a sysctl key as sysctl(8) does', () => {
    expect(everything.find(({ kind }) => kind === 'sysctl')?.argv).toContain(
      '/proc/sys/net/ipv4/conf/eth0.100/rp_filter',
    );
  });
  it('capture headers only, with ICMP errors, and only what concerns the port', () => {
    const capture = command('capture').argv;
    expect(capture.slice(0, 6)).toEqual(['tcpdump', '-i', 'any', '-nn', '-s', '160']);
    expect(capture.at(-1)).toBe(
      '(tcp port 1301) or (ip proto 4 and ip[29]=6 and (ip[40:2]=1301 or ip[42:2]=1301))' +
        ' or (udp and (port 4789 or port 8472 or port 6081) and udp[28:2]=0x0800 and udp[39]=6' +
        ' and (udp[50:2]=1301 or udp[52:2]=1301))' +
        ' or (udp and (port 4789 or port 8472 or port 6081) and udp[28:2]=0x86dd and udp[36]=6' +
        ' and (udp[70:2]=1301 or udp[72:2]=1301))' +
        ' or (icmp and (icmp[0]=3 or icmp[0]=11)) or (icmp6 and (ip6[40]=1 or ip6[40]=2 or ip6[40]=3))',
    );
    const udp = collectors.get('capture')?.commands({}, { ...context, protocol: 'udp' })[0];
    expect(udp?.argv.at(-1)).toContain('udp[39]=17 and');
    const client = collectors
      .get('capture')
      ?.commands({}, { ...context, roles: ['client'] })[0]
      ?.argv.at(-1);
    expect(client).toContain('(tcp port 1301 and host 192.0.2.50)');
  });
});
