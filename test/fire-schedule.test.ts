import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOutbox } from '../src/adapters/slack/outbox.ts';
import { createSchedulePosts } from '../src/adapters/slack/schedule-posts.ts';
import { createAuditFold } from '../src/engine/audit-fold.ts';
import { createAccessCheck } from '../src/check-access.ts';
import { parseConfig } from '../src/config.ts';
import type { AuditBaselines, Firing, NodeSlots } from '../src/engine/ports.ts';
import { fireSchedule, type ScheduleDesk } from '../src/fire-schedule.ts';
import type { AuditRecord } from '../src/model/audit-log-record.ts';
import { NetcheckError } from '../src/model/errors.ts';
import type { Plan } from '../src/model/plan.ts';
import type { AuditReport } from '../src/model/audit-report.ts';
import { auditFingerprint } from '../src/model/fingerprint.ts';
import type { Finding, Report } from '../src/model/report.ts';
import { schedulesOf } from '../src/schedules.ts';
import { memoryHistory } from './fakes/memory-history.ts';
import { memoryStore } from './fakes/slack/memory-ports.ts';
import { SlackWorld } from './fakes/slack/slack-world.ts';
import { worldCalls } from './fakes/slack/world-calls.ts';

let folder: string;
let world: SlackWorld;
let store: ReturnType<typeof memoryStore>;
let log: string[];
let records: AuditRecord[];
/** Rules that the node has trouble with; or why it cannot be asked. */
let troubles: readonly string[] | Error;
let runs: number;
let history: ReturnType<typeof memoryHistory>;
let during: () => Promise<void>;
let nowMs: number;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'netcheck-schedules-'));
  world = new SlackWorld({ rates: 'off', channels: [{ id: 'C0NET', name: 'net' }] });
  store = memoryStore();
  log = [];
  records = [];
  troubles = [];
  runs = 0;
  history = memoryHistory({ maxAgeMs: Number.MAX_SAFE_INTEGER });
  during = async () => undefined;
  nowMs = Date.parse('2026-11-21T06:00:05Z');
});
afterEach(() => rmSync(folder, { recursive: true }));

const rules = ['tw-recycle', 'port-closed', 'conntrack-full'];

function reportOf(found: readonly string[]): Report {
  return {
    verdict: found.length > 0 ? 'found' : 'clear',
    headline: found.length > 0 ? `It is ${found[0]}` : 'Nothing was found',
    symptom: { protocol: 'tcp', port: 1301 },
    nodes: [{ name: 'node-50', roles: ['target'], address: '10.0.0.50' }],
    findings: rules.map(
      (rule): Finding => ({
        rule,
        node: 'node-50',
        verdict: found.includes(rule) ? 'confirmed' : 'ruledOut',
        title: `${rule} <!channel> \`x\``,
        because: [],
        remedies: [],
        missing: [],
      }),
    ),
    timing: { startedAtMs: nowMs, endedAtMs: nowMs, tookMs: 0 },
  } as unknown as Report;
}

function desk(access = ''): ScheduleDesk {
  const config = parseConfig(
    `${access}\nschedules:\n  - { name: nightly, cron: "0 6 * * *", timeZone: Asia/Shanghai, ask: node-50 port 1301, channel: C0NET }\n  - { name: fleet, cron: "0 7 * * *", timeZone: UTC, audit: node-audit, channel: C0NET }\n`,
    'netcheck.yaml',
  );
  const calls = worldCalls(world, { latencyMs: 0, timeoutMs: 5 });
  const outbox = createOutbox({ calls, postGapMs: 0, settleMs: 0, backoffMs: 1, giveUpAfterMs: 30 });
  return {
    schedules: schedulesOf(config),
    wiring: {
      loaded: { config, file: null, directory: folder },
      plan: async () =>
        ({ nodes: [{ node: { name: 'node-50', labels: {} } }], playbooks: ['port-check'] }) as unknown as Plan,
      async run() {
        runs += 1;
        await during();
        if (troubles instanceof Error) throw troubles;
        return reportOf(troubles);
      },
      writeLog: async (record) => void records.push(record),
      planAudit: async () =>
        ({ plan: { jobs: [{ node: 'node-50', labels: {} }] } }) as unknown as Awaited<
          ReturnType<ScheduleDesk['wiring']['planAudit']>
        >,
      audit: async (_asked, { baselines }) => auditOf(troubles instanceof Error ? [] : troubles, baselines),
    },
    access: createAccessCheck(config.access, undefined),
    store,
    slots: undefined as unknown as NodeSlots,
    memory: history,
    posts: createSchedulePosts({ outbox, calls, store }),
    now: () => nowMs,
    log: (line) => void log.push(line),
  };
}

