import { describe, expect, it } from 'vitest';
import { rules } from '../../src/rules/index.ts';
import { twRecycle } from '../../src/rules/tw-recycle.ts';
import { answered, capture, connection, counters, judgeNode, metric, symptom, sysctls } from './facts.ts';

const rule = rules.get(twRecycle.id) ?? twRecycle;
const on = sysctls({ 'net.ipv4.tcp_tw_recycle': '1', 'net.ipv4.tcp_timestamps': '1' });
const off = sysctls({ 'net.ipv4.tcp_tw_recycle': '0', 'net.ipv4.tcp_timestamps': '1' });
/** The numbers of the recording on Linux 4.9.273 with modern clients. */
const nat = '10.98.0.60';
const recorded = counters({
  'TcpExt.PAWSPassive': [110, 150],
  'TcpExt.ListenDrops': [110, 150],
  'TcpExt.ListenOverflows': 0,
});
const flat = counters({ 'TcpExt.PAWSPassive': 0, 'TcpExt.ListenDrops': 0 });
const dropped = connection({ from: nat, syn: { tsval: 2450346507, frame: 189 } });
const higher = answered({ from: nat, startMs: 700, syn: { tsval: 4192912309, frame: 179 } });
const remembered = metric(nat, { value: 2993857158, ageSec: 18 });
const kernel = (release: string) => ({ release, at: { evidence: 'evidence/node-50/01-kernel.out', line: 1 } });

