import { describe, expect, it } from 'vitest';
import { dnsNdots as rule } from '../../src/rules/dns-ndots.ts';
import { asked, dnsCapture } from './dns-facts.ts';
import { capture, judgeOnCapture } from './facts.ts';

const searches = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'];
/** What a pod with ndots:5 asks: A and AAAA of every name of the search list, then of the name itself. */
const lookup = (name: string, atMs: number, domains = searches, stepMs = 50) => [
  ...domains.flatMap((domain, i) =>
    ['A', 'AAAA'].map((type) => asked(`${name}.${domain}`, { type, rcode: 'NXDOMAIN', atMs: atMs + i * stepMs })),
  ),
  asked(name, { atMs: atMs + domains.length * stepMs }),
  asked(name, { type: 'AAAA', atMs: atMs + domains.length * stepMs, addresses: [] }),
];

describe('dns-ndots', () => {
  it('fires: three lookups of outside names go through the whole search list', () => {
    const names = ['www.example.com', 'api.example.org', 'cdn.example.net'];
    const found = judgeOnCapture(rule, dnsCapture(names.flatMap((name, i) => lookup(name, 1000 + i * 1000))));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toMatch(
      /10\.244\.1\.7 looked up www\.example\.com: 3 names of its search list do not exist \(6 questions from frame \d+ on\)/,
    );
    expect(found.said).toContain('150.0 ms, and 1.0 ms for the answer that was wanted');
    expect(found.said).toContain('3 lookups were like this: 18 of 24 questions in the capture (75 %)');
  });

  it('fires: the same name again is another lookup', () => {
    const dns = [0, 1, 2].flatMap((i) => lookup('www.example.com', 1000 + i * 500));
    expect(judgeOnCapture(rule, dnsCapture(dns)).verdict).toBe('confirmed');
  });

  it('fires: one lookup alone is only likely', () => {
    const found = judgeOnCapture(rule, dnsCapture(lookup('www.example.com', 1000)));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('Only 1 such lookups');
  });

  it('fires: only likely where each lookup loses little; stays silent where nobody notices, and says how many', () => {
    const names = ['www.example.com', 'api.example.org', 'cdn.example.net'];
    const judge = (stepMs: number) =>
      judgeOnCapture(rule, dnsCapture(names.flatMap((name, i) => lookup(name, 1000 + i * 1000, searches, stepMs))));
    expect(judge(20).verdict).toBe('likely');
    expect(judge(20).said).toContain('That costs most of them 60.0 ms');
    expect(judge(1).verdict).toBe('ruledOut');
    expect(judge(1).said).toContain('18 of 24 questions');
  });

  it('stays silent: fewer names, another client, long before', () => {
    const few = judgeOnCapture(rule, dnsCapture(lookup('www.example.com', 1000, searches.slice(0, 2))));
    expect(few.verdict).toBe('ruledOut');
    expect(few.said).toContain('more than 2 names');
    const others = searches.map((domain, i) =>
      asked(`www.example.com.${domain}`, { rcode: 'NXDOMAIN', client: `10.244.1.${i}` }),
    );
    expect(judgeOnCapture(rule, dnsCapture([...others, asked('www.example.com', { atMs: 2000 })])).verdict).toBe(
      'ruledOut',
    );
    const old = lookup('www.example.com', 1000).slice(0, 6);
    expect(judgeOnCapture(rule, dnsCapture([...old, asked('www.example.com', { atMs: 30_000 })])).verdict).toBe(
      'ruledOut',
    );
  });

  it('stays silent: the misses led to another name', () => {
    const dns = lookup('www.example.com', 1000).slice(0, 6);
    const hit = asked('www.example.com.corp.example', { atMs: 1003 });
    const found = judgeOnCapture(rule, dnsCapture([...dns, hit, asked('www.example.com', { atMs: 1500 })]));
    expect(found.verdict).toBe('ruledOut');
  });

  it('stays silent: a service is found at the second try', () => {
    const dns = [
      asked('db.shop.shop.svc.cluster.local', { rcode: 'NXDOMAIN' }),
      asked('db.shop.svc.cluster.local', { atMs: 1001 }),
    ];
    expect(judgeOnCapture(rule, dnsCapture(dns)).verdict).toBe('ruledOut');
  });

  it('stays silent: nothing was answered with an address, or there is no DNS', () => {
    expect(judgeOnCapture(rule, dnsCapture([asked('a.example', { rcode: 'NXDOMAIN' })])).verdict).toBe('notApplicable');
    expect(judgeOnCapture(rule, capture([])).verdict).toBe('notApplicable');
  });

  it('missing evidence: the capture lost packets', () => {
    const weak = dnsCapture([asked('a.example')], { droppedByKernel: 9 });
    expect(judgeOnCapture(rule, weak).verdict).toBe('unknown');
  });
});
