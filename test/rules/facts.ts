import type { At } from '../../src/model/evidence.ts';
import type {
  Capture,
  Connection,
  CounterDeltas,
  Facts,
  Firewall,
  FirewallRule,
  IcmpError,
  Link,
  Listener,
  Neighbour,
  Probe,
  Reset,
  RouteVerdict,
  Socket,
  Syn,
  SynAck,
  Sysctls,
  TcpMetric,
} from '../../src/model/facts.ts';
import { InventoryNode } from '../../src/model/inventory.ts';
import { Plan, type Role } from '../../src/model/plan.ts';
import type { Flow } from '../../src/model/packet-facts.ts';
import type { AnyRule, Outcome, Undecided } from '../../src/model/rule.ts';
import { Symptom } from '../../src/model/symptom.ts';
import { auditRemedies } from './audit-remedies.ts';

/** Builders for facts: what a test does not care about has an ordinary value. */

export const target = { address: '10.51.2.2', port: 1301 } as const;
export const clientAddress = '10.12.1.2';
export const otherAddress = '10.12.1.3';

export const at = (file: string, line?: number): At => ({
  evidence: `evidence/node-50/${file}`,
  ...(line === undefined ? {} : { line }),
});

export function sysctls(values: Readonly<Record<string, string | null>>): Sysctls {
  return Object.fromEntries(
    Object.entries(values).map(([key, value], i) => [key, { value, at: at('03-sysctl.out', i + 1) }]),
  );
}

/** Name -> how much it rose; `null` = not comparable. A pair is before and after. */
export function counters(rises: Readonly<Record<string, number | null | readonly [number, number]>>): CounterDeltas {
  return Object.fromEntries(
    Object.entries(rises).map(([name, rise]) => {
      const place = at('04-counters.out', 2);
      if (rise === null) return [name, { before: null, after: 5, delta: null, how: 'appeared', at: place }];
      const [before, after] = typeof rise === 'number' ? [100, 100 + rise] : rise;
      return [name, { before, after, delta: after - before, how: 'counted', at: place }];
    }),
  );
}

export function listener(values: Partial<Listener> = {}): Listener {
  return {
    protocol: 'tcp',
    address: '0.0.0.0',
    port: target.port,
    recvq: 0,
    sendq: 128,
    process: 'nginx',
    at: at('05-listeners.out', 2),
    ...values,
  };
}

export function socket(values: Partial<Socket> = {}): Socket {
  return {
    protocol: 'tcp',
    state: 'ESTAB',
    recvq: 0,
    sendq: 0,
    local: target,
    peer: { address: clientAddress, port: 40000 },
    at: at('06-sockets.out', 2),
    ...values,
  };
}

export function link(values: Partial<Link> = {}): Link {
  return { name: 'eth0', index: 2, mtu: 1500, state: 'UP', flags: ['UP'], at: at('07-links.out', 3), ...values };
}

export function routeVerdict(values: Partial<RouteVerdict> = {}): RouteVerdict {
  return { to: target.address, verdict: 'ok', device: 'eth0', at: at('08-route-get.out', 1), ...values };
}

export function neighbour(values: Partial<Neighbour> = {}): Neighbour {
  return {
    address: target.address,
    device: 'eth0',
    mac: '52:54:00:00:00:02',
    state: 'REACHABLE',
    at: at('09-neighbours.out', 4),
    ...values,
  };
}

export function metric(address: string, twTs?: { value: number; ageSec: number }): TcpMetric {
  return {
    address,
    ageSec: twTs?.ageSec ?? 12,
    ...(twTs === undefined ? {} : { twTs }),
    at: at('10-tcp-metrics.out', 1),
  };
}

export function probe(values: Partial<Probe> = {}): Probe {
  return {
    to: target.address,
    port: target.port,
    attempt: 1,
    startedAtMs: 1000,
    tookMs: 5000,
    outcome: 'timedOut',
    message: '',
    at: at('11-tcp-probe.out', 1),
    ...values,
  };
}

