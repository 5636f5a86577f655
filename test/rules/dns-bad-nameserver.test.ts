import { describe, expect, it } from 'vitest';
import { dnsBadNameserver as rule } from '../../src/rules/dns-bad-nameserver.ts';
import { asked, dnsCapture, pod } from './dns-facts.ts';
import { capture, icmp, judgeOnCapture } from './facts.ts';

const dead = '10.0.0.53';
const good = '10.0.0.54';
const toDead = (name: string, atMs = 1000, rest: Parameters<typeof asked>[1] = {}) =>
  asked(name, { server: dead, tookMs: null, atMs, ...rest });
const toGood = (name: string, atMs = 1000, rest: Parameters<typeof asked>[1] = {}) =>
  asked(name, { server: good, atMs, ...rest });

describe('dns-bad-nameserver', () => {
  it('fires: the first server never answers, the client turns to the second after 5 s', () => {
    const found = judgeOnCapture(
      rule,
      dnsCapture([toDead('a.example', 1000, { frame: 3 }), toGood('a.example', 6000), toDead('b.example', 9000)]),
    );
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.0.0.53 answered none of 2 questions (the first is frame 3)');
    expect(found.said).toContain('10.244.1.7 waited 5 s for it, asked 10.0.0.54 for a.example instead');
    expect(found.remedies[0]?.commands[0]).toBe('dig +time=2 +tries=1 @10.0.0.53 . NS');
  });

  it('fires: a server is silent while another one answers other names, without proof that anybody waited', () => {
    const found = judgeOnCapture(rule, dnsCapture([toDead('a.example'), toDead('b.example'), toGood('c.example')]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('10.0.0.54 answered 1 questions');
  });

  it('fires: the only server is silent, and the client asks again', () => {
    const found = judgeOnCapture(rule, dnsCapture([toDead('a.example', 1000, { queries: 2 })]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('asked it 2 times for a.example');
    expect(found.said).toContain('it may as well be the way to it');
  });

  it('fires: a server gives nothing but SERVFAIL, and another knows the name', () => {
    const bad = { server: dead, rcode: 'SERVFAIL' } as const;
    const found = judgeOnCapture(
      rule,
      dnsCapture([asked('a.example', bad), asked('b.example', { ...bad, rcode: 'REFUSED' }), toGood('b.example')]),
    );
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.0.0.53 gave 2 answers, all of them REFUSED, SERVFAIL');
    expect(found.said).toContain('10.0.0.54 answers NOERROR to the same question about b.example');
    const alone = judgeOnCapture(rule, dnsCapture([asked('a.example', bad), asked('b.example', bad)]));
    expect(alone.verdict).toBe('likely');
  });

  it('fires: only likely where one look-up was ignored, or where the other server knows no address either', () => {
    const one = ['A', 'AAAA'].map((type) => asked('www.example.com', { server: '10.0.0.53', tookMs: null, type }));
    const turned = ['A', 'AAAA'].map((type) => asked('www.example.com', { server: '10.0.0.54', atMs: 6000, type }));
    expect(judgeOnCapture(rule, dnsCapture([...one, ...turned])).verdict).toBe('likely');
    const again = asked('api.example.com', { server: '10.0.0.53', tookMs: null, atMs: 1001 });
    expect(judgeOnCapture(rule, dnsCapture([...one, again, ...turned])).verdict).toBe('confirmed');

    const refused = ['a.example', 'b.example'].flatMap((name) => [
      asked(name, { server: '10.0.0.53', rcode: 'REFUSED' }),
      asked(name, { server: '10.0.0.54', rcode: 'NXDOMAIN', atMs: 1001 }),
    ]);
    const found = judgeOnCapture(rule, dnsCapture(refused));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('10.0.0.54 answers NXDOMAIN');
  });

  it('fires: the questions are turned down by ICMP, however short the capture is', () => {
    const dns = [
      toDead('a.example', 1000, { port: 1 }),
      toDead('b.example', 1000, { port: 2 }),
      toGood('a.example', 1001),
    ];
    const icmpErrors = [1, 2].map((sourcePort) =>
      icmp({
        from: dead,
        name: 'port-unreachable',
        code: 3,
        frame: 4,
        about: { protocol: 17, source: pod, sourcePort, destination: dead, destinationPort: 53 },
      }),
    );
    const found = judgeOnCapture(rule, dnsCapture(dns, { icmpErrors, lastAtMs: 1100 }));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain(
      '2 of the questions were turned down by ICMP port-unreachable from 10.0.0.53 (frame 4)',
    );
    const alone = judgeOnCapture(rule, dnsCapture(dns.slice(0, 2), { icmpErrors, lastAtMs: 1100 }));
    expect(alone.verdict).toBe('likely');
  });

  it('stays silent: every server gives useful answers, NXDOMAIN too', () => {
    const found = judgeOnCapture(
      rule,
      dnsCapture([
        toGood('a.example'),
        toGood('b.example', 1000, { rcode: 'NXDOMAIN' }),
        toGood('c.example', 2000, { tookMs: null }),
      ]),
    );
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('10.0.0.54 2/3');
  });

  it('missing evidence: packets of the server came, though they match no question here', () => {
    const given = dnsCapture([toDead('a.example'), toDead('b.example'), toGood('c.example')]);
    const udp = given.udp.map((flow) => ({ ...flow, packets: { client: 1, server: 1 } }));
    const found = judgeOnCapture(rule, { ...given, udp });
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('they answer no question');
  });

  it('stays silent: there is no DNS', () => {
    expect(judgeOnCapture(rule, capture([])).verdict).toBe('notApplicable');
  });

  it('missing evidence: one direction only, nobody asks again', () => {
    const found = judgeOnCapture(rule, dnsCapture([toDead('a.example'), toDead('b.example')]));
    expect(found.verdict).toBe('unknown');
    expect(found.said).toContain('one direction only');
  });

  it('missing evidence: one unanswered question, or no time for an answer', () => {
    expect(judgeOnCapture(rule, dnsCapture([toDead('a.example'), toGood('b.example')])).said).toContain(
      'too few to tell',
    );
    const short = dnsCapture([toDead('a.example'), toDead('b.example'), toGood('c.example')], { lastAtMs: 1500 });
    expect(judgeOnCapture(rule, short).verdict).toBe('unknown');
    expect(judgeOnCapture(rule, short).said).toContain('less than 2 s after the question');
  });

  it('missing evidence: the capture lost packets', () => {
    const dns = [toDead('a.example'), toDead('b.example'), toGood('c.example')];
    expect(judgeOnCapture(rule, dnsCapture(dns, { droppedByKernel: 1 })).verdict).toBe('unknown');
    const turned = [...dns, toGood('a.example', 6000)];
    expect(judgeOnCapture(rule, dnsCapture(turned, { droppedByKernel: 1 })).verdict).toBe('likely');
  });
});
