import { describe, expect, it } from 'vitest';
import type { Facts, Route } from '../../src/model/facts.ts';
import { rpFilterStrict as rule } from '../../src/rules/rp-filter-strict.ts';
import { at, judgeNode, sysctls } from './facts.ts';

const place = at('07-routes.out', 1);
const way = (device: string, more: Partial<Route> = {}): Route => ({
  family: 4,
  destination: 'default',
  type: 'unicast',
  via: '10.0.0.1',
  device,
  at: place,
  ...more,
});
const filter = (all: number, eth0: number, eth1: number) =>
  sysctls({
    'net.ipv4.conf.all.rp_filter': `${all}`,
    'net.ipv4.conf.eth0.rp_filter': `${eth0}`,
    'net.ipv4.conf.eth1.rp_filter': `${eth1}`,
  });
const both = [way('eth0'), way('eth1', { metric: 100 })];
const judge = (facts: Facts) => judgeNode(rule, { facts: { routes: both, ...facts } });

describe('rp-filter-strict', () => {
  it('fires: likely with two default routes and a strict device', () => {
    const found = judge({ sysctl: filter(0, 0, 1) });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('net.ipv4.conf.eth1.rp_filter = 1: packets that come in by eth1');
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.ipv4.conf.eth1.rp_filter=2'],
      undo: ['sysctl -w net.ipv4.conf.eth1.rp_filter=1'],
    });
  });
  it('fires: the setting of all devices counts where it is the larger', () => {
    const found = judge({ sysctl: filter(1, 0, 0) });
    expect(found.verdict).toBe('likely');
    expect(found.remedies[0]?.commands).toEqual(['sysctl -w net.ipv4.conf.all.rp_filter=2']);
  });
  it('stays silent: loose or off, also where a device says strict and all says loose', () => {
    expect(judge({ sysctl: filter(0, 0, 0) }).verdict).toBe('ruledOut');
    expect(judge({ sysctl: filter(2, 1, 1) }).verdict).toBe('ruledOut');
  });
  it('stays silent: one way only, the second in another table, or policy rules that choose', () => {
    const sysctl = filter(1, 1, 1);
    expect(judge({ sysctl, routes: [way('eth0')] }).verdict).toBe('notApplicable');
    expect(judge({ sysctl, routes: [way('eth0'), way('eth1', { table: '100' })] }).verdict).toBe('notApplicable');
    expect(judge({ sysctl, routes: [] }).verdict).toBe('notApplicable');
    const policyRules = [
      { priority: 0, from: 'all', action: 'lookup', table: 'local', text: 'from all lookup local', at: place },
      {
        priority: 100,
        from: '10.2.0.0/16',
        action: 'lookup',
        table: '100',
        text: 'from 10.2.0.0/16 lookup 100',
        at: place,
      },
    ];
    expect(judge({ sysctl, policyRules }).verdict).toBe('notApplicable');
    expect(judge({ sysctl, policyRules: policyRules.slice(0, 1) }).verdict).toBe('likely');
  });
  it('missing evidence: a setting was not read', () => {
    expect(judge({ sysctl: sysctls({}) }).verdict).toBe('unknown');
    expect(judge({ sysctl: sysctls({ 'net.ipv4.conf.all.rp_filter': '0' }) }).verdict).toBe('unknown');
  });
});