/** An audit of one node with these troubles. */
async function auditOf(found: readonly string[], baselines: AuditBaselines | undefined): Promise<AuditReport> {
  const startedAtMs = nowMs;
  const head = {
    id: `a${nowMs}`,
    playbook: 'node-audit',
    selector: '',
    startedAtMs,
    language: 'en',
    netcheck: '0',
  } as const;
  const fold = createAuditFold({ ...head, compareBy: [] }, (await baselines?.last(head)) ?? null);
  const node = 'node-50';
  fold.addNode({
    node,
    labels: {},
    outcome: 'looked',
    startedAtMs,
    tookMs: 20,
    checks: Object.fromEntries(
      rules.map((rule) => [rule, { rule, title: rule, verdict: found.includes(rule) ? 'likely' : 'ruledOut' }]),
    ),
    findings: found.map((rule) => ({
      rule,
      verdict: 'likely',
      node,
      title: rule,
      because: [],
      remedies: [],
      missing: [],
      check: rule,
      fingerprint: auditFingerprint(rule, node),
    })),
    facts: {},
    unknown: [],
  });
  const { report, baseline } = fold.finish(nowMs + 20);
  await baselines?.keep(baseline);
  return report;
}

let day = 0;
const firing = (entry = 'nightly'): Firing => {
  day += 1;
  const dueMs = Date.parse('2026-11-21T06:00:00Z') + day * 86_400_000;
  nowMs = dueMs + 5000;
  return { entry, id: `repeat:${entry}:${dueMs}`, dueMs };
};
const { signal } = new AbortController();
const fire = (one = firing(), at = desk()): Promise<void> => fireSchedule(one, { signal }, at);
const posts = () => world.messages('C0NET');
const textOf = (index: number): string => JSON.stringify(posts().at(index)?.blocks ?? []);

