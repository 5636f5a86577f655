import path from 'node:path';
import { loadRun } from '../../../src/adapters/files/load-run.ts';
import { rasteriseSvg } from '../../../src/adapters/picture/rasterise-svg.ts';
import { proposalMessage } from '../../../src/adapters/slack/apply-button.ts';
import { createOutbox } from '../../../src/adapters/slack/outbox.ts';
import { ownWords } from '../../../src/adapters/slack/own-words.ts';
import { refusalOf } from '../../../src/adapters/slack/refusals.ts';
import { createSlackThread } from '../../../src/adapters/slack/slack-thread.ts';
import { type RunStage, statusMessage } from '../../../src/adapters/slack/status-message.ts';
import { collectors } from '../../../src/collectors/index.ts';
import { judge } from '../../../src/engine/judge.ts';
import type { AnswerThread, ProgressEvent, RunRequest } from '../../../src/engine/ports.ts';
import type { TrialOutcome } from '../../../src/model/change.ts';
import { type Language, languages } from '../../../src/model/language.ts';
import type { Report } from '../../../src/model/report.ts';
import type { RunContext } from '../../../src/model/run-context.ts';
import { parsers } from '../../../src/parsers/index.ts';
import { renderLadderSvg } from '../../../src/report/ladder-svg.ts';
import { newStatus, reduceStatus } from '../../../src/report/run-status.ts';
import { renderSlackReport } from '../../../src/report/slack-blocks.ts';
import { rules } from '../../../src/rules/index.ts';
import { frontExhibits } from './gallery-front.ts';
import { postExhibits } from './gallery-posts.ts';
import { memoryStore } from './memory-ports.ts';
import type { Exhibit } from './render-html.ts';
import { type FakeMessage, SlackWorld } from './slack-world.ts';
import { worldCalls } from './world-calls.ts';

/** Recorded runs whose answers are shown: each kind of verdict, short and long, with and without a picture. */
export const shownCases = [
  'tw-recycle',
  'nodeport-forward-drop',
  'frag-needed-ignored',
  'pair-half-dropped-twice',
  'dns-cluster-down',
  'rollout-refused',
  'zero-window',
  'tunnel-mtu-predicted',
  'no-sudo-firewall-drop',
  'client-dark-firewall-drop',
  'healthy',
] as const;

const cases = path.join(import.meta.dirname, '..', '..', 'cases');
const channel = 'C0INCIDENT';

function requestIn(language: Language, text: string, thread: RunRequest['thread']): RunRequest {
  return { id: 'run1', text, language, askedBy: 'U0ANNA', askedAtMs: 0, thread };
}

/** A thread of its own, in a workspace of its own: the real way from a report to messages, without its waits. */
async function threadWith(
  language: Language,
  text: string,
  answer: (thread: AnswerThread) => Promise<void>,
  { refusesBlocks = false } = {},
): Promise<FakeMessage[]> {
  const world = new SlackWorld({ rates: 'off' });
  const calls = worldCalls(world, { latencyMs: 0 });
  const outbox = createOutbox({ calls, postGapMs: 0, updateGapMs: 0, settleMs: 0, backoffMs: 0 });
  world.handle('chat.postMessage', world.botToken, { channel, text: 'queued' });
  const ts = world.messages()[0]?.ts ?? '';
  const request = requestIn(language, text, { channel, rootTs: ts, statusTs: ts });
  if (refusesBlocks) world.script('chat.postMessage', { kind: 'error', error: 'invalid_blocks' });
  await answer(createSlackThread(request, { calls, outbox, store: memoryStore(), renderReport: renderSlackReport }));
  return world.thread(ts);
}

async function reportOf(name: string, language: Language): Promise<Report> {
  const { record, evidence } = await loadRun(path.join(cases, name, 'run.tar.gz'));
  return judge({ ...record, language }, evidence, { collectors, parsers, rules });
}

/** The answer to one recorded run, in a workspace that takes no blocks. */
export async function fallbackOf(name: string): Promise<{ readonly report: Report; readonly message: FakeMessage }> {
  const report = await reportOf(name, 'en');
  const [, message] = await threadWith('en', report.symptom.text, (one) => one.report(report), { refusesBlocks: true });
  if (message === undefined) throw new Error(`${name} was not answered`);
  return { report, message };
}

