import { describe, expect, it } from 'vitest';
import { cronProblem, firingsAfter, normalCron, timeZoneProblem } from '../src/cron.ts';

const at = (cron: string, zone: string, after: string, count: number): readonly string[] =>
  firingsAfter(cron, zone, Date.parse(after), count).map((ms) => new Date(ms).toISOString().slice(0, 16));

describe('cron with a time zone', () => {
  it.each([
    [
      'every morning, where it is morning',
      '0 8 * * *',
      'Asia/Shanghai',
      '2026-11-21T12:00Z',
      ['2026-11-22T00:00', '2026-11-23T00:00'],
    ],
    [
      'weekdays by name',
      '0 8 * * MON-FRI',
      'America/New_York',
      '2026-11-20T20:00Z',
      ['2026-11-23T13:00', '2026-11-24T13:00'],
    ],
    [
      'an hour that is left out in spring is made up for',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      ['2026-03-29T01:30', '2026-03-30T00:30'],
    ],
    [
      'an hour that comes twice in autumn counts once',
      '30 2 * * *',
      'Europe/Berlin',
      '2026-10-24T12:00Z',
      ['2026-10-25T00:30', '2026-10-26T01:30'],
    ],
    [
      'the same in New York',
      '15 1 * * *',
      'America/New_York',
      '2026-10-31T12:00Z',
      ['2026-11-01T05:15', '2026-11-02T06:15'],
    ],
    [
      'every hour is every hour over the change',
      '0 * * * *',
      'Europe/Berlin',
      '2026-10-24T23:30Z',
      ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00'],
    ],
    ['noon stays noon', '0 12 * * *', 'Europe/Berlin', '2026-03-28T00:00Z', ['2026-03-28T11:00', '2026-03-29T10:00']],
    ['a zone with half an hour', '0 9 * * *', 'Asia/Kolkata', '2026-11-21T12:00Z', ['2026-11-22T03:30']],
    ['the last day of the month', '0 0 L * *', 'UTC', '2026-02-01T00:00Z', ['2026-02-28T00:00', '2026-03-31T00:00']],
    ['leap days', '0 0 29 2 *', 'UTC', '2026-11-21T00:00Z', ['2028-02-29T00:00']],
    ['a nickname', '@daily', 'UTC', '2026-11-21T12:00Z', ['2026-11-22T00:00']],
  ])('%s', (_what, cron, zone, after, expected) => {
    expect(at(cron, zone, after, expected.length)).toEqual(expected);
    expect(cronProblem(cron)).toBeUndefined();
    expect(timeZoneProblem(zone)).toBeUndefined();
  });

  it.each([
    ['', 'a cron expression has five fields (minute hour day month weekday), this has none'],
    ['0 6 * *', 'a cron expression has five fields (minute hour day month weekday), this has 4'],
    ['0 0 6 * * *', 'a cron expression has five fields (minute hour day month weekday), this has 6'],
    ['99 * * * *', 'constraint error, got value 99 expected range 0-59'],
    ['* * * * *', 'this is more often than every five minutes'],
    ['0,2 6 * * *', 'this is more often than every five minutes'],
    ['H 8 * * *', 'H (any moment) is not supported: say which minute'],
    ['@reboot', 'there is no @reboot; allowed are @hourly, @daily, @weekly, @monthly'],
    ['0 0 30 2 *', 'invalid explicit day of month definition'],
  ])('"%s": %s', (cron, expected) => {
    expect(cronProblem(cron)).toBe(expected);
  });

  it.each([
    ['Europe/Berln', 'there is no time zone "Europe/Berln"; write an IANA name such as Europe/Berlin'],
    ['shanghai', 'there is no time zone "shanghai"; write an IANA name such as Asia/Shanghai'],
    ['+08:00', 'there is no time zone "+08:00"; write an IANA name such as Europe/Berlin'],
    ['', 'there is no time zone ""; write an IANA name such as Europe/Berlin'],
  ])('no zone "%s"', (zone, expected) => {
    expect(timeZoneProblem(zone)).toBe(expected);
  });

  it('blanks do not matter', () => {
    expect(normalCron('  0   6 * *\t* ')).toBe('0 6 * * *');
  });
});
