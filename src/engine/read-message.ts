import { IpAddress } from '../model/inventory.ts';
import { unmangle } from '../model/unmangle.ts';
import { canonicalAddress, isOnEveryNode } from './settle-address.ts';

/** What netcheck knows already and so can recognise in prose. */
export interface KnownWords {
  /** Names of the inventory. */
  readonly nodes: readonly string[];
  /** The node that an address belongs to, as far as the inventory says; no node is asked. */
  readonly nodeAt?: ((address: string) => string | undefined) | undefined;
  /** Symptom words of the playbooks. */
  readonly symptoms?: readonly string[] | undefined;
}

/** What an alert or a sentence says about a fault. Everything in it can stand in a question as it is. */
export interface MessageReading {
  /** What suffers; several where the message says so of all of them alike. */
  readonly targets: readonly string[];
  /** Several: the message does not say which. */
  readonly ports: readonly number[];
  readonly from: readonly string[];
  readonly via: readonly string[];
  readonly udp: boolean;
  /** The longest symptom word in it. */
  readonly symptom?: string | undefined;
}

/** Most of a message that is read: characters, places in it, sources. */
const bounds = { chars: 12_000, lineChars: 2_000, places: 200, from: 4, choices: 8 } as const;

/** How strongly something is said. */
const weights = { weak: 1, medium: 2, strong: 3 } as const;

interface Place {
  /** As a question names it. */
  readonly name: string;
  /** The same for a node and its address. */
  readonly key: string;
  readonly at: number;
  readonly end: number;
  readonly port?: { readonly number: number; readonly weight: number };
  target: number;
  from: number;
  via: number;
}

