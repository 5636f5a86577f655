import type { Language } from '../model/language.ts';
import type { HopFirewall, HopTranslation, Path, PathHop } from '../model/report.ts';

/** One line about a hop. `bad`: it explains, or may explain, why packets stop there. */
export interface HopNote {
  readonly text: string;
  readonly isBad: boolean;
  /** Where it was read. */
  readonly evidence?: string | undefined;
  readonly line?: number | undefined;
}

interface NoteWords {
  readonly colon: string;
  readonly in: string;
  readonly out: string;
  readonly port: (bridge: string) => string;
  readonly tunnel: (kind: string, to: string | undefined, isOut: boolean) => string;
  readonly forwards: Readonly<Record<'on' | 'off', string>>;
  readonly firewall: string;
  readonly verdicts: Readonly<Record<HopFirewall['verdict'], (of: string) => string>>;
  readonly of: Readonly<Record<HopFirewall['of'], string>>;
  readonly rule: (tool: string, table: string, chain: string) => string;
  readonly counted: (packets: number) => string;
  readonly noCounter: string;
  readonly nat: Readonly<Record<HopTranslation['what'], string>>;
  readonly noServers: (service: string) => string;
  readonly wouldBe: string;
  readonly more: (count: number) => string;
  readonly route: string;
  readonly noRoute: Readonly<Record<string, string>>;
  readonly via: (device: string, via: string) => string;
  readonly rose: string;
  readonly notCaptured: string;
  readonly connects: (connects: number, syns: number | undefined) => string;
  readonly sentOn: (count: number) => string;
  readonly answers: (count: number) => string;
}

const kinds: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ipip: 'IPIP',
    vxlan: 'VXLAN',
    geneve: 'Geneve',
    wireguard: 'WireGuard',
    gre: 'GRE',
  }),
);
const tools: Readonly<Record<NonNullable<HopTranslation['by']>, string>> = {
  ipvs: 'IPVS',
  iptables: 'iptables',
  nftables: 'nftables',
  conntrack: 'conntrack',
};

const en: NoteWords = {
  colon: ': ',
  in: 'in',
  out: 'out',
  port: (bridge) => `port of ${bridge}`,
  tunnel: (kind, to, isOut) =>
    to === undefined ? `${kind} tunnel` : isOut ? `${kind} tunnel to ${to}` : `${kind} tunnel from ${to}`,
  forwards: { on: 'forwarding on', off: 'forwarding off' },
  firewall: 'firewall',
  verdicts: {
    accepts: (of) => `lets ${of} through`,
    drops: (of) => `drops ${of}`,
    rejects: (of) => `rejects ${of}`,
    mayDrop: (of) => `may drop ${of}`,
    mayReject: (of) => `may reject ${of}`,
    notReached: () => 'not asked, nothing came here',
    notSeen: () => 'not seen',
  },
  of: { connects: 'them', answers: 'the answers' },
  rule: (tool, table, chain) => `, ${tool} table ${table}, chain ${chain}`,
  counted: (packets) => `+${packets}`,
  noCounter: 'no counter',
  nat: { destination: 'NAT', source: 'NAT, source' },
  noServers: (service) => `${service} has no server`,
  wouldBe: 'no packet seen with it',
  more: (count) => `and ${count} more`,
  route: 'route',
  noRoute: {
    'no-route-to-host': 'refused as "no route to host"',
    'network-unreachable': 'none ("network is unreachable")',
    'reverse-path-filtered': 'refused by the reverse path filter',
    'invalid-argument': 'thrown away (blackhole, or an address that may not come in there)',
    prohibited: 'prohibited',
    other: 'not known',
  },
  via: (device, via) => `${device} via ${via}`,
  rose: 'counter',
  notCaptured: 'no capture',
  connects: (connects, syns) =>
    `${connects} ${connects === 1 ? 'connect' : 'connects'}${syns === undefined ? '' : ` (${syns} SYN)`}`,
  sentOn: (count) => `${count} sent on`,
  answers: (count) => `${count} ${count === 1 ? 'answer' : 'answers'}`,
};

