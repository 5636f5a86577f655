import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { abortOnOverflow } from '../../src/rules/abort-on-overflow.ts';
import { answered, capture, counters, judgeNode, reset, symptom, sysctls } from './facts.ts';

const key = 'net.ipv4.tcp_abort_on_overflow';
const aborted = answered({ resets: [reset({ answersSyn: false, atMs: 1001 })] });
const on: Facts = {
  sysctl: sysctls({ [key]: '1' }),
  counters: counters({ 'TcpExt.ListenOverflows': 5 }),
  capture: capture([aborted, answered()]),
};
const judge = (facts: Facts) => judgeNode(abortOnOverflow, { facts });

describe('abort-on-overflow', () => {
  it('fires: the setting is on, a queue overflowed, and the node resets behind the handshake', () => {
    const { verdict, said, remedies } = judge(on);
    expect(verdict).toBe('confirmed');
    expect(said).toContain('1 of 2 connects to port 1301');
    expect(remedies[0]?.commands).toEqual([`sysctl -w ${key}=0`]);
    expect(remedies[0]?.undo).toEqual([`sysctl -w ${key}=1`]);
  });

  it('fires: likely without a capture', () => {
    const { capture: _, ...blind } = on;
    expect(judge(blind).verdict).toBe('likely');
  });

  it('stays silent: off, no overflow, no reset', () => {
    expect(judge({ ...on, sysctl: sysctls({ [key]: '0' }) }).verdict).toBe('ruledOut');
    expect(judge({ ...on, counters: counters({ 'TcpExt.ListenOverflows': 0 }) }).verdict).toBe('ruledOut');
    expect(judge({ ...on, capture: capture([answered()]) }).verdict).toBe('ruledOut');
  });

  it('stays silent: a reset that comes later, or behind an answer, is the application’s', () => {
    const late = answered({ resets: [reset({ answersSyn: false, atMs: 9000 })] });
    const served = answered({ bytes: { client: 10, server: 400 }, resets: [reset({ answersSyn: false, atMs: 1001 })] });
    expect(judge({ ...on, capture: capture([late, served]) }).verdict).toBe('ruledOut');
  });

  it('stays silent: UDP, and a kernel without the setting', () => {
    expect(judgeNode(abortOnOverflow, { facts: on, symptom: symptom({ protocol: 'udp' }) }).verdict).toBe(
      'notApplicable',
    );
    expect(judge({ sysctl: sysctls({ [key]: null }) }).verdict).toBe('notApplicable');
  });

  it('missing evidence: the setting, or the counter', () => {
    expect(judge({ sysctl: sysctls({}) }).missing[0]?.fact).toBe('sysctl');
    expect(judge({ sysctl: sysctls({ [key]: '1' }) }).missing[0]?.fact).toBe('counters');
  });
});
