import { describe, expect, it } from 'vitest';
import { duplicateIp as rule } from '../../src/rules/duplicate-ip.ts';
import { claim } from './dns-facts.ts';
import { answered, capture, connection, flow, judgeOnCapture, reset, target } from './facts.ts';

const macA = '52:54:00:00:00:0a';
const macB = '52:54:00:00:00:0b';
/** A claims, B claims, A claims again. */
const alternating = (address: string = target.address) => [
  claim(address, macA, { firstAtMs: 1000, lastAtMs: 61_000, claims: 4, frame: 3 }),
  claim(address, macB, { firstAtMs: 30_000, lastAtMs: 50_000, claims: 2, frame: 9 }),
];
const ethernet = { linkType: 'EN10MB' } as const;

describe('duplicate-ip', () => {
  it('fires: two MAC addresses take turns, and connects get through only sometimes', () => {
    const found = judgeOnCapture(
      rule,
      capture([answered(), connection(), connection()], { ...ethernet, neighbourClaims: alternating() }),
    );
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      `10.51.2.2 is claimed by ${macA} (4 times, from frame 3) and by ${macB} (2 times, from frame 9); ${macA} claimed it again 31 s after`,
    );
    expect(found.said).toContain('of the connects to 10.51.2.2:1301, 1 got through and 2 did not');
    expect(found.remedies[0]?.commands).toEqual(['arping -D -c 2 -I DEV 10.51.2.2']);
  });

  it('fires: a connection is reset by a machine at another distance', () => {
    const hit = answered({
      flow: { client: flow(), server: flow({ ttl: { min: 64, max: 64 } }) },
      resets: [reset({ ttl: 128, answersSyn: false, frame: 77 })],
    });
    const found = judgeOnCapture(rule, capture([hit], { ...ethernet, neighbourClaims: alternating() }));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain("TTL 128 (frame 77), and the server's own packets have 64");
  });

  it('fires: two claims without an effect are likely', () => {
    const found = judgeOnCapture(rule, capture([], { ...ethernet, neighbourClaims: alternating() }));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('No connection to this address');
  });

  it('fires: an address that moved once is likely at most', () => {
    const moved = [
      claim(target.address, macA, { firstAtMs: 1000, lastAtMs: 20_000 }),
      claim(target.address, macB, { firstAtMs: 30_000, frame: 9 }),
    ];
    const found = judgeOnCapture(rule, capture([answered(), connection()], { ...ethernet, neighbourClaims: moved }));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain(`went from ${macA} to ${macB} (frame 9)`);
    expect(found.said).toContain('A fail-over');
  });

  it('fires: captures of all interfaces and proxy ARP are likely at most', () => {
    const connections = [answered(), connection()];
    const any = judgeOnCapture(rule, capture(connections, { neighbourClaims: alternating() }));
    expect(any.verdict).toBe('likely');
    expect(any.said).toContain('on all interfaces');
    const proxied = [...alternating(), ...['10.51.2.7', '10.51.2.8', '10.51.2.9'].map((a) => claim(a, macB))];
    const proxy = judgeOnCapture(rule, capture(connections, { ...ethernet, neighbourClaims: proxied }));
    expect(proxy.verdict).toBe('likely');
    expect(proxy.said).toContain(`${macB} claims 4 addresses`);
  });

  it('stays silent: every address has one MAC address', () => {
    const neighbourClaims = [claim('10.0.0.1', macA), claim('10.0.0.2', macA), claim('10.0.0.3', macB)];
    const found = judgeOnCapture(rule, capture([], { neighbourClaims }));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('each of 3 addresses');
  });

  it('stays silent: virtual addresses of VRRP, CARP and HSRP', () => {
    for (const virtual of ['00:00:5e:00:01:0a', '00:00:5e:00:02:0a', '00:00:0c:07:ac:01', '00:00:0c:9f:f0:01']) {
      const neighbourClaims = [...alternating().slice(0, 1), claim(target.address, virtual, { firstAtMs: 2000 })];
      const found = judgeOnCapture(rule, capture([], { ...ethernet, neighbourClaims }));
      expect(found.verdict).toBe('ruledOut');
      expect(found.said).toContain('virtual router');
    }
  });

  it('stays silent: nobody claimed anything', () => {
    expect(judgeOnCapture(rule, capture([])).verdict).toBe('notApplicable');
    const unanswered = [claim('10.0.0.1', '', { claims: 0, asked: 3 })];
    expect(judgeOnCapture(rule, capture([], { neighbourClaims: unanswered })).verdict).toBe('notApplicable');
  });

  it('missing evidence: the capture lost packets, or never listened', () => {
    const neighbourClaims = [claim('10.0.0.1', macA)];
    expect(judgeOnCapture(rule, capture([], { neighbourClaims, droppedByKernel: 5 })).verdict).toBe('unknown');
    expect(judgeOnCapture(rule, capture([], { listening: false, packets: 0 })).verdict).toBe('unknown');
  });
});
