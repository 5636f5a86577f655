import { describe, expect, it } from 'vitest';
import type { Address, Facts } from '../../src/model/facts.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import type { HostsLine, NameLookup, Resolver } from '../../src/model/node-facts.ts';
import { dnsNameElsewhere as rule } from '../../src/rules/dns-name-elsewhere.ts';
import { at, clientAddress, judgePath, plan, symptom, target } from './facts.ts';

const wrong = '10.99.0.9';
/** `name: addresses`; what is not here was not looked up, or did not end. */
const lookups = (answers: Readonly<Record<string, readonly string[]>>): readonly NameLookup[] =>
  Object.entries(answers).map(([name, addresses], i) => ({ name, addresses, at: at(`2${i}-target-name.out`, 1) }));
const resolver = (search: readonly string[], hosts: readonly HostsLine[] = []): Resolver => ({
  config: { nameservers: [], search, options: [], at: at('05-resolver.out', 2) },
  hosts,
});
const address = (own: string): Address => ({
  family: 4,
  device: 'eth0',
  address: own,
  prefixLength: 24,
  at: at('06-addresses.out', 2),
});
const asked = symptom({ text: 'nacos port 8848', target: { kind: 'node', node: 'nacos' }, port: 8848 });
const inPlan = plan({
  symptom: asked,
  nodes: [
    {
      node: InventoryNode.parse({ name: 'nacos', address: '10.255.0.50', target: target.address }),
      roles: ['target'],
      address: target.address,
      why: 'asked',
    },
    {
      node: InventoryNode.parse({ name: 'node-12', address: clientAddress }),
      roles: ['client'],
      address: clientAddress,
      why: 'asked',
    },
  ],
});
const judge = (client: Facts, more: { target?: Facts; language?: 'zh' } = {}) =>
  judgePath(rule, {
    client,
    target: more.target ?? { addresses: [address('127.0.0.1'), address(target.address), address('192.168.7.7')] },
    symptom: asked,
    plan: inPlan,
    ...(more.language === undefined ? {} : { language: more.language }),
  });

/** Field report 1: `search guoyutec.com`, whose wildcard leads to another cluster. */
const hijacked = {
  nacos: [wrong],
  'nacos.': [target.address],
  'nacos.guoyutec.com.': [wrong],
  'netcheck-probe.guoyutec.com.': [wrong],
};

