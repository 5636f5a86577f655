import { describe, expect, it } from 'vitest';
import { collectors } from '../../src/collectors/index.ts';
import { parseAsk } from '../../src/engine/ask.ts';
import { choosePlaybooks } from '../../src/engine/playbook-set.ts';
import { readPlaybooks } from '../../src/load-playbooks.ts';
import type { Facts } from '../../src/model/facts.ts';
import { rules } from '../../src/rules/index.ts';
import { asked, dnsCapture, pod } from './dns-facts.ts';
import {
  answered,
  at,
  capture,
  connection,
  counters,
  firewall,
  firewallRule,
  judgeNode,
  judgeOnCapture,
  listener,
  metric,
  socket,
  synAck,
  sysctls,
} from './facts.ts';
import { features } from './ipvs-facts.ts';
import { edgePort, kubeRules, noIpvs } from './kube-facts.ts';

/** Field report 3c: the further cases that it names, what decides each, and the question that leads there. */
interface Case {
  readonly named: string;
  readonly rule: string;
  readonly verdict: 'confirmed' | 'likely';
  /** As an engineer would type it: a playbook that asks the rule must be chosen. */
  readonly ask: readonly string[];
  readonly facts: Facts;
  readonly target?: { readonly address: string; readonly port: number };
}

const nodePort = { address: '10.51.2.2', port: edgePort };
const nat = '10.98.0.60';

/** Behind the NodePort: the first SYN came in and did not leave, the second one did. */
const lostOnce = () => {
  const came = { interfaceIndex: 2, direction: 'in' as const };
  const left = { interfaceIndex: 3, direction: 'out' as const };
  const connect = connection({
    server: nodePort,
    tries: 2,
    handshake: 'complete',
    synAcks: [synAck({ atMs: 2001 })],
  });
  return { ...connect, syns: connect.syns.map((one, i) => ({ ...one, sightings: i === 0 ? [came] : [came, left] })) };
};
const halfOpen = socket({ state: 'SYN-RECV', local: { address: '10.51.2.2', port: 1301 } });