let ruleCount = 0;
/** A rule of iptables' INPUT chain that drops port 1301, unless told otherwise. `rose`: packets in the window. */
export function firewallRule(
  values: Partial<Omit<FirewallRule, 'match'>> & { match?: Partial<FirewallRule['match']>; rose?: number | null } = {},
): FirewallRule {
  const { match, rose, ...rest } = values;
  const base = /^(?:input|prerouting|forward|output)$/i.test(rest.chain ?? 'INPUT')
    ? { hook: (rest.chain ?? 'INPUT').toLowerCase() }
    : {};
  const delta = rose === undefined ? 0 : rose;
  ruleCount += 1;
  return {
    tool: 'iptables',
    family: 4,
    table: 'filter',
    chain: 'INPUT',
    ...base,
    id: `rule-${ruleCount}`,
    text: '-A INPUT -p tcp -m tcp --dport 1301 -j DROP',
    isPolicy: false,
    verdict: 'drop',
    match: { understood: true, ...match },
    packets: delta === null ? null : { before: 10, after: 10 + delta, delta },
    at: at('12-firewall.out', 7),
    ...rest,
  };
}

export const port1301 = { protocol: 'tcp', destinationPorts: [{ from: 1301, to: 1301 }] } as const;

export function firewall(...rules: readonly FirewallRule[]): Firewall {
  return { rules };
}

export function syn(values: Partial<Syn> = {}): Syn {
  return { atMs: 1000, frame: 1, sequence: 1_000, ipId: 7, ttl: 64, tsval: 500, sightings: [], ...values };
}

export function synAck(values: Partial<SynAck> = {}): SynAck {
  return { atMs: 1000, frame: 2, sequence: 9_000, ttl: 64, tsval: null, ...values };
}

export function reset(values: Partial<Reset> = {}): Reset {
  return {
    from: 'server',
    atMs: 1000,
    ttl: 64,
    frame: 2,
    ack: true,
    answersSyn: true,
    ipId: 0,
    ipIdBefore: null,
    sequence: 'exact',
    afterMs: 0,
    unacknowledged: 0,
    ...values,
  };
}

/** One side that sent nothing remarkable. */
export function flow(values: Partial<Flow> = {}): Flow {
  return {
    dataSegments: 0,
    largestPayload: 0,
    retransmissions: { fast: 0, spurious: 0, timeout: 0, unseenOriginal: 0 },
    outOfOrder: 0,
    duplicateAcks: 0,
    gaps: 0,
    bySize: [],
    rtt: null,
    ttl: { min: 64, max: 64 },
    zeroWindows: [],
    windowFull: 0,
    zeroWindowProbes: 0,
    keepAlives: null,
    holes: [],
    delayedAckStalls: null,
    fin: null,
    ...values,
  };
}

/** What most tests do not care about in a connection. */
export const plainConnection = {
  number: 0,
  flow: { client: flow(), server: flow() },
  completeness: 1,
  initialRttMs: null,
  serverRttMs: null,
  idleGaps: [],
  end: { how: 'open', by: null },
  portReuse: null,
  places: [],
  tunnel: null,
} as const satisfies Partial<Connection>;

/** What most tests do not care about in a capture. */
export const plainCapture = {
  uneventful: 0,
  services: [],
  synSources: [],
  udp: [],
  dns: [],
  neighbourClaims: [],
  fragments: { datagrams: 0, reassembled: 0, fragments: 0 },
  interfaceNames: {},
} as const satisfies Partial<Capture>;

let portCount = 40_000;
/** A connect whose three SYNs (0, 1, 3 s) got no answer, unless told otherwise. */
export function connection(
  values: Partial<Connection> & { from?: string; syn?: Partial<Syn>; startMs?: number; tries?: number } = {},
): Connection {
  const { from = clientAddress, syn: first = {}, startMs = 1000, tries = 3, ...rest } = values;
  portCount += 1;
  const syns = [0, 1000, 3000, 7000].slice(0, tries).map((afterMs, i) =>
    syn({
      sequence: portCount,
      ipId: portCount % 65_536,
      atMs: startMs + afterMs,
      frame: i + 1,
      tsval: 500 + afterMs,
      ...first,
    }),
  );
  const last = syns.at(-1)?.atMs ?? startMs;
  return {
    ...plainConnection,
    client: { address: from, port: portCount },
    server: target,
    syns,
    synAcks: [],
    handshake: 'unanswered',
    resets: [],
    fins: { client: false, server: false },
    bytes: { client: 0, server: 0 },
    packets: { client: syns.length, server: 0 },
    retransmitted: { client: Math.max(0, syns.length - 1), server: 0 },
    options: { client: { mss: 1460, windowScale: 7, sackPermitted: true, timestamps: true }, server: null },
    firstAtMs: startMs,
    lastAtMs: last,
    ...rest,
  };
}

