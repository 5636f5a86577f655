import type { Collector } from '../model/command.ts';
import type { Evidence } from '../model/evidence.ts';
import type { Facts, FirewallRule, Link } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { maxSettingChanges, type SettingChange } from '../model/run-context.ts';
import { parseEvidence } from './parse.ts';
import { engineText } from './wording.ts';

interface Registries {
  readonly collectors: ReadonlyMap<string, Collector>;
  readonly parsers: ReadonlyMap<string, Parser>;
}

/** Files of /proc/sys that tell what goes on, and are not set by anybody. */
const isReading = /(?:_count|\.file-nr|\.inode-nr|\.inode-state|\.nr_open_fds|\.boot_id|\.uuid|\.entropy_avail)$/;

/** Kinds in the order in which they explain something. */
const order: readonly SettingChange['kind'][] = [
  'sysctl',
  'firewall',
  'mtu',
  'route',
  'ipvsServer',
  'resolver',
  'ipvsTimeout',
  'link',
];

/**
 * What is set otherwise in the later of two runs: kernel settings, MTUs, device states, firewall rules, routes, name
 * servers, IPVS servers and timeouts. Only what both runs read on the same node; a thing that one of them did not look
 * at has not changed. Pure.
 */
export function compareSettings(
  before: readonly Evidence[],
  after: readonly Evidence[],
  registries: Registries,
): readonly SettingChange[] {
  const then = factsOf(before, registries);
  const changes: SettingChange[] = [];
  for (const [node, now] of factsOf(after, registries)) {
    const old = then.get(node);
    if (old === undefined) continue;
    const add = (kind: SettingChange['kind'], from: Settings | undefined, to: Settings | undefined): void => {
      if (from === undefined || to === undefined) return;
      for (const [name, change] of differences(from, to)) changes.push({ node, kind, name, ...change });
    };
    const both = (kind: SettingChange['kind'], read: (facts: Facts) => Settings | undefined): void =>
      add(kind, read(old), read(now));
    /** Where one that only one of the runs has is no change: it was not asked for, or comes and goes with pods. */
    const shared = (kind: SettingChange['kind'], read: (facts: Facts) => Settings | undefined): void =>
      add(kind, common(read(old), read(now)), common(read(now), read(old)));
    shared('sysctl', sysctls);
    if (rulesReadOf(before, node) === rulesReadOf(after, node)) both('firewall', firewallRules);
    shared('mtu', (facts) => devices(facts, ({ mtu }) => String(mtu)));
    both('route', routes);
    both('ipvsServer', ipvsServers);
    both('resolver', resolver);
    both('ipvsTimeout', ipvsTimeouts);
    shared('link', (facts) => devices(facts, ({ state }) => state));
  }
  return changes.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind)).slice(0, maxSettingChanges);
}

/** Name -> value; null: it is not there. */
type Settings = ReadonlyMap<string, string | null>;

function factsOf(evidence: readonly Evidence[], registries: Registries): ReadonlyMap<string, Facts> {
  // Packets say nothing about settings, and are most of the bytes.
  const texts = evidence.filter(({ entry }) => entry.kind !== 'pcap');
  return new Map([...parseEvidence(texts, registries, engineText.en)].map(([node, { facts }]) => [node, facts]));
}

function* differences(
  from: Settings,
  to: Settings,
): Generator<readonly [string, { readonly from?: string; readonly to?: string }]> {
  for (const name of new Set([...from.keys(), ...to.keys()])) {
    const [then, now] = [from.get(name) ?? null, to.get(name) ?? null];
    if (then === now) continue;
    yield [name, { ...(then === null ? {} : { from: then }), ...(now === null ? {} : { to: now }) }];
  }
}

function common(settings: Settings | undefined, other: Settings | undefined): Settings | undefined {
  if (settings === undefined || other === undefined) return undefined;
  return new Map([...settings].filter(([name]) => other.has(name)));
}

function sysctls({ sysctl }: Facts): Settings | undefined {
  if (sysctl === undefined) return undefined;
  const set = Object.entries(sysctl).filter(([name]) => !isReading.test(name));
  return new Map(set.map(([name, { value }]) => [name, value]));
}

function devices({ links }: Facts, read: (link: Link) => string): Settings | undefined {
  return links && new Map(links.map((link) => [link.name, read(link)]));
}

/** Which commands told the firewall rules of a node: a rule that only one run could read is no change. */
function rulesReadOf(evidence: readonly Evidence[], node: string): string {
  const read = evidence.filter(
    ({ entry }) => entry.node === node && /^(?:nft|iptables)/.test(entry.kind) && entry.exit.how === 'exited',
  );
  return [
    ...new Set(
      read.map(({ entry }) => `${entry.argv.join(' ')} ${entry.exit.how === 'exited' ? entry.exit.code : ''}`),
    ),
  ]
    .toSorted()
    .join('\n');
}

/**
 * Without what nft shows of the rules that iptables (nf_tables) has told in its own words. The name of a rule holds its
 * text, so that a rule is there or not; a policy is one thing with two values.
 */
function firewallRules({ firewall }: Facts): Settings | undefined {
  if (firewall === undefined) return undefined;
  const chainOf = ({ table, chain }: FirewallRule): string => `${table} ${chain}`;
  const told = new Set(firewall.rules.filter(({ tool }) => tool !== 'nft').map(chainOf));
  const rules = firewall.rules.filter((rule) => rule.tool !== 'nft' || !told.has(chainOf(rule)));
  return new Map(
    rules.map((rule) => {
      const { tool, text, isPolicy } = rule;
      const where = `${tool === 'nft' ? 'nft' : 'iptables'} ${chainOf(rule)}`;
      return [isPolicy ? `${where} policy` : `${where}: ${text}`, text];
    }),
  );
}

function routes({ routes: all }: Facts): Settings | undefined {
  if (all === undefined) return undefined;
  const set = new Map<string, string>();
  for (const { destination, type, via, device, table, metric, mtu } of all) {
    if (table === 'local') continue;
    const name = [destination, table === undefined || table === 'main' ? '' : `table ${table}`, metric ?? '']
      .filter((part) => part !== '')
      .join(' ');
    const words = [type === 'unicast' ? '' : type, via && `via ${via}`, device && `dev ${device}`, mtu && `mtu ${mtu}`];
    const value = words.filter((word) => word !== undefined && word !== '').join(' ');
    const other = set.get(name);
    set.set(name, other === undefined ? value : `${other}, ${value}`);
  }
  return set;
}

function ipvsServers({ ipvs }: Facts): Settings | undefined {
  if (ipvs?.services === undefined) return undefined;
  return new Map(
    ipvs.services.map(({ protocol, address, port, scheduler, servers }) => [
      `${protocol} ${address}:${port}`,
      `${scheduler}: ${servers.map((server) => `${server.address}:${server.port} (${server.weight})`).join(', ')}`,
    ]),
  );
}

function ipvsTimeouts({ ipvs }: Facts): Settings | undefined {
  if (ipvs?.timeoutsSec === undefined) return undefined;
  const { tcp, tcpfin, udp } = ipvs.timeoutsSec;
  return new Map(Object.entries({ tcp, tcpfin, udp }).map(([name, seconds]) => [name, `${seconds} s`]));
}

function resolver({ resolver: read }: Facts): Settings | undefined {
  if (read?.config === undefined) return undefined;
  const { nameservers, search, options } = read.config;
  return new Map([
    ['nameserver', nameservers.map(({ address }) => address).join(' ')],
    ['search', search.join(' ')],
    ['options', options.join(' ')],
  ]);
}
