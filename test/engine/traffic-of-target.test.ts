import { describe, expect, it } from 'vitest';
import { trafficOfTarget } from '../../src/engine/traffic-of-target.ts';
import type { ServiceCount } from '../../src/model/packet-facts.ts';
import { asked } from '../rules/dns-facts.ts';
import { answered, capture, clientAddress, icmp, otherAddress, plan, target } from '../rules/facts.ts';

const service = (address: string, port: number, connections: number): ServiceCount => ({
  server: { address, port },
  connections,
  complete: connections,
  unanswered: 0,
  refused: 0,
  reset: 0,
  packets: connections * 10,
  retransmitted: 0,
  clients: 1,
});
const syns = (address: string) => ({
  address,
  syns: 1,
  unanswered: 0,
  unansweredBehind: 0,
  answeredBehind: 0,
  unansweredAhead: 0,
});

describe('trafficOfTarget', () => {
  const mine = answered();
  const translatedAddress = answered({ server: { address: '10.244.1.9', port: target.port } });
  const translatedPort = answered({ server: { address: target.address, port: 8080 } });
  const other = answered({ from: otherAddress, server: { address: '10.99.0.1', port: 443 } });
  const all = capture([mine, translatedAddress, translatedPort, other], {
    services: [service(target.address, target.port, 101), service('10.99.0.1', 443, 51)],
    uneventful: 150,
    synSources: [syns(clientAddress), syns(otherAddress)],
    icmpErrors: [
      icmp(),
      // about a packet of the server
      icmp({
        about: { source: target.address, sourcePort: target.port, destination: clientAddress, destinationPort: 40_001 },
      }),
      icmp({ about: { destination: '10.99.0.1', destinationPort: 443 } }),
    ],
  });

  it('keeps what has the address or the port of the target on the side of the server', () => {
    const kept = trafficOfTarget(all, plan());
    expect(kept.connections).toEqual([mine, translatedAddress, translatedPort]);
    expect(kept.services.map(({ server }) => server.port)).toEqual([target.port]);
    expect(kept.synSources.map(({ address }) => address)).toEqual([clientAddress]);
    expect(kept.icmpErrors).toHaveLength(2);
  });

  it('keeps all that belongs to names in a capture of DNS, and nothing of it elsewhere', () => {
    const overTcp = answered({ server: { address: '10.96.0.10', port: 53 } });
    const about = { protocol: 17, destination: '10.96.0.10', destinationPort: 53 };
    const more = { icmpErrors: [icmp({ about })] };
    const names = trafficOfTarget(capture([mine, overTcp, other], { ...more, dns: [asked('a.example')] }), plan());
    expect(names.connections).toEqual([mine, overTcp]);
    expect(names.icmpErrors).toHaveLength(1);
    const port = trafficOfTarget(capture([mine, overTcp], more), plan());
    expect(port.connections).toEqual([mine]);
    expect(port.icmpErrors).toEqual([]);
  });

  it('counts of the connections that are only counted those that are not of other services', () => {
    expect(trafficOfTarget(all, plan()).uneventful).toBe(100);
    expect(trafficOfTarget({ ...all, uneventful: 0 }, plan()).uneventful).toBe(0);
  });

  it('leaves alone what says how good the capture is', () => {
    const weak = trafficOfTarget({ ...all, droppedByKernel: 7, cutShort: true }, plan());
    expect(weak).toMatchObject({ droppedByKernel: 7, cutShort: true, listening: true, packets: all.packets });
  });

  it('keeps a leg with another address and port only where no other leg is there: a client that translates itself', () => {
    const pod = answered({ server: { address: '10.244.1.5', port: 8080 } });
    const filter = `(tcp port ${target.port} and host ${target.address}) or (host 10.244.1.5 and tcp port 8080) or (icmp)`;
    expect(trafficOfTarget(capture([pod, other], { filter }), plan()).connections).toEqual([pod]);
    expect(trafficOfTarget(capture([mine, pod, other], { filter }), plan()).connections).toEqual([mine]);
    expect(trafficOfTarget(capture([pod, other]), plan()).connections).toEqual([]);
  });
});