export function answered(values: Parameters<typeof connection>[0] = {}): Connection {
  const startMs = values.startMs ?? 1000;
  return connection({ tries: 1, handshake: 'complete', synAcks: [synAck({ atMs: startMs })], ...values });
}

/** An open connection that carried some data both ways for 10 s, and nothing remarkable. */
export function talk(values: Parameters<typeof connection>[0] = {}): Connection {
  const startMs = values.startMs ?? 1000;
  return answered({
    bytes: { client: 4000, server: 40_000 },
    packets: { client: 30, server: 40 },
    flow: {
      client: flow({ dataSegments: 10, largestPayload: 400 }),
      server: flow({ dataSegments: 30, largestPayload: 1448 }),
    },
    initialRttMs: 0.5,
    completeness: 15,
    lastAtMs: startMs + 10_000,
    ...values,
  });
}

export function refused(values: Parameters<typeof connection>[0] = {}): Connection {
  const startMs = values.startMs ?? 1000;
  return connection({
    tries: 1,
    handshake: 'refused',
    resets: [reset({ atMs: startMs })],
    ...values,
  });
}

export function capture(connections: readonly Connection[], values: Partial<Capture> = {}): Capture {
  const times = connections.flatMap((c) => [c.firstAtMs, c.lastAtMs]);
  return {
    ...plainCapture,
    packets: connections.reduce((sum, c) => sum + c.syns.length + c.synAcks.length, 0),
    bytes: 1000,
    linkType: 'LINUX_SLL2',
    firstAtMs: times.length === 0 ? null : Math.min(...times),
    lastAtMs: times.length === 0 ? null : Math.max(...times) + 2000,
    droppedByKernel: 0,
    listening: true,
    connections,
    icmpErrors: [],
    problems: [],
    connectionsDropped: 0,
    at: at('13-capture.pcap'),
    ...values,
  };
}

export function icmp(
  values: Partial<Omit<IcmpError, 'about'>> & { about?: Partial<IcmpError['about']> } = {},
): IcmpError {
  const { about, ...rest } = values;
  return {
    atMs: 1001,
    frame: 2,
    from: target.address,
    to: clientAddress,
    version: 4,
    type: 3,
    code: 10,
    name: 'host-prohibited',
    about: {
      protocol: 6,
      source: clientAddress,
      destination: target.address,
      sourcePort: 40_001,
      destinationPort: target.port,
      sequence: 1000,
      ...about,
    },
    ...rest,
  };
}

// ------------------------------------------------------------------------------------------------------ judging

export function symptom(values: Partial<Symptom> = {}): Symptom {
  return Symptom.parse({
    text: 'node-50 port 1301 from node-12',
    target: { kind: 'node', node: 'node-50' },
    port: target.port,
    ...values,
  });
}

const planned = (name: string, address: string, roles: readonly Role[]) => ({
  node: InventoryNode.parse({ name, address }),
  roles: [...roles],
  address,
  why: 'asked',
});

export function plan(values: Partial<Plan> = {}): Plan {
  return Plan.parse({
    symptom: symptom(),
    playbooks: ['port-check'],
    targetAddress: target.address,
    externalClients: [],
    nodes: [
      planned('node-50', target.address, ['target']),
      planned('node-12', clientAddress, ['client']),
      planned('router-30', '10.30.0.1', ['forwarder']),
    ],
    steps: [],
    rules: [],
    budget: {},
    ...values,
  });
}

/** What the engine would make of it: `unknown` where a need is absent or the rule cannot tell. */
export interface Judged {
  readonly verdict: Outcome['verdict'] | 'unknown';
  /** The sentences in one string, for matching. */
  readonly said: string;
  readonly because: Outcome['because'];
  readonly remedies: Outcome['remedies'];
  readonly missing: readonly { readonly fact: string; readonly node: string; readonly why: string }[];
}

interface NodeCase {
  readonly clockOffsetMs?: number;
  readonly node?: string;
  readonly facts: Facts;
  readonly symptom?: Symptom;
  readonly target?: { readonly address: string; readonly port: number };
  readonly plan?: Plan;
  readonly params?: unknown;
  readonly language?: 'en' | 'zh';
}