const label = '(?:[_ -]?(?:node|host|hostname|server|ip|addr|address|instance|pod|is))?';
const gap = '["\'`*_]*\\s*[:=]?\\s*["\'`*_(]*$';
const fromBefore = new RegExp(
  `(?:(?:^|[^a-z])(?:from|client|source|src|origin|caller)${label}|从|来自|源|客户端)${gap}`,
  'iu',
);
const strongBefore = new RegExp(
  `(?:(?:^|[^a-z])(?:to|reach|reaching|target|dst|dest|destination|upstream|backend|remote|against|connect|telnet|curl|ping)${label}|到|访问|连接|连不上|连|目标|目的)${gap}`,
  'iu',
);
const mediumBefore = new RegExp(
  `(?:(?:^|[^a-z])(?:instance|host|hostname|node|server|service|on|nodename)${label}|节点|主机|实例|机器|服务器)${gap}`,
  'iu',
);
const viaBefore = new RegExp(`(?:(?:^|[^a-z])(?:via|through|behind)${label}|经由|经过|通过|经)${gap}`, 'iu');
/** Where a page of a monitoring system lives says nothing about the fault. */
const monitoringBefore =
  /(?:grafana|dashboard|source|silence|runbook|view|panel|generator|alertmanager|prometheus)\w*["'`*_]*\s*[:=]?\s*["'`*_(]*$/iu;
const monitoringPath =
  /^\/(?:d|d-solo|alerts?|alerting|graph|explore|dashboards?|silences?|incidents?)(?:[/?#]|$)|^\/#/u;
const arrow = /^[^\p{L}\p{N}]*(?:-+>|=+>|→|⇒|➜)[^\p{L}\p{N}]*$/u;
const listed = /^\s*(?:,|and|or|&|\/|和|与|、|，)\s*$/iu;
/** Ports that exporters listen on: in an alert the port of `instance` is mostly that of the exporter. */
const isExporterPort = (port: number): boolean => port >= 9090 && port <= 9999;

/**
 * Finds the target, the port and where it fails from in what an alert or a person wrote. Takes only what the inventory
 * knows, IP addresses, pods with a name, and numbers of ports; so nothing else of a message can get any further.
 * Pure; time grows with the length of the text, which is bounded.
 */
export function readMessage(text: string, known: KnownWords): MessageReading {
  const nodes = new Map(known.nodes.map((name) => [name.toLowerCase(), name]));
  const places: Place[] = [];
  const ports: { readonly number: number; readonly weight: number }[] = [];
  const pods: string[] = [];
  const clean: string[] = [];
  for (const raw of text.slice(0, bounds.chars).split(/\r?\n/u)) {
    const line = unmangle(raw.slice(0, bounds.lineChars));
    if (line === '') continue;
    clean.push(line);
    const here = placesIn(line, nodes, known.nodeAt);
    giveRoles(line, here);
    places.push(...here.slice(0, bounds.places - places.length));
    ports.push(...portsIn(line));
    pods.push(...podsIn(line));
  }
  const whole = clean.join('\n');
  const merged = mergedPlaces(places);
  const isSource = (one: Place): boolean => one.from > 0 && one.from >= one.target;
  const sources = merged.filter(isSource);
  const candidates = merged.filter((one) => !isSource(one) && one.via <= one.target);
  const best = Math.max(0, ...candidates.map(({ target }) => target));
  const pod = podTarget(whole, pods);
  const isPodBetter = pod !== undefined && best < weights.medium;
  const chosen = isPodBetter ? [] : candidates.filter(({ target }) => target === best);
  const targets = isPodBetter ? [pod] : chosen.map(({ name }) => name);
  return {
    targets: targets.slice(0, bounds.choices),
    ports: strongest([...ports, ...chosen.flatMap(({ port }) => (port === undefined ? [] : [port]))]),
    from: sources.map(({ name }) => name).slice(0, bounds.from),
    via: merged.filter((one) => one.via > 0 && one.via > one.target && !isSource(one)).map(({ name }) => name),
    udp: /(?:^|[^a-z])udp(?:[^a-z]|$)/iu.test(whole),
    ...symptomIn(whole, known.symptoms ?? []),
  };
}

/** What a person said goes before what they pointed at. */
export function mergeReadings(own: MessageReading, quoted: MessageReading): MessageReading {
  const targets = own.targets.length > 0 ? own.targets : quoted.targets;
  const first = (a: readonly string[], b: readonly string[]): readonly string[] =>
    (a.length > 0 ? a : b).filter((name) => !targets.includes(name));
  const symptom = own.symptom ?? quoted.symptom;
  return {
    targets,
    ports: own.ports.length > 0 ? own.ports : quoted.ports,
    from: first(own.from, quoted.from),
    via: first(own.via, quoted.via),
    udp: own.udp || quoted.udp,
    ...(symptom === undefined ? {} : { symptom }),
  };
}

/** The question that a reading amounts to, in the grammar of `parseAsk`. */
export function questionOf(reading: MessageReading, target: string, port: number): string {
  return [
    `${target} port ${port}`,
    ...reading.from.filter((name) => name !== target).map((name) => `from ${name}`),
    ...reading.via.filter((name) => name !== target).map((name) => `via ${name}`),
    ...(reading.udp ? ['udp'] : []),
    ...(reading.symptom === undefined ? [] : [reading.symptom]),
  ].join(' ');
}

function placesIn(line: string, nodes: ReadonlyMap<string, string>, nodeAt: KnownWords['nodeAt']): Place[] {
  const found: Place[] = [];
  const add = (at: number, written: string, name: string, port?: Place['port']): void => {
    const isAddress = IpAddress.safeParse(name).success;
    const owner = isAddress ? nodeAt?.(canonicalAddress(name)) : name;
    found.push({
      name,
      key: owner ?? name,
      at,
      end: at + written.length,
      ...(port === undefined ? {} : { port }),
      // What nobody of ours owns counts for less than what somebody does.
      target: owner === undefined ? 0.25 : 0.5,
      from: 0,
      via: 0,
    });
  };
  for (const { 0: token, index } of line.matchAll(
    /\[?[A-Za-z0-9](?:[A-Za-z0-9._:/?&#%-]*[A-Za-z0-9])?\]?(?::\d{1,5})?/gu,
  )) {
    if (found.length >= bounds.places) break;
    // a network, not an address
    if (/^[\d.]+\/\d{1,2}$/u.test(token)) continue;
    const url = /^([a-z][a-z0-9+.-]{1,20}):\/\/([^/?#]+)(.*)$/iu.exec(token);
    if (url !== null) {
      const [, scheme = '', authority = '', rest = ''] = url;
      if (monitoringBefore.test(line.slice(0, index)) || monitoringPath.test(rest)) continue;
      const read = placeOf(authority, nodes);
      const standard = { https: 443, http: 80 }[scheme.toLowerCase()];
      const number = read?.port ?? standard;
      if (read !== undefined)
        add(index, token, read.name, number === undefined ? undefined : { number, weight: weights.medium });
      continue;
    }
    let at = index;
    for (const part of token.split('/')) {
      const read = placeOf(part, nodes);
      if (read !== undefined)
        add(
          at + read.offset,
          part.slice(read.offset),
          read.name,
          read.port === undefined
            ? undefined
            : { number: read.port, weight: isExporterPort(read.port) ? weights.weak : weights.strong },
        );
      at += part.length + 1;
    }
  }
  return found;
}

/** `node-50`, `node-50.prod.example:1301`, `10.51.2.2:1301`, `[2001:db8::5]:1301`, `host:node-50` (a tag). */
function placeOf(
  written: string,
  nodes: ReadonlyMap<string, string>,
): { readonly name: string; readonly port?: number; readonly offset: number } | undefined {
  const bracketed = /^\[([0-9a-f:.]+)\](?::(\d{1,5}))?$/iu.exec(written);
  if (bracketed?.[1] !== undefined) return withPort(nameOf(bracketed[1], nodes), bracketed[2], 0);
  const whole = nameOf(written, nodes);
  if (whole !== undefined) return withPort(whole, undefined, 0);
  const parts = written.split(':');
  const last = parts.at(-1) ?? '';
  const port = parts.length > 1 && /^\d{1,5}$/u.test(last) ? last : undefined;
  const hosts = port === undefined ? parts : parts.slice(0, -1);
  const host = hosts.at(-1) ?? '';
  if (hosts.length > 2) return undefined;
  return withPort(nameOf(host, nodes), port, written.length - host.length - (port === undefined ? 0 : port.length + 1));
}

function withPort(
  name: string | undefined,
  port: string | undefined,
  offset: number,
): { readonly name: string; readonly port?: number; readonly offset: number } | undefined {
  if (name === undefined) return undefined;
  const number = portNumber(port);
  return { name, offset, ...(number === undefined ? {} : { port: number }) };
}

/** A node by its name or by its full domain name, or an address that can be somebody's. */
function nameOf(written: string, nodes: ReadonlyMap<string, string>): string | undefined {
  if (IpAddress.safeParse(written).success) {
    return isOnEveryNode(canonicalAddress(written)) ? undefined : written;
  }
  if (written.includes(':')) return undefined;
  let name = written.toLowerCase();
  for (;;) {
    const node = nodes.get(name);
    if (node !== undefined) return node;
    const dot = name.lastIndexOf('.');
    if (dot <= 0) return undefined;
    name = name.slice(0, dot);
  }
}

/** Who is the target, who the client: by the words before a name, and by what stands between two of them. */
function giveRoles(line: string, places: readonly Place[]): void {
  for (const [index, place] of places.entries()) {
    const before = line.slice(Math.max(places[index - 1]?.end ?? 0, place.at - 40), place.at);
    if (fromBefore.test(before)) place.from = weights.strong;
    else if (viaBefore.test(before)) place.via = weights.strong;
    else if (strongBefore.test(before)) place.target = weights.strong;
    else if (mediumBefore.test(before)) place.target = weights.medium;
    if (place.target < weights.weak && place.port !== undefined && place.port.weight > weights.weak) {
      place.target = weights.weak;
    }
  }
  const hasRole = ({ target, from, via }: Place): boolean => Math.max(from, via) > 0 || target >= weights.medium;
  for (let index = places.length - 2; index >= 0; index -= 1) {
    const [place, next] = [places[index], places[index + 1]];
    if (place === undefined || next === undefined) continue;
    const between = line.slice(place.end, next.at);
    if (arrow.test(between)) {
      place.from = weights.strong;
      next.target = Math.max(next.target, weights.strong);
    } else if (!hasRole(place) && listed.test(between)) copyRole(next, place);
    // "node-12 cannot reach node-50"
    else if (
      !hasRole(place) &&
      next.target >= weights.strong &&
      between.length <= 60 &&
      !/[.;!?。；！？,，]/u.test(between)
    )
      place.from = weights.medium;
  }
  for (let index = 1; index < places.length; index += 1) {
    const [before, place] = [places[index - 1], places[index]];
    if (before === undefined || place === undefined || hasRole(place)) continue;
    if (listed.test(line.slice(before.end, place.at))) copyRole(before, place);
  }
}

function copyRole(model: Place, place: Place): void {
  place.from = Math.max(place.from, model.from);
  place.via = Math.max(place.via, model.via);
  place.target = Math.max(place.target, model.target);
}

/** One per machine, in the order of the message; what is said of it anywhere counts. */
function mergedPlaces(places: readonly Place[]): Place[] {
  const merged = new Map<string, Place>();
  for (const place of places) {
    const known = merged.get(place.key);
    if (known === undefined) {
      merged.set(place.key, { ...place });
      continue;
    }
    const port = [known.port, place.port].filter((one) => one !== undefined).sort((a, b) => b.weight - a.weight)[0];
    merged.set(place.key, {
      ...known,
      name: place.target > known.target ? place.name : known.name,
      ...(port === undefined ? {} : { port }),
      target: Math.max(known.target, place.target),
      from: Math.max(known.from, place.from),
      via: Math.max(known.via, place.via),
    });
  }
  return [...merged.values()];
}

function portsIn(line: string): { readonly number: number; readonly weight: number }[] {
  const said = [
    ...line.matchAll(
      /(?<!(?:source|src|client|local|ephemeral|源)[_ -]?)(?:ports?|dport|端口)["'`*_]*\s*(?:[:=]|is|为|是)?\s*["'`*_]*(\d{1,5}(?:\s*(?:,|and|or|和|、|\/)\s*\d{1,5}\b)*)(?![\d.])/giu,
    ),
    ...line.matchAll(/(?<![\d.:-])(\d{1,5})\s*(?:端口|(?:port|tcp|udp)(?![a-z]))/giu),
    ...line.matchAll(/(?<![a-z])(?:tcp|udp)[ /:](\d{1,5})(?![\d.])/giu),
  ];
  const alone = [...line.matchAll(/(?:^|\s):(\d{1,5})(?=$|[\s,.;)])/gu)];
  const numbers = (written: string | undefined): number[] =>
    (written?.match(/\d+/gu) ?? []).map(portNumber).filter((port) => port !== undefined);
  return [
    ...said.flatMap(([, written]) => numbers(written).map((number) => ({ number, weight: weights.strong }))),
    ...alone.flatMap(([, written]) => numbers(written).map((number) => ({ number, weight: weights.medium }))),
  ];
}

function strongest(ports: readonly { readonly number: number; readonly weight: number }[]): readonly number[] {
  const best = Math.max(0, ...ports.map(({ weight }) => weight));
  return [...new Set(ports.filter(({ weight }) => weight === best).map(({ number }) => number))].slice(
    0,
    bounds.choices,
  );
}

function portNumber(written: string | undefined): number | undefined {
  const port = written === undefined ? Number.NaN : Number(written);
  return port >= 1 && port <= 65535 ? port : undefined;
}

const podName = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';

function podsIn(line: string): string[] {
  const found = line.matchAll(
    new RegExp(
      `(?:^|[^a-z])pods?["'\`*_]*\\s*[:=/]?\\s*["'\`*_]*((?:${podName}/)?${podName})(?![a-z0-9_.:/-]*\\.)`,
      'gu',
    ),
  );
  return [...found].map(([, name = '']) => name).filter((name) => /\d|\//u.test(name));
}

/** `pod ns/name`; the namespace may stand in a label of its own. */
function podTarget(text: string, pods: readonly string[]): string | undefined {
  const [pod] = pods;
  if (pod === undefined) return undefined;
  if (pod.includes('/')) return `pod ${pod}`;
  const namespace = new RegExp(`namespace["'\`*_]*\\s*[:=]\\s*["'\`*_]*(${podName})`, 'u').exec(text)?.[1];
  return `pod ${namespace === undefined ? '' : `${namespace}/`}${pod}`;
}

/** Words that the grammar would take for its own. */
const grammarWord = /(?:^|\s)(?:port|from|via|size|for|playbook|netns|udp|tcp)(?:\s|$)/iu;

function symptomIn(text: string, symptoms: readonly string[]): { readonly symptom?: string } {
  const lower = text.toLowerCase();
  let best: string | undefined;
  for (const word of symptoms) {
    if (word.length <= (best?.length ?? 0) || grammarWord.test(word)) continue;
    const wanted = word.toLowerCase();
    const at = lower.indexOf(wanted);
    if (at < 0) continue;
    const isWord =
      /[^\p{ASCII}]/u.test(wanted) || !/[a-z0-9]/u.test(`${lower[at - 1] ?? ''}${lower[at + wanted.length] ?? ''}`);
    if (isWord) best = word;
  }
  return best === undefined ? {} : { symptom: best };
}
