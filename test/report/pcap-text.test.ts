import { describe, expect, it } from 'vitest';
import type { Capture, Connection, IcmpError, Reset, Syn } from '../../src/model/facts.ts';
import { withoutAnsi } from '../../src/report/ansi.ts';
import { flowHint, renderConversations, renderJoined } from '../../src/report/pcap-text.ts';
import { stringWidth } from '../../src/report/string-width.ts';
import type { Finding } from '../../src/model/report.ts';
import { flow, plainCapture, plainConnection, reset as plainReset, synAck } from '../rules/facts.ts';
import { joinedStory, resetAfterIdleConnection } from './ladder-fixtures.ts';

const startMs = 1_700_000_000_000;

function syn(atMs: number, tsval: number | null = null): Syn {
  return { atMs: startMs + atMs, frame: 1, sequence: 1, ipId: 1, ttl: 64, tsval, sightings: [] };
}
function connection(changes: Partial<Connection> = {}): Connection {
  return {
    ...plainConnection,
    client: { address: '10.0.0.1', port: 40_000 },
    server: { address: '10.0.0.2', port: 1301 },
    syns: [syn(0)],
    synAcks: [synAck({ atMs: startMs + 1, frame: 2 })],
    handshake: 'complete',
    resets: [],
    fins: { client: true, server: true },
    bytes: { client: 100, server: 2000 },
    packets: { client: 5, server: 4 },
    retransmitted: { client: 0, server: 0 },
    options: { client: null, server: null },
    firstAtMs: startMs,
    lastAtMs: startMs + 20,
    ...changes,
  };
}
const unanswered = (changes: Partial<Connection> = {}): Connection =>
  connection({ handshake: 'unanswered', synAcks: [], packets: { client: 1, server: 0 }, ...changes });
const icmp = (changes: Partial<IcmpError> = {}): IcmpError => ({
  atMs: startMs,
  frame: 9,
  from: '10.0.0.254',
  to: '10.0.0.1',
  version: 4,
  type: 3,
  code: 10,
  name: 'host-prohibited',
  about: {
    protocol: 6,
    source: '10.0.0.1',
    destination: '10.0.0.2',
    sourcePort: 40_000,
    destinationPort: 1301,
    sequence: 1,
  },
  ...changes,
});
function captureOf(connections: readonly Connection[], changes: Partial<Capture> = {}): Capture {
  return {
    ...plainCapture,
    packets: 10,
    bytes: 1000,
    linkType: 'EN10MB',
    firstAtMs: startMs,
    lastAtMs: startMs + 5000,
    droppedByKernel: null,
    listening: true,
    connections,
    icmpErrors: [],
    problems: [],
    connectionsDropped: 0,
    at: { evidence: 'x.pcap' },
    ...changes,
  };
}
const text = (connections: readonly Connection[], changes: Partial<Capture> = {}): string =>
  renderConversations(captureOf(connections, changes), { width: 120 });

