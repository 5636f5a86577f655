import { describe, expect, it } from 'vitest';
import { netdevDown as rule } from '../../src/rules/netdev-down.ts';
import { at, judgeNode, link, probe, routeVerdict } from './facts.ts';

const judge = (facts: object, language: 'en' | 'zh' = 'en') => judgeNode(rule, { node: 'node-12', facts, language });
const noCarrier = link({ state: 'DOWN', flags: ['NO-CARRIER', 'UP'] });
const address = { family: 4, device: 'eth0', address: '10.51.2.9', prefixLength: 24, at: at('07-addresses.out', 2) };
const off = link({ state: 'DOWN', flags: ['BROADCAST'] });

describe('netdev-down', () => {
  it('fires: the device that leads to the target has no carrier, and every probe failed', () => {
    const found = judge({ links: [noCarrier], routeGet: [routeVerdict()], probes: [probe(), probe()] });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('eth0 leads to 10.51.2.2 and has no carrier (state DOWN)');
    expect(found.remedies[0]?.commands).toContain('ethtool eth0');
  });
  it('fires: likely where nobody probed; the bridge of the device; a device that is switched off', () => {
    expect(judge({ links: [noCarrier], routeGet: [routeVerdict()] }).verdict).toBe('likely');
    const bridge = link({ name: 'br0', index: 7, state: 'DOWN', flags: ['NO-CARRIER', 'UP'] });
    const port = judge({ links: [link({ master: 'br0' }), bridge], routeGet: [routeVerdict()] });
    expect(port.said).toContain('eth0 belongs to br0, which is DOWN');
    const away = routeVerdict({ verdict: 'network-unreachable' });
    const down = judge({ links: [off], routeGet: [away], addresses: [address], probes: [probe()] }, 'zh');
    expect(down.verdict).toBe('confirmed');
    expect(down.remedies[0]?.commands).toEqual(['ip link set dev eth0 up']);
  });
  it('stays silent: devices on the way are up; others are down (docker0 without containers)', () => {
    const docker = link({ name: 'docker0', index: 4, state: 'DOWN', flags: ['NO-CARRIER', 'UP'] });
    const found = judge({ links: [link(), docker], routeGet: [routeVerdict()], probes: [probe()] });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toBe('eth0: up, with carrier');
    const tunnel = link({ name: 'tunl0', state: 'UNKNOWN', flags: ['NOARP', 'UP'] });
    expect(judge({ links: [tunnel], routeGet: [routeVerdict({ device: 'tunl0' })] }).verdict).toBe('ruledOut');
  });
  it('stays silent: the target is here, or every probe connected', () => {
    const local = routeVerdict({ verdict: 'local', device: 'lo' });
    expect(judge({ links: [off], routeGet: [local], addresses: [address] }).verdict).toBe('ruledOut');
    const works = judge({ links: [noCarrier], routeGet: [routeVerdict()], probes: [probe({ outcome: 'connected' })] });
    expect(works.verdict).toBe('ruledOut');
  });
  it('missing evidence: no way, no devices', () => {
    expect(judge({ links: [link()], routeGet: [] }).missing[0]?.fact).toBe('routeGet');
    expect(judge({ routeGet: [routeVerdict()] }).verdict).toBe('unknown');
  });
});
