import { describe, expect, it } from 'vitest';
import { kubeProxyStale as rule } from '../../src/rules/kube-proxy-stale.ts';
import { at, capture, connection, icmp, judgeNode } from './facts.ts';
import { features, ipvs, server } from './ipvs-facts.ts';

const answer = (values: object) => ({ kubeProxy: { at: at('20-kube-proxy.out', 1), ...values } });
const judge = (facts: object, language: 'en' | 'zh' = 'en') => judgeNode(rule, { facts, language });
const stale = answer({ mode: 'ipvs', healthy: false, lastUpdated: '2026-03-01 10:00:00' });
const failed = capture([connection({ server, handshake: 'icmpError', tries: 1 })], {
  icmpErrors: [
    icmp({ code: 1, name: 'host-unreachable', about: { destination: server.address, destinationPort: server.port } }),
  ],
});

describe('kube-proxy-stale', () => {
  it('fires: healthz says 503, and a server with a weight is not there', () => {
    const found = judge({ ...stale, features: features(), ipvs: ipvs(), capture: failed });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('healthz 503, last update 2026-03-01 10:00:00');
    expect(found.said).toContain('1 connects were sent to 10.244.3.2:8080');
  });
  it('fires: likely by healthz alone', () => {
    expect(judge(stale).verdict).toBe('likely');
    expect(judge({ ...stale, ipvs: ipvs(), capture: capture([]) }, 'zh').verdict).toBe('likely');
  });
  it('stays silent: healthy, or it does not run here', () => {
    expect(judge(answer({ mode: 'ipvs', healthy: true })).verdict).toBe('ruledOut');
    expect(judge(answer({})).verdict).toBe('notApplicable');
  });
  it('missing evidence: it runs, and its health was not read', () => {
    expect(judge(answer({ mode: 'iptables' })).said).toContain('its healthz was not read');
    expect(judge({}).verdict).toBe('unknown');
  });
});
