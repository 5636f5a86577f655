import { describe, expect, it } from 'vitest';
import { dnsSearchHijack as rule } from '../../src/rules/dns-search-hijack.ts';
import { asked, dnsCapture } from './dns-facts.ts';
import { capture, judgeOnCapture } from './facts.ts';

const wrong = ['203.0.113.9'];
/** A lookup in a pod: the cluster's domains do not have the name, the node's search domain has. */
const hijacked = (name: string, atMs = 1000, addresses: readonly string[] = wrong) => [
  ...['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'].map((domain, i) =>
    asked(`${name}.${domain}`, { rcode: 'NXDOMAIN', atMs: atMs + i }),
  ),
  asked(`${name}.corp.example`, { atMs: atMs + 3, addresses }),
];

describe('dns-search-hijack', () => {
  it('fires: the name with the search domain has another address than the name itself', () => {
    const meant = asked('api.partner.com', { client: '10.244.2.2', atMs: 500, addresses: ['198.51.100.7'] });
    const found = judgeOnCapture(rule, dnsCapture([...hijacked('api.partner.com'), meant]));
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('looked for api.partner.com and got 203.0.113.9 for api.partner.com.corp.example');
    expect(found.said).toContain('after 3 other names of its search list did not exist');
    expect(found.said).toContain('api.partner.com itself has 198.51.100.7');
    expect(found.remedies.find(({ kind }) => kind === 'permanent')?.text).toContain('corp.example');
  });

  it('fires: a complete name was expanded, what it has itself is not in the capture', () => {
    const found = judgeOnCapture(rule, dnsCapture(hijacked('api.partner.com')));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('looks like a complete name');
    expect(found.said).toContain('What would confirm');
  });

  it('fires: several names behind one domain have one address (wildcard)', () => {
    const dns = ['db.red', 'db.blue', 'db.green'].flatMap((name, i) => hijacked(name, 1000 + 100 * i));
    const found = judgeOnCapture(rule, dnsCapture(dns));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('3 different names behind corp.example got the same 203.0.113.9');
  });

  it('fires: the full name of a service with a domain behind it, asked for at once', () => {
    const found = judgeOnCapture(
      rule,
      dnsCapture([asked('db.shop.svc.cluster.local.corp.example', { addresses: wrong })]),
    );
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('looked for db.shop.svc.cluster.local and got 203.0.113.9');
  });

  it('stays silent: a short name is completed as it should be', () => {
    const found = judgeOnCapture(rule, dnsCapture(hijacked('db.prod')));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('1 lookups went through a search list');
  });

  it('stays silent: a service of the cluster is found by the second search domain', () => {
    const dns = [
      asked('db.shop.web.svc.cluster.local', { rcode: 'NXDOMAIN' }),
      asked('db.shop.svc.cluster.local', { atMs: 1001 }),
    ];
    expect(judgeOnCapture(rule, dnsCapture(dns)).verdict).toBe('ruledOut');
  });

  it('stays silent: the cluster completes a name that ends in svc', () => {
    const dns = [
      asked('db.shop.svc.web.svc.cluster.local', { rcode: 'NXDOMAIN' }),
      asked('db.shop.svc.svc.cluster.local', { rcode: 'NXDOMAIN', atMs: 1001 }),
      asked('db.shop.svc.cluster.local', { atMs: 1002 }),
    ];
    expect(judgeOnCapture(rule, dnsCapture(dns)).verdict).toBe('ruledOut');
  });

  it('stays silent: both names are the same machine, or the name itself does not exist', () => {
    const same = asked('api.partner.com', { atMs: 500, addresses: wrong });
    expect(judgeOnCapture(rule, dnsCapture([...hijacked('api.partner.com'), same])).verdict).toBe('ruledOut');
    const none = asked('api.partner.com', { atMs: 500, rcode: 'NXDOMAIN' });
    expect(judgeOnCapture(rule, dnsCapture([...hijacked('api.partner.com'), none])).verdict).toBe('ruledOut');
  });

  it('stays silent: nothing was expanded, or there is no DNS', () => {
    const cdn = ['a', 'b', 'c'].map((name) => asked(`${name}.shop.example.com`, { addresses: wrong }));
    expect(judgeOnCapture(rule, dnsCapture(cdn)).verdict).toBe('notApplicable');
    expect(judgeOnCapture(rule, capture([])).verdict).toBe('notApplicable');
  });

  it('stays silent: a cluster whose domain is not the usual one', () => {
    const meant = asked('api.shop', { client: '10.244.2.2', atMs: 500, addresses: ['198.51.100.7'] });
    const dns = [
      asked('api.shop.shop.svc.k8s.corp', { rcode: 'NXDOMAIN' }),
      asked('api.shop.svc.k8s.corp', { atMs: 1001, addresses: ['10.96.3.3'] }),
    ];
    expect(judgeOnCapture(rule, dnsCapture([meant, ...dns])).verdict).not.toBe('confirmed');
  });

  it('missing evidence: the capture lost packets', () => {
    expect(judgeOnCapture(rule, dnsCapture([asked('a.example')], { droppedByKernel: 2 })).verdict).toBe('unknown');
  });
});
