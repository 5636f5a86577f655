import { describe, expect, it } from 'vitest';
import { dnsNsswitch as rule } from '../../src/rules/dns-nsswitch.ts';
import { asked, dnsCapture, pod } from './dns-facts.ts';
import { at, judgeNode } from './facts.ts';
import { features } from './ipvs-facts.ts';

const hosts = [
  { address: '127.0.0.1', names: ['localhost'], at: at('18-resolver.out', 1) },
  { address: '10.0.0.9', names: ['db.shop', 'db'], at: at('18-resolver.out', 2) },
];
const order = (sources: readonly string[]) => ({ hosts: { sources, at: at('19-resolver.out', 3) } });
const own = [{ family: 4, device: 'eth0', address: pod, prefixLength: 24, at: at('06-addresses.out', 2) }] as const;
const judge = (resolver: object, name: string, more: object = {}) =>
  judgeNode(rule, {
    facts: { resolver, capture: dnsCapture([asked(name)]), features: features([]), addresses: own, ...more },
  });

describe('dns-nsswitch', () => {
  it('fires: no nsswitch.conf, and a name of /etc/hosts is asked of DNS', () => {
    const found = judge({ hosts }, 'DB.shop');
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('There is no /etc/nsswitch.conf');
    expect(found.said).toContain('db.shop stands in /etc/hosts (10.0.0.9), and 10.96.0.10 was asked for it 1 times');
    expect(found.remedies[0]).toMatchObject({
      commands: ["echo 'hosts: files dns' > /etc/nsswitch.conf"],
      undo: ['rm /etc/nsswitch.conf'],
    });
  });
  it('fires: DNS before files', () => {
    const found = judge({ hosts, nameServices: order(['dns', '[NOTFOUND=return]', 'files']) }, 'db');
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('hosts: dns [NOTFOUND=return] files (DNS comes before files)');
  });
  it('stays silent: files come first, or the name that was asked stands nowhere', () => {
    expect(judge({ hosts, nameServices: order(['files', 'dns']) }, 'db').verdict).toBe('ruledOut');
    const found = judge({ hosts }, 'db.shop.svc.cluster.local');
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('none of the 3 names');
  });
  it('stays silent: it was a pod on this node that asked, which has a hosts file of its own', () => {
    const found = judge({ hosts }, 'db', { addresses: [{ ...own[0], address: '10.0.12.2' }] });
    expect(found.verdict).toBe('ruledOut');
  });
  it('missing evidence: nsswitch.conf is there and was not read, hosts, the capture', () => {
    const there = { features: features(['/etc/nsswitch.conf']) };
    expect(judge({ hosts }, 'db', there).said).toContain('/etc/nsswitch.conf was not read');
    expect(judge({}, 'db').said).toContain('/etc/hosts was not read');
    expect(judgeNode(rule, { facts: { resolver: { hosts } } }).verdict).toBe('unknown');
  });
});
