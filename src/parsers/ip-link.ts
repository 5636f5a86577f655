import type { Link, LinkCounts } from '../model/facts.ts';
import type { ParseInput, Parsed, Parser } from '../model/parser.ts';
import { deviceName } from './ip-addr.ts';
import {
  type Json,
  jsonDocument,
  listMember,
  looksLikeJson,
  member,
  numberMember,
  textMember,
} from './json-document.ts';
import { count } from './number.ts';
import { excerpt, type ProblemList, problemList } from './problem-list.ts';
import { addStderr, nothingUsable } from './said-instead.ts';
import { oneLineParts, outputLines, words } from './text-lines.ts';

/** Devices with MTU, state and counters, from `ip link` with or without -s, -d, -o, -j (ip-link(8)). */
export const ipLink: Parser<readonly Link[]> = {
  kind: 'ip-link',
  reads: 'ip -s -o link | ip -s -d link | ip -j -s -d link',
  fact: 'links',
  sample: `2: v1@v0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br0 state UP mode DEFAULT group default qlen 1000\\    link/ether 46:dd:ff:2f:a2:72 brd ff:ff:ff:ff:ff:ff\\    RX:  bytes packets errors dropped  missed   mcast           \\           476       6      0       0       0       0 \\    TX:  bytes packets errors dropped carrier collsns           \\           840      10      0       0       0       0 
`,
  parse(input) {
    const problems = problemList();
    if (looksLikeJson(input)) return fromJson(input, problems);
    const links: Draft[] = [];
    let counting: { side: 'rx' | 'tx'; names: readonly string[] } | undefined;
    let afterLinkLine = false;
    for (const { text, line } of outputLines(input, problems)) {
      for (const part of oneLineParts(text)) {
        const parts = words(part);
        const [first = ''] = parts;
        if (first === '') continue;
        const link = links.at(-1);
        if (/^\d{1,10}:$/.test(first)) {
          const header = readHeader(parts, { evidence: input.evidence, line });
          if (header === undefined) problems.add(`not a device: ${excerpt(part)}`, line);
          else links.push(header);
          counting = undefined;
          afterLinkLine = false;
        } else if (link === undefined) {
          problems.add(`not a device: ${excerpt(part)}`, line);
        } else if (counting !== undefined) {
          const counts = readCounts(counting.names, parts);
          if (counts === undefined) problems.add(`not counters of a device: ${excerpt(part)}`, line);
          else link[counting.side] = counts;
          counting = undefined;
        } else if (first === 'RX:' || first === 'TX:') {
          counting = { side: first === 'RX:' ? 'rx' : 'tx', names: parts.slice(1) };
          afterLinkLine = false;
        } else if (first.startsWith('link/')) {
          describeLinkLine(link, first.slice('link/'.length), parts[1]);
          afterLinkLine = true;
        } else if (first === 'bridge_slave') {
          const said = parts[parts.indexOf('hairpin', 1) + 1];
          if (said === 'on' || said === 'off') link.hairpin = said === 'on';
        } else if (afterLinkLine && kinds.has(first)) {
          link.type = first;
          const lower = first === 'vxlan' || first === 'geneve' ? parts[parts.indexOf('dev', 1) + 1] : undefined;
          if (lower !== undefined && parts.includes('dev')) link.lower = lower;
          afterLinkLine = false;
        }
      }
    }
    if (links.length === 0) return nothingUsable(input, problems, 'devices');
    addStderr(input, problems);
    return { value: links, problems: problems.all() };
  },
};

type Draft = { -readonly [Name in keyof Link]: Link[Name] };

/** IFLA_INFO_KIND of the drivers that `ip -d link` prints at the start of a line. */
const kinds: ReadonlySet<string> = new Set(
  (
    'amt bareudp batadv bond bridge can dsa dummy erspan geneve gre gretap gtp hsr ifb ip6erspan ip6gre ip6gretap ' +
    'ip6tnl ipip ipoib ipvlan ipvtap ipvtap lowpan macsec macvlan macvtap netdevsim netkit nlmon openvswitch rmnet sit ' +
    'team tun vcan veth virt_wifi vlan vrf vti vti6 vxcan vxlan wireguard wwan xfrm'
  ).split(' '),
);