describe('one connection', () => {
  const reset = (changes: Partial<Reset> = {}): Reset =>
    plainReset({ atMs: startMs + 2, ttl: 61, frame: 3, ...changes });
  const cases: readonly (readonly [string, Connection, readonly IcmpError[], string])[] = [
    [
      'unanswered',
      unanswered({ syns: [syn(0), syn(1000), syn(3000)] }),
      [],
      'no answer to 3 SYNs in 3.00 s (gaps 1.0, 2.0 s)',
    ],
    ['unanswered', unanswered(), [], 'no answer to the SYN'],
    ['stale on the server', unanswered({ handshake: 'challengeAck' }), [], 'answers the SYN with a bare ACK'],
    [
      'refused',
      unanswered({ handshake: 'refused', resets: [reset()] }),
      [],
      'RST 2 ms after the SYN, TTL 61: nothing listens there',
    ],
    ['ICMP error', unanswered({ handshake: 'icmpError' }), [icmp()], 'host-prohibited from 10.0.0.254'],
    [
      'half open',
      connection({ handshake: 'noFinalAck', synAcks: [synAck({ atMs: startMs, frame: 1 })] }),
      [],
      "1 SYN+ACK sent, the client's ACK is not here",
    ],
    [
      'reset',
      connection({
        fins: { client: false, server: false },
        resets: [reset({ atMs: startMs + 40_000, answersSyn: false })],
      }),
      [],
      'reset by the server 40.0 s after its first packet, TTL 61',
    ],
    [
      'retransmissions',
      connection({ retransmitted: { client: 3, server: 0 } }),
      [],
      '3 of 5 segments of the client are retransmissions (60 %)',
    ],
    [
      'retransmissions',
      connection({ retransmitted: { client: 3, server: 0 } }),
      [icmp({ name: 'frag-needed', code: 4, mtu: 1400 })],
      'frag-needed (MTU 1400) from 10.0.0.254',
    ],
    [
      'slow to connect',
      connection({ syns: [syn(0), syn(1000)], synAcks: [synAck({ atMs: startMs + 1001, frame: 3 })] }),
      [],
      'connected after 1.00 s and 2 SYNs',
    ],
    [
      'one way only',
      connection({ synAcks: [], packets: { client: 3, server: 0 } }),
      [],
      'only packets of the client pass this capture',
    ],
    ['began before', connection({ handshake: 'midStream', syns: [], synAcks: [] }), [], 'began before, closed'],
    ['connected', connection(), [], 'connected, closed'],
    ['connected', connection({ fins: { client: false, server: false } }), [], 'connected, still open'],
  ];
  it.each(cases)('%s', (state, one, icmpErrors, diagnosis) => {
    const shown = text([one], { icmpErrors });
    expect(shown).toContain(`1 ${state}`);
    expect(shown).toContain(diagnosis);
    expect(shown).toContain('10.0.0.1:40000  10.0.0.2:1301');
  });

  it('whose TSval went back says so, with both numbers', () => {
    const earlier = connection({ syns: [syn(0, 82_925)], lastAtMs: startMs + 20 });
    const later = unanswered({ syns: [syn(2020, 52_196)], firstAtMs: startMs + 2020 });
    expect(text([earlier, later])).toContain(
      'no answer to the SYN; its TSval 52196 is lower than 82925, seen from the same address 2.00 s before',
    );
    const muchLater = unanswered({ syns: [syn(70_000, 52_196)], firstAtMs: startMs + 70_000 });
    expect(text([earlier, muchLater])).not.toContain('TSval');
    const other = unanswered({ syns: [syn(2020, 52_196)], client: { address: '10.0.0.9', port: 1 } });
    expect(text([earlier, other])).not.toContain('TSval');
  });
});

