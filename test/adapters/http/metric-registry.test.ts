import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { createMetricRegistry } from '../../../src/adapters/http/metric-registry.ts';
import { parsePrometheusText } from './parse-prometheus-text.ts';

const text = async (fill: (registry: ReturnType<typeof createMetricRegistry>) => void): Promise<string> => {
  const registry = createMetricRegistry();
  fill(registry);
  return registry.render();
};

describe('the metric registry', () => {
  it('writes counters, histograms and gauges as Prometheus reads them', async () => {
    const written = await text((registry) => {
      const runs = registry.counter('runs_total', 'Runs.', ['verdict']);
      runs.inc({ verdict: 'found' });
      runs.inc({ verdict: 'found' }, 2);
      registry.counter('restarts_total', 'Restarts.', []);
      registry.counter('silent_total', 'Nothing happened.', ['why']);
      const seconds = registry.histogram('run_seconds', 'How long.', ['phase'], [1, 2.5]);
      for (const value of [0.5, 1, 2, 100, Number.NaN]) seconds.observe({ phase: 'look' }, value);
      registry.gauge('queue_runs', 'Now.', ['state'], () =>
        Promise.resolve([{ labels: { state: 'waiting' }, value: 3 }]),
      );
      registry.gauge('broken', 'Cannot be read.', [], () => Promise.reject(new Error('away')));
      registry.readCounter('cpu_seconds_total', 'Used.', [], () => [{ labels: {}, value: 1.5 }]);
    });
    expect(written).toBe(`# HELP runs_total Runs.
# TYPE runs_total counter
runs_total{verdict="found"} 3
# HELP restarts_total Restarts.
# TYPE restarts_total counter
restarts_total 0
# HELP run_seconds How long.
# TYPE run_seconds histogram
run_seconds_bucket{phase="look",le="1"} 2
run_seconds_bucket{phase="look",le="2.5"} 3
run_seconds_bucket{phase="look",le="+Inf"} 4
run_seconds_sum{phase="look"} 103.5
run_seconds_count{phase="look"} 4
# HELP queue_runs Now.
# TYPE queue_runs gauge
queue_runs{state="waiting"} 3
# HELP cpu_seconds_total Used.
# TYPE cpu_seconds_total counter
cpu_seconds_total 1.5
`);
  });

  it('keeps what is in a label or a help text inside of it', async () => {
    const hostile = 'a"} 1\nevil_total{x="\\';
    const written = await text((registry) => {
      registry.counter('runs_total', 'Runs.\nevil 1', ['who']).inc({ who: hostile });
    });
    expect(parsePrometheusText(written)).toEqual([
      { name: 'runs_total', type: 'counter', series: [{ name: 'runs_total', labels: { who: hostile }, value: 1 }] },
    ]);
  });

  it('has a bound on its series, and loses no count by it', async () => {
    const written = await text((registry) => {
      const calls = registry.counter('calls_total', 'Calls.', ['method', 'outcome']);
      for (let n = 0; n < 2000; n += 1) calls.inc({ method: `made.up.${n}`, outcome: 'ok' });
      calls.inc({ method: 'made.up.0', outcome: 'ok' });
    });
    const [family] = parsePrometheusText(written);
    expect(family?.series).toHaveLength(501);
    expect(family?.series.reduce((sum, { value }) => sum + value, 0)).toBe(2001);
    expect(family?.series.find(({ labels }) => labels['method'] === 'other')).toEqual({
      name: 'calls_total',
      labels: { method: 'other', outcome: 'other' },
      value: 1500,
    });
  });

  it('refuses a metric that is there already', () => {
    const registry = createMetricRegistry();
    registry.counter('runs_total', 'Runs.', []);
    expect(() => registry.gauge('runs_total', 'Again.', [], () => [])).toThrow('runs_total');
  });
});

const promtool = spawnSync('promtool', ['--version']).status === 0;

describe.skipIf(!promtool)(`promtool${promtool ? '' : ' (skipped: promtool is not installed)'}`, () => {
  it('finds nothing wrong with what netcheck writes', async () => {
    const { createMetrics } = await import('../../../src/metrics.ts');
    const { sampleMetrics } = await import('../../sample-metrics.ts');
    const registry = createMetricRegistry();
    await sampleMetrics(createMetrics(registry));
    expect(execFileSync('promtool', ['check', 'metrics'], { input: await registry.render(), encoding: 'utf8' })).toBe(
      '',
    );
  });
});