const zh: NoteWords = {
  colon: '：',
  in: '入',
  out: '出',
  port: (bridge) => `${bridge} 的端口`,
  tunnel: (kind, to, isOut) =>
    to === undefined ? `${kind} 隧道` : isOut ? `${kind} 隧道，去往 ${to}` : `${kind} 隧道，来自 ${to}`,
  forwards: { on: '转发开启', off: '转发关闭' },
  firewall: '防火墙',
  verdicts: {
    accepts: (of) => `放行${of}`,
    drops: (of) => `丢弃${of}`,
    rejects: (of) => `拒绝${of}`,
    mayDrop: (of) => `可能丢弃${of}`,
    mayReject: (of) => `可能拒绝${of}`,
    notReached: () => '未涉及，没有包到达这里',
    notSeen: () => '没有看到',
  },
  of: { connects: '这些连接', answers: '应答' },
  rule: (tool, table, chain) => `，${tool} 表 ${table}，链 ${chain}`,
  counted: (packets) => `+${packets}`,
  noCounter: '没有计数器',
  nat: { destination: 'NAT', source: 'NAT，源地址' },
  noServers: (service) => `${service} 没有后端`,
  wouldBe: '没有看到转换后的包',
  more: (count) => `等另外 ${count} 个`,
  route: '路由',
  noRoute: {
    'no-route-to-host': '被拒绝（no route to host）',
    'network-unreachable': '没有（network is unreachable）',
    'reverse-path-filtered': '被反向路径过滤拒绝',
    'invalid-argument': '被丢弃（blackhole，或地址不允许从那里进来）',
    prohibited: '被禁止',
    other: '未知',
  },
  via: (device, via) => `${device}，经 ${via}`,
  rose: '计数器',
  notCaptured: '未抓包',
  connects: (connects, syns) => `${connects} 次连接${syns === undefined ? '' : `（${syns} SYN）`}`,
  sentOn: (count) => `转出 ${count}`,
  answers: (count) => `${count} 个应答`,
};

export const noteWords: Readonly<Record<Language, NoteWords>> = { en, zh };

/** What is known of a hop, in the order in which a packet meets it. */
export function hopNotes(hop: PathHop, language: Language): readonly HopNote[] {
  const words = noteWords[language];
  return [
    ...deviceNote(hop.in, words, false),
    ...(hop.translations ?? []).map((one) => translationNote(one, words)),
    ...(hop.translations === undefined && hop.translatedTo !== undefined && hop.role !== 'client'
      ? [fine(`→ ${hop.translatedTo}`)]
      : []),
    ...forwardingNote(hop, words),
    ...routeNote(hop, words),
    ...(hop.firewall === undefined ? [] : [firewallNote(hop.firewall, words)]),
    ...deviceNote(hop.out, words, true),
    ...countersNotes(hop, words),
    ...(hop.connects === undefined ? [fine(words.notCaptured)] : []),
  ];
}

/** What was seen to come to a hop: `8 connects (32 SYN)`; `?` where nobody captured. */
export function arrivedText({ connects, syns }: PathHop, language: Language): string {
  return connects === undefined ? '?' : noteWords[language].connects(connects, connects === 0 ? undefined : syns);
}

/** What came back to a hop. */
export function answersText({ answers }: PathHop, language: Language): string {
  return answers === undefined ? '?' : noteWords[language].answers(answers);
}

/**
 * Between which hops packets die: the index of the one behind (as many as there are hops: behind the last), and whether it is
 * the connects or their answers. Null where they end in a hop, or nothing died.
 */
export function cutOf({ endsAt, hops }: Path): { readonly at: number; readonly of: 'connects' | 'answers' } | null {
  const stop = hops.findIndex(({ node }) => node === endsAt?.node);
  if (endsAt === undefined || stop === -1) return null;
  switch (endsAt.how) {
    case 'inside':
    case 'beyond':
    case 'refusedBeyond':
      return { at: stop + 1, of: 'connects' };
    case 'before':
      return { at: stop, of: 'connects' };
    case 'answersLost':
      return { at: stop + 1, of: 'answers' };
    case 'unanswered':
    case 'refused':
      return null;
  }
}

