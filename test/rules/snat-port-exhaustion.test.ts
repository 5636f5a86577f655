import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Capture, Facts, Firewall } from '../../src/model/facts.ts';
import type { ConntrackEntry } from '../../src/model/node-facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { conntrackList } from '../../src/parsers/conntrack-list.ts';
import { iptablesSave } from '../../src/parsers/iptables-save.ts';
import { conntrackFull } from '../../src/rules/conntrack-full.ts';
import { conntrackInsertRace } from '../../src/rules/conntrack-insert-race.ts';
import { snatPortExhaustion as rule } from '../../src/rules/snat-port-exhaustion.ts';
import { answered, at, capture, connection, counters, firewallRule, judgeNode, sysctls } from './facts.ts';

/**
 * Linux 6.18: a router with SNAT --to-source 10.51.2.1:40000-40009, ten connections held open by 10.244.12.2, and two
 * more connects that lose all their SYNs there (insert_failed +8, drop +8).
 */
const file = (name: string): Buffer => readFileSync(path.join(import.meta.dirname, 'snat-records', name));
const parsed = <Value>(parser: { parse(input: object): { value?: Value } }, name: string): Value | undefined =>
  parser.parse({ stdout: file(name), stderr: Buffer.alloc(0), argv: [], exitCode: 0, evidence: name }).value;
const entries = parsed<readonly ConntrackEntry[]>(conntrackList as never, 'conntrack.txt') ?? [];
const firewall: Firewall = { rules: parsed<Firewall['rules']>(iptablesSave as never, 'iptables.txt') ?? [] };
const packets = (): Capture => {
  const analyser = createCaptureAnalyser({ evidence: 'router.pcap' });
  analyser.push(file('router.pcap'));
  return analyser.finish(
    Buffer.from('tcpdump: listening on any, link-type LINUX_SLL2\n8 packets captured\n0 packets dropped by kernel\n'),
  );
};
const tracking = counters({ 'conntrack.insert_failed': 8, 'conntrack.drop': 8 });
const recorded: Facts = { conntrackEntries: entries, firewall, conntrackStats: tracking, capture: packets() };
const judge = (facts: Facts, of: Parameters<typeof judgeNode>[0] = rule, language: 'en' | 'zh' = 'en') =>
  judgeNode(of, { facts, node: 'router-30', language });

/** `count` connections to one destination, each with a source port of its own, masqueraded without a range. */
const crowd = (count: number, values: Partial<ConntrackEntry> = {}): readonly ConntrackEntry[] =>
  Array.from({ length: count }, (_one, i) => ({
    protocol: 'tcp',
    state: 'ESTABLISHED',
    timeoutSec: 100,
    original: { source: `10.244.12.${i % 200}`, destination: '10.51.2.2', sourcePort: 1024 + i, destinationPort: 1301 },
    reply: { source: '10.51.2.2', destination: '10.30.0.1', sourcePort: 1301, destinationPort: 1024 + i },
    unreplied: false,
    assured: true,
    at: at('40-conntrack-list.out', i + 1),
    ...values,
  }));