/** Link types that name the tunnel also without -d (lib/ll_types.c of iproute2). */
const tunnelTypes: ReadonlyMap<string, string> = new Map([
  ['ipip', 'ipip'],
  ['sit', 'sit'],
  ['gre', 'gre'],
  ['tunnel6', 'ip6tnl'],
  ['gre6', 'ip6gre'],
]);

function readHeader(parts: readonly string[], at: Link['at']): Draft | undefined {
  const flags = parts[2] ?? '';
  const after = (word: string): string | undefined => {
    const found = parts.indexOf(word, 3);
    return found === -1 ? undefined : parts[found + 1];
  };
  const index = count(parts[0]?.slice(0, -1));
  const mtu = count(after('mtu'));
  const name = parts[1] ?? '';
  if (index === undefined || mtu === undefined || !name.endsWith(':')) return undefined;
  if (!flags.startsWith('<') || !flags.endsWith('>')) return undefined;
  const master = after('master');
  return {
    name: deviceName(name),
    index,
    mtu,
    state: after('state') ?? 'UNKNOWN',
    flags: flags
      .slice(1, -1)
      .split(',')
      .filter((flag) => flag !== ''),
    ...(master === undefined ? {} : { master }),
    at,
  };
}

function describeLinkLine(link: Draft, linkType: string, hardware: string | undefined): void {
  if (linkType === 'ether' && hardware !== undefined && /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(hardware)) {
    link.mac = hardware.toLowerCase();
  }
  const tunnel = tunnelTypes.get(linkType);
  if (tunnel !== undefined) link.type = tunnel;
}

function readCounts(names: readonly string[], values: readonly string[]): LinkCounts | undefined {
  const of = (name: string): number | undefined => count(values[names.indexOf(name)]);
  const [bytes, packets, errors, dropped] = [of('bytes'), of('packets'), of('errors'), of('dropped')];
  if (names.length !== values.length) return undefined;
  if (bytes === undefined || packets === undefined || errors === undefined || dropped === undefined) return undefined;
  return { bytes, packets, errors, dropped };
}

function fromJson(input: ParseInput, problems: ProblemList): Parsed<readonly Link[]> {
  const document = jsonDocument(input, problems);
  if (document === undefined || !Array.isArray(document.json)) return nothingUsable(input, problems, 'devices');
  const links: Link[] = [];
  for (const item of document.json as readonly Json[]) {
    const name = textMember(item, 'ifname');
    const index = numberMember(item, 'ifindex');
    const mtu = numberMember(item, 'mtu');
    if (name === undefined || index === undefined || mtu === undefined) {
      // iproute2 before 5.0 leaves `{}` where a device was filtered out.
      if (name !== undefined) problems.add(`not a device: ${excerpt(JSON.stringify(item))}`, document.line);
      continue;
    }
    const link: Draft = {
      name,
      index,
      mtu,
      state: textMember(item, 'operstate') ?? 'UNKNOWN',
      flags: listMember(item, 'flags').filter((flag) => typeof flag === 'string'),
      at: { evidence: input.evidence, line: document.line },
    };
    describeLinkLine(link, textMember(item, 'link_type') ?? '', textMember(item, 'address'));
    const kind = textMember(member(item, 'linkinfo'), 'info_kind');
    if (kind !== undefined) link.type = kind;
    const lower = textMember(member(member(item, 'linkinfo'), 'info_data'), 'link');
    if (lower !== undefined) link.lower = lower;
    const hairpin = member(member(member(item, 'linkinfo'), 'info_slave_data'), 'hairpin');
    if (typeof hairpin === 'boolean') link.hairpin = hairpin;
    const master = textMember(item, 'master');
    if (master !== undefined) link.master = master;
    const stats = member(item, 'stats64') ?? member(item, 'stats');
    const rx = jsonCounts(member(stats, 'rx'));
    const tx = jsonCounts(member(stats, 'tx'));
    if (rx !== undefined) link.rx = rx;
    if (tx !== undefined) link.tx = tx;
    links.push(link);
  }
  if (links.length === 0) return nothingUsable(input, problems, 'devices');
  addStderr(input, problems);
  return { value: links, problems: problems.all() };
}

function jsonCounts(json: Json | undefined): LinkCounts | undefined {
  const of = (name: string): number | undefined => numberMember(json, name);
  const [bytes, packets, errors, dropped] = [of('bytes'), of('packets'), of('errors'), of('dropped')];
  if (bytes === undefined || packets === undefined || errors === undefined || dropped === undefined) return undefined;
  return { bytes, packets, errors, dropped };
}
