import { describe, expect, it } from 'vitest';
import { dnsResolvconfLimits as rule } from '../../src/rules/dns-resolvconf-limits.ts';
import { asked, dnsCapture } from './dns-facts.ts';
import { at, judgeNode, plan } from './facts.ts';

const config = (servers: readonly string[], search: readonly string[] = []) => ({
  resolver: {
    config: {
      nameservers: servers.map((address, i) => ({ address, at: at('17-resolver.out', i + 1) })),
      search,
      options: [],
      at: at('17-resolver.out', 1),
    },
  },
});
const judge = (facts: object, more: object = {}) => judgeNode(rule, { node: 'node-12', facts, ...more });
const four = config(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']);
const domains = Array.from({ length: 8 }, (_, i) => `d${i + 1}.example.com`);

describe('dns-resolvconf-limits', () => {
  it('fires: a fourth server is never asked, and the first fails', () => {
    const capture = dnsCapture([asked('a.example.com', { server: '10.0.0.1', tookMs: null })]);
    const found = judge({ ...four, capture });
    expect(found.verdict).toBe('likely');
    expect(found.said).toContain('4 nameserver lines, and glibc asks the first 3 only: 10.0.0.4 is never asked');
    expect(found.said).toContain('1 questions to 10.0.0.1 got no answer');
  });
  it('fires: too many search domains, too many characters, in Chinese', () => {
    expect(judge(config(['10.0.0.1'], domains)).said).toContain('(not d7.example.com, d8.example.com)');
    const long = judge(
      config(['10.0.0.1'], [`${'x'.repeat(60)}.a`, ...Array.from({ length: 4 }, () => 'y'.repeat(60))]),
      {
        language: 'zh',
      },
    );
    expect(long.verdict).toBe('likely');
    expect(long.said).toContain('search 列表有 5 个域');
  });
  it('fires: the stub of the node in the namespace of a pod', () => {
    const [target, client, ...others] = plan().nodes;
    const inPod = plan({
      nodes: [
        target,
        { ...client, node: { ...client?.node, name: 'node-12@4321' }, netns: '4321' },
        ...others,
      ] as never,
    });
    const facts = config(['127.0.0.53']);
    expect(judge(facts, { node: 'node-12@4321', plan: inPod }).verdict).toBe('likely');
    expect(judge(facts).verdict).toBe('ruledOut');
    // dockerd, or whatever else answers inside
    expect(judge(config(['127.0.0.11']), { node: 'node-12@4321', plan: inPod }).verdict).toBe('ruledOut');
    const heard = { ...facts, capture: dnsCapture([asked('a.example.com', { server: '127.0.0.53' })]) };
    expect(judge(heard, { node: 'node-12@4321', plan: inPod }).verdict).toBe('ruledOut');
  });
  it('stays silent: within the limits', () => {
    const found = judge(config(['10.0.0.1', '10.0.0.2', '10.0.0.3'], domains.slice(0, 6)));
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toBe('3 nameservers and 6 search domains: within the limits');
  });
  it('stays silent: a fourth server that nobody misses (F81 names a server that fails)', () => {
    const found = judge({ ...four, capture: dnsCapture([asked('a.example.com', { server: '10.0.0.1' })]) });
    expect(found.verdict).toBe('ruledOut');
    expect(found.said).toContain('matters only when the first three fail');
  });
  it('missing evidence: resolv.conf was not read', () => {
    expect(judge({ resolver: {} }).said).toContain('/etc/resolv.conf was not read');
    expect(judge({}).verdict).toBe('unknown');
  });
});
