import { createHash } from 'node:crypto';

export interface SentAlert {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
  readonly fingerprint: string;
}

/** A notification as Alertmanager 0.25 posts it; the shape is that of a recorded one. */
export function notification(
  labels: readonly Readonly<Record<string, string>>[],
  changes: Partial<SentAlert> = {},
): { readonly status: string; readonly alerts: readonly SentAlert[] } & Readonly<Record<string, unknown>> {
  const alerts = labels.map((more): SentAlert => {
    const all = { alertname: 'TargetDown', severity: 'page', ...more };
    return {
      status: 'firing',
      labels: all,
      annotations: { summary: 'The target does not answer.' },
      startsAt: '2026-03-01T10:00:00.123456789Z',
      endsAt: changes.status === 'resolved' ? '2026-03-01T10:30:00Z' : '0001-01-01T00:00:00Z',
      generatorURL: 'http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1',
      fingerprint: createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 16),
      ...changes,
    };
  });
  return {
    receiver: 'netcheck',
    status: changes.status ?? 'firing',
    alerts,
    groupLabels: { alertname: 'TargetDown' },
    commonLabels: { alertname: 'TargetDown', severity: 'page' },
    commonAnnotations: {},
    externalURL: 'http://alertmanager.example:9093',
    version: '4',
    groupKey: '{}:{alertname="TargetDown"}',
    truncatedAlerts: 0,
  };
}
