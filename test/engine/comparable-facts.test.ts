import { describe, expect, it } from 'vitest';
import { comparableFacts } from '../../src/engine/comparable-facts.ts';
import type { Facts, Link } from '../../src/model/facts.ts';
import { at, sysctls } from '../rules/facts.ts';

const place = at('x.out', 1);
const link = (name: string, mtu: number, more: Partial<Link> = {}): Link => ({
  name,
  index: 1,
  mtu,
  state: 'UP',
  flags: ['UP'],
  at: place,
  ...more,
});

describe('facts that can be compared between nodes', () => {
  it('are settings, without those of one device and those that follow the memory of the machine', () => {
    const facts: Facts = {
      sysctl: sysctls({
        'net.core.somaxconn': '4096',
        'net.ipv4.tcp_rmem': '4096\t131072\t6291456',
        'net.ipv4.tcp_tw_recycle': null,
        'net.ipv4.conf.all.rp_filter': '0',
        'net.ipv4.conf.eth0.rp_filter': '1',
        'net.ipv4.tcp_mem': '1 2 3',
        'net.netfilter.nf_conntrack_count': '17',
      }),
    };
    expect(comparableFacts(facts)).toEqual({
      'net.core.somaxconn': '4096',
      'net.ipv4.tcp_rmem': '4096 131072 6291456',
      'net.ipv4.tcp_tw_recycle': '-',
      'net.ipv4.conf.all.rp_filter': '0',
    });
  });
  it('are the MTUs per kind of device, however many pods there are', () => {
    const links = [
      link('lo', 65_536),
      link('eth0', 9000),
      link('eth1', 1500),
      link('flannel.1', 1450, { type: 'vxlan' }),
      link('veth1', 1450, { type: 'veth' }),
      link('veth2', 1450, { type: 'veth' }),
      link('tunl0', 1480, { type: 'ipip', flags: [] }),
      link('dummy0', 1500, { type: 'dummy' }),
    ];
    expect(comparableFacts({ links })).toEqual({
      'mtu of ethernet': '1500, 9000',
      'mtu of vxlan': '1450',
      'mtu of veth': '1450',
    });
  });
  it('are the resolver, the policies of the firewall and the cards, not virtual ones', () => {
    const feature = (on: boolean) => ({ on, fixed: false, at: place });
    const facts = comparableFacts({
      resolver: {
        config: {
          nameservers: [{ address: '10.96.0.10', at: place }],
          search: ['svc.cluster.local', 'cluster.local'],
          options: ['ndots:5'],
          at: place,
        },
      },
      nics: [
        {
          device: 'eth0',
          driver: { driver: 'ixgbe', at: place },
          features: { 'generic-receive-offload': feature(false) },
          rings: { maximum: { rx: 4096, tx: 4096 }, current: { rx: 512, tx: null }, at: place },
        },
        { device: 'veth1', driver: { driver: 'veth', at: place }, features: { 'rx-checksumming': feature(true) } },
      ],
    });
    expect(facts).toEqual({
      nameservers: '10.96.0.10',
      'search domains': 'svc.cluster.local cluster.local',
      'resolver options': 'ndots:5',
      driver: 'ixgbe',
      'offload generic-receive-offload': 'off',
      'ring rx': '512',
    });
  });
  it('are absent where nothing was read', () => {
    expect(comparableFacts({})).toEqual({});
  });
  it('are bounded, whatever a node says', () => {
    const many = Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`net.core.x${n}`, 'y'.repeat(5000)]));
    const facts = comparableFacts({ sysctl: sysctls(many) });
    expect(Object.keys(facts)).toHaveLength(400);
    expect(JSON.stringify(facts).length).toBeLessThan(100_000);
  });
});
