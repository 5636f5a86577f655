import { describe, expect, it } from 'vitest';
import type { Connection, Link } from '../../src/model/facts.ts';
import type { Place } from '../../src/model/packet-facts.ts';
import { mtuTooSmall as rule } from '../../src/rules/mtu-too-small.ts';
import { capture, connection, counters, flow, icmp, judgeNode, link, symptom, syn, talk } from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';

const place = (interfaceIndex: number, direction: Place['direction'], tunnel: string | null = null): Place => ({
  interfaceIndex,
  direction,
  tunnel,
  client: 5,
  server: 5,
});
const links = [link(), link({ name: 'tunl0', index: 5, mtu: 1440, type: 'ipip' })];
const mss = (size: number) => ({ mss: size, windowScale: 7, sackPermitted: true, timestamps: true });
/** From eth0 through tunl0, as on the forwarder of field report 2. */
const passing = (client: number, server: number, values: Partial<Connection> = {}): Connection =>
  talk({
    options: { client: mss(client), server: mss(server) },
    places: [place(2, 'in'), place(5, 'out'), place(2, 'out', 'ipip')],
    ...values,
  });
const judge = (connections: readonly Connection[], more: object = {}, on: readonly Link[] = links) =>
  judgeNode(rule, { node: 'router-30', facts: { capture: capture(connections), links: on, ...more } });
const hole = {
  start: 2943,
  length: 1398,
  firstSeenMs: 1000,
  frame: 9,
  retransmits: 5,
  originalSeen: true,
  filledMs: null,
};

describe('mtu-too-small', () => {
  it('fires: field report 2 is predicted from the handshake, before any data is lost', () => {
    const found = judge([passing(1460, 1410)]);
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('MSS 1410, so packets of up to 1450 bytes; tunl0 sends 1440 at most');
    expect(found.said).toContain('No large segment was sent yet');
    expect(found.remedies[0]?.commands).toEqual([
      'iptables -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1401:65535 -j TCPMSS --set-mss 1400',
    ]);
    expect(found.remedies[0]?.risk).toContain('only where SYN and SYN+ACK both pass this node');
  });

  it('fires: confirmed where a hole of that size is never filled', () => {
    const found = judge([passing(1460, 1410, { flow: { client: flow({ holes: [hole] }), server: flow() } })]);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('1398 bytes were sent 5 times again');
  });

  it('fires: confirmed where the hole is seen before address translation and the small device behind it', () => {
    const same = [syn({ sequence: 77, tsval: 900 })];
    const front = talk({
      syns: same,
      server: { address: '10.51.2.2', port: 30_170 },
      places: [place(2, 'in'), place(2, 'out')],
      options: { client: mss(1460), server: mss(1410) },
      flow: { client: flow({ holes: [hole] }), server: flow() },
    });
    const behind = passing(1460, 1410, { syns: same, server: { address: '10.244.3.2', port: 8080 } });
    const found = judge([front, behind]);
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('> 10.51.2.2:30170: 1398 bytes were sent 5 times again');
    // another connection with such a hole proves nothing about this one
    const other = { ...front, syns: [syn({ sequence: 78, tsval: 900 })] };
    expect(judge([other, behind]).verdict).toBe('likely');
  });

  it('fires: only likely where the sender is told; with the header of the tunnel on the card; IPv6', () => {
    const one = passing(1460, 1460);
    const error = icmp({
      code: 4,
      name: 'frag-needed',
      mtu: 1440,
      about: { sourcePort: one.client.port, destinationPort: one.server.port },
    });
    const told = judge([one], {
      capture: capture([one], { icmpErrors: [error] }),
      counters: counters({ 'Ip.FragFails': 2 }),
    });
    expect(told.verdict).toBe('likely');
    expect(told.said).toContain('It works only as long as ICMP');
    const card = judge([passing(1460, 1460, { places: [place(2, 'out', 'ipip')] })]);
    expect(card.said).toContain('eth0 sends 1480 at most (MTU 1500 less the header of ipip)');
    const six = passing(1400, 1400, {
      client: { address: 'fd00::1', port: 4000 },
      server: { address: 'fd00::2', port: 1301 },
    });
    expect(judge([six]).remedies[0]?.commands[0]).toMatch(/^ip6tables .* --set-mss 1380$/);
  });

  it('stays silent: everything that was agreed on fits', () => {
    const found = judge([passing(1460, 1400)]);
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('packets of up to 1440 bytes were agreed on');
    expect(judge([passing(1460, 1460, { places: [place(2, 'in'), place(2, 'out')] })]).verdict).toBe('ruledOut');
  });

  it('stays silent: packets only come in by the small device, or the question is about UDP', () => {
    expect(judge([passing(1460, 1460, { places: [place(5, 'in'), place(2, 'out')] })]).verdict).toBe('ruledOut');
    const udp = judgeNode(rule, { facts: { capture: capture([]), links }, symptom: symptom({ protocol: 'udp' }) });
    expect(udp.verdict).toBe('notApplicable');
  });

  it('missing evidence: IPVS sends the connections on, and only the way to it was captured', () => {
    const table = { features: features(), ipvs: ipvs({ services: [service()] }) };
    const before = passing(1460, 1410, { places: [place(2, 'in'), place(2, 'out')] });
    const found = judge([before], table);
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('that part of the way is not in the capture');
    const [server] = service().servers;
    const behind = { ...passing(1460, 1410), ...(server === undefined ? {} : { server }) };
    expect(judge([before, behind], table).verdict).toBe('likely');
    const fits = { ...passing(1400, 1400), ...(server === undefined ? {} : { server }) };
    expect(judge([before, fits], table).verdict).toBe('ruledOut');
  });

  it('missing evidence: no handshake, no devices in the capture, no list of devices', () => {
    expect(judge([connection()]).said).toContain('no handshake with the MSS of both ends');
    expect(judge([passing(1460, 1410, { places: [] })]).said).toContain('does not tell by which devices');
    expect(judgeNode(rule, { facts: { capture: capture([passing(1460, 1410)]) } }).verdict).toBe('unknown');
  });

  describe('asked why connects fail (effectOnly)', () => {
    const judgeConnects = (connections: readonly Connection[]) =>
      judgeNode(rule, {
        node: 'node-12',
        facts: { capture: capture(connections), links: [link(), link({ name: 'cali1', index: 7, mtu: 1430 })] },
        params: { effectOnly: true },
      });
    it('stays silent: a SYN is small, whatever the MTU, which is named', () => {
      const found = judgeConnects([connection(), connection()]);
      expect(found.verdict).toBe('ruledOut');
      expect(found.said).toContain('2 connects fail in the handshake');
      expect(found.said).toContain('the smallest MTU here is 1430 (cali1)');
    });
    it('stays silent: large segments were agreed on, and none is missing', () => {
      expect(judgeConnects([passing(1460, 1410)]).verdict).toBe('ruledOut');
      expect(judgeConnects([]).verdict).toBe('notApplicable');
    });
    it('fires: a segment of that size is missing', () => {
      const found = judgeNode(rule, {
        facts: {
          capture: capture([passing(1460, 1410, { flow: { client: flow({ holes: [hole] }), server: flow() } })]),
          links,
        },
        params: { effectOnly: true },
      });
      expect(found.verdict).toBe('confirmed');
    });
    it('missing evidence: a segment is missing, and its device is not known', () => {
      const lost = talk({ flow: { client: flow({ holes: [hole] }), server: flow() } });
      expect(judgeConnects([lost]).verdict).toBe('unknown');
    });
  });
});
