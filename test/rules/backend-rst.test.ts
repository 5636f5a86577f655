import { cluster, container, kubePod, readAtMs } from './cluster-facts.ts';
import { describe, expect, it } from 'vitest';
import { backendRst as rule } from '../../src/rules/backend-rst.ts';
import { idleReset } from '../../src/rules/idle-reset.ts';
import {
  at,
  capture,
  clientAddress,
  counters,
  firewall,
  firewallRule,
  flow,
  judgeOnCapture,
  judgePath,
  listener,
  port1301,
  refused,
  reset,
  socket,
  symptom,
  talk,
  target,
  syn,
  synAck,
} from './facts.ts';
import { features, ipvs, service } from './ipvs-facts.ts';
import { noIpvs } from './kube-facts.ts';

const client = { address: clientAddress, port: 41_000 };
/** The server's kernel: "no such connection". */
const unknown = reset({ ack: false, answersSyn: false, atMs: 9000, frame: 12 });
const addresses = (address: string) => [
  { family: 4 as const, device: 'eth0', address, prefixLength: 24, at: at('05-addresses.out', 2) },
];
/** It began before the capture: one segment of the client, and the RST. */
const midStream = (values: Parameters<typeof talk>[0] = {}) =>
  talk({
    client,
    handshake: 'midStream',
    syns: [],
    synAcks: [],
    packets: { client: 1, server: 1 },
    bytes: { client: 18, server: 0 },
    flow: { client: flow({ dataSegments: 1 }), server: flow({ ttl: null }) },
    resets: [unknown],
    ...values,
  });
const established = [socket({ local: client, peer: target })];
const server = {
  addresses: addresses(target.address),
  features: noIpvs,
  firewall: firewall(),
  counters: counters({ 'Tcp.OutRsts': 1, 'TcpExt.ListenOverflows': [0, 0] }),
};
const judge = (facts: object, from: object = {}, more: object = {}) =>
  judgePath(rule, { client: from, target: { ...server, ...facts }, ...more });

