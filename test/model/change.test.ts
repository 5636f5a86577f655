import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Change, changeArguments, changeOf, changesIn } from '../../src/model/change.ts';
import { type Remedy, Report } from '../../src/model/report.ts';

const cases = path.join(import.meta.dirname, '..', 'cases');
const reports = readdirSync(cases, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) => {
    try {
      return [Report.parse(JSON.parse(readFileSync(path.join(cases, name, 'report.json'), 'utf8')))];
    } catch {
      return [];
    }
  });
const remedy = (command: string, more: Partial<Remedy> = {}): Remedy => ({
  kind: 'temporary',
  node: 'node-50',
  commands: [command],
  undo: ['undo'],
  risk: '',
  ...more,
});

describe('changes that a report offers', () => {
  it('are read out of the remedies as the rules write them, whatever the kind', () => {
    const offered = reports.flatMap(changesIn);
    expect(new Set(offered.map(({ change }) => change.kind))).toEqual(new Set(['sysctl', 'iptables', 'nft', 'mss']));
    expect(offered.map(({ command }) => command)).toEqual(
      expect.arrayContaining(['sysctl -w net.ipv4.tcp_tw_recycle=0', 'sysctl -w net.ipv4.ip_forward=1']),
    );
    for (const { change } of offered) expect(Change.parse(change)).toEqual(change);
  });

  it('are of confirmed findings only, each once, at most three', () => {
    const finding = {
      rule: 'tw-recycle',
      node: 'node-50',
      title: '',
      because: [],
      missing: [],
      remedies: [remedy('sysctl -w net.ipv4.tcp_tw_recycle=0')],
    };
    const given = (verdicts: readonly ('confirmed' | 'likely')[]) =>
      changesIn({ findings: verdicts.map((verdict) => ({ ...finding, verdict })) });
    expect(given(['likely'])).toEqual([]);
    expect(given(['confirmed', 'confirmed'])).toHaveLength(1);
    const many = [1, 2, 3, 4].map((node) => ({
      ...finding,
      verdict: 'confirmed' as const,
      remedies: [remedy('sysctl -w net.ipv4.ip_forward=1', { node: `n${node}` })],
    }));
    expect(changesIn({ findings: many })).toHaveLength(3);
  });

  it('are not those that take hold only after a restart of the application', () => {
    const listed = reports.flatMap(changesIn).map(({ rule }) => rule);
    expect(listed).not.toContain('accept-queue-overflow');
    expect(JSON.stringify(reports)).toContain('"rule":"accept-queue-overflow","verdict":"confirmed"');
  });

  it.each([
    ['for good', remedy('sysctl -w net.ipv4.ip_forward=1', { kind: 'permanent' })],
    ['in the namespace of a pod', remedy('sysctl -w net.ipv4.ip_forward=1', { node: 'node-50@4321' })],
    ['on no node', { ...remedy('sysctl -w net.ipv4.ip_forward=1'), node: undefined }],
    ['without a way back', remedy('sysctl -w net.ipv4.ip_forward=1', { undo: [] })],
    ['with two commands', remedy('', { commands: ['sysctl -w net.ipv4.ip_forward=1', 'true'] })],
    ['of another setting', remedy('sysctl -w kernel.core_pattern=1')],
    ['to another value', remedy('sysctl -w net.ipv4.ip_forward=0')],
    ['that ends in another command', remedy('sysctl -w net.ipv4.ip_forward=1; reboot')],
    ['on a second line', remedy('sysctl -w net.ipv4.ip_forward=1\nreboot')],
    ['that stops a device', remedy('ip link set dev eth0 down')],
    ['to an MTU that no IPv4 needs', remedy('ip link set dev eth0 mtu 68')],
    ['that rejects', remedy('iptables -t filter -I INPUT -p tcp --dport 22 -j DROP')],
    ['in nat', remedy('iptables -t nat -I PREROUTING -p tcp --dport 22 -j ACCEPT')],
    [
      'of all segments',
      remedy(
        'iptables -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1:65535 -j TCPMSS --set-mss 1360',
      ),
    ],
    ['with an option for a name', remedy('iptables -t filter -I --help -p tcp --dport 22 -j ACCEPT')],
  ])('are none %s', (_what, given) => {
    expect(changeOf(given)).toBeUndefined();
  });

  it.each([
    ['sysctl -w net.ipv4.conf.eth0.rp_filter=2', ['sysctl', 'net.ipv4.conf.eth0.rp_filter', '2']],
    ["sysctl -w net.ipv4.ip_local_port_range='10000 60000'", ['sysctl', 'net.ipv4.ip_local_port_range', '10000 60000']],
    ['ip link set dev vxlan.calico mtu 1450', ['mtu', 'vxlan.calico', '1450']],
    [
      'iptables -t filter -I FORWARD -s 10.0.12.2 -d 172.16.0.50 -p tcp --dport 1301 -j ACCEPT',
      ['iptables', 'iptables', 'filter', 'FORWARD', '10.0.12.2', '172.16.0.50', 'tcp', '1301'],
    ],
    [
      'nft insert rule inet edge input ip6 saddr fd00::12 udp dport 53 accept',
      ['nft', 'inet', 'edge', 'input', 'fd00::12', '-', 'udp', '53'],
    ],
    [
      'iptables -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1361:65535 -j TCPMSS --set-mss 1360',
      ['mss', 'iptables', '1360'],
    ],
    [
      'iptables -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu',
      ['mss', 'iptables', '-'],
    ],
  ])('%s', (command, words) => {
    const change = changeOf(remedy(command));
    expect(change && changeArguments(change)).toEqual(words);
  });
});