describe('the table', () => {
  it('has the worst first', () => {
    const client = (port: number) => ({ address: '10.0.0.1', port });
    const shown = text([
      connection({ client: client(1) }),
      connection({ client: client(2), retransmitted: { client: 3, server: 0 } }),
      unanswered({ client: client(3), handshake: 'refused' }),
      unanswered({ client: client(4) }),
    ]);
    const order = [...shown.matchAll(/10\.0\.0\.1:(\d)/g)].map((match) => match[1]);
    expect(order).toEqual(['4', '3', '2', '1']);
    expect(shown).toContain('1 unanswered · 1 refused · 1 retransmissions · 1 connected');
  });
  it('counts what is alike instead of repeating it, and what does not fit', () => {
    const many = Array.from({ length: 30 }, (_, i) => unanswered({ client: { address: '10.0.0.1', port: 1000 + i } }));
    expect(text(many).match(/no answer/g)).toHaveLength(3);
    expect(text(many)).toContain('… and 27 more like this');
    const others = Array.from({ length: 90 }, (_, i) => unanswered({ client: { address: `10.0.1.${i}`, port: 1000 } }));
    expect(text(others)).toContain('… and 40 more (40 unanswered)');
  });
  it.each([60, 80, 120])('keeps within %i columns, except for the ends of a connection', (width) => {
    const shown = renderConversations(
      captureOf(
        [
          unanswered({ syns: [syn(0, 5), syn(1000), syn(3000)] }),
          connection({ retransmitted: { client: 2, server: 1 } }),
        ],
        {
          problems: [{ message: 'the stream ends inside packet 17: 60 of 74 bytes are there (byte offset 1234)' }],
        },
      ),
      { width },
    );
    for (const line of shown.split('\n'))
      if (!/^ *(?:#|\d+ )/.test(line)) expect(stringWidth(line), line).toBeLessThanOrEqual(width);
  });
  it('colours only when asked, and says the same', () => {
    const one = captureOf([unanswered(), connection()]);
    expect(renderConversations(one)).not.toContain('\u001b');
    expect(renderConversations(one, { colour: true })).toContain('\u001b[31m');
    expect(withoutAnsi(renderConversations(one, { colour: true }))).toBe(renderConversations(one));
  });
});

describe('around the table', () => {
  it('an empty capture is said in one line', () => {
    expect(text([], { packets: 0, bytes: 0, firstAtMs: null, lastAtMs: null })).toBe(
      'x.pcap: 0 packets (0 B), link type EN10MB, 0 TCP connections',
    );
  });
  it('drops weaken what is missing', () => {
    expect(text([], { droppedByKernel: 7 }).replaceAll('\n', ' ')).toContain(
      '7 packets dropped by kernel: what seems to be missing may have been there',
    );
    expect(text([], { droppedByKernel: 0 })).not.toContain('dropped');
  });
  it('ICMP errors about other flows are listed, equal ones once', () => {
    const about = {
      protocol: 17,
      source: '10.0.0.1',
      destination: '10.0.0.53',
      sourcePort: 5000,
      destinationPort: 53,
      sequence: null,
    };
    const shown = text([connection()], {
      icmpErrors: [icmp({ about, name: 'port-unreachable' }), icmp({ about, name: 'port-unreachable' }), icmp()],
    });
    expect(shown).toContain('2 × port-unreachable from 10.0.0.254, about UDP 10.0.0.1 to 10.0.0.53:53');
    expect(shown).toContain('1 ICMP error');
    expect(shown).toContain('host-prohibited from 10.0.0.254; closed');
    expect(shown.match(/10\.0\.0\.254/g)).toHaveLength(2);
  });
  it('problems are listed, and hostile names do not reach the terminal', () => {
    const shown = text([], { problems: [{ message: 'bad \u001b[31m' }], at: { evidence: 'evil\u001b]0;x.pcap' } });
    expect(shown).toContain('Could not read everything');
    expect(shown).not.toContain('\u001b');
  });
});

describe('richer than its state', () => {
  it('bytes that never arrive say how often they were sent, where they are lost, and whether it is the size', () => {
    const shown = text([
      connection({
        fins: { client: false, server: false },
        retransmitted: { client: 5, server: 0 },
        flow: {
          client: flow({
            holes: [
              {
                start: 5,
                length: 1440,
                firstSeenMs: startMs + 1,
                frame: 8,
                retransmits: 5,
                originalSeen: true,
                filledMs: null,
              },
            ],
            bySize: [
              { upTo: 1220, sent: 12, retransmitted: 0 },
              { upTo: 1440, sent: 6, retransmitted: 5 },
            ],
          }),
          server: flow(),
        },
      }),
    ]).replaceAll(/\s+/g, ' ');
    expect(shown).toContain('1 stuck');
    expect(shown).toContain(
      '1440 bytes from 5 of the client never arrived, sent again 5 times, what came after them did; lost behind this capture; only segments above 1220 bytes are lost, all 12 smaller ones passed',
    );
  });
  it('a shut window says for how long, and only where somebody waited for it', () => {
    const shut = (senderWaits: boolean): string =>
      text([
        connection({
          flow: {
            client: flow(),
            server: flow({
              zeroWindows: [
                { fromMs: startMs, frame: 4, untilMs: startMs + 3370, probes: senderWaits ? 4 : 0, senderWaits },
              ],
            }),
          },
        }),
      ]);
    expect(shut(true)).toContain('the server shut its window for 3.37 s (4 probes): its program did not read');
    expect(shut(false)).toContain('connected, closed');
  });
  it('a RST says whose TTL it has, and after which silence', () => {
    const shown = text([resetAfterIdleConnection()]).replaceAll(/\s+/g, ' ');
    expect(shown).toContain(
      'reset by the server 15 min 04 s after its first packet, TTL 63, its other packets 61: somebody in between sent it; it answers the first packet after 15 min 04 s of silence; 212 bytes were not acknowledged',
    );
  });
  it('sightings that stop, tunnels and ports that were used before are said', () => {
    const places = [
      { interfaceIndex: 2, direction: 'in', tunnel: null, client: 3, server: 0 },
      { interfaceIndex: 5, direction: 'out', tunnel: 'ipip', client: 0, server: 0 },
    ] as const;
    const shown = text(
      [
        unanswered({
          places,
          tunnel: { kind: 'vxlan', id: 4096, outer: { source: '10.1.0.1', destination: '10.1.0.2' } },
          portReuse: { number: 3, sinceMs: 1200 },
        }),
      ],
      { interfaceNames: { 2: 'eth0', 5: 'tunl\u001b0' } },
    ).replaceAll(/\s+/g, ' ');
    expect(shown).toContain('packets of the client seen in on eth0 (3), never out on tunl␛0/ipip');
    expect(shown).toContain('inside vxlan 4096 10.1.0.1 → 10.1.0.2');
    expect(shown).toContain('the same ports as #3, 1.20 s after it');
  });
});

describe('the diagnosis', () => {
  const finding = (values: Partial<Finding>): Finding => ({
    rule: 'mtu-blackhole',
    verdict: 'likely',
    node: 'x.pcap',
    title: 'Large packets die',
    because: [{ text: 'frame 8 lacks 1440 bytes', evidence: 'x.pcap' }],
    remedies: [],
    missing: [],
    ...values,
  });
  const said = (findings: readonly Finding[]): string =>
    renderConversations(captureOf([connection()]), { width: 120, findings });

  it('is causes, then what was ruled out in short, then what could not be seen', () => {
    const shown = said([
      finding({
        remedies: [
          { kind: 'permanent', text: 'Lower the MTU', commands: ['ip link set eth0 mtu 1400'], undo: [], risk: '' },
        ],
      }),
      finding({ rule: 'one', verdict: 'ruledOut', title: 'One' }),
      finding({ rule: 'two', verdict: 'ruledOut', title: 'Two' }),
      finding({
        rule: 'three',
        verdict: 'unknown',
        title: 'Three',
        missing: [{ fact: 'x', node: 'y', why: 'dropped' }],
      }),
    ]);
    const places = [
      'Large packets die (likely, mtu-blackhole)',
      '- frame 8 lacks 1440 bytes',
      '> For good (permanent): Lower the MTU',
      '        ip link set eth0 mtu 1400',
      'Ruled out: one, two',
      'Could not see',
      '? Three: dropped',
    ].map((line) => shown.indexOf(line));
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });
  it('says that nothing was found, and nothing at all where no rule was asked', () => {
    expect(said([])).toContain('No rule that needs only packets found a fault.');
    expect(text([connection()])).not.toContain('Diagnosis');
  });
});

describe('large captures', () => {
  it('count what nothing happened to, by service', () => {
    const shown = text([unanswered()], {
      uneventful: 98_000,
      services: [
        {
          server: { address: '10.0.0.2', port: 1301 },
          connections: 98_001,
          complete: 98_000,
          unanswered: 1,
          refused: 0,
          reset: 0,
          packets: 980_001,
          retransmitted: 12,
          clients: 1000,
        },
      ],
    });
    expect(shown).toContain('98001 TCP connections');
    expect(shown).toContain('98000 more connections to which nothing happened');
    expect(shown).toContain('10.0.0.2:1301: 98001 connections from many clients, 1 unanswered, 12 retransmissions');
  });
  it('the number of a row is the one that --flow takes', () => {
    const one = captureOf([connection({ number: 4711 }), unanswered({ number: 42 })]);
    expect(renderConversations(one)).toMatch(/^ +42 +10\.0\.0\.1:40000/m);
    expect(flowHint(one, 'x.pcap', 'en')).toContain('netcheck pcap x.pcap --flow 42');
    expect(flowHint(captureOf([connection()]), 'x.pcap', 'en')).toBe('');
  });
});

describe('renderJoined', () => {
  it('says where packets died, the clocks, and the translation', () => {
    const shown = renderJoined(joinedStory(), { width: 100 }).replaceAll(/\s+/g, ' ');
    expect(shown).toContain(
      'Joined: 1 connection seen at more than one place, on the way client.pcap → node-30.pcap → target.pcap',
    );
    expect(shown).toContain('clock of node-30.pcap: +512 ms against client.pcap (± 0.2 ms, from 8 packets)');
    expect(shown).toContain('clock of target.pcap: −3.1 ms against client.pcap');
    expect(shown).toContain(
      'client.pcap saw 13 packets, node-30.pcap 12, target.pcap 7: 4 packets of 1440 bytes died between node-30.pcap and target.pcap; 1 packet of 1440 bytes died between client.pcap and node-30.pcap; 1 packet (RST) first seen at node-30.pcap: made on the way',
    );
    expect(shown).toContain('the addresses are translated on the way; matched by isn, tsval');
    expect(shown).toContain('at target.pcap: 10.30.0.1:61001 → 172.20.4.9:8080');
  });
  it('says it where nothing is shared', () => {
    expect(renderJoined({ ...joinedStory(), connections: [] })).toContain('no connection in common');
  });
});

describe('in Chinese', () => {
  it('no sentence of ours is English', () => {
    const shown = renderConversations(
      captureOf([unanswered({ syns: [syn(0), syn(1000)] }), connection(), resetAfterIdleConnection()]),
      { language: 'zh', width: 100, findings: [] },
    );
    expect(shown).toContain('无应答');
    const english = shown.match(/[A-Za-z]{4,}/g) ?? [];
    expect(english.filter((word) => !/^(?:pcap|EN10MB)$/.test(word))).toEqual([]);
  });
});
