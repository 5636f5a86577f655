import { describe, expect, it } from 'vitest';
import { pastRunOf } from '../../src/engine/past-run-of.ts';
import type { Finding } from '../../src/model/report.ts';
import { PastRun } from '../../src/model/past-run.ts';
import { sampleReport, sampleRequest } from '../adapters/slack/sample-run.ts';

const request = sampleRequest({ channel: 'C1', rootTs: '1.0', statusTs: '1.1' }, { askedAtMs: 1000 });
const finding = (rule: string, verdict: Finding['verdict'], more: Partial<Finding> = {}): Finding => ({
  rule,
  verdict,
  node: 'node-50',
  title: rule,
  because: [],
  remedies: [],
  missing: [],
  ...more,
});
const target = { name: 'node-50@4321', roles: ['target' as const], address: '192.0.2.50' };

describe('what is remembered of a run', () => {
  it('is what was asked, where, how it ended, and each trouble once, the confirmed first', () => {
    const report = sampleReport({
      nodes: [target, { name: 'node-50', roles: ['forwarder'], address: '192.0.2.50' }],
      findings: [
        finding('mtu-blackhole', 'likely', { path: { from: 'node-12', to: 'node-50' } }),
        finding('close-wait', 'ruledOut'),
        finding('fd-exhaustion', 'unknown'),
        finding('tw-recycle', 'confirmed'),
        finding('tw-recycle', 'confirmed'),
      ],
    });
    const run = pastRunOf({ ...request, recheckOf: 'run0' }, { how: 'finished', report }, 9000);
    expect(PastRun.parse(run)).toEqual(run);
    expect(run).toMatchObject({
      id: 'run1',
      channel: 'C1',
      rootTs: '1.0',
      endedAtMs: 9000,
      verdict: 'found',
      about: { place: 'node-50@4321', address: '192.0.2.50', protocol: 'tcp', port: 1301 },
      nodes: ['node-50'],
      recheckOf: 'run0',
    });
    expect(run.troubles.map(({ fingerprint, verdict }) => [fingerprint, verdict])).toEqual([
      ['tw-recycle/node-50/tcp/1301', 'confirmed'],
      ['mtu-blackhole/node-12>node-50/tcp/1301', 'likely'],
    ]);
  });

  it('of one that was cancelled or failed is how, and no trouble', () => {
    const failed = pastRunOf(request, { how: 'failed', message: 'broken', hint: '', plan: undefined }, 9000);
    expect(PastRun.parse(failed)).toMatchObject({ verdict: 'failed', headline: 'broken', tookMs: 8000, nodes: [] });
    const plan = {
      symptom: sampleReport().symptom,
      nodes: [
        { node: { name: 'node-50', address: '192.0.2.1', port: 22, serves: [], labels: {}, sudo: true }, ...target },
      ].map(({ node, roles, address }) => ({ node, roles, address, why: 'asked' })),
    };
    const cancelled = pastRunOf(request, { how: 'cancelled', message: 'U1', hint: '', plan }, 9000);
    expect(PastRun.parse(cancelled)).toMatchObject({
      verdict: 'cancelled',
      nodes: ['node-50'],
      about: { place: 'node-50', port: 1301 },
      troubles: [],
    });
  });

  it('is bounded, whatever the run was', () => {
    const report = sampleReport({
      headline: 'h'.repeat(10_000),
      nodes: Array.from({ length: 1000 }, (_, n) => ({ name: `n${n}`, roles: ['client'], address: '192.0.2.1' })),
      findings: Array.from({ length: 1000 }, (_, n) =>
        finding('tw-recycle', 'confirmed', { node: `n${n}`, title: 't'.repeat(10_000) }),
      ),
    });
    const run = pastRunOf({ ...request, text: 'x'.repeat(10_000) }, { how: 'finished', report }, 9000);
    expect(JSON.stringify(run).length).toBeLessThan(12_000);
  });
});
