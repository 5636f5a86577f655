import { describe, expect, it } from 'vitest';
import { podRestarts as rule } from '../../src/rules/pod-restarts.ts';
import { apiDown, cluster, container, kubeEvent, kubePod, podAddress, readAtMs } from './cluster-facts.ts';
import { answered, capture, connection, judgeNode, reset } from './facts.ts';

const judge = (facts: object, more: object = {}) => judgeNode(rule, { facts: { ...facts }, ...more });
const server = { address: podAddress, port: 8080 };
const failing = capture([
  connection({ server, handshake: 'refused', tries: 1, resets: [reset({ answersSyn: true })] }),
]);
const restarted = (agoMs: number, exitCode = 137) =>
  kubePod({
    containers: [
      container({
        restarts: 4,
        last: { reason: exitCode === 0 ? 'Completed' : 'OOMKilled', exitCode, finishedAtMs: readAtMs - agoMs },
      }),
    ],
  });

describe('pod-restarts', () => {
  it('fires: a container ended for want of memory just now, and connects are refused', () => {
    const found = judge({ cluster: cluster({ pods: [restarted(20_000)] }), capture: failing });
    expect(found.verdict).toBe('confirmed');
    expect(found.said).toContain('Pod shop/cart-1: container app ended 20 s before the run (OOMKilled, 137)');
    expect(found.remedies.map(({ text }) => text).join()).toContain('limits.memory');
    expect(found.remedies[0]?.commands[0]).toBe('kubectl -n shop logs cart-1 -c app --previous --tail=100');
  });
  it('fires: readiness changed within the run; in Chinese', () => {
    const flapping = cluster({ pods: [kubePod({ ready: false })], earlier: { pods: [kubePod()] } });
    expect(judge({ cluster: flapping, capture: failing }).verdict).toBe('confirmed');
    expect(judge({ cluster: flapping, capture: failing }, { language: 'zh' }).said).toContain('检查开始时就绪');
  });
  it('fires: likely without a connect that failed, or where it was minutes ago', () => {
    expect(judge({ cluster: cluster({ pods: [restarted(20_000)] }), capture: capture([answered()]) }).verdict).toBe(
      'likely',
    );
    expect(judge({ cluster: cluster({ pods: [restarted(400_000)] }), capture: failing }).verdict).toBe('likely');
    const probes = cluster({ events: [kubeEvent({ count: 7 })] });
    expect(judge({ cluster: probes }).said).toContain('was refused 7 times');
  });
  it('stays silent: calm pods, a container that ended in order, pods of other nodes, no pod at all', () => {
    expect(judge({ cluster: cluster() }).verdict).toBe('ruledOut');
    expect(judge({ cluster: cluster({ pods: [restarted(20_000, 0)] }) }).verdict).toBe('ruledOut');
    expect(judge({ cluster: cluster({ pods: [restarted(900_000)] }) }).verdict).toBe('ruledOut');
    expect(judge({ cluster: cluster({ pods: [restarted(20_000)] }) }, { node: 'node-12' }).verdict).toBe(
      'notApplicable',
    );
    expect(judge({ cluster: cluster({ endpoints: [], pods: [] }) }).verdict).toBe('notApplicable');
  });
  it('missing evidence: the API is down, pods are forbidden', () => {
    expect(judge({ cluster: apiDown }).missing[0]?.why).toContain('the connection is refused');
    const forbidden = cluster({ missing: { pods: 'pods is forbidden' } });
    expect(judge({ cluster: forbidden }).verdict).toBe('unknown');
    expect(judge({}).verdict).toBe('unknown');
  });
});
