import { describe, expect, it } from 'vitest';
import { inboundFlows } from '../../src/rules/inbound-flow.ts';
import { ingressDevices } from '../../src/rules/ingress-device.ts';
import { connection, link, plan, target } from './facts.ts';

describe('the device that connects come in by', () => {
  const links = [link({ name: 'eth0', index: 2 }), link({ name: 'flannel.1', index: 9 })];
  const base = connection({ tries: 1 });
  const outside = { interfaceIndex: 2, direction: 'in', inTunnel: true } as const;
  const inside = { interfaceIndex: 9, direction: 'in' } as const;
  const seen = (...sightings: readonly (typeof outside | typeof inside)[]) => [
    { ...base, syns: base.syns.map((one) => ({ ...one, sightings })) },
  ];

  it('is that of the tunnel, not the card that saw the packet around it', () => {
    expect(ingressDevices(seen(outside, inside), links)).toEqual(['flannel.1']);
    expect(ingressDevices(seen(outside), links)).toEqual([]);
    const failed = seen(outside, inside);
    const [flow] = inboundFlows({ protocol: 'tcp', target, failed, plan: plan(), node: 'node-50', facts: { links } });
    expect(flow?.inDevice).toBe('flannel.1');
  });
});
