import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Capture, Connection, Facts, SynOptions } from '../../src/model/facts.ts';
import { createCaptureAnalyser } from '../../src/packets/analyse-capture.ts';
import { middleboxOptions as rule } from '../../src/rules/middlebox-options.ts';
import { answered, capture, connection, counters, firewall, firewallRule, judgePath, syn } from './facts.ts';

/**
 * Linux 6.18, a router between client (`-a`) and server (`-b`) that changes options of handshakes (nft `reset tcp
 * option`), 200 000 bytes sent by the server:
 * - plain: nothing
 * - synws: takes window scale out of the SYN
 * - synackws: takes it out of the SYN+ACK only, so that the ends disagree
 * - sackts: takes SACK permitted and timestamps out of both
 * - mss: lowers the MSS of both to 1200
 */
const read = (name: string): Capture => {
  const analyser = createCaptureAnalyser({ evidence: `${name}.pcap` });
  analyser.push(readFileSync(path.join(import.meta.dirname, 'option-captures', `${name}.pcap`)));
  return analyser.finish(Buffer.from('tcpdump: listening on any, link-type LINUX_SLL2\n0 packets dropped by kernel\n'));
};
const judge = (
  name: string,
  more: { client?: Facts; target?: Facts; forwarder?: Facts; language?: 'en' | 'zh' } = {},
) =>
  judgePath(rule, {
    client: { capture: read(`${name}-a`), ...more.client },
    target: { capture: read(`${name}-b`), ...more.target },
    ...(more.forwarder === undefined ? {} : { forwarders: [{ node: 'router-30', facts: more.forwarder }] }),
    ...(more.language === undefined ? {} : { language: more.language }),
  });

const full: SynOptions = { mss: 1460, windowScale: 7, sackPermitted: true, timestamps: true };
const open = (values: Partial<Connection> = {}): Connection =>
  answered({ options: { client: full, server: full }, ...values });
const shifted = (one: Connection): Connection => ({
  ...one,
  syns: one.syns.map((each) => syn({ ...each, sequence: each.sequence + 77_777 })),
});

describe('middlebox-options', () => {
  it('fires: window scale is taken out of one direction, and segments had to be sent again', () => {
    const found = judge('synackws');
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      'window scale of the SYN+ACK: sent 10, came in as missing, changed between node-50 and node-12',
    );
    expect(found.said).toContain(
      "the client counts with no scaling, the server with scaling (its own 2^10, the other's 2^10)",
    );
    expect(found.said).toMatch(/\d+ segments had to be sent again on 1 such connections/);
    expect(found.remedies[0]?.text).toContain('the device between node-50 and node-12');
    expect(judge('synackws', { language: 'zh' }).said).toContain('两端对窗口的理解不一致');
  });

  it('fires: only likely where both ends do without an option, or nothing was sent', () => {
    const both = judge('synws');
    expect(both.verdict).toBe('likely');
    expect(both.said).toContain('window scale of the SYN: sent 10, came in as missing');
    const lost = judge('sackts');
    expect(lost.verdict).toBe('likely');
    expect(lost.said).toContain('both ends do without SACK permitted, timestamps');
    const here = open({ options: { client: full, server: { ...full, windowScale: null } } });
    const there = { ...here, options: { client: full, server: full } };
    const silent = judgePath(rule, { client: { capture: capture([here]) }, target: { capture: capture([there]) } });
    expect(silent.verdict).toBe('likely');
    expect(silent.said).toContain('No harm was seen in the window');
  });

  it('fires: names the stretch, and a rule of our own node', () => {
    const router = { capture: read('synws-b'), firewall: firewall() };
    expect(judge('synws', { forwarder: router }).said).toContain('changed between node-12 and router-30');
    const text = '-A FORWARD -p tcp -m tcp --tcp-flags SYN SYN -j TCPOPTSTRIP --strip-options wscale';
    const own = {
      ...router,
      firewall: firewall(firewallRule({ table: 'mangle', chain: 'FORWARD', text, verdict: 'other' })),
    };
    const found = judge('synws', { forwarder: own });
    expect(found.said).toContain(`router-30 has a rule that does this: ${text}`);
    expect(found.remedies[0]?.node).toBe('router-30');
  });

  it('fires: sequence numbers are rewritten and SACK blocks are not', () => {
    const here = open();
    const count = counters({ 'TcpExt.TCPSACKDiscard': 4 });
    const target = { capture: capture([shifted(here)]), counters: counters({ 'TcpExt.TCPSACKDiscard': 0 }) };
    const found = judgePath(rule, { client: { capture: capture([here]), counters: count }, target });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('TCPSACKDiscard of node-12 +4');
    expect(found.remedies[1]?.commands).toEqual(['sysctl -w net.ipv4.tcp_sack=0']);
    const unread = judgePath(rule, { client: { capture: capture([here]) }, target });
    expect(unread.verdict).toBe('likely');
  });

  it('stays silent: nothing changed, a smaller MSS, sequence numbers rewritten properly', () => {
    expect(judge('plain').said).toContain('1 handshakes were seen at node-12 and node-50 with the same options');
    expect(judge('plain').verdict).toBe('ruledOut');
    expect(judge('mss').verdict).toBe('ruledOut');
    expect(judge('mss').said).toContain('the MSS is lowered from 1460 to 1200');
    const here = open();
    const calm = counters({ 'TcpExt.TCPSACKDiscard': 0 });
    const found = judgePath(rule, {
      client: { capture: capture([here]), counters: calm },
      target: { capture: capture([shifted(here)]), counters: calm },
    });
    expect(found.verdict).toBe('ruledOut');
    // a peer that has no SACK says so itself
    const plain = open({ options: { client: full, server: { ...full, sackPermitted: false } } });
    expect(
      judgePath(rule, { client: { capture: capture([plain]) }, target: { capture: capture([plain]) } }).verdict,
    ).toBe('ruledOut');
  });

  it('missing evidence: either capture, a handshake that both saw', () => {
    expect(judgePath(rule, { client: {}, target: { capture: read('plain-b') } }).missing[0]?.node).toBe('node-12');
    expect(judgePath(rule, { client: { capture: read('plain-a') }, target: {} }).missing[0]?.node).toBe('node-50');
    const unseen = judgePath(rule, { client: { capture: capture([connection()]) }, target: { capture: capture([]) } });
    expect(unseen.verdict).toBe('unknown');
    const deaf = capture([], { listening: false });
    expect(judgePath(rule, { client: { capture: read('plain-a') }, target: { capture: deaf } }).verdict).toBe(
      'unknown',
    );
  });
});
