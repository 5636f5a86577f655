import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import type { Place } from '../../src/model/packet-facts.ts';
import { sightingsStop } from '../../src/rules/sightings-stop.ts';
import { answered, capture, connection, flow, icmp, judgeOnCapture, talk } from './facts.ts';

const eth0 = (client: number, server = 0): Place => ({
  interfaceIndex: 2,
  direction: 'in',
  tunnel: null,
  client,
  server,
});
const tunl0 = (client: number, server = 0): Place => ({
  interfaceIndex: 7,
  direction: 'out',
  tunnel: 'ipip',
  client,
  server,
});
const names = { interfaceNames: { 2: 'eth0', 7: 'tunl0' } };
const passing = (values: Partial<Connection> = {}): Connection => answered({ places: [eth0(6), tunl0(6)], ...values });
const stopped = (values: Partial<Connection> = {}): Connection => connection({ places: [eth0(3)], ...values });

describe('sightings-stop', () => {
  it('fires: SYNs come in and never go out, those of others do', () => {
    const found = judgeOnCapture(sightingsStop, capture([passing(), stopped()], names));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('3 packets of the client came in on eth0 and none went out');
    expect(found.said).toContain('went out on tunl0 (ipip)');
  });

  it('fires: only the large segments of a connection do not go out', () => {
    const large = talk({
      places: [eth0(10), tunl0(5)],
      retransmitted: { client: 5, server: 0 },
      flow: {
        client: flow({
          largestPayload: 1440,
          bySize: [
            { upTo: 536, sent: 2, retransmitted: 0 },
            { upTo: 1440, sent: 6, retransmitted: 5 },
          ],
        }),
        server: flow(),
      },
    });
    const found = judgeOnCapture(sightingsStop, capture([large], names));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('of 10 packets of the client that came in on eth0, 5 did not go out on tunl0 (ipip)');
    expect(found.said).toContain('up to 1440 bytes');
  });

  it('stays silent: everything goes on', () => {
    expect(judgeOnCapture(sightingsStop, capture([passing(), passing()], names)).verdict).toBe('ruledOut');
  });

  it('stays silent: nothing to that service goes on: it is delivered here, or translated', () => {
    const elsewhere = passing({ server: { address: '10.77.0.1', port: 443 } });
    expect(judgeOnCapture(sightingsStop, capture([elsewhere, stopped()], names)).verdict).toBe('ruledOut');
    expect(judgeOnCapture(sightingsStop, capture([stopped()], names)).verdict).toBe('notApplicable');
  });

  it('stays silent: what is not there was not missed: it was answered, or nobody sent again', () => {
    const translated = answered({ places: [eth0(6)], retransmitted: { client: 2, server: 0 } });
    const tail = stopped({ retransmitted: { client: 0, server: 0 } });
    expect(judgeOnCapture(sightingsStop, capture([passing(), translated, tail], names)).verdict).toBe('ruledOut');
  });

  it('stays silent: the sender was told that its packets are too large, and heard', () => {
    const told = talk({ places: [eth0(200), tunl0(190)], retransmitted: { client: 10, server: 0 } });
    const error = icmp({ name: 'frag-needed', code: 4, mtu: 1400, about: { sourcePort: told.client.port } });
    expect(judgeOnCapture(sightingsStop, capture([told], { ...names, icmpErrors: [error] })).verdict).toBe('ruledOut');
    expect(judgeOnCapture(sightingsStop, capture([told], names)).verdict).toBe('likely');
  });

  it('stays silent: the neighbour path-drop: a capture of one device tells nothing of this', () => {
    expect(judgeOnCapture(sightingsStop, capture([connection(), answered()])).verdict).toBe('notApplicable');
  });

  it('missing evidence: packets that the kernel dropped from the capture are missing everywhere', () => {
    const lossy = judgeOnCapture(sightingsStop, capture([passing(), stopped()], { ...names, droppedByKernel: 9 }));
    expect(lossy.verdict).toBe('unknown');
    expect(lossy.said).toContain('dropped 9 packets');
    expect(judgeOnCapture(sightingsStop, undefined).verdict).toBe('unknown');
  });
});