describe('tw-recycle', () => {
  it('fires: the SYN is behind the timestamp that the kernel remembers, and PAWSPassive counts it', () => {
    const found = judgeNode(rule, {
      facts: { sysctl: on, counters: recorded, capture: capture([dropped]), tcpMetrics: [remembered] },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('PAWSPassive +40 = ListenDrops +40');
    expect(found.said).toContain('TSval 2993857158 of 10.98.0.60 from 18 s ago');
    expect(found.said).toContain('carries 2450346507, 543510651 behind it');
    expect(found.because.every((b) => b.evidence.startsWith('evidence/node-50/'))).toBe(true);
  });

  it('fires: without tcp_metrics, by a higher TSval that was answered a moment before', () => {
    const found = judgeNode(rule, { facts: { sysctl: on, counters: recorded, capture: capture([higher, dropped]) } });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('answered with TSval 4192912309 0.3 s before');
  });

  it('fires: the stamp that rejected the SYN may be in either reading of tcp_metrics', () => {
    const overtaken = metric(nat, { value: 100, ageSec: 2 });
    const facts = { sysctl: on, counters: recorded, capture: capture([dropped]) };
    for (const tcpMetrics of [
      [overtaken, remembered],
      [remembered, overtaken],
    ])
      expect(judgeNode(rule, { facts: { ...facts, tcpMetrics } }).verdict).toBe('confirmed');
  });

  it('fires: the comparison wraps at 2^32', () => {
    const wrapped = connection({ from: nat, syn: { tsval: 4294967000 } });
    const facts = { sysctl: on, counters: recorded, capture: capture([wrapped]) };
    // 200 comes after 4294967000 on the circle
    expect(judgeNode(rule, { facts: { ...facts, tcpMetrics: [metric(nat, { value: 200, ageSec: 3 })] } }).verdict).toBe(
      'confirmed',
    );
    // more than half of the circle ahead is behind: the kernel lets such a SYN in (seen in the recording)
    const passes = connection({ from: nat, syn: { tsval: 1765106941 } });
    const found = judgeNode(rule, {
      facts: { ...facts, capture: capture([passes]), tcpMetrics: [metric(nat, { value: 4123251691, ageSec: 3 })] },
    });
    expect(found.verdict).toBe('likely');
  });

  it('fires: a SYN without timestamps, which later kernels reject too', () => {
    const bare = connection({ from: nat, syn: { tsval: null, frame: 313 } });
    const found = judgeNode(rule, {
      facts: { sysctl: on, counters: recorded, capture: capture([bare]), tcpMetrics: [remembered] },
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('(frame 313) has no timestamp');
  });

  it('fires: NAT is no condition, one client with random offsets suffices', () => {
    const facts = {
      sysctl: on,
      counters: recorded,
      capture: capture([
        answered({ from: '10.98.0.1', startMs: 500, syn: { tsval: 3598671124 } }),
        connection({ from: '10.98.0.1', syn: { tsval: 2590518418 } }),
      ]),
    };
    expect(judgeNode(rule, { facts }).verdict).toBe('confirmed');
  });

  it('fires: only likely for the setting alone', () => {
    const found = judgeNode(rule, { facts: { sysctl: on, counters: flat, capture: capture([answered()]) } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('The setting is risky');
  });

  it('fires: only likely where no timestamp explains the unanswered SYN', () => {
    const old = metric(nat, { value: 2993857158, ageSec: 61 });
    const dropping = { sysctl: on, counters: recorded, capture: capture([dropped]) };
    expect(judgeNode(rule, { facts: { ...dropping, tcpMetrics: [old] } }).verdict).toBe('likely');
    const oneBehind = metric(nat, { value: 2450346508, ageSec: 5 });
    expect(judgeNode(rule, { facts: { ...dropping, tcpMetrics: [oneBehind] } }).verdict).toBe('likely');
    const unansweredHigher = connection({ from: nat, startMs: 500, syn: { tsval: 4192912309 } });
    expect(judgeNode(rule, { facts: { ...dropping, capture: capture([unansweredHigher, dropped]) } }).verdict).toBe(
      'likely',
    );
  });

  it('fires: only likely where the kernel lost packets of the capture', () => {
    const found = judgeNode(rule, {
      facts: {
        sysctl: on,
        counters: recorded,
        capture: capture([dropped], { droppedByKernel: 3 }),
        tcpMetrics: [remembered],
      },
    });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('dropped 3 packets');
  });

  it('fires: only likely where the rejected SYNs belong to other ports', () => {
    const found = judgeNode(rule, { facts: { sysctl: on, counters: recorded, capture: capture([answered()]) } });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('may belong to other ports');
  });

  it('gives the remedy, with the way back', () => {
    const [temporary, permanent, kubernetes] = judgeNode(rule, { facts: { sysctl: on, counters: flat } }).remedies;
    expect(temporary).toMatchObject({
      kind: 'temporary',
      node: 'node-50',
      commands: ['sysctl -w net.ipv4.tcp_tw_recycle=0'],
      undo: ['sysctl -w net.ipv4.tcp_tw_recycle=1'],
    });
    expect(permanent?.commands.at(-1)).toBe('sysctl --system');
    expect(permanent?.text).toContain('tcp_tw_reuse=1 is no remedy');
    expect(kubernetes?.kind).toBe('kubernetes');
  });

  it('stays silent: switched off', () => {
    const found = judgeNode(rule, { facts: { sysctl: off } });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toBe('net.ipv4.tcp_tw_recycle = 0');
  });

  it('stays silent: timestamps off', () => {
    const facts = { sysctl: sysctls({ 'net.ipv4.tcp_tw_recycle': '1', 'net.ipv4.tcp_timestamps': '0' }) };
    expect(judgeNode(rule, { facts }).verdict).toBe('ruledOut');
  });

  it('stays silent: a kernel that no longer has it', () => {
    const facts = { sysctl: sysctls({ 'net.ipv4.tcp_tw_recycle': null, 'net.ipv4.tcp_timestamps': '1' }) };
    const found = judgeNode(rule, { facts: { ...facts, kernel: kernel('6.1.0-18-amd64'), counters: counters({}) } });
    expect(found.verdict).toBe('notApplicable');
    expect(found.said).toBe('net.ipv4.tcp_tw_recycle does not exist on this kernel (removed in Linux 4.12)');
    // a counter that has the name and never counted changes nothing
    const unused = counters({ 'TcpExt.PAWSPassive': [0, 0] });
    expect(judgeNode(rule, { facts: { ...facts, kernel: kernel('4.18.0'), counters: unused } }).verdict).toBe(
      'notApplicable',
    );
  });

  it('stays silent: SYNs go unanswered and PAWSPassive does not move', () => {
    const twice = [connection(), connection()];
    const found = judgeNode(rule, {
      facts: { sysctl: on, counters: flat, capture: capture(twice), tcpMetrics: [remembered] },
    });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('PAWSPassive +0 while 6 SYNs to port 1301 went unanswered');
    expect(found.said).toContain('net.ipv4.tcp_tw_recycle = 1 is a trap all the same');
  });

  it('stays silent: UDP', () => {
    expect(judgeNode(rule, { facts: { sysctl: on }, symptom: symptom({ protocol: 'udp' }) }).verdict).toBe(
      'notApplicable',
    );
  });

  it('does not take a setting that a network namespace hides for one that does not exist', () => {
    const hidden = sysctls({ 'net.ipv4.tcp_tw_recycle': null });
    const old = kernel('4.9.273');
    const judged = (facts: object) => judgeNode(rule, { facts: { sysctl: hidden, kernel: old, ...facts } }).verdict;
    expect(judged({ counters: recorded })).toBe('likely');
    expect(judged({ counters: counters({ 'TcpExt.PAWSPassive': [7, 7] }) })).toBe('ruledOut');
    expect(judged({})).toBe('unknown');
  });

  it('missing evidence: settings that were not read', () => {
    expect(judgeNode(rule, { facts: { counters: recorded } }).missing).toEqual([
      { fact: 'sysctl', node: 'node-50', why: 'not collected' },
    ]);
    const found = judgeNode(rule, { facts: { sysctl: sysctls({ 'net.ipv4.tcp_timestamps': '1' }) } });
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('net.ipv4.tcp_tw_recycle was not read');
  });

  it('missing evidence: without counters or a capture it is never more than likely', () => {
    expect(judgeNode(rule, { facts: { sysctl: on } }).verdict).toBe('likely');
    expect(judgeNode(rule, { facts: { sysctl: on, counters: recorded, tcpMetrics: [remembered] } }).verdict).toBe(
      'likely',
    );
    const rebooted = counters({ 'TcpExt.PAWSPassive': null });
    expect(
      judgeNode(rule, {
        facts: { sysctl: on, counters: rebooted, capture: capture([dropped]), tcpMetrics: [remembered] },
      }).verdict,
    ).toBe('likely');
    const deaf = capture([], { listening: false });
    expect(judgeNode(rule, { facts: { sysctl: on, counters: recorded, capture: deaf } }).said).toContain(
      'tcpdump never reported that it was listening',
    );
  });

  it('speaks Chinese with the same numbers', () => {
    const found = judgeNode(rule, {
      facts: { sysctl: on, counters: recorded, capture: capture([dropped]), tcpMetrics: [remembered] },
      language: 'zh',
    });
    expect(found.said).toContain('PAWSPassive +40 = ListenDrops +40');
    expect(found.said).toContain('2993857158');
    expect(found.said).toMatch(/丢弃/);
  });
});
