import type { At } from '../model/evidence.ts';
import type { Connection, Endpoint, Facts } from '../model/facts.ts';
import type { HopTranslation } from '../model/report.ts';
import { endpointText } from '../rules/endpoint-text.ts';
import { type Flow, reachedRules } from '../rules/firewall-match.ts';
import { sameAddress } from '../rules/ip-address.ts';
import { isEndpoint } from '../rules/ipvs-service.ts';
import { kubeServiceFor } from '../rules/kube-service.ts';
import { serversBehind } from '../rules/servers-behind.ts';

/** Addresses of one kind that are told of one hop. */
const most = 3;

/** What the connects looked like when they left the hop before. */
export interface Leaving {
  readonly servers: readonly Endpoint[];
  readonly clients: readonly string[];
}

type Known = Pick<Facts, 'features' | 'ipvs' | 'firewall' | 'addresses' | 'conntrackEntries'>;
type Who = Pick<HopTranslation, 'by' | 'service' | 'evidence' | 'line'>;

/**
 * Addresses that this hop puts in the place of others: those that its capture shows, with who does it; else what its tables
 * would make of the destination (the servers of a Service, also where there are none).
 */
export function translationsAt(
  facts: Known,
  seen: readonly Connection[],
  before: Leaving,
  protocol: 'tcp' | 'udp',
): readonly HopTranslation[] {
  const found: HopTranslation[] = [];
  const servers = distinct(
    seen.map(({ server }) => server),
    isEndpoint,
  );
  const [asked] = before.servers;
  const isHere = servers.some((one) => before.servers.some((known) => isEndpoint(known, one)));
  const others = servers.filter((one) => !before.servers.some((known) => isEndpoint(known, one)));
  if (asked !== undefined && isHere) {
    if (others.length > 0)
      found.push({
        what: 'destination',
        from: endpointText(asked),
        ...listed(others.map(endpointText)),
        seen: true,
        ...whoseDestination(facts, asked, others, protocol),
      });
    else found.push(...wouldTranslate(facts, asked, protocol));
  }
  const clients = distinct(
    seen.map(({ client }) => client.address),
    sameAddress,
  );
  const newClients = clients.filter((one) => !before.clients.some((known) => sameAddress(known, one)));
  const [from] = before.clients;
  if (from !== undefined && newClients.length > 0 && clients.length > newClients.length)
    found.push({
      what: 'source',
      from,
      ...listed(newClients),
      seen: true,
      ...whoseSource(facts, from, newClients, others[0] ?? asked, protocol),
    });
  return found;
}

/** What leaves the hop: all that was seen there, or what came in where nothing was. */
export function leavingOf(seen: readonly Connection[], before: Leaving): Leaving {
  return seen.length === 0
    ? before
    : {
        servers: distinct([...before.servers, ...seen.map(({ server }) => server)], isEndpoint),
        clients: distinct([...before.clients, ...seen.map(({ client }) => client.address)], sameAddress),
      };
}

function wouldTranslate(facts: Known, asked: Endpoint, protocol: 'tcp' | 'udp'): readonly HopTranslation[] {
  const service = kubeServiceFor(facts, asked, protocol);
  const isHere = facts.addresses?.some(({ address }) => sameAddress(address, asked.address)) ?? false;
  const servers =
    service?.backends ?? serversBehind({ ...asked, protocol, isHere }, facts.ipvs ?? {}, facts.firewall?.rules ?? []);
  if (service === null && servers.length === 0) return [];
  const to = servers.filter((one) => !isEndpoint(one, asked)).map(endpointText);
  return [
    {
      what: 'destination',
      from: endpointText(asked),
      ...listed(to),
      seen: false,
      ...whoseDestination(facts, asked, servers, protocol),
    },
  ];
}

function whoseDestination(facts: Known, asked: Endpoint, others: readonly Endpoint[], protocol: 'tcp' | 'udp'): Who {
  const service = kubeServiceFor(facts, asked, protocol);
  if (service !== null)
    return { by: service.by, ...(service.name === null ? {} : { service: service.name }), ...service.at };
  const rule = natRule(facts, flowTo(asked, null, protocol), ['prerouting', 'output'], (text) =>
    others.some(({ address }) => text.includes(address)),
  );
  return (
    rule ??
    tracked(
      facts,
      (original, reply) => isEndpoint(original, asked) && others.some((one) => sameAddress(one.address, reply.source)),
    )
  );
}

function whoseSource(
  facts: Known,
  from: string,
  to: readonly string[],
  server: Endpoint | undefined,
  protocol: 'tcp' | 'udp',
): Who {
  const rule =
    server === undefined
      ? undefined
      : natRule(facts, flowTo(server, from, protocol), ['postrouting'], (text) =>
          /MASQUERADE|SNAT|\bmasquerade\b|\bsnat\b/.test(text),
        );
  return (
    rule ??
    tracked(
      facts,
      (original, reply) => sameAddress(original.source, from) && to.some((one) => sameAddress(one, reply.destination)),
    )
  );
}

/** The nat rule on the way that says so; of several, one that counted in the window. */
function natRule(
  { firewall }: Known,
  flow: Flow,
  hooks: readonly string[],
  says: (text: string) => boolean,
): Who | undefined {
  if (firewall === undefined) return undefined;
  const rules = reachedRules(firewall, flow, ['other'], hooks)
    .map(({ rule }) => rule)
    .filter(({ text, table }) => table.includes('nat') && says(text));
  const rule = rules.find(({ packets }) => (packets?.delta ?? 0) > 0) ?? rules.find(({ packets }) => packets === null);
  return rule === undefined ? undefined : { by: rule.tool === 'nft' ? 'nftables' : 'iptables', ...rule.at };
}

function tracked(
  { conntrackEntries = [] }: Known,
  is: (
    original: Endpoint & { readonly source: string },
    reply: { readonly source: string; readonly destination: string },
  ) => boolean,
): Who {
  const entry = conntrackEntries.find(({ original, reply }) =>
    is({ address: original.destination, port: original.destinationPort ?? 0, source: original.source }, reply),
  );
  const at: At | undefined = entry?.at;
  return at === undefined ? {} : { by: 'conntrack', ...at };
}

function flowTo(to: Endpoint, source: string | null, protocol: 'tcp' | 'udp'): Flow {
  return { protocol, source, destination: to.address, port: to.port, inDevice: null, packets: 0 };
}

function listed(all: readonly string[]): Pick<HopTranslation, 'to' | 'more'> {
  return { to: all.slice(0, most), ...(all.length > most ? { more: all.length - most } : {}) };
}

function distinct<Item>(all: readonly Item[], isSame: (one: Item, other: Item) => boolean): readonly Item[] {
  const found: Item[] = [];
  for (const one of all) if (!found.some((known) => isSame(known, one))) found.push(one);
  return found;
}

/** `10.0.0.1:80`, `[fd00::1]:80` as `endpointText` writes it. */
export function endpointOf(text: string): Endpoint | undefined {
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const address = six ?? four;
  return address === undefined ? undefined : { address, port: Number(port) };
}
