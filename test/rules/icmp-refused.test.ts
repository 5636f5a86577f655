import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import { icmpRefused } from '../../src/rules/icmp-refused.ts';
import { synUnanswered } from '../../src/rules/syn-unanswered.ts';
import { answered, capture, connection, icmp, judgeOnCapture, refused } from './facts.ts';

const told = (): Connection => connection({ handshake: 'icmpError', tries: 1 });
const about = ({ client, syns }: Connection, values: Parameters<typeof icmp>[0] = {}) =>
  icmp({ atMs: (syns[0]?.atMs ?? 0) + 1, about: { sourcePort: client.port }, ...values });

describe('icmp-refused', () => {
  it('fires: a firewall of the target rejects', () => {
    const connects = [told(), told()];
    const found = judgeOnCapture(icmpRefused, capture(connects, { icmpErrors: connects.map((one) => about(one)) }));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      '10.51.2.2 answers host-prohibited to 2 connects to 10.51.2.2:1301 (2 errors, first: frame 2)',
    );
    expect(found.said).toContain('A firewall forbids it');
    expect(found.said).toContain('the address that was asked itself');
  });

  it('fires: a router on the way has no way further, and is named', () => {
    const one = told();
    const unreachable = about(one, { from: '10.30.0.1', code: 1, name: 'host-unreachable' });
    const found = judgeOnCapture(icmpRefused, capture([one], { icmpErrors: [unreachable] }));
    expect(found.said).toContain('no route, or the host behind it does not answer ARP');
    expect(found.said).toContain('not sent by 10.51.2.2:1301 but by 10.30.0.1');
    expect(found.remedies[0]?.commands).toEqual(['ip route get 10.51.2.2']);
  });

  it('fires: each kind says what it means', () => {
    const one = told();
    const said = (values: Parameters<typeof icmp>[0]): string =>
      judgeOnCapture(icmpRefused, capture([one], { icmpErrors: [about(one, values)] })).said;
    expect(said({ code: 3, name: 'port-unreachable' })).toContain('only a firewall sends this');
    expect(said({ type: 11, code: 0, name: 'time-exceeded' })).toContain('a routing loop');
    expect(said({ code: 2, name: 'protocol-unreachable' })).toContain('refuses to deliver');
  });

  it('fires: connects that the rate limit left without an error are counted here, not as unanswered ones', () => {
    const one = told();
    const given = capture([one, connection(), connection()], { icmpErrors: [about(one)] });
    expect(judgeOnCapture(icmpRefused, given).said).toContain('2 more connects to 10.51.2.2:1301 got no answer');
    expect(judgeOnCapture(synUnanswered, given).verdict).toBe('ruledOut');
  });

  it('stays silent: the neighbours: refused by RST, and "too large", which is about size', () => {
    const open = answered();
    const silent = connection();
    const errors = [open, silent].map((one) => about(one, { code: 4, name: 'frag-needed', mtu: 1400 }));
    const given = capture([refused(), open, silent], { icmpErrors: errors });
    expect(judgeOnCapture(icmpRefused, given).verdict).toBe('ruledOut');
  });

  it('stays silent: an error about another attempt, or about UDP', () => {
    const one = connection();
    const others = [
      about(one, { atMs: 10 }),
      about(one, { about: { sourcePort: one.client.port, destinationPort: 1302 } }),
      about(one, { about: { sourcePort: one.client.port, protocol: 17 } }),
    ];
    expect(judgeOnCapture(icmpRefused, capture([one], { icmpErrors: others })).verdict).toBe('ruledOut');
  });

  it('missing evidence: no connect, no capture, or one that lost packets', () => {
    expect(judgeOnCapture(icmpRefused, capture([])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(icmpRefused, undefined).verdict).toBe('unknown');
    expect(judgeOnCapture(icmpRefused, capture([answered()], { cutShort: true })).verdict).toBe('unknown');
  });
});