export function judgeNode(rule: AnyRule, input: NodeCase): Judged {
  if (rule.scope !== 'node') throw new TypeError(`${rule.id} judges paths`);
  const node = input.node ?? 'node-50';
  const absent = rule.needs.filter((name) => input.facts[name] === undefined);
  if (absent.length > 0) return unknown(absent.map((fact) => ({ fact, node, why: 'not collected' })));
  const evaluate = (given: object): Outcome | Undecided => rule.evaluate(given as never);
  return judged(
    rule,
    evaluate({
      node,
      facts: only(input.facts, [...rule.needs, ...rule.optional]),
      symptom: input.symptom ?? symptom(),
      target: input.target ?? target,
      plan: input.plan ?? plan(),
      clockOffsetMs: input.clockOffsetMs ?? 0,
      params: rule.params.parse(input.params ?? {}),
      say: rule.text[input.language ?? 'en'],
    }),
  );
}

interface PathCase {
  readonly client: Facts;
  readonly target: Facts;
  readonly forwarders?: readonly { readonly node: string; readonly facts: Facts }[];
  /** Of the target, where it is another one than usual. */
  readonly address?: string;
  readonly clockOffsetsMs?: Readonly<Record<string, number>>;
  readonly symptom?: Symptom;
  readonly plan?: Plan;
  readonly params?: unknown;
  readonly language?: 'en' | 'zh';
}

export function judgePath(rule: AnyRule, input: PathCase): Judged {
  if (rule.scope !== 'path') throw new TypeError(`${rule.id} judges nodes`);
  const { client, target: asked } = rule.needs;
  const absent = [
    ...client.filter((name) => input.client[name] === undefined).map((fact) => ({ fact, node: 'node-12' })),
    ...asked.filter((name) => input.target[name] === undefined).map((fact) => ({ fact, node: 'node-50' })),
  ];
  if (absent.length > 0) return unknown(absent.map((missing) => ({ ...missing, why: 'not collected' })));
  const evaluate = (given: object): Outcome | Undecided => rule.evaluate(given as never);
  return judged(
    rule,
    evaluate({
      client: { node: 'node-12', facts: only(input.client, [...client, ...rule.optional]) },
      target: {
        node: 'node-50',
        ...target,
        ...(input.address === undefined ? {} : { address: input.address }),
        facts: only(input.target, [...asked, ...rule.optional]),
      },
      forwarders: (input.forwarders ?? []).map((f) => ({ node: f.node, facts: only(f.facts, rule.optional) })),
      symptom: input.symptom ?? symptom(),
      plan: input.plan ?? plan(),
      clockOffsetMs: (node: string) => input.clockOffsetsMs?.[node] ?? 0,
      params: rule.params.parse(input.params ?? {}),
      say: rule.text[input.language ?? 'en'],
    }),
  );
}

/**
 * A rule of scope `capture` on one capture, as `netcheck pcap` asks it, or with facts of the node as in a run. `capture`
 * undefined: there is none.
 */
export function judgeOnCapture(
  rule: AnyRule,
  given: Capture | undefined,
  params: unknown = {},
  language: 'en' | 'zh' = 'en',
  facts: Facts = {},
): Judged {
  if (rule.scope !== 'capture') throw new TypeError(`${rule.id} does not judge captures`);
  const place = 'incident.pcap';
  if (given === undefined) return unknown([{ fact: 'capture', node: place, why: 'not collected' }]);
  const evaluate = (input: object): Outcome | Undecided => rule.evaluate(input as never);
  return judged(
    rule,
    evaluate({
      capture: given,
      facts: only(facts, rule.optional ?? []),
      place,
      params: rule.params.parse(params),
      say: rule.text[language],
    }),
  );
}

/** The engine hands a rule what it declared, and nothing else. */
function only(facts: Facts, names: readonly string[]): Facts {
  return Object.fromEntries(
    Object.entries(facts).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
}

/** Every outcome that any test gets is held to what holds for all remedies. */
function judged(rule: AnyRule, answer: Outcome | Undecided): Judged {
  if ('undecided' in answer) return unknown(answer.undecided);
  const problems = auditRemedies(rule.id, answer);
  if (problems.length > 0) throw new Error(`remedies of ${rule.id}:\n${problems.join('\n')}`);
  return { ...answer, said: answer.because.map((b) => b.text).join('\n'), missing: [] };
}

function unknown(missing: Judged['missing']): Judged {
  return { verdict: 'unknown', said: missing.map((m) => m.why).join('\n'), because: [], remedies: [], missing };
}