describe('dns-name-elsewhere', () => {
  it('fires: the search domain of field report 1 answers for everything, and the complete name is the target', () => {
    const found = judge({ resolver: resolver(['guoyutec.com']), nameLookups: lookups(hijacked) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(`node-12 gets ${wrong} for nacos, and node-50 has ${target.address}`);
    expect(found.said).toContain('resolv.conf says `search guoyutec.com`');
    expect(found.said).toContain('answers for every name (wildcard)');
    expect(found.said).toContain(`nacos. has ${target.address}, which is node-50`);
    const [takeOut] = found.remedies;
    expect(takeOut?.node).toBe('node-12');
    expect(takeOut?.commands[1]).toContain(String.raw`[[:space:]]+guoyutec\.com\.?`);
    expect(takeOut?.undo).toHaveLength(1);
    expect(
      judge({ resolver: resolver(['guoyutec.com']), nameLookups: lookups(hijacked) }, { language: 'zh' }).said,
    ).toContain('用这个域名的程序连到了别的机器');
  });

  it('fires: the name that was meant stands behind a later search domain', () => {
    const found = judge({
      resolver: resolver(['guoyutec.com', 'prod.internal']),
      nameLookups: lookups({ ...hijacked, 'nacos.': [], 'nacos.prod.internal.': [target.address] }),
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('nacos.prod.internal. has');
  });

  it('fires: only likely where no complete name is the target, and the name may be of the inventory only', () => {
    const found = judge({
      resolver: resolver(['guoyutec.com']),
      nameLookups: lookups({ ...hijacked, 'nacos.': [] }),
    });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain("name of netcheck's inventory only");
  });

  it('fires: only likely without a wildcard (a record may be meant), or where the target was not seen', () => {
    const facts = { resolver: resolver(['guoyutec.com']), nameLookups: lookups(hijacked) };
    const record = lookups({ ...hijacked, 'netcheck-probe.guoyutec.com.': [] });
    expect(judge({ ...facts, nameLookups: record }).verdict).toBe('likely');
    expect(judge(facts, { target: {} }).verdict).toBe('likely');
  });

  it('stays silent: the name leads to the target, by any of its addresses', () => {
    for (const own of [target.address, '192.168.7.7', '10.255.0.50', `::ffff:${target.address}`]) {
      const found = judge({
        resolver: resolver(['guoyutec.com']),
        nameLookups: lookups({ ...hijacked, nacos: [own, wrong] }),
      });
      expect(found.verdict, own).toBe('ruledOut');
    }
  });

  it('stays silent: the client does not know the name; the target was asked for by address, or in a container', () => {
    const none = judge({ resolver: resolver(['guoyutec.com']), nameLookups: lookups({ nacos: [] }) });
    expect(none.verdict).toBe('ruledOut');
    expect(none.said).toContain('finds no address for nacos');
    const byAddress = symptom({ target: { kind: 'address', address: target.address } });
    const facts = { resolver: resolver([]), nameLookups: [] };
    expect(
      judgePath(rule, { client: facts, target: {}, symptom: byAddress, plan: { ...inPlan, symptom: byAddress } })
        .verdict,
    ).toBe('notApplicable');
    const namespace = { inode: null, pid: '77', startTicks: null, isOwn: false, at: at('02-netns.out') };
    expect(judge({ resolver: resolver(['guoyutec.com']), nameLookups: lookups(hijacked), namespace }).verdict).toBe(
      'notApplicable',
    );
  });

  it('missing evidence: an address that nobody explains may be a load balancer', () => {
    const own = judge({ resolver: resolver([]), nameLookups: lookups({ nacos: [wrong], 'nacos.': [wrong] }) });
    expect(own.verdict).toBe('unknown');
    expect(own.said).toContain('a load balancer, a floating address');
    const record = lookups({ nacos: [wrong], 'nacos.': [], 'nacos.corp.': [wrong], 'netcheck-probe.corp.': [] });
    expect(judge({ resolver: resolver(['corp']), nameLookups: record }).said).toContain('(as nacos.corp)');
    const hosts = [{ address: wrong, names: ['nacos'], at: at('07-resolver.out', 3) }];
    expect(judge({ resolver: resolver([], hosts), nameLookups: lookups({ nacos: [wrong] }) }).said).toContain(
      '(from /etc/hosts)',
    );
  });

  it('stays silent: asked by address, where nothing was looked up', () => {
    const byAddress = plan({ symptom: symptom({ target: { kind: 'address', address: target.address } }) });
    expect(judgePath(rule, { client: {}, target: {}, plan: byAddress }).verdict).toBe('notApplicable');
  });

  it('stays silent: a look-up that does not end leads nowhere else', () => {
    const unanswered = lookups({ nacos: [] }).map((one) => ({ ...one, unanswered: true as const }));
    const found = judge({ resolver: resolver([]), nameLookups: unanswered });
    expect(found.verdict).toBe('notApplicable');
    expect(found.said).toContain('did not end in time');
  });

  it('missing evidence: the look-up was not made, or resolv.conf was not read', () => {
    expect(judge({ resolver: resolver([]), nameLookups: lookups({ 'nacos.': [] }) }).said).toContain('in time');
    expect(judge({ resolver: {}, nameLookups: lookups(hijacked) }).verdict).toBe('unknown');
    expect(judge({ resolver: resolver([]) }).missing[0]?.fact).toBe('nameLookups');
  });

  it('takes names as they are: without case, and nothing that a shell would read', () => {
    const upper = lookups({ ...hijacked, NACOS: [wrong] }).filter(({ name }) => name !== 'nacos');
    expect(judge({ resolver: resolver(['guoyutec.com']), nameLookups: upper }).verdict).toBe('confirmed');
  });
});
