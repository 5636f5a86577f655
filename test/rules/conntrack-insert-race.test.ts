import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { conntrackInsertRace } from '../../src/rules/conntrack-insert-race.ts';
import {
  answered,
  capture,
  connection,
  counters,
  firewall,
  firewallRule,
  judgeNode,
  synAck,
  sysctls,
} from './facts.ts';

const masquerade = (text = '-A KUBE-POSTROUTING -j MASQUERADE') =>
  firewallRule({ table: 'nat', chain: 'KUBE-POSTROUTING', verdict: 'other', text });
/** Answered at the second SYN: the first came in and did not leave. */
const late = (out = false) => {
  const came = { interfaceIndex: 2, direction: 'in' as const };
  const left = { interfaceIndex: 3, direction: 'out' as const };
  const connect = connection({ tries: 2, handshake: 'complete', synAcks: [synAck({ atMs: 2001 })] });
  const syns = connect.syns.map((s, i) => ({ ...s, sightings: i === 0 && !out ? [came] : [came, left] }));
  return { ...connect, syns };
};
/** The same connection at another time. */
const shifted = (one: ReturnType<typeof late>, byMs: number) => ({
  ...one,
  syns: one.syns.map((s) => ({ ...s, atMs: s.atMs + byMs })),
  synAcks: one.synAcks.map((s) => ({ ...s, atMs: s.atMs + byMs })),
});
const sysctl = sysctls({ 'net.netfilter.nf_conntrack_max': '65536' });
const racing: Facts = {
  sysctl,
  conntrackStats: counters({ 'conntrack.insert_failed': 3 }),
  firewall: firewall(masquerade()),
  capture: capture([late(), late(), late(), answered()]),
};
const judge = (facts: Facts) => judgeNode(conntrackInsertRace, { facts, node: 'router-30' });

describe('conntrack-insert-race', () => {
  it('fires: one collision per lost first SYN, and ports are not chosen at random', () => {
    const { verdict, said } = judge(racing);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('insert_failed +3');
    expect(said).toContain('3 SYNs of 3 of the 4 connects');
    expect(said).toContain('KUBE-POSTROUTING -j MASQUERADE');
  });

  it('fires: the remedy is the rule that was found, where it stands; never a text that is not fit for a command', () => {
    const accept = firewallRule({
      table: 'nat',
      chain: 'POSTROUTING',
      text: '-A POSTROUTING -s 10.0.0.9/32 -j ACCEPT',
    });
    const translate = (text: string) => firewallRule({ table: 'nat', chain: 'POSTROUTING', verdict: 'other', text });
    const commandsOf = (text: string) =>
      judge({ ...racing, firewall: firewall(accept, translate(text)) }).remedies[0] ?? { commands: [], undo: [] };
    expect(
      commandsOf('-A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -m comment --comment "pods out" -j MASQUERADE'),
    ).toMatchObject({
      commands: [
        'iptables -t nat -I POSTROUTING 2 -s 10.244.0.0/16 ! -d 10.244.0.0/16 -m comment --comment "pods out" -j MASQUERADE --random-fully',
      ],
      undo: [
        'iptables -t nat -D POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -m comment --comment "pods out" -j MASQUERADE --random-fully',
      ],
    });
    for (const hostile of ['"$(reboot)"', '"a`id`"', '; reboot', '$(id)', '"\\" ; id'])
      expect(commandsOf(`-A POSTROUTING -m comment --comment ${hostile} -j MASQUERADE`).commands.join()).toContain(
        'CHAIN NUMBER RULE',
      );
  });

  it('fires: likely where fewer collided than were lost, few were lost, or the rules were not read', () => {
    const fewer = { ...racing, conntrackStats: counters({ 'conntrack.insert_failed': 1 }) };
    expect(judge(fewer).verdict).toBe('likely');
    expect(judge({ ...racing, capture: capture([late()]) }).verdict).toBe('likely');
    const few = judge({
      ...racing,
      firewall: firewall(masquerade('-A POSTROUTING -p tcp -j MASQUERADE --to-ports 30170')),
    });
    expect(few.verdict).toBe('likely');
    expect(few.said).toContain('1 ports to choose from');
    const many = firewall(masquerade('-A POSTROUTING -p tcp -j SNAT --to-source 10.0.0.1:1024-65535'));
    expect(judge({ ...racing, firewall: many }).verdict).toBe('confirmed');
    const { firewall: _, ...unread } = racing;
    expect(judge(unread).verdict).toBe('likely');
  });

  it('counts what was lost between the two readings: a capture begins before and ends after', () => {
    const sooner = [1, 2].map(() => shifted(late(), -1500));
    const stats = (between: { fromMs: number; toMs: number }) =>
      Object.fromEntries(
        Object.entries(racing.conntrackStats ?? {}).map(([name, delta]) => [name, { ...delta, between }]),
      );
    const all = { ...racing, capture: capture([late(), late(), late(), ...sooner, answered()]) };
    // five were lost, and three collisions were counted
    expect(judge(all).verdict).toBe('likely');
    expect(judge({ ...all, conntrackStats: stats({ fromMs: 500, toMs: 5000 }) }).verdict).toBe('confirmed');
    // the clock of the node is 10 s ahead of ours
    const ahead = { facts: { ...all, conntrackStats: stats({ fromMs: -9500, toMs: -5000 }) }, clockOffsetMs: 10_000 };
    expect(judgeNode(conntrackInsertRace, { ...ahead, node: 'router-30' }).verdict).toBe('confirmed');
    // nothing was lost between the readings: only the mechanism is there
    const never = { ...racing, conntrackStats: stats({ fromMs: 50_000, toMs: 60_000 }) };
    expect(judge(never).verdict).toBe('likely');
  });

  it('stays silent: flat, every first SYN answered, ports at random, no NAT, or the SYNs left', () => {
    expect(judge({ ...racing, conntrackStats: counters({ 'conntrack.insert_failed': 0 }) }).verdict).toBe('ruledOut');
    expect(judge({ ...racing, capture: capture([answered()]) }).verdict).toBe('ruledOut');
    const random = firewall(masquerade('-A KUBE-POSTROUTING -j MASQUERADE --random-fully'));
    expect(judge({ ...racing, firewall: random }).verdict).toBe('ruledOut');
    expect(judge({ ...racing, firewall: firewall() }).verdict).toBe('ruledOut');
    expect(judge({ ...racing, capture: capture([late(true), late(true), late(true)]) }).verdict).toBe('ruledOut');
    expect(judge({ sysctl: sysctls({ 'net.netfilter.nf_conntrack_max': null }) }).verdict).toBe('notApplicable');
  });

  it('stays silent: no SYN at all gets an answer, while DNS moves the counter', () => {
    expect(judge({ ...racing, capture: capture([connection()]) }).verdict).toBe('ruledOut');
  });

  it('missing evidence: the counters, or the capture that shows what was lost', () => {
    expect(judge({ sysctl }).missing[0]?.fact).toBe('conntrackStats');
    const { capture: _, ...blind } = racing;
    expect(judge(blind).missing[0]?.fact).toBe('capture');
  });
});
