import type { Config } from './config.ts';
import { normalCron } from './cron.ts';
import type { ScheduleEntry } from './engine/ports.ts';
import type { Language } from './model/language.ts';

/** Monday morning. */
const weeklyCron = '0 9 * * 1';
/** Stands between a schedule's name and what is its summary; no name has it. */
const summaryMark = '+summary';

/** One entry of `schedules` in netcheck.yaml, with everything that it leaves out. */
export interface Schedule {
  /** Unique in the configuration; stands in access rules, the audit log and posts. */
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly what:
    | { readonly kind: 'ask'; readonly text: string }
    | { readonly kind: 'audit'; readonly playbook: string; readonly selector: string };
  readonly channel: string;
  readonly language: Language;
  /** Cron expression of the summary; null: none. */
  readonly summary: string | null;
}

/** The schedules of a configuration. Names that are not given are made of what is asked. */
export function schedulesOf({ schedules = [], language }: Pick<Config, 'schedules' | 'language'>): readonly Schedule[] {
  return schedules.map((entry) => ({
    name: nameOf(entry),
    cron: normalCron(entry.cron),
    timeZone: entry.timeZone,
    what:
      entry.ask === undefined
        ? { kind: 'audit', playbook: entry.audit ?? '', selector: entry.nodes ?? '' }
        : { kind: 'ask', text: entry.ask },
    channel: entry.channel,
    language: entry.language ?? language,
    summary: entry.summary === 'none' ? null : entry.summary === 'weekly' ? weeklyCron : normalCron(entry.summary),
  }));
}

/** The name of an entry: its own, or `audit-node-audit-role-web` for what it asks. */
export function nameOf(entry: {
  readonly name?: string | undefined;
  readonly ask?: string | undefined;
  readonly audit?: string | undefined;
  readonly nodes?: string | undefined;
}): string {
  if (entry.name !== undefined) return entry.name;
  const words = entry.ask ?? `audit ${entry.audit ?? ''} ${entry.nodes ?? ''}`;
  const slug = words.toLowerCase().replaceAll(/[^a-z0-9]+/gu, '-');
  return slug.replaceAll(/^-|-$/gu, '').slice(0, 40) || 'schedule';
}

/** What the queue fires: every schedule, and its summary where it has one. */
export function entriesOf(schedules: readonly Schedule[]): readonly ScheduleEntry[] {
  return schedules.flatMap(({ name, cron, timeZone, summary }) => [
    { id: name, cron, timeZone },
    ...(summary === null ? [] : [{ id: `${name}${summaryMark}`, cron: summary, timeZone }]),
  ]);
}

/** The schedule that an id of `entriesOf` belongs to; undefined where this configuration does not have it. */
export function scheduleBehind(
  id: string,
  schedules: readonly Schedule[],
): { readonly schedule: Schedule; readonly isSummary: boolean } | undefined {
  const isSummary = id.endsWith(summaryMark);
  const name = isSummary ? id.slice(0, -summaryMark.length) : id;
  const schedule = schedules.find((one) => one.name === name);
  return schedule === undefined ? undefined : { schedule, isSummary };
}
