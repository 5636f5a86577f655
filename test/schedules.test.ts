import { describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { entriesOf, scheduleBehind, schedulesOf } from '../src/schedules.ts';

const config = (yaml: string) => parseConfig(`schedules:\n${yaml}`, 'netcheck.yaml');

describe('schedules in netcheck.yaml', () => {
  it('have a name, a zone and a weekly summary where nothing else is said', () => {
    const [schedule] = schedulesOf(
      config('  - { cron: "@daily", audit: node-audit, nodes: role=web, channel: C0NET }'),
    );
    expect(schedule).toEqual({
      name: 'audit-node-audit-role-web',
      cron: '0 0 * * *',
      timeZone: 'UTC',
      what: { kind: 'audit', playbook: 'node-audit', selector: 'role=web' },
      channel: 'C0NET',
      language: 'en',
      summary: '0 9 * * 1',
    });
  });

  it('become one entry of the queue each, and one for the summary', () => {
    const schedules = schedulesOf(
      config(
        '  - { name: a, cron: "0 6 * * *", timeZone: Asia/Shanghai, ask: node-50 port 1301, channel: C0NET }\n' +
          '  - { name: b, cron: "0 7 * * *", ask: node-51 port 1301, channel: C0NET, summary: none, language: zh }',
      ),
    );
    expect(entriesOf(schedules)).toEqual([
      { id: 'a', cron: '0 6 * * *', timeZone: 'Asia/Shanghai' },
      { id: 'a+summary', cron: '0 9 * * 1', timeZone: 'Asia/Shanghai' },
      { id: 'b', cron: '0 7 * * *', timeZone: 'UTC' },
    ]);
    expect(scheduleBehind('a+summary', schedules)).toMatchObject({ schedule: { name: 'a' }, isSummary: true });
    expect(scheduleBehind('b', schedules)).toMatchObject({ schedule: { language: 'zh' }, isSummary: false });
    expect(scheduleBehind('gone', schedules)).toBeUndefined();
  });

  it.each([
    [
      '  - { cron: "0 6 * *", ask: x, channel: C0NET }',
      'netcheck.yaml:2:7: schedules.0.cron: a cron expression has five fields',
    ],
    [
      '  - { cron: "0 6 * * *", timeZone: Mars, ask: x, channel: C0NET }',
      'netcheck.yaml:2:26: schedules.0.timeZone: there is no time zone "Mars"',
    ],
    [
      '  - { cron: "0 6 * * *", channel: C0NET }',
      'netcheck.yaml:2:7: schedules.0.cron: a schedule says either ask (a question) or audit',
    ],
    [
      '  - { cron: "0 6 * * *", ask: x, audit: y, channel: C0NET }',
      'netcheck.yaml:2:26: schedules.0.ask: a schedule says either ask',
    ],
    [
      '  - { cron: "0 6 * * *", ask: x, nodes: y, channel: C0NET }',
      'netcheck.yaml:2:34: schedules.0.nodes: nodes goes with audit',
    ],
    [
      '  - { cron: "0 6 * * *", ask: x, channel: "#net" }',
      'netcheck.yaml:2:34: schedules.0.channel: a channel is written as its id',
    ],
    [
      '  - { cron: "0 6 * * *", ask: x, channel: C0NET }\n  - { cron: "0 7 * * *", ask: x, channel: C0NET }',
      'netcheck.yaml:3:5: schedules.1: another schedule is called "x"',
    ],
    ['  - { cron: "0 6 * * *", ask: x, channel: C0NET, summary: often }', 'netcheck.yaml:2:50: schedules.0.summary: '],
  ])('%s', (yaml, expected) => {
    expect(() => config(yaml)).toThrow(expected);
  });
});
