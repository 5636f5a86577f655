import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { rpFilterDrop } from '../../src/rules/rp-filter-drop.ts';
import {
  answered,
  at,
  capture,
  clientAddress,
  connection,
  counters,
  judgeNode,
  link,
  routeVerdict,
  synAck,
  sysctls,
} from './facts.ts';

const came = { syn: { sightings: [{ interfaceIndex: 3, direction: 'in' as const }] } };
const key = 'net.ipv4.conf.all.rp_filter';
const asymmetric: Facts = {
  counters: counters({ 'TcpExt.IPReversePathFilter': 3 }),
  sysctl: sysctls({ [key]: '1', 'net.ipv4.conf.eth1.rp_filter': '0' }),
  routeGet: [routeVerdict({ to: clientAddress, device: 'eth0' })],
  links: [link(), link({ name: 'eth1', index: 3 })],
  capture: capture([connection(came)]),
};
const judge = (facts: Facts, node = 'node-50') => judgeNode(rpFilterDrop, { facts, node });

describe('rp-filter-drop', () => {
  it('fires: one drop per SYN, and the way back leaves by another device', () => {
    const { verdict, said, remedies } = judge(asymmetric);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('IPReversePathFilter +3');
    expect(said).toContain(`${clientAddress} come in by eth1, and the way back to it leaves by eth0`);
    expect(remedies[0]?.commands).toEqual(['sysctl -w net.ipv4.conf.eth1.rp_filter=2']);
    expect(remedies[0]?.undo).toEqual(['sysctl -w net.ipv4.conf.eth1.rp_filter=0']);
  });

  it('fires: on a client that does not take the SYN+ACKs', () => {
    const half = connection({
      tries: 1,
      handshake: 'noFinalAck',
      synAcks: [synAck(), synAck({ atMs: 2000 }), synAck({ atMs: 4000 })],
    });
    const facts = { ...asymmetric, counters: counters({ 'TcpExt.IPReversePathFilter': 3 }), capture: capture([half]) };
    const { verdict, said } = judge(facts, 'node-12');
    expect(verdict).toBe('confirmed');
    expect(said).toContain('3 SYN+ACKs of 1 connects came in here');
  });

  it('fires: likely where fewer were dropped than lost, or the setting is off where it was read', () => {
    const fewer = { ...asymmetric, counters: counters({ 'TcpExt.IPReversePathFilter': 1 }) };
    expect(judge(fewer).verdict).toBe('likely');
    const off = { ...asymmetric, sysctl: sysctls({ [key]: '0', 'net.ipv4.conf.eth1.rp_filter': '0' }) };
    expect(judge(off).verdict).toBe('likely');
  });

  it('fires: beside SYNs of another client that came the right way and were lost to something else', () => {
    const other = connection({ ...came, client: { address: '10.51.3.9', port: 41_000 } });
    const facts = {
      ...asymmetric,
      routeGet: [
        routeVerdict({ to: clientAddress, device: 'eth0' }),
        routeVerdict({ to: '10.51.3.9', device: 'eth1' }),
      ],
      capture: capture([connection(came), other]),
    };
    expect(judge(facts).verdict).toBe('confirmed');
    expect(judge({ ...facts, counters: counters({ 'TcpExt.IPReversePathFilter': 2 }) }).verdict).toBe('likely');
  });

  it('stays silent: the counter is flat, or moved for other traffic while every connect was answered', () => {
    const flat = { ...asymmetric, counters: counters({ 'TcpExt.IPReversePathFilter': 0 }) };
    expect(judge(flat).verdict).toBe('ruledOut');
    expect(judge({ ...asymmetric, capture: capture([answered()]) }).verdict).toBe('ruledOut');
  });

  it('stays silent: the way back leaves by the device that the packets come in by', () => {
    const same = { ...asymmetric, routeGet: [routeVerdict({ to: clientAddress, device: 'eth1' })] };
    expect(judge(same).verdict).toBe('ruledOut');
  });

  it('fires: likely where the device is not known and strays move the counter too, confirmed where the numbers match', () => {
    const { links: _, ...unknown } = asymmetric;
    expect(judge(unknown).verdict).toBe('confirmed');
    expect(judge({ ...unknown, counters: counters({ 'TcpExt.IPReversePathFilter': 40 }) }).verdict).toBe('likely');
  });

  it('fires: likely where policy routing may lead the way back elsewhere', () => {
    const same = { ...asymmetric, routeGet: [routeVerdict({ to: clientAddress, device: 'eth1' })] };
    const rule = {
      priority: 100,
      from: '10.51.2.2',
      action: 'lookup',
      table: '200',
      text: '',
      at: at('09-rules.out', 2),
    };
    expect(judge({ ...same, policyRules: [rule] }).verdict).toBe('likely');
    expect(judge({ ...same, policyRules: [{ ...rule, from: 'all', table: 'main' }] }).verdict).toBe('ruledOut');
  });

  it('stays silent: there is no way back at all, which is a fault of its own', () => {
    const facts = { ...asymmetric, routeGet: [routeVerdict({ to: clientAddress, verdict: 'network-unreachable' })] };
    expect(judge(facts)).toMatchObject({ verdict: 'ruledOut', said: expect.stringContaining('no way back') });
  });

  it('missing evidence: the counter, or whether packets of this question were hit', () => {
    expect(judge({ counters: counters({}) }).missing[0]?.fact).toBe('counters');
    const { counters: moved } = asymmetric;
    expect(judge({ counters: moved ?? {} }).verdict).toBe('likely');
  });
});
