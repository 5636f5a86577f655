import { CronExpressionParser } from 'cron-parser';

/** Between two firings; what netcheck does takes minutes. */
export const minCronGapMs = 300_000;

const names: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '@hourly': '0 * * * *',
    '@daily': '0 0 * * *',
    '@weekly': '0 0 * * 1',
    '@monthly': '0 0 1 * *',
  }),
);

/** The five fields of a cron expression: `@daily` and its like written out, blanks made single. */
export function normalCron(text: string): string {
  const plain = text.trim().replaceAll(/\s+/gu, ' ');
  return names.get(plain) ?? plain;
}

/** What is wrong with a cron expression, or undefined. The same parser as the queue's (cron-parser, crontab(5)). */
export function cronProblem(text: string): string | undefined {
  const cron = normalCron(text);
  if (cron.startsWith('@')) return `there is no ${cron}; allowed are ${[...names.keys()].join(', ')}`;
  const fields = cron.split(' ');
  if (fields.length !== 5)
    return `a cron expression has five fields (minute hour day month weekday), this has ${cron === '' ? 'none' : fields.length}`;
  if (/h/iu.test(fields.map((field) => field.replaceAll(/[a-z]{3,}/giu, '')).join('')))
    return 'H (any moment) is not supported: say which minute';
  try {
    const times = firingsAfter(cron, 'UTC', Date.UTC(2026, 0, 1), 60);
    const gap = Math.min(...times.slice(1).map((at, index) => at - (times[index] ?? 0)));
    return gap < minCronGapMs ? 'this is more often than every five minutes' : undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^./u, (letter) => letter.toLowerCase()) : String(error);
  }
}

/** What is wrong with the name of a time zone (IANA), or undefined. */
export function timeZoneProblem(zone: string): string | undefined {
  try {
    if (!/^[A-Z]/u.test(zone)) throw new RangeError(zone);
    return new Intl.DateTimeFormat('en', { timeZone: zone }).format(0) === '' ? `"${zone}" is no time zone` : undefined;
  } catch {
    const wanted = zone.toLowerCase().split('/').at(-1) ?? '';
    const close = Intl.supportedValuesOf('timeZone').filter(
      (one) => wanted.length > 2 && one.toLowerCase().includes(wanted),
    );
    return `there is no time zone "${zone}"; write an IANA name such as ${close[0] ?? 'Europe/Berlin'}`;
  }
}

/**
 * The next firings after a moment, Unix milliseconds. A local time that a clock change leaves out is made up for at the
 * same distance after the change; one that comes twice fires once.
 */
export function firingsAfter(cron: string, timeZone: string, afterMs: number, count: number): readonly number[] {
  const times = CronExpressionParser.parse(normalCron(cron), { tz: timeZone, currentDate: new Date(afterMs) });
  return Array.from({ length: count }, () => times.next().getTime());
}
