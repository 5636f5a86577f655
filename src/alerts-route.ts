import type { AnsweredRoute, HttpAnswer } from './adapters/http/serve-http.ts';
import type { AlertDelivery, AlertOutcome } from './adapters/slack/alert-front.ts';
import { routeAlert } from './engine/alert-ask.ts';
import { AlertNotification } from './model/alert.ts';
import type { AlertSettings } from './model/alert-settings.ts';

export interface AlertsRouteOptions {
  readonly token: string;
  readonly settings: AlertSettings;
  readonly take: (deliveries: readonly AlertDelivery[]) => Promise<readonly AlertOutcome[]>;
  /** Told of every alert: its outcome, or `dropped` where no channel wants it. */
  readonly count: (outcome: AlertOutcome | 'dropped') => void;
  readonly log: (line: string) => void;
  /** Alertmanager gives up after ten seconds at the earliest; it is answered before. Default 9 s. */
  readonly answerWithinMs?: number | undefined;
}

const maxBodyBytes = 1024 * 1024;
/** Notifications that are worked on at once; Slack takes one message per second and channel anyway. */
const maxUnderWay = 8;

/**
 * `POST /alerts`: Alertmanager's webhook. 200 once every alert has its run, is known, or is nobody's; 503 where it
 * must be sent again, which is always safe; 400 where it is no notification.
 */
export function alertsRoute(options: AlertsRouteOptions): AnsweredRoute {
  const { token, settings, take, count, log } = options;
  const answerWithinMs = options.answerWithinMs ?? 9000;
  let underWay = 0;

  const later = (error: string): HttpAnswer => ({ status: 503, body: { error } });

  async function work(notification: AlertNotification): Promise<HttpAnswer> {
    const deliveries: AlertDelivery[] = [];
    let dropped = 0;
    for (const alert of notification.alerts) {
      const routed = routeAlert(alert, settings);
      if (routed === undefined) dropped += 1;
      else deliveries.push({ alert, ...routed });
    }
    if (dropped > 0) {
      for (let one = 0; one < dropped; one += 1) count('dropped');
      log(`alerts: ${dropped} dropped: no route of netcheck.yaml wants them, and alerts.channel is not set`);
    }
    const outcomes = await take(deliveries);
    const counts: Record<string, number> = dropped > 0 ? { dropped } : {};
    for (const outcome of outcomes) {
      count(outcome);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
    if (counts['again'] === undefined) return { status: 200, body: { alerts: counts } };
    return later('Redis or Slack did not take all of it; send it again.');
  }

  return {
    method: 'POST',
    path: '/alerts',
    token,
    maxBodyBytes,
    async answer(json) {
      const read = AlertNotification.safeParse(json);
      if (!read.success) {
        const [issue] = read.error.issues;
        const where = issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.map(String).join('.');
        return {
          status: 400,
          body: { error: `This is no notification of Alertmanager: ${where.slice(0, 200)}: ${issue?.message ?? ''}` },
        };
      }
      if (underWay >= maxUnderWay) return later('Too many notifications are being worked on; send it again.');
      underWay += 1;
      const working = work(read.data).finally(() => {
        underWay -= 1;
      });
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<HttpAnswer>((resolve) => {
        timer = setTimeout(
          () => resolve(later('This takes longer than you wait; it goes on. Send it again.')),
          answerWithinMs,
        );
      });
      return Promise.race([working, patience]).finally(() => clearTimeout(timer));
    },
  };
}