/** The answer to one recorded run, with the picture that goes with it. */
async function answerTo(name: string, language: Language, withPictures: boolean): Promise<Exhibit> {
  const report = await reportOf(name, language);
  const pictures = new Map<string, Uint8Array>();
  if (withPictures && report.ladder !== undefined) {
    const svg = renderLadderSvg(report.ladder, { language, theme: 'light', narrow: true, maxSteps: 24 });
    pictures.set('ladder.png', (await rasteriseSvg(svg)) ?? new Uint8Array());
  }
  const thread = await threadWith(language, report.symptom.text, (one) =>
    one.report(report, async () => [...pictures].map(([file, bytes]) => ({ name: file, title: file, bytes }))),
  );
  return { title: `${name} (${language})`, thread, pictures };
}

/** What earlier runs add to an answer. */
async function withEarlierRuns(language: Language): Promise<Exhibit[]> {
  const earlier = { id: 'run0', endedAtMs: Date.UTC(2026, 9, 3, 14, 5), channel, rootTs: '1700000000.000100' };
  const setting = { node: 'node-50', kind: 'sysctl', name: 'net.ipv4.tcp_tw_recycle', from: '1', to: '0' } as const;
  const title =
    language === 'zh' ? 'tcp_tw_recycle 按时间戳丢弃 SYN' : 'tcp_tw_recycle throws SYNs away by their timestamp';
  const fixed: RunContext = {
    comparison: {
      outcome: 'fixed',
      proven: true,
      earlier: { ...earlier, verdict: 'found' },
      gone: [title],
      still: [],
      appeared: [],
      numbers: [{ text: 'PAWSPassive +32 → +0' }],
      settings: [setting],
    },
    seenBefore: [],
  };
  const again: RunContext = {
    seenBefore: [
      {
        fingerprint: 'tw-recycle/node-50/tcp/1301',
        title,
        times: 3,
        atLeast: false,
        days: 90,
        last: earlier,
        gone: { run: { ...earlier, id: 'run00' }, afterMs: 840_000, byRecheck: true, settings: [setting] },
      },
    ],
  };
  const exhibit = async (what: string, name: string, context: RunContext): Promise<Exhibit> => {
    const report = await reportOf(name, language);
    const thread = await threadWith(language, report.symptom.text, (one) => one.report(report, undefined, context));
    return { title: `${what} (${language})`, thread };
  };
  return [
    await exhibit('Re-check: fixed', 'tw-recycle-mended', fixed),
    await exhibit('seen before', 'tw-recycle', again),
  ];
}

/** What became of a change that two people wanted. */
async function withTrials(language: Language): Promise<Exhibit[]> {
  const change = { kind: 'sysctl', key: 'net.ipv4.tcp_tw_recycle', value: '0' } as const;
  const command = 'sysctl -w net.ipv4.tcp_tw_recycle=0';
  const trial = { node: 'node-50', rule: 'tw-recycle', change, command, askedBy: 'U0ANNA', approvedBy: 'U0BEN' };
  const ends: readonly (readonly [TrialOutcome, report: string])[] = [
    [{ how: 'kept', previous: '1', now: '0' }, 'tw-recycle-mended'],
    [{ how: 'putBack', because: 'still', now: '1' }, 'tw-recycle'],
    [{ how: 'notChanged', because: 'helper', words: 'the value 2 is not one that may be set' }, 'tw-recycle'],
    [{ how: 'unknown', putBackByMs: Date.UTC(2026, 9, 3, 14, 20) }, 'tw-recycle'],
  ];
  const { askedBy, approvedBy: _second, ...offered } = trial;
  const { text, blocks } = proposalMessage([{ id: 'p1', runId: 'run1', askedBy, offered }], language);
  const proposed = { title: `change: proposed (${language})`, thread: [ownMessage(text, blocks)] };
  const ended = await Promise.all(
    ends.map(async ([outcome, name]) => {
      const report = await reportOf(name, language);
      const steps = (['before', 'changed', 'after', outcome.how] as const).map((step, at) => ({
        step,
        atMs: at * 7000,
      }));
      const context: RunContext = { seenBefore: [], trial: { trial, outcome, steps } };
      const thread = await threadWith(language, report.symptom.text, (one) => one.report(report, undefined, context));
      return { title: `change: ${outcome.how} (${language})`, thread };
    }),
  );
  return [proposed, ...ended];
}

