import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import { inboundFlows } from '../../src/rules/inbound-flow.ts';
import { clientAddress, connection, link, otherAddress, plan, routeVerdict, target } from './facts.ts';

const seenOn = (interfaceIndex: number | null, direction: 'in' | 'out'): Connection => {
  const seen = connection();
  return { ...seen, syns: seen.syns.map((s) => ({ ...s, sightings: [{ interfaceIndex, direction }] })) };
};
const two = [link({ name: 'lo', index: 1 }), link(), link({ name: 'eth1', index: 3 })];
const flows = (failed: readonly Connection[], facts: object = {}, values: object = {}) =>
  inboundFlows({ protocol: 'tcp', target, failed, plan: plan(values), node: 'node-50', facts });
const device = (failed: Connection, facts: object) => flows([failed], facts)[0]?.inDevice;

describe('the flows to follow through a firewall', () => {
  it('are one per source that got no answer, with its SYNs', () => {
    const found = flows([connection(), connection(), connection({ from: otherAddress, tries: 2 })]);
    expect(found.map(({ source, packets }) => [source, packets])).toEqual([
      [clientAddress, 6],
      [otherAddress, 2],
    ]);
  });

  it('are those of the plan where nothing failed, or one from anywhere', () => {
    const planned = flows([], {}, { externalClients: ['192.0.2.7'] });
    expect(planned.map(({ source, packets }) => [source, packets])).toEqual([
      [clientAddress, 0],
      ['192.0.2.7', 0],
    ]);
    expect(flows([], {}, { nodes: [] }).map(({ source }) => source)).toEqual([null]);
  });

  it('come in by the device that the capture saw, or by the only one', () => {
    expect(device(seenOn(3, 'in'), { links: two })).toBe('eth1');
    expect(device(seenOn(3, 'out'), { links: two })).toBe(null);
    expect(device(seenOn(null, 'in'), { links: two })).toBe(null);
    expect(device(seenOn(9, 'in'), { links: two })).toBe(null);
    expect(device(connection(), { links: two.slice(0, 2) })).toBe('eth0');
    const elsewhere = routeVerdict({ to: clientAddress, device: 'eth5' });
    expect(device(connection(), { links: two.slice(0, 2), routeGet: [elsewhere] })).toBe(null);
    expect(device(connection(), {})).toBe(null);
  });
});