function fine(text: string): HopNote {
  return { text, isBad: false };
}

function deviceNote(device: PathHop['in'], words: NoteWords, isOut: boolean): readonly HopNote[] {
  if (device === undefined) return [];
  const { device: name, mtu, type, bridge, tunnel } = device;
  const parts = [
    `${isOut ? words.out : words.in} ${name}`,
    ...(mtu === undefined ? [] : [`mtu ${mtu}`]),
    ...(tunnel === undefined
      ? type === undefined
        ? []
        : [type]
      : [words.tunnel(kinds.get(tunnel.kind) ?? tunnel.kind, tunnel.to, isOut)]),
    ...(bridge === undefined ? [] : [words.port(bridge)]),
  ];
  return [fine(parts.join(' · '))];
}

function forwardingNote({ forwards }: PathHop, words: NoteWords): readonly HopNote[] {
  if (forwards === undefined) return [];
  return [{ text: words.forwards[forwards ? 'on' : 'off'], isBad: !forwards }];
}

function translationNote(
  { what, from, to, more, by, service, seen, ...at }: HopTranslation,
  words: NoteWords,
): HopNote {
  const who = [...(service === undefined ? [] : [service]), ...(by === undefined ? [] : [tools[by]])].join(' · ');
  const lead = `${words.nat[what]}${words.colon}`;
  if (to.length === 0)
    return {
      text: `${lead}${words.noServers(service ?? from)}${inBrackets(by === undefined ? '' : tools[by])}`,
      isBad: true,
      ...at,
    };
  const targets = [to.join(', '), ...(more === undefined ? [] : [words.more(more)])].join(' ');
  const aside = [who, ...(seen ? [] : [words.wouldBe])].filter((part) => part !== '').join(' · ');
  return { text: `${lead}${from} → ${targets}${inBrackets(aside)}`, isBad: false, ...at };
}

function inBrackets(text: string): string {
  return text === '' ? '' : ` (${text})`;
}

function routeNote({ route, out }: PathHop, words: NoteWords): readonly HopNote[] {
  if (route === undefined) return [];
  const { verdict, device, via, ...at } = route;
  const lead = `${words.route}${words.colon}`;
  if (verdict !== 'ok') return [{ text: `${lead}${words.noRoute[verdict] ?? verdict}`, isBad: true, ...at }];
  // the device that they were seen to leave by says so already
  if (via === undefined && device === out?.device) return [];
  const way = via === undefined ? (device ?? '') : words.via(device ?? '', via);
  return way === '' ? [] : [{ ...fine(`${lead}${way}`), ...at }];
}

function firewallNote(
  { verdict, of, tool, table, chain, rule, packets, why, evidence, line }: HopFirewall,
  words: NoteWords,
): HopNote {
  const said = words.verdicts[verdict](words.of[of]);
  const isBad = verdict !== 'accepts' && verdict !== 'notReached' && verdict !== 'notSeen';
  const where =
    rule === undefined
      ? ''
      : `${inBrackets(packets === undefined ? words.noCounter : words.counted(packets))}${words.rule(tool ?? '', table ?? '', chain ?? '')}${words.colon}${rule}`;
  return {
    text: `${words.firewall}${words.colon}${said}${where}${why === undefined || why === '' ? '' : `${words.colon}${why}`}`,
    isBad,
    ...(evidence === undefined ? {} : { evidence }),
    ...(line === undefined ? {} : { line }),
  };
}

function countersNotes({ counters = [] }: PathHop, words: NoteWords): readonly HopNote[] {
  return counters.map(({ name, by, ...at }) => ({
    text: `${words.rose}${words.colon}${name} +${by}`,
    isBad: true,
    ...at,
  }));
}
