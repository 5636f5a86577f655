import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import { ipvs1sConnect as rule } from '../../src/rules/ipvs-1s-connect.ts';
import { answered, at, capture, judgeNode, symptom, synAck, sysctls } from './facts.ts';
import { features, ipvs, server } from './ipvs-facts.ts';

const on = sysctls({ 'net.ipv4.vs.conn_reuse_mode': '1', 'net.ipv4.vs.conntrack': '1' });
const slow = (sequence: number): Connection =>
  answered({ tries: 2, syn: { sequence }, synAcks: [synAck({ atMs: 2001 })], startMs: 1000 });
/** Sent on to the server: the second SYN only. */
const leg = (sequence: number): Connection => answered({ server, tries: 1, syn: { sequence }, startMs: 2000 });
const judge = (connections: readonly Connection[] | null, more: object = {}, release = '4.19.90') =>
  judgeNode(rule, {
    facts: {
      features: features(),
      ipvs: ipvs(),
      sysctl: on,
      kernel: { release, at: at('02-kernel.out', 1) },
      ...(connections === null ? {} : { capture: capture(connections) }),
      ...more,
    },
  });

describe('ipvs-1s-connect', () => {
  it('fires: the first SYN came in and was not sent on, the second was', () => {
    const found = judge([slow(7000), leg(7000)]);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('the first SYN came in and was not sent on');
    expect(found.remedies[0]).toMatchObject({
      commands: ['sysctl -w net.ipv4.vs.conn_reuse_mode=0'],
      undo: ['sysctl -w net.ipv4.vs.conn_reuse_mode=1'],
    });
  });
  it('fires: likely where several connects took a second and the way to the server was not captured', () => {
    expect(judge([slow(7000), slow(8000)]).verdict).toBe('likely');
  });
  it('stays silent: both SYNs were sent on, or one single connect was slow: a lost packet', () => {
    const lost = answered({ server, tries: 2, syn: { sequence: 7000 }, startMs: 1000 });
    expect(judge([slow(7000), lost]).verdict).toBe('ruledOut');
    expect(judge([slow(7000)]).verdict).toBe('ruledOut');
    expect(judge([answered()]).said).toContain('none of 1 connects');
  });
  it('stays silent: settings that drop nothing, kernel 5.9, no IPVS, UDP', () => {
    const off = { sysctl: sysctls({ 'net.ipv4.vs.conn_reuse_mode': '0', 'net.ipv4.vs.conntrack': '1' }) };
    expect(judge([slow(1), slow(2)], off).said).toContain('conn_reuse_mode = 0');
    const none = { sysctl: sysctls({ 'net.ipv4.vs.conn_reuse_mode': null }) };
    expect(judge([slow(1), slow(2)], none).verdict).toBe('notApplicable');
    expect(judge([slow(1), slow(2)], {}, '5.10.0').verdict).toBe('ruledOut');
    expect(judgeNode(rule, { facts: { features: features([]) } }).verdict).toBe('notApplicable');
    const udp = judgeNode(rule, { facts: { features: features() }, symptom: symptom({ protocol: 'udp' }) });
    expect(udp.verdict).toBe('notApplicable');
  });
  it('missing evidence: the settings, the capture, connects', () => {
    expect(judge([], { sysctl: {} }).missing[0]?.fact).toBe('sysctl');
    expect(judge(null).missing[0]?.fact).toBe('capture');
    expect(judge([]).said).toContain('no connect to 10.51.2.2:1301 was seen');
  });
});
