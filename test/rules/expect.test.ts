import { describe, expect, it } from 'vitest';
import { Expectation, expect as rule, expectationReads } from '../../src/rules/expect.ts';
import { at, counters, judgeNode, link, sysctls } from './facts.ts';

const words = { why: 'pods cannot get out', remedy: 'Switch it on' };
const forwardOn = { fact: 'sysctl:net.ipv4.ip_forward', op: 'eq', value: 1, ...words };
const judge = (table: readonly object[], facts: object, language: 'en' | 'zh' = 'en') =>
  judgeNode(rule, { facts, params: { table }, language });

describe('expect', () => {
  it('fires: a setting that is not as expected, with the command and the way back', () => {
    const found = judge([forwardOn], { sysctl: sysctls({ 'net.ipv4.ip_forward': '0' }) });
    expect(found.verdict).toBe('likely');
    expect(found.said).toBe('sysctl:net.ipv4.ip_forward is 0, expected 1: pods cannot get out');
    expect(found.because[0]).toMatchObject({ evidence: 'evidence/node-50/03-sysctl.out', line: 1 });
    expect(found.remedies).toEqual([
      {
        kind: 'temporary',
        node: 'node-50',
        text: 'Switch it on',
        commands: ['sysctl -w net.ipv4.ip_forward=1'],
        undo: ['sysctl -w net.ipv4.ip_forward=0'],
        risk: 'See what else depends on the setting before changing it',
      },
    ]);
  });

  it.each([
    [{ fact: 'counter:TcpExt.ListenDrops', op: 'max', value: 0 }, '+7 in the window, expected at most 0'],
    [{ fact: 'conntrack:drop', op: 'max', value: 0 }, '+3 in the window'],
    [{ fact: 'mtu:tunl0', op: 'in', value: [1480, 1430] }, 'is 1440, expected one of 1480, 1430'],
    [{ fact: 'link-state:eth0', op: 'ne', value: 'DOWN' }, 'is DOWN, expected anything but DOWN'],
    [{ fact: 'sysctl:net.ipv4.ip_local_port_range', op: 'eq', value: '1024 65535' }, 'is 32768 60999'],
    [{ fact: 'sysctl:net.core.somaxconn', op: 'min', value: 4096 }, 'is 128, expected at least 4096'],
    [{ fact: 'sysctl:net.ipv4.tcp_tw_recycle', op: 'absent' }, 'is 0, expected absent'],
    [{ fact: 'own:clock-sync/Leap status', op: 'eq', value: 'Normal' }, 'is Not synchronised, expected Normal'],
    [{ fact: 'own:clock-sync/Last offset', op: 'max', value: 0.1 }, 'is 2.5 seconds, expected at most 0.1'],
  ])('fires: %o', (row, said) => {
    const facts = {
      sysctl: sysctls({
        'net.ipv4.ip_local_port_range': '32768\t60999',
        'net.core.somaxconn': '128',
        'net.ipv4.tcp_tw_recycle': '0',
      }),
      counters: counters({ 'TcpExt.ListenDrops': 7 }),
      conntrackStats: counters({ drop: 3 }),
      links: [link({ name: 'tunl0', mtu: 1440 }), link({ state: 'DOWN' })],
      ownValues: {
        'clock-sync': {
          'Leap status': { value: 'Not synchronised', at: at('09-clock-sync.out', 1) },
          'Last offset': { value: '2.5 seconds', at: at('09-clock-sync.out', 2) },
        },
      },
    };
    const found = judge([{ ...row, ...words }], facts);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain(said);
  });

  it('fires: in the language of the report', () => {
    const bilingual = { ...forwardOn, why: { en: 'x', zh: 'Pod 出不去' }, remedy: { en: 'x', zh: '打开它' } };
    const found = judge([bilingual], { sysctl: sysctls({ 'net.ipv4.ip_forward': '0' }) }, 'zh');
    expect(found.said).toContain('Pod 出不去');
    expect(found.remedies[0]?.text).toBe('打开它');
  });

  it('stays silent: everything as expected, quoting it', () => {
    const found = judge([forwardOn, { fact: 'sysctl:net.ipv4.tcp_tw_recycle', op: 'absent', ...words }], {
      sysctl: sysctls({ 'net.ipv4.ip_forward': '1', 'net.ipv4.tcp_tw_recycle': null }),
    });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toBe(
      'sysctl:net.ipv4.ip_forward is 1, as expected (1)\nsysctl:net.ipv4.tcp_tw_recycle does not exist on this node',
    );
  });

  it('stays silent: what does not exist here', () => {
    const found = judge([{ fact: 'mtu:tunl0', op: 'eq', value: 1480, ...words }], { links: [link()] });
    expect(found.verdict).toBe('notApplicable');
    expect(found.said).toBe('mtu:tunl0 does not exist on this node');
  });

  it('missing evidence: a fact, a setting or a delta that is not there', () => {
    expect(judge([forwardOn], {}).missing).toEqual([
      { fact: 'sysctl', node: 'node-50', why: 'sysctl:net.ipv4.ip_forward was not read' },
    ]);
    expect(judge([forwardOn], { sysctl: sysctls({ 'net.core.somaxconn': '1' }) }).verdict).toBe('unknown');
    const row = { fact: 'counter:TcpExt.ListenDrops', op: 'max', value: 0, ...words };
    expect(judge([row], { counters: counters({ 'TcpExt.ListenDrops': null }) }).verdict).toBe('unknown');
    // what is broken is said all the same
    expect(judge([forwardOn, row], { sysctl: sysctls({ 'net.ipv4.ip_forward': '0' }) }).verdict).toBe('likely');
  });

  it('refuses rows that it could not honour, and tells what a row reads', () => {
    const refused = [
      { ...forwardOn, fact: 'file:/etc/shadow' },
      { ...forwardOn, fact: 'sysctl:x; reboot' },
      { ...forwardOn, op: 'like' },
      { ...forwardOn, op: 'min', value: 'many' },
      { ...forwardOn, extra: true },
    ];
    for (const row of refused) expect(Expectation.safeParse(row).success, JSON.stringify(row)).toBe(false);
    const read = (fact: string) => expectationReads(Expectation.parse({ ...forwardOn, fact }));
    expect(read('sysctl:net.ipv4.ip_forward')).toEqual({ fact: 'sysctl', name: 'net.ipv4.ip_forward' });
    expect(read('mtu:tunl0')).toEqual({ fact: 'links', name: 'tunl0' });
  });

  it('writes no value into a command that is not plain numbers', () => {
    const row = { ...forwardOn, fact: 'sysctl:net.ipv4.tcp_congestion_control', value: '$(reboot)' };
    const found = judge([row], { sysctl: sysctls({ 'net.ipv4.tcp_congestion_control': 'cubic' }) });
    expect(found.remedies[0]?.commands).toEqual([]);
  });
});
