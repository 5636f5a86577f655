import { alertMessage } from '../../../src/adapters/slack/alert-message.ts';
import { Alert } from '../../../src/model/alert.ts';
import type { Language } from '../../../src/model/language.ts';
import type { ScheduleNews, ScheduleState, ScheduleTrouble } from '../../../src/model/schedule-state.ts';
import { renderScheduleFailure, renderScheduleNews, renderScheduleSummary } from '../../../src/report/schedule-post.ts';
import { ownMessage } from './gallery.ts';
import type { Exhibit } from './render-html.ts';

const dayMs = 86_400_000;
const nowMs = Date.parse('2026-11-21T06:00:00Z');
const trouble = (node: string, title: string): ScheduleTrouble => ({
  fingerprint: `${title}/${node}`,
  node,
  title,
  firstSeenMs: nowMs - 9 * dayMs,
});
const recycle = trouble('node-50', 'tcp_tw_recycle throws SYNs away by their timestamp');
const backlog = trouble('node-7', 'net.core.somaxconn caps the backlog of a listener');
const mtu = trouble('node-31', 'The MTU of the pod network does not fit');

const first: ScheduleNews = {
  look: {
    isFirst: true,
    headline: '3 of 45 nodes have trouble',
    counts: { nodes: 45, looked: 44, new: 0, gone: 0, still: 3, unsure: 0 },
    new: [],
    gone: [],
    still: [recycle, backlog, mtu],
    unsure: [],
    unseen: [{ node: 'node-12', why: 'node-12 (10.0.0.12:22) did not answer.' }],
  },
  lost: [],
  back: [],
  isAfterFailure: false,
};
const changed: ScheduleNews = {
  look: {
    isFirst: false,
    headline: '2 of 45 nodes have trouble',
    counts: { nodes: 45, looked: 44, new: 1, gone: 1, still: 1, unsure: 1 },
    new: [mtu],
    gone: [recycle],
    still: [backlog],
    unsure: [trouble('node-13', 'The neighbour table is full')],
    unseen: [{ node: 'node-13', why: 'node-13 (10.0.0.13:22) did not answer.' }],
  },
  lost: [{ node: 'node-13', why: 'node-13 (10.0.0.13:22) did not answer.' }],
  back: ['node-12'],
  isAfterFailure: false,
};
const state: ScheduleState = {
  format: 1,
  firing: 'f',
  atMs: nowMs,
  headline: '2 of 45 nodes have trouble',
  nodes: 45,
  looked: 44,
  count: 2,
  troubles: [backlog, mtu],
  unseen: ['node-13'],
  tally: { sinceMs: nowMs - 7 * dayMs, looks: 7, new: 1, gone: 1, failed: 0 },
};
const alert = {
  status: 'firing',
  labels: { alertname: 'TargetDown', instance: 'node-50:1301', severity: 'page', team: '<!channel>' },
  annotations: {
    summary: 'Nobody answers on node-50:1301',
    runbook_url: 'https://runbooks.example.com/target-down',
  },
  startsAt: '2026-11-21T05:58:00Z',
  generatorURL: 'https://prometheus.example.com/graph?g0.expr=up',
} as const;

/** What is posted without anybody having asked: alerts, and what schedules tell. */
export function postExhibits(language: Language): Exhibit[] {
  const options = { name: 'nightly', language, timeZone: 'Asia/Shanghai' };
  const failure = { message: 'There is no node "node-99" in the inventory.', hint: 'Did you mean node-9?' };
  const over = { ...alert, status: 'resolved', endsAt: '2026-11-21T06:09:00Z' } as const;
  const posts = {
    'alert: firing': alertMessage(Alert.parse(alert), 'a1', language),
    'alert: over': alertMessage(Alert.parse(over), 'a1', language),
    'schedule: the first time': renderScheduleNews(first, options),
    'schedule: what changed': renderScheduleNews(changed, options),
    'schedule: it could not run': renderScheduleFailure(failure, options),
    'schedule: summary': renderScheduleSummary(state, { ...options, nextMs: nowMs + dayMs }),
  };
  return Object.entries(posts).map(([title, { text, blocks }]) => ({
    title: `${title} (${language})`,
    thread: [ownMessage(text, blocks)],
  }));
}