describe('a schedule', () => {
  it('tells what there is the first time, then only changes: new ones in the channel, gone ones in the thread', async () => {
    troubles = ['tw-recycle'];
    await fire();
    expect(posts()).toHaveLength(1);
    expect(posts()[0]?.text).toBe('⚠️ nightly: first look: 1 trouble on 1 of 1 node');
    await fire();
    await fire();
    expect(posts()).toHaveLength(1);
    troubles = ['tw-recycle', 'conntrack-full'];
    await fire();
    expect(posts().map(({ text }) => text)[1]).toBe('⚠️ nightly: 1 new, 0 gone, 1 as before');
    expect(posts()[1]?.threadTs).toBeUndefined();
    troubles = [];
    await fire();
    expect(posts()[2]).toMatchObject({ text: '✅ nightly: 0 new, 2 gone, 0 as before', threadTs: posts()[1]?.ts });
    await fire();
    expect(posts()).toHaveLength(3);
    expect(runs).toBe(6);
    expect(posts().flatMap(({ pings }) => pings)).toEqual([]);
  });

  it('is in the history: what it told each time, and of the looks without news the last one', async () => {
    troubles = ['tw-recycle'];
    await fire();
    await fire();
    await fire();
    await fire(firing('fleet'));
    const remembered = await history.recent({ limit: 10 });
    expect(remembered.map(({ id, text, askedBy }) => [id.replace(/\d+$/, 'N'), text, askedBy])).toEqual([
      ['schedule-fleet-N', 'audit node-audit', 'schedule:fleet'],
      ['schedule-nightly', 'node-50 port 1301', 'schedule:nightly'],
      ['schedule-nightly-N', 'node-50 port 1301', 'schedule:nightly'],
    ]);
    for (const { rootTs, channel, verdict, nodes, troubles: found } of remembered) {
      expect({ channel, verdict, nodes }).toEqual({ channel: 'C0NET', verdict: 'found', nodes: ['node-50'] });
      expect(posts().some(({ ts }) => ts === rootTs)).toBe(true);
      expect(found.map(({ rule }) => rule)).toEqual(['tw-recycle']);
    }
    troubles = new NetcheckError('ask/unknown-node', 'there is no node-50', 'say which');
    await fire();
    expect((await history.recent({ limit: 1 }))[0]).toMatchObject({
      verdict: 'failed',
      headline: 'there is no node-50',
    });
  });

  it('shows an audit as a picture of nodes and checks and as a page below its post, once; quiet ones show nothing', async () => {
    const filesOf = () =>
      posts().flatMap(({ files, threadTs }) => files.map(({ name }) => [name.replace(/.*\./, ''), threadTs]));
    troubles = ['tw-recycle'];
    const one = firing('fleet');
    await fire(one);
    const root = posts()[0];
    expect(root?.text).toContain('fleet: first look: 1 trouble on 1 of 1 node');
    expect(filesOf()).toEqual([
      ['png', root?.ts],
      ['html', root?.ts],
    ]);
    await fire(one);
    await fire(firing('fleet'));
    expect(posts()).toHaveLength(2);
    expect(filesOf()).toHaveLength(2);
    expect(log).toEqual([]);
  });

  it('posts once where the same firing comes again: after it was done, and after a crash before it was recorded', async () => {
    troubles = ['tw-recycle'];
    const one = firing();
    await fire(one);
    await fire(one);
    expect([runs, posts().length]).toEqual([1, 1]);
    const two = firing();
    troubles = ['port-closed'];
    const crashing = desk();
    const dying = {
      ...store,
      set: (key: string, value: string, options: { ttlMs: number }) =>
        key.startsWith('netcheck:schedule:') ? Promise.reject(new Error('killed')) : store.set(key, value, options),
    };
    await expect(fire(two, { ...crashing, store: dying })).rejects.toThrow('killed');
    expect(posts()).toHaveLength(2);
    await fire(two);
    expect([runs, posts().length]).toEqual([3, 2]);
    await fire();
    expect(posts()).toHaveLength(2);
  });

  it('is told again next time where Slack did not take it', async () => {
    await fire();
    troubles = ['tw-recycle'];
    world.script('chat.postMessage', { kind: 'http', status: 503 }, { times: 1000 });
    await expect(fire()).rejects.toMatchObject({ code: 'slack/unreachable' });
    world.mend();
    await fire();
    expect(posts().at(-1)?.text).toBe('⚠️ nightly: 1 new, 0 gone, 0 as before');
  });

  it('does not begin while the one before goes on', async () => {
    let finish: () => void = () => undefined;
    let begun: () => void = () => undefined;
    const running = new Promise<void>((resolve) => {
      begun = resolve;
    });
    during = () => {
      begun();
      return new Promise((resolve) => {
        finish = resolve;
      });
    };
    const first = fire();
    await running;
    await fire();
    expect([runs, log]).toEqual([1, ['schedule nightly still goes on; this time is left out']]);
    finish();
    during = async () => undefined;
    await first;
    await fire();
    expect(runs).toBe(2);
  });

  it('says once that it cannot run, and that it runs again', async () => {
    await fire();
    troubles = new NetcheckError('ask/unknown-node', 'There is no node "node-50".', 'Did you mean <@U0ANNA>?');
    await fire();
    await fire();
    expect(
      posts()
        .map(({ text }) => text)
        .slice(1),
    ).toEqual(['❗ nightly: it could not run']);
    expect(textOf(1)).toContain('There is no node');
    troubles = [];
    await fire();
    expect(textOf(-1)).toContain('It runs again.');
    expect(posts().flatMap(({ pings }) => pings)).toEqual([]);
  });

  it('is refused where no grant covers it, which is in the audit log', async () => {
    await fire(firing(), desk('access:\n  - users: [U0ANNA]'));
    expect(runs).toBe(0);
    expect(posts()[0]?.text).toBe('❗ nightly: it could not run');
    expect(records).toMatchObject([{ event: 'refused', askedBy: 'schedule:nightly', action: 'ask', channel: 'C0NET' }]);
    await fire(firing(), desk('access:\n  - users: ["schedule:*"]'));
    expect(runs).toBe(1);
  });

  it('hands the firing on where its process is stopped, and posts nothing', async () => {
    const stopping = new AbortController();
    during = async () => stopping.abort({ why: 'closing' });
    await expect(fireSchedule(firing(), { signal: stopping.signal }, desk())).rejects.toThrow('stopped');
    expect(posts()).toEqual([]);
  });

  it('leaves out what is not in the configuration of this process', async () => {
    await fire(firing('other'));
    expect([runs, log]).toEqual([0, ['schedule other is not in the configuration of this process, and is left out']]);
  });

  it('posts a message of its own where the thread was deleted', async () => {
    troubles = ['tw-recycle'];
    await fire();
    world.script('chat.postMessage', { kind: 'error', error: 'thread_not_found' });
    troubles = [];
    await fire();
    expect(posts().at(-1)).toMatchObject({ text: '✅ nightly: 0 new, 1 gone, 0 as before' });
    expect(posts().at(-1)?.threadTs).toBeUndefined();
  });

  it('sums up: the counts since the last summary, once, also where nothing changed', async () => {
    await fire(firing('nightly+summary'));
    expect(posts()).toEqual([]);
    troubles = ['tw-recycle'];
    await fire();
    await fire();
    troubles = ['port-closed'];
    await fire();
    const one = firing('nightly+summary');
    await fire(one);
    await fire(one);
    const summaries = posts().filter(({ text }) => text.startsWith('📋'));
    expect(summaries).toHaveLength(1);
    const text = JSON.stringify(summaries[0]?.blocks);
    expect(text).toContain('Looked 3 times: 1 new, 1 gone.');
    expect(text).toContain('1 trouble now');
    await fire(firing('nightly+summary'));
    expect(textOf(-1)).toContain('Looked 0 times: 0 new, 0 gone.');
  });
});