/** A run on its way, as its events come in. */
const events: readonly ProgressEvent[] = [
  {
    type: 'planned',
    nodes: [
      { name: 'node-50', roles: ['target'] },
      { name: 'node-12', roles: ['client'] },
      { name: 'node-30', roles: ['forwarder'] },
    ],
    playbooks: ['port-check', 'service-check'],
  },
  { type: 'phase', phase: 'connect', atMs: 0 },
  { type: 'waiting', node: 'node-30' },
  { type: 'connected', node: 'node-50' },
  { type: 'connected', node: 'node-12' },
  { type: 'unreachable', node: 'node-30', why: 'connect ETIMEDOUT 10.0.0.30:22' },
  { type: 'phase', phase: 'look', atMs: 420 },
  { type: 'phase', phase: 'capture', atMs: 1350 },
  { type: 'phase', phase: 'before', atMs: 1600 },
  { type: 'phase', phase: 'probe', atMs: 2100 },
  { type: 'probe', node: 'node-12', done: 5, total: 8, failed: 3 },
  { type: 'decided', rule: 'tw-recycle', node: 'node-50', title: 'tcp_tw_recycle throws SYNs away by their timestamp' },
];

function stagesIn(language: Language): Exhibit[] {
  const text = 'node-50 port 1301 from node-12 via node-30';
  const request = requestIn(language, text, { channel, rootTs: '1.1', statusTs: '1.1' });
  const empty = newStatus({ question: text, askedBy: 'U0ANNA' });
  // The last phase has gone on for two seconds.
  const at = (count: number) => {
    const so = events.slice(0, count);
    const last = so.findLast((event) => event.type === 'phase');
    const shiftMs = Date.now() - 2000 - (last?.type === 'phase' ? last.atMs : 0);
    return so
      .map((event) => (event.type === 'phase' ? { ...event, atMs: event.atMs + shiftMs } : event))
      .reduce(reduceStatus, empty);
  };
  const stages: Readonly<Record<string, RunStage>> = {
    queued: { stage: 'queued', describe: 'TCP port 1301 on node-50 (target), from node-12, via node-30 (forwarder)' },
    connecting: { stage: 'running', state: at(5), attempt: 1 },
    probing: { stage: 'running', state: at(11), attempt: 1 },
    'first finding, second attempt': { stage: 'running', state: at(12), attempt: 2 },
    'trying a change': {
      stage: 'running',
      state: reduceStatus(at(11), { type: 'trial', node: 'node-50', step: 'after' }),
      attempt: 1,
    },
    cancelling: { stage: 'cancelling', by: 'U0BEN' },
    cancelled: { stage: 'cancelled', state: at(11), by: 'U0BEN' },
    'not started': {
      stage: 'notStarted',
      message: 'Redis does not answer, so nothing was queued.',
      hint: 'Try again in a minute; `netcheck doctor` says more.',
    },
  };
  return Object.entries(stages).map(([title, stage]) => {
    const { text: fallback, blocks } = statusMessage(request, stage, language);
    return { title: `status: ${title} (${language})`, thread: [ownMessage(fallback, blocks)] };
  });
}

/** A message of the app that was posted in no workspace. */
export function ownMessage(text: string, blocks: readonly unknown[]): FakeMessage {
  return { channel, ts: '1.1', user: 'U0NETCHECK', text, blocks, files: [], postedAtMs: 0, edits: 0, pings: [] };
}

async function endingsIn(language: Language): Promise<Exhibit[]> {
  const text = 'node-50 port 1301 from node-12';
  const failed = { message: 'netcheck itself failed on this run.', hint: 'Re-check runs it again.', cancelled: false };
  const refusals = ['channel_not_found', 'not_in_channel', 'token_revoked', 'is_archived'].map(
    (error): Exhibit => ({
      title: `refusal: ${error} (${language})`,
      onlyFor: 'U0ANNA',
      thread: [ownMessage(ownWords(refusalOf(error, language)), [])],
    }),
  );
  return [
    { title: `failed (${language})`, thread: await threadWith(language, text, (one) => one.failed(failed)) },
    {
      title: `cancelled (${language})`,
      thread: await threadWith(language, text, (one) => one.failed({ ...failed, cancelled: true })),
    },
    ...refusals,
  ];
}

/** Every kind of message that netcheck sends, made by the code that sends it. */
export async function exhibits({ pictures }: { readonly pictures: boolean }): Promise<Exhibit[]> {
  const shown: Exhibit[] = [];
  for (const language of languages) {
    shown.push(...stagesIn(language), ...(await endingsIn(language)), ...(await withEarlierRuns(language)));
    shown.push(...(await withTrials(language)));
    shown.push(...(await frontExhibits(language)), ...postExhibits(language));
    for (const name of shownCases) shown.push(await answerTo(name, language, pictures));
  }
  return shown;
}
