import { describe, expect, it } from 'vitest';
import { bridgeNfOff as rule } from '../../src/rules/bridge-nf-off.ts';
import {
  answered,
  capture,
  clientAddress,
  connection,
  firewall,
  firewallRule,
  judgeNode,
  link,
  reset,
  sysctls,
} from './facts.ts';
import { ipvs } from './ipvs-facts.ts';

const set = (value: string | null) => sysctls({ 'net.bridge.bridge-nf-call-iptables': value });
const links = [link(), link({ name: 'cni0', index: 4 }), link({ name: 'veth1', index: 5, master: 'cni0' })];
const services = firewall(firewallRule({ chain: 'KUBE-SERVICES', verdict: 'jump' }));
const client = { address: clientAddress, port: 40_000 };
const asked = connection({ client });
const answer = answered({
  client,
  server: { address: '10.244.1.9', port: 8080 },
  syns: [],
  handshake: 'midStream',
  resets: [reset({ from: 'client', answersSyn: false })],
});
const judge = (facts: object, language: 'en' | 'zh' = 'en') =>
  judgeNode(rule, { facts: { links, ...facts }, language });

describe('bridge-nf-off', () => {
  it('fires: off, and a pod was answered by another address than it had asked', () => {
    const found = judge({ sysctl: set('0'), firewall: services, capture: capture([asked, answer]) });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('10.12.1.2:40000 asked 10.51.2.2:1301, was answered by 10.244.1.9:8080, and sent RST');
    expect(found.remedies[0]).toMatchObject({
      commands: ['modprobe br_netfilter', 'sysctl -w net.bridge.bridge-nf-call-iptables=1'],
      undo: ['sysctl -w net.bridge.bridge-nf-call-iptables=0'],
    });
  });
  it('fires: the SYN that the Service translated is in the capture as well', () => {
    const translated = { ...answer, syns: asked.syns, handshake: 'noFinalAck' as const };
    const held = (one: typeof translated) =>
      judge({ sysctl: set('0'), firewall: services, capture: capture([asked, one]) }).verdict;
    expect(held(translated)).toBe('confirmed');
    expect(held({ ...translated, syns: asked.syns.map((syn) => ({ ...syn, sequence: syn.sequence + 1 })) })).toBe(
      'likely',
    );
  });
  it('fires: likely where it is off or the module is missing, and Services are translated', () => {
    const found = judge({ sysctl: set(null), firewall: services, capture: capture([answered()]) });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('br_netfilter is not loaded');
    expect(judge({ sysctl: set('0'), ipvs: ipvs() }, 'zh').verdict).toBe('likely');
  });
  it('stays silent: on; no bridge of pods; Docker without Services', () => {
    expect(judge({ sysctl: set('1'), firewall: services }).verdict).toBe('ruledOut');
    expect(judge({ links: [link()], sysctl: set('0'), firewall: services }).verdict).toBe('notApplicable');
    expect(judge({ sysctl: set(null), firewall: firewall() }).verdict).toBe('notApplicable');
  });
  it('stays silent: an answer from elsewhere without a RST of the client is no proof (one-way, F50)', () => {
    const other = { ...answer, resets: [] };
    expect(judge({ sysctl: set('0'), firewall: services, capture: capture([asked, other]) }).verdict).toBe('likely');
  });
  it('missing evidence: the setting, whether there are Services', () => {
    expect(judge({ sysctl: {} }).missing[0]?.fact).toBe('sysctl');
    expect(judge({ sysctl: set('0') }).missing[0]?.fact).toBe('firewall');
    expect(judgeNode(rule, { facts: { links } }).verdict).toBe('unknown');
  });
});
