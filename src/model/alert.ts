import * as z from 'zod';

const Labels = z.record(z.string(), z.string());

/**
 * One alert as Alertmanager's webhook sends it (version 4 of the payload; Grafana and others send the same). Permissive:
 * what netcheck does not use may be there, missing or new.
 * Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 */
export const Alert = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: Labels,
  annotations: Labels.default({}),
  /** When it began: with the fingerprint it tells one episode of an alert from the next. */
  startsAt: z.iso.datetime({ offset: true }),
  endsAt: z.string().optional(),
  generatorURL: z.string().optional(),
  /** Of the labels; the same as long as they are. */
  fingerprint: z.string().min(1).max(200).optional(),
});
export type Alert = z.infer<typeof Alert>;

export const AlertNotification = z.object({
  receiver: z.string().optional(),
  externalURL: z.string().optional(),
  alerts: z.array(Alert).min(1).max(1000),
});
export type AlertNotification = z.infer<typeof AlertNotification>;
