import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { conntrackInvalidRst } from '../../src/rules/conntrack-invalid-rst.ts';
import { capture, connection, counters, judgeNode, reset, symptom, sysctls, talk, target } from './facts.ts';

const liberal = 'net.netfilter.nf_conntrack_tcp_be_liberal';
const sysctl = sysctls({ 'net.netfilter.nf_conntrack_max': '65536', [liberal]: '0' });
const known = talk();
/** The backend's own packet, as it reaches the client, and the client's RST to it. */
const stray = connection({
  handshake: 'midStream',
  tries: 0,
  client: known.client,
  server: { address: '10.244.7.9', port: 8080 },
  resets: [reset({ from: 'client', answersSyn: false })],
});
const hit: Facts = {
  sysctl,
  conntrackStats: counters({ 'conntrack.invalid': 2 }),
  capture: capture([known, stray]),
};
const judge = (facts: Facts) => judgeNode(conntrackInvalidRst, { facts, node: 'node-12' });

describe('conntrack-invalid-rst', () => {
  it('fires: the client resets a packet of the backend that was not translated back', () => {
    const { verdict, said, remedies } = judge(hit);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('invalid +2');
    expect(said).toContain('10.244.7.9:8080');
    expect(said).toContain(`${target.address}:${target.port}`);
    expect(remedies[0]).toMatchObject({ commands: [`sysctl -w ${liberal}=1`], undo: [`sysctl -w ${liberal}=0`] });
  });

  it('stays silent: be_liberal is on, the counter is flat, or nothing was reset in the middle', () => {
    expect(judge({ ...hit, sysctl: sysctls({ [liberal]: '1' }) }).verdict).toBe('ruledOut');
    expect(judge({ ...hit, conntrackStats: counters({ 'conntrack.invalid': 0 }) }).verdict).toBe('ruledOut');
    const done = talk({
      resets: [reset({ from: 'client', answersSyn: false })],
      fins: { client: false, server: true },
    });
    expect(judge({ ...hit, capture: capture([known, done]) }).verdict).toBe('ruledOut');
  });

  it('stays silent: a stray connection of somebody else', () => {
    const other = { ...stray, client: { address: '10.12.1.77', port: 5 } };
    expect(judge({ ...hit, capture: capture([known, other]) }).verdict).toBe('ruledOut');
    const neighbour = { ...stray, client: { ...known.client, port: known.client.port + 1 } };
    expect(judge({ ...hit, capture: capture([known, neighbour]) }).verdict).toBe('ruledOut');
  });

  it('stays silent: no connection tracking, UDP', () => {
    const none = { sysctl: sysctls({ 'net.netfilter.nf_conntrack_max': null }) };
    expect(judge(none).verdict).toBe('notApplicable');
    const udp = { facts: hit, symptom: symptom({ protocol: 'udp' as const }) };
    expect(judgeNode(conntrackInvalidRst, udp).verdict).toBe('notApplicable');
  });

  it('missing evidence: the counter, the capture, or who caused a reset in the middle of an answer', () => {
    expect(judge({ sysctl }).missing[0]?.fact).toBe('conntrackStats');
    const { capture: _, ...blind } = hit;
    expect(judge(blind).missing[0]?.fact).toBe('capture');
    const cut = talk({ resets: [reset({ from: 'client', answersSyn: false, unacknowledged: 4344 })] });
    expect(judge({ ...hit, capture: capture([cut]) })).toMatchObject({
      verdict: 'unknown',
      said: expect.stringContaining('in the middle of an answer'),
    });
  });
});