describe('snat-port-exhaustion', () => {
  it('fires: every port of the rule is taken, none was found for new connections, and their SYNs did not leave', () => {
    const found = judge(recorded);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10 of 10 source ports of 10.51.2.1 are taken for connections to 10.51.2.2:1301');
    expect(found.said).toContain('the rule allows only 40000-40009: -A POSTROUTING -s 10.244.12.0/24');
    expect(found.said).toContain('10.244.12.2 (10)');
    expect(found.said).toContain('insert_failed +8');
    expect(found.said).toContain('8 SYNs of 2 of the 2 connects');
    expect(judge(recorded, rule, 'zh').said).toContain('已占用 10 个源端口中的 10 个');
    // its neighbours: a full table, and connections that collide at one moment
    const sysctl = sysctls({ 'net.netfilter.nf_conntrack_max': '262144', 'net.netfilter.nf_conntrack_count': '10' });
    expect(judge({ ...recorded, sysctl }, conntrackFull).verdict).not.toBe('confirmed');
    expect(judge({ ...recorded, sysctl }, conntrackInsertRace).verdict).toBe('ruledOut');
  });

  it('fires: with the ranges of nft, for one address, several, or that of the node', () => {
    for (const text of [
      'ip nat post snat to 10.51.2.1:40000-40009 fully-random',
      'ip nat post snat to 10.51.2.1-10.51.2.9:40000-40009',
      'ip nat post ip protocol tcp masquerade to :40000-40009',
    ]) {
      const rules = [firewallRule({ tool: 'nft', table: 'nat', chain: 'post', verdict: 'other', text })];
      expect(judge({ ...recorded, firewall: { rules } }).said).toContain(`the rule allows only 40000-40009: ${text}`);
    }
    const other = 'ip nat post snat to 10.99.0.1:40000-40009';
    const rules = [firewallRule({ tool: 'nft', table: 'nat', chain: 'post', verdict: 'other', text: other })];
    expect(judge({ ...recorded, firewall: { rules } }).verdict).toBe('ruledOut');
  });

  it('fires: all ports of an address, without a range; those that only wait can come free sooner', () => {
    const sysctl = sysctls({ 'net.netfilter.nf_conntrack_tcp_timeout_time_wait': '120' });
    const full: Facts = {
      ...recorded,
      sysctl,
      firewall: { rules: [] },
      conntrackEntries: crowd(64_512, { state: 'TIME_WAIT' }),
    };
    const found = judge(full);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('64512 of 64512 source ports of 10.30.0.1');
    expect(found.said).toContain('64512 of them are only remembered after their end (TIME_WAIT, 120 s)');
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait=30'],
      undo: ['sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait=120'],
    });
  });

  it('fires: only likely where no connect was lost for it, or that was not seen', () => {
    const { capture: seen, ...unseen } = recorded;
    expect(seen?.connections).toHaveLength(2);
    expect(judge(unseen).verdict).toBe('likely');
    expect(judge({ ...recorded, capture: capture([answered()]) }).verdict).toBe('likely');
    expect(judge({ ...recorded, conntrackStats: counters({ 'conntrack.insert_failed': 0 }) }).verdict).toBe('likely');
    const { conntrackStats, ...unread } = recorded;
    expect(conntrackStats).toBeDefined();
    expect(judge(unread).verdict).toBe('likely');
    const left = connection();
    const out = {
      ...left,
      syns: left.syns.map((s) => ({ ...s, sightings: [{ interfaceIndex: 3, direction: 'out' as const }] })),
    };
    expect(judge({ ...recorded, capture: capture([out]) }).verdict).toBe('likely');
  });

  it('stays silent: ports are free, other destinations, nothing is translated', () => {
    const few = judge({ ...recorded, conntrackEntries: entries.slice(0, 8) });
    expect(few.verdict).toBe('ruledOut');
    expect(few.said).toContain('8 of 10 source ports');
    // a range somewhere else is not meant
    expect(judge({ ...recorded, conntrackEntries: crowd(2000) }).said).toContain('2000 of 64512 source ports');
    const apart = crowd(3000).map((one, i) => ({ ...one, reply: { ...one.reply, source: `10.51.${i % 250}.2` } }));
    expect(judge({ ...recorded, conntrackEntries: apart }).verdict).toBe('ruledOut');
    const plain = crowd(10).map((one) => ({ ...one, reply: { ...one.reply, destination: one.original.source } }));
    expect(judge({ ...recorded, conntrackEntries: plain }).verdict).toBe('notApplicable');
    expect(judge({ ...recorded, conntrackEntries: [] }).verdict).toBe('notApplicable');
  });

  it('missing evidence: the table of connections, unless there is nothing in it to find', () => {
    const { conntrackEntries, ...rest } = recorded;
    expect(conntrackEntries).toHaveLength(10);
    expect(judge(rest).missing[0]?.fact).toBe('conntrackEntries');
    expect(judge({ ...rest, firewall: { rules: [] } }).verdict).toBe('notApplicable');
    expect(judge({ ...rest, sysctl: sysctls({ 'net.netfilter.nf_conntrack_max': null }) }).verdict).toBe(
      'notApplicable',
    );
    const tracked = (count: string) => ({ ...rest, sysctl: sysctls({ 'net.netfilter.nf_conntrack_count': count }) });
    expect(judge(tracked('8')).verdict).toBe('ruledOut');
    expect(judge(tracked('9')).verdict).toBe('unknown');
    expect(judge({ capture: packets() }).verdict).toBe('unknown');
  });
});
