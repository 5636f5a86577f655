import { describe, expect, it } from 'vitest';
import type { Facts } from '../../src/model/facts.ts';
import { lroForwarding as rule } from '../../src/rules/lro-forwarding.ts';
import { at, judgeNode, link, sysctls } from './facts.ts';

const lro = (on: boolean, fixed = false): NonNullable<Facts['nics']> => [
  { device: 'eth0', features: { 'large-receive-offload': { on, fixed, at: at('30-ethtool-k.out', 9) } } },
];
const forwarding = (value: string) => sysctls({ 'net.ipv4.ip_forward': value });
const judge = (facts: Facts) => judgeNode(rule, { facts: { nics: lro(true), sysctl: forwarding('1'), ...facts } });

describe('lro-forwarding', () => {
  it('fires: received packets are merged and passed on', () => {
    const found = judge({});
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('eth0 merges the packets that it receives (large-receive-offload: on)');
    expect(found.said).toContain('net.ipv4.ip_forward = 1');
    expect(found.remedies[0]).toMatchObject({
      kind: 'temporary',
      commands: ['ethtool -K eth0 lro off'],
      undo: ['ethtool -K eth0 lro on'],
    });
  });
  it('fires: by the setting of that device, which decides', () => {
    const only = sysctls({ 'net.ipv4.ip_forward': '0', 'net.ipv4.conf.eth0.forwarding': '1' });
    expect(judge({ sysctl: only }).verdict).toBe('likely');
    const other = sysctls({ 'net.ipv4.ip_forward': '1', 'net.ipv4.conf.eth0.forwarding': '0' });
    expect(judge({ sysctl: other }).verdict).toBe('notApplicable');
  });
  it('fires: a port of a bridge passes packets on without forwarding', () => {
    const links = [link({ name: 'eth0', master: 'br0' }), link({ name: 'br0', index: 9, type: 'bridge' })];
    expect(judge({ sysctl: forwarding('0'), links }).said).toContain('eth0 is a port of br0');
    const bond = [link({ name: 'eth0', master: 'bond0' }), link({ name: 'bond0', index: 9, type: 'bond' })];
    expect(judge({ sysctl: forwarding('0'), links: bond }).verdict).toBe('notApplicable');
  });
  it('fires: with advice about the driver where it cannot be switched off', () => {
    expect(judge({ nics: lro(true, true) }).remedies).toMatchObject([{ kind: 'permanent', commands: [] }]);
  });
  it('stays silent: LRO is off, or nothing is passed on', () => {
    expect(judge({ nics: lro(false) }).verdict).toBe('ruledOut');
    expect(judge({ sysctl: forwarding('0') }).verdict).toBe('notApplicable');
  });
  it('missing evidence: no offloads, no setting', () => {
    expect(judge({ nics: [{ device: 'eth0' }] }).verdict).toBe('unknown');
    expect(judge({ sysctl: sysctls({}) }).verdict).toBe('unknown');
  });
});
