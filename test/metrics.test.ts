import { describe, expect, it } from 'vitest';
import { createMetricRegistry } from '../src/adapters/http/metric-registry.ts';
import { createMetrics } from '../src/metrics.ts';
import { parsePrometheusText } from './adapters/http/parse-prometheus-text.ts';
import { sampleMetrics } from './sample-metrics.ts';

describe('metrics', () => {
  it('count runs, calls, connects, commands and alerts by what became of them, and name no node, person or channel', async () => {
    const registry = createMetricRegistry();
    await sampleMetrics(createMetrics(registry, () => 4000));
    const written = await registry.render();
    const lines = written
      .split('\n')
      .filter((line) => line.startsWith('netcheck_') && !/_bucket|build_info/.test(line));
    expect(lines).toEqual([
      'netcheck_runs_total{verdict="found",origin="alert",playbook="port-check"} 1',
      'netcheck_runs_total{verdict="cancelled",origin="person",playbook="none"} 1',
      'netcheck_run_duration_seconds_sum{verdict="found"} 0',
      'netcheck_run_duration_seconds_count{verdict="found"} 1',
      'netcheck_run_duration_seconds_sum{verdict="cancelled"} 0',
      'netcheck_run_duration_seconds_count{verdict="cancelled"} 1',
      'netcheck_answer_duration_seconds_sum{origin="alert"} 3',
      'netcheck_answer_duration_seconds_count{origin="alert"} 1',
      'netcheck_answer_duration_seconds_sum{origin="person"} 3',
      'netcheck_answer_duration_seconds_count{origin="person"} 1',
      'netcheck_run_phase_duration_seconds_sum{phase="connect"} 0.4',
      'netcheck_run_phase_duration_seconds_count{phase="connect"} 1',
      'netcheck_run_phase_duration_seconds_sum{phase="look"} 1.6',
      'netcheck_run_phase_duration_seconds_count{phase="look"} 1',
      'netcheck_run_restarts_total 1',
      'netcheck_answers_lost_total 1',
      'netcheck_slack_calls_total{method="chat.postMessage",outcome="ok"} 1',
      'netcheck_slack_calls_total{method="chat.postMessage",outcome="rateLimited"} 1',
      'netcheck_ssh_connects_total{outcome="ok"} 1',
      'netcheck_ssh_connects_total{outcome="hostKey"} 1',
      'netcheck_commands_total{exit="exit 0"} 1',
      'netcheck_commands_total{exit="exit other"} 1',
      'netcheck_commands_total{exit="timedOut"} 1',
      'netcheck_commands_total{exit="notStarted sudo"} 1',
      'netcheck_alerts_total{outcome="started"} 1',
      'netcheck_queue_runs{state="waiting"} 2',
      'netcheck_queue_runs{state="active"} 1',
      'netcheck_queue_oldest_waiting_seconds 1.5',
      'netcheck_redis_up 1',
    ]);
    expect(written).not.toMatch(/node-50|10\.0\.0\.50|C1|U1/);
    const families = parsePrometheusText(written);
    for (const name of [
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_max_seconds',
    ])
      expect(families.find((family) => family.name === name)?.series, name).toHaveLength(1);
  });

  it('say that Redis is away, and nothing about a queue that they cannot see', async () => {
    const registry = createMetricRegistry();
    createMetrics(registry).watchQueue({ load: () => Promise.reject(new Error('away')) });
    const written = await registry.render();
    expect(written).toContain('\nnetcheck_redis_up 0\n');
    expect(written).not.toContain('netcheck_queue_runs');
  });

  it('are for who has the token', () => {
    const route = createMetrics(createMetricRegistry()).route('a-token-of-a-test-0123456789');
    expect([route.path, route.token]).toEqual(['/metrics', 'a-token-of-a-test-0123456789']);
  });
});
