import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/model/facts.ts';
import type { IdleGap } from '../../src/model/packet-facts.ts';
import { ipvsIdleTimeout as rule } from '../../src/rules/ipvs-idle-timeout.ts';
import { capture, clientAddress, judgePath, reset, socket, symptom, sysctls, talk, target } from './facts.ts';
import { entry, features, ipvs, server } from './ipvs-facts.ts';

const startMs = 1_000_000;
const gap = (idleSec: number, values: Partial<IdleGap> = {}): IdleGap => ({
  fromMs: startMs,
  idleMs: idleSec * 1000,
  endedBy: 'client',
  with: 'data',
  frame: 40,
  answer: 'rst',
  ...values,
});
const client = { address: clientAddress, port: 40_000 };
const idle = (one: IdleGap, values: Partial<Connection> = {}): Connection =>
  talk({
    client,
    idleGaps: [one],
    resets: one.answer === 'rst' ? [reset({ answersSyn: false, atMs: one.fromMs + one.idleMs })] : [],
    lastAtMs: one.fromMs + one.idleMs,
    ...values,
  });
/** The way to the real server: nothing on it since the silence began. */
const leg = (values: Partial<Connection> = {}): Connection => talk({ client, server, lastAtMs: startMs, ...values });
const director = (connections: readonly Connection[], values: object = {}) => ({
  features: features(),
  ipvs: ipvs(),
  capture: capture(connections),
  ...values,
});
const asleep = socket({ local: client, peer: target });
const judge = (facts: object, clientFacts: object = {}, more: object = {}) =>
  judgePath(rule, { client: clientFacts, target: {}, forwarders: [{ node: 'router-30', facts }], ...more });

describe('ipvs-idle-timeout', () => {
  it('fires: RST after a silence longer than the time-out, and the server never saw it', () => {
    const found = judge(director([idle(gap(905)), leg()]), {
      sysctl: sysctls({ 'net.ipv4.tcp_keepalive_time': '7200' }),
    });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('a connection without packets for 900 s loses its entry');
    expect(found.said).toContain(
      'router-30: 10.12.1.2:40000 > 10.51.2.2:1301 was silent for 905 s; what the client sent then was answered with RST (frame 40)',
    );
    expect(found.said).toContain('nothing of it reached 10.244.3.2:8080');
    expect(found.said).toContain('The IPVS table has no entry');
    expect(found.said).toContain(
      'net.ipv4.tcp_keepalive_time = 7200, and it counts only for sockets with SO_KEEPALIVE',
    );
    expect(found.remedies.map(({ kind }) => kind)).toEqual(['application', 'kubernetes', 'temporary']);
    expect(found.remedies[0]?.text).toContain('600 s');
    expect(found.remedies[2]).toMatchObject({
      commands: ['ipvsadm --set 7200 0 0'],
      undo: ['ipvsadm --set 900 0 0'],
    });
  });

  it('fires: only likely where nobody saw the way to the server, or the time-out is not known', () => {
    const found = judge(director([idle(gap(905))]));
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('a RST of the server itself is not excluded');
    const { timeoutsSec: _, ...unknown } = ipvs();
    expect(judge(director([idle(gap(905)), leg()], { ipvs: unknown })).verdict).toBe('likely');
    const lossy = { ...director([]), capture: capture([idle(gap(905)), leg()], { droppedByKernel: 3 }) };
    expect(judge(lossy).verdict).toBe('likely');
  });

  it('fires: likely before any RST, where a socket is open that IPVS has forgotten', () => {
    const found = judgePath(rule, {
      client: { ...director([], { sockets: [asleep] }) },
      target: {},
    });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('their next packet will be answered with RST');
  });

  it('stays silent: a socket that was opened after the table was read, or whose entry is in the later table', () => {
    const path = (table: Parameters<typeof ipvs>[0], sockets: readonly (typeof asleep)[]) =>
      judgePath(rule, { client: director([], { ipvs: ipvs(table), sockets }), target: {} });
    // one reading: it may have come after the table; with an entry: it came between the two
    const opened = path({ connections: [], laterConnections: [] }, [asleep]);
    expect(opened.said).not.toContain('their next packet will be answered with RST');
    const known = path({ connections: [], laterConnections: [entry()] }, [asleep, asleep]);
    expect(known.said).not.toContain('their next packet will be answered with RST');
    const forgotten = path({ connections: [], laterConnections: [] }, [asleep, asleep]);
    expect(forgotten.verdict).toBe('likely');
    expect(forgotten.said).toContain('1 sockets are ESTABLISHED');
  });

  it('fires: likely where connections idle without keep-alive', () => {
    const table = ipvs({ connections: [entry({ expireSec: 300 })] });
    const found = judgePath(rule, { client: director([], { ipvs: table, sockets: [asleep] }), target: {} });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('its entry has 300 s left');
  });

  it('fires: likely where an old connection is answered with RST at once, in Chinese too', () => {
    const old = talk({
      client,
      handshake: 'midStream',
      syns: [],
      packets: { client: 1, server: 1 },
      resets: [reset({ answersSyn: false })],
    });
    const found = judge(director([old]), {}, { language: 'zh' });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('IPVS 没有它的条目');
  });

  it('stays silent: the server itself sent the RST (F70, the application)', () => {
    const told = leg({
      lastAtMs: startMs + 905_000,
      resets: [reset({ answersSyn: false, atMs: startMs + 905_001, frame: 77 })],
    });
    const found = judge(director([idle(gap(905)), told]));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('sent by the real server itself');
  });

  it('stays silent: the RST came sooner than the time-out, or longer silences were survived', () => {
    expect(judge(director([idle(gap(350))])).said).toContain('silences of at most 350 s');
    const survived = judge(director([idle(gap(1200, { answer: 'ack' }))]));
    expect(survived.verdict).toBe('ruledOut');
    expect(survived.said).toContain('A silence of 1200 s was survived');
  });

  it('stays silent: every socket sends keep-alives in time', () => {
    const table = ipvs({ connections: [entry({ expireSec: 300 })] });
    const kept = { ...asleep, timer: { kind: 'keepalive', leftMs: 45_000, retries: 0 } };
    const facts = director([], { ipvs: table, sockets: [kept] });
    expect(judgePath(rule, { client: facts, target: {} }).verdict).toBe('ruledOut');
    const late = { ...kept, timer: { kind: 'keepalive', leftMs: 7_200_000, retries: 0 } };
    expect(judgePath(rule, { client: { ...facts, sockets: [late] }, target: {} }).verdict).toBe('likely');
  });

  it('stays silent: no IPVS, or none for this port, or UDP', () => {
    expect(judge({ features: features([]) }).verdict).toBe('notApplicable');
    const other = judge(director([], { ipvs: ipvs({ services: [] }) }));
    expect(other.verdict).toBe('notApplicable');
    expect(other.said).toContain('IPVS has no service for 10.51.2.2:1301 here');
    expect(judge(director([]), {}, { symptom: symptom({ protocol: 'udp' }) }).verdict).toBe('notApplicable');
  });

  it('missing evidence: the table was not read, nobody was silent, nothing is known', () => {
    expect(judge({ features: features() }).missing[0]).toMatchObject({ fact: 'ipvs', node: 'router-30' });
    const quick = judge(director([talk({ client })]));
    expect(quick.verdict).toBe('unknown');
    expect(quick.said).toContain('silent for 900 s');
    expect(judge({}).verdict).toBe('unknown');
  });
});