const cases: readonly Case[] = [
  {
    named: 'cross-VPC NodePort time-outs: tcp_tw_recycle on the node, clients behind NAT',
    rule: 'tw-recycle',
    verdict: 'confirmed',
    ask: ['cross-VPC NodePort times out', '跨VPC访问NodePort超时'],
    target: nodePort,
    facts: {
      sysctl: sysctls({ 'net.ipv4.tcp_tw_recycle': '1', 'net.ipv4.tcp_timestamps': '1' }),
      counters: counters({ 'TcpExt.PAWSPassive': 3, 'TcpExt.ListenDrops': 3, 'TcpExt.ListenOverflows': 0 }),
      capture: capture([connection({ from: nat, server: nodePort, syn: { tsval: 2450346507 } })]),
      tcpMetrics: [metric(nat, { value: 2993857158, ageSec: 18 })],
    },
  },
  {
    named: 'low connection rate from the load balancer to a NodePort: source ports collide in SNAT',
    rule: 'conntrack-insert-race',
    verdict: 'confirmed',
    ask: ['NodePort connects slowly from the load balancer', '负载均衡到NodePort每秒连接数上不去'],
    target: nodePort,
    facts: {
      sysctl: sysctls({ 'net.netfilter.nf_conntrack_max': '65536' }),
      conntrackStats: counters({ 'conntrack.insert_failed': 3 }),
      firewall: firewall(
        firewallRule({
          table: 'nat',
          chain: 'KUBE-POSTROUTING',
          verdict: 'other',
          text: '-A KUBE-POSTROUTING -j MASQUERADE',
        }),
      ),
      capture: capture([lostOnce(), lostOnce(), lostOnce(), answered({ server: nodePort })]),
    },
  },
  {
    named: 'DNS answers that take 5 s: A and AAAA from one port collide in conntrack',
    rule: 'dns-5s',
    verdict: 'likely',
    ask: ['dns 5 s', 'DNS解析5秒延时'],
    facts: {
      capture: dnsCapture([
        asked('api.example.com', { port: 40_000, atMs: 1000 }),
        asked('api.example.com', { port: 40_000, atMs: 1000.2, type: 'AAAA', addresses: [], tookMs: 5003, queries: 2 }),
        asked('api.example.com', { port: 40_000, atMs: 6001 }),
      ]),
    },
  },
  {
    named: 'slow API server access from another cluster: no nsswitch.conf, so /etc/hosts is not asked first',
    rule: 'dns-nsswitch',
    verdict: 'confirmed',
    ask: ['dns slow', '域名解析慢'],
    facts: {
      resolver: {
        hosts: [
          { address: '127.0.0.1', names: ['localhost'], at: at('18-resolver.out', 1) },
          { address: '10.0.0.9', names: ['cls-1.ccs.example.com'], at: at('18-resolver.out', 2) },
        ],
      },
      capture: dnsCapture([asked('cls-1.ccs.example.com')]),
      features: features([]),
      addresses: [{ family: 4, device: 'eth0', address: pod, prefixLength: 24, at: at('06-addresses.out', 2) }],
    },
  },
  {
    named: 'DNS resolution fails: a name server that no longer answers',
    rule: 'dns-bad-nameserver',
    verdict: 'confirmed',
    ask: ['name resolution fails', '域名解析失败'],
    facts: {
      capture: dnsCapture([
        asked('a.example', { server: '10.0.0.53', tookMs: null }),
        asked('a.example', { server: '10.0.0.54', atMs: 6000 }),
        asked('b.example', { server: '10.0.0.53', tookMs: null, atMs: 9000 }),
      ]),
    },
  },
  {
    named: 'DNS resolution fails: musl asks A and AAAA with one id on one port',
    rule: 'dns-musl',
    verdict: 'confirmed',
    ask: ['unknown host', '域名解析失败'],
    facts: {
      capture: dnsCapture([
        asked('a.example', { id: 7, port: 40_000 }),
        asked('a.example', { id: 7, port: 40_000, type: 'AAAA', tookMs: null, atMs: 1000.1 }),
      ]),
    },
  },
  {
    named: 'liveness probes fail now and then: the SYN queue of the pod is full',
    rule: 'syn-queue-overflow',
    verdict: 'confirmed',
    ask: ['liveness probe fails occasionally', '健康检查偶尔失败'],
    facts: {
      sysctl: sysctls({
        'net.ipv4.tcp_syncookies': '0',
        'net.ipv4.tcp_max_syn_backlog': '4',
        'net.core.somaxconn': '4',
      }),
      counters: counters({ 'TcpExt.TCPReqQFullDrop': 7, 'TcpExt.ListenDrops': 7, 'TcpExt.ListenOverflows': 0 }),
      sockets: [halfOpen, halfOpen, halfOpen],
      listeners: [listener({ sendq: 4 })],
    },
  },
  {
    named: 'externalTrafficPolicy Local times out from the load balancer: no pod on that node',
    rule: 'etp-local-no-endpoint',
    verdict: 'confirmed',
    ask: ['externalTrafficPolicy Local times out from the load balancer', '负载均衡有时超时'],
    target: nodePort,
    facts: { features: noIpvs, firewall: kubeRules({ rose: { 'has no local endpoints': 3 } }) },
  },
];

const { playbooks } = readPlaybooks([], { collectors, rules });

describe('field report 3c: each further case has its rule', () => {
  it.each(cases)('$named: $rule', ({ rule: id, verdict, facts, target }) => {
    const rule = rules.get(id);
    if (rule === undefined) throw new Error(`there is no rule ${id}`);
    const judged =
      rule.scope === 'capture'
        ? judgeOnCapture(rule, facts.capture)
        : judgeNode(rule, { facts, ...(target === undefined ? {} : { target }) });
    expect(judged.verdict).toBe(verdict);
    expect(judged.remedies.length).toBeGreaterThan(0);
  });

  it.each(cases.flatMap(({ rule, ask }) => ask.map((words) => ({ words, rule }))))(
    '"$words" leads to a playbook that asks $rule',
    ({ words, rule }) => {
      const chosen = choosePlaybooks(parseAsk(`node-50 port 30170 ${words}`), playbooks);
      const uses = chosen.flatMap(({ playbook }) => playbook.rules.map((one) => one.use));
      expect(uses).toContain(rule);
    },
  );
});