describe('backend-rst', () => {
  it('fires: an open connection is unknown to the server, and the client’s socket was ESTAB until then', () => {
    const found = judge({ capture: capture([midStream()]), sockets: [] }, { sockets: established });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain(
      '10.12.1.2:41000 > 10.51.2.2:1301: a segment of an open connection was answered by RST without ACK (frame 12)',
    );
    expect(found.said).toContain('On node-12 the socket was ESTAB until then');
    expect(found.said).toContain('Tcp OutRsts +1');
    expect(found.remedies[0]?.commands[0]).toContain('status.podIP=10.51.2.2');
  });
  it('fires: the server had spoken on it in the same capture and never closed it; in Chinese', () => {
    const replaced = talk({ client, resets: [unknown] });
    const found = judge({ capture: capture([replaced]) }, {}, { language: 'zh' });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('服务端之前还在这条连接上通信');
  });
  it('fires: likely where only the RST is seen; says when the pod was started', () => {
    const found = judge({
      capture: capture([midStream()]),
      clock: { epochMs: 1, uptimeSec: 10_000, at: at('02-clock.out') },
      namespace: { inode: 'net:[4]', pid: '77', startTicks: '997000', isOwn: false, at: at('02-netns.out') },
    });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('was started 30 s ago');
    expect(found.said).toContain('whether the server had closed it before is not seen');
  });
  it('stays silent: the application closed with RST (ACK set), or closed in order before (FIN, CLOSE-WAIT)', () => {
    const aborted = midStream({ resets: [reset({ answersSyn: false })] });
    expect(judge({ capture: capture([aborted]) }, { sockets: established }).verdict).toBe('ruledOut');
    const both = midStream({ resets: [reset({ answersSyn: false, atMs: 8000 }), unknown] });
    expect(judge({ capture: capture([both]) }, { sockets: established }).verdict).toBe('ruledOut');
    const fin = talk({
      client,
      flow: { client: flow(), server: flow({ fin: { atMs: 5000, frame: 9 } }) },
      resets: [unknown],
    });
    expect(judge({ capture: capture([fin]) }, { sockets: established }).verdict).toBe('ruledOut');
    const closeWait = [socket({ local: client, peer: target, state: 'CLOSE-WAIT' })];
    expect(judge({ capture: capture([midStream()]) }, { sockets: closeWait }).verdict).toBe('ruledOut');
  });
  it('stays silent: a refused connect is port-closed (F25); the RST of a device on the way is rst-injected (F100)', () => {
    expect(judge({ capture: capture([refused()]), listeners: [listener()] }).verdict).toBe('ruledOut');
    const foreign = talk({ client, resets: [{ ...unknown, ttl: 251 }] });
    expect(judge({ capture: capture([foreign]) }, { sockets: established }).verdict).toBe('ruledOut');
  });
  it('stays silent: the node only passes it on: IPVS forgot it (F60), or NAT; another node’s address; UDP', () => {
    const director = { capture: capture([midStream()]), features: features(), ipvs: ipvs({ services: [service()] }) };
    expect(judge(director, { sockets: established }).verdict).toBe('notApplicable');
    const elsewhere = { capture: capture([midStream()]), addresses: addresses('10.51.2.9') };
    expect(judge(elsewhere, { sockets: established }).verdict).toBe('notApplicable');
    const published = firewallRule({
      table: 'nat',
      chain: 'PREROUTING',
      verdict: 'other',
      text: '-A PREROUTING -p tcp -m tcp --dport 1301 -j DNAT --to-destination 10.244.1.2:80',
      match: port1301,
    });
    const nat = { capture: capture([midStream()]), firewall: firewall(published) };
    expect(judge(nat, { sockets: established }).verdict).toBe('notApplicable');
    const udp = { symptom: symptom({ protocol: 'udp' }) };
    expect(judge({ capture: capture([midStream()]) }, {}, udp).verdict).toBe('notApplicable');
    expect(judge({ capture: capture([]) }).verdict).toBe('notApplicable');
  });
  it('stays silent: a RST to the last packet of the handshake comes from a full accept queue', () => {
    const aborted = midStream({
      handshake: 'complete',
      syns: [syn()],
      synAcks: [synAck()],
      packets: { client: 2, server: 2 },
    });
    expect(judge({ capture: capture([aborted]) }, { sockets: established }).verdict).toBe('ruledOut');
  });
  it('stays silent: idle-reset does not claim it without a long silence', () => {
    expect(judgeOnCapture(idleReset, capture([midStream()])).verdict).toBe('notApplicable');
  });
  it('stays silent: a connection that an accept queue may have lost (F02, F04) is never confirmed', () => {
    const overflowed = counters({ 'Tcp.OutRsts': 1, 'TcpExt.ListenOverflows': [7, 7] });
    const found = judge({ capture: capture([midStream()]), counters: overflowed }, { sockets: established });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('have overflowed 7 times since it was started');
    expect(judge({ capture: capture([midStream()]), counters: counters({}) }, { sockets: established }).verdict).toBe(
      'likely',
    );
    // the kernel answered the SYN, the application never had the connection
    const queued = talk({
      client,
      bytes: { client: 40, server: 0 },
      packets: { client: 3, server: 2 },
      resets: [unknown],
    });
    expect(judge({ capture: capture([queued]) }).verdict).toBe('ruledOut');
    const spoken = talk({ client, resets: [unknown] });
    expect(judge({ capture: capture([spoken], { droppedByKernel: 2 }) }).verdict).toBe('likely');
  });
  it('missing evidence: no capture, a blind one, one that lost packets; addresses not read is never confirmed', () => {
    expect(judge({}).missing[0]?.fact).toBe('capture');
    expect(judge({ capture: capture([], { listening: false }) }).verdict).toBe('unknown');
    expect(judge({ capture: capture([talk()], { droppedByKernel: 4 }) }).verdict).toBe('unknown');
    const facts = { ...server, addresses: undefined, capture: capture([midStream()]) };
    const { addresses: _none, ...without } = facts;
    expect(judgePath(rule, { client: { sockets: established }, target: without }).verdict).toBe('likely');
  });
  it('fires: Kubernetes says that the pod was restarted, also where the accept queue has overflowed before', () => {
    const overflowed = counters({ 'TcpExt.ListenOverflows': [7, 7] });
    const facts = { capture: capture([midStream()]), counters: overflowed };
    expect(judge(facts, { sockets: established }).verdict).toBe('likely');
    const last = { reason: 'Error', exitCode: 1, finishedAtMs: readAtMs - 30_000 };
    const pods = [kubePod({ addresses: [target.address], containers: [container({ restarts: 1, last })] })];
    const found = judge({ ...facts, cluster: cluster({ pods }) }, { sockets: established });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('container app ended 30 s before the run (Error, 1)');
    // it ended before this connection began: then it does not explain it
    const late = { ...midStream(), firstAtMs: readAtMs };
    const since = { capture: capture([late]), counters: overflowed, cluster: cluster({ pods }) };
    expect(judge(since, { sockets: established }).verdict).toBe('likely');
  });
});
