import type { ProgressEvent, RunRequest } from '../../engine/ports.ts';
import type { Language } from '../../model/language.ts';
import type { ReportVerdict } from '../../model/verdict.ts';
import { codeSpan, escapeMrkdwn, mentionOf } from './mrkdwn.ts';
import type { MessageBody } from './outbox.ts';
import { blockIdOf } from './run-messages.ts';
import { wordingIn } from './wording.ts';

/** `action_id` of the buttons. Their `value` is the run id and nothing else. */
export const cancelAction = 'netcheck_cancel';
export const recheckAction = 'netcheck_recheck';

export type RunStage =
  | { readonly stage: 'queued'; readonly describe?: string | undefined }
  | { readonly stage: 'running' }
  | { readonly stage: 'cancelling'; readonly by: string }
  | { readonly stage: 'finished'; readonly verdict: ReportVerdict; readonly headline: string }
  | { readonly stage: 'cancelled'; readonly by?: string | undefined }
  | { readonly stage: 'failed' | 'notStarted'; readonly message: string; readonly hint: string };

/** What the living message of a run shows. */
export interface RunStatus {
  readonly now: RunStage;
  readonly attempt: number;
  readonly phase?: Extract<ProgressEvent, { type: 'phase' }>['phase'];
  readonly nodes: readonly string[];
  readonly waitingFor?: string;
  readonly unreachable: readonly { readonly node: string; readonly why: string }[];
  readonly probe?: { readonly done: number; readonly total: number; readonly failed: number };
  readonly decided: readonly string[];
}

/** A run that has only been asked for. */
export function queuedStatus(describe?: string): RunStatus {
  return { now: { stage: 'queued', describe }, attempt: 1, nodes: [], unreachable: [], decided: [] };
}

/** The status after one more thing happened. Pure. */
export function afterProgress(status: RunStatus, event: ProgressEvent): RunStatus {
  const running: RunStatus = status.now.stage === 'queued' ? { ...status, now: { stage: 'running' } } : status;
  switch (event.type) {
    case 'planned':
      return { ...running, nodes: event.nodes.map((node) => node.name) };
    case 'waiting':
      return { ...running, waitingFor: event.node };
    case 'connected': {
      const { waitingFor, ...rest } = running;
      return waitingFor === undefined || waitingFor === event.node ? rest : running;
    }
    case 'unreachable': {
      const others = running.unreachable.filter((known) => known.node !== event.node);
      return { ...running, unreachable: [...others, { node: event.node, why: event.why }] };
    }
    case 'phase':
      return { ...running, phase: event.phase };
    case 'probe':
      return { ...running, probe: { done: event.done, total: event.total, failed: event.failed } };
    case 'decided':
      return { ...running, decided: [...running.decided, `${event.title} (${event.node})`] };
    case 'finished':
      return { ...running, now: { stage: 'finished', verdict: event.verdict, headline: event.headline } };
  }
}

const verdictMark = { found: '🔴', clear: '✅', inconclusive: '⚠️' } as const;

/** The living message of a run. All text that a person or a node wrote is escaped here. */
export function statusMessage(
  request: Pick<RunRequest, 'id' | 'text' | 'askedBy' | 'recheckOf'>,
  status: RunStatus,
  language: Language,
): MessageBody {
  const wording = wordingIn(language);
  const who = mentionOf(request.askedBy);
  const what = codeSpan(clip(request.text, 300));
  const asked = request.recheckOf === undefined ? wording.asked(who, what) : wording.rechecks(who, what);
  const { now } = status;
  const context = (text: string) => ({ type: 'context', elements: [{ type: 'mrkdwn', text, verbatim: true }] });
  const section = (text: string, blockId?: string) => ({
    type: 'section',
    text: { type: 'mrkdwn', text, verbatim: true },
    ...(blockId === undefined ? {} : { block_id: blockId }),
  });
  const id = blockIdOf('status', request.id);
  const cancelButton = {
    type: 'actions',
    elements: [button(cancelAction, wording.cancelButton, request.id)],
  };
  const plainAsk = clip(request.text, 300).replace(/[<>&]/gu, ' ');
  const body = (line: string, blocks: readonly unknown[]): MessageBody => ({
    text: escapeMrkdwn(clip(`netcheck ${plainAsk}: ${line}`, 2000)),
    blocks,
  });
  switch (now.stage) {
    case 'queued': {
      const describe = now.describe === undefined ? '' : ` · ${escapeMrkdwn(clip(now.describe, 500))}`;
      return body(wording.queued, [section(asked, id), context(`⏳ ${wording.queued}${describe}`), cancelButton]);
    }
    case 'running': {
      const lines = runningLines(status, language);
      return body(wording.running, [section(asked, id), ...lines.map(context), cancelButton]);
    }
    case 'cancelling': {
      const line = wording.cancelling(mentionOf(now.by));
      return body(wording.cancelling(now.by), [section(asked, id), context(`⏹ ${line}`)]);
    }
    case 'finished': {
      const headline = clip(now.headline, 1500);
      return body(`${wording.verdict[now.verdict]}. ${headline}`, [
        section(`${verdictMark[now.verdict]} *${wording.verdict[now.verdict]}* · ${escapeMrkdwn(headline)}`, id),
        context(`${asked} · ${wording.answerBelow}`),
      ]);
    }
    case 'cancelled': {
      const line = now.by === undefined ? wording.cancelled : wording.cancelledBy(mentionOf(now.by));
      return body(now.by === undefined ? wording.cancelled : wording.cancelledBy(now.by), [
        section(asked, id),
        context(`⏹ ${line}`),
      ]);
    }
    case 'failed':
    case 'notStarted': {
      const head = now.stage === 'failed' ? wording.failed : wording.notStarted;
      return body(`${head}. ${now.message}`, [
        section(`❗ *${head}* · ${escapeMrkdwn(clip(now.message, 1500))}`, id),
        context(`${asked} · ${escapeMrkdwn(clip(now.hint, 1000))}`),
      ]);
    }
  }
}

function runningLines(status: RunStatus, language: Language): string[] {
  const wording = wordingIn(language);
  const doing = [
    status.phase === undefined ? wording.running : wording.phase[status.phase],
    ...(status.waitingFor === undefined ? [] : [wording.waitingFor(escapeMrkdwn(status.waitingFor))]),
    ...(status.probe === undefined ? [] : [wording.probes(status.probe.done, status.probe.total, status.probe.failed)]),
    ...(status.nodes.length === 0 ? [] : [wording.nodes(escapeMrkdwn(clip(status.nodes.join(', '), 500)))]),
    ...(status.attempt > 1 ? [wording.attempt(status.attempt)] : []),
  ];
  const seen = [
    ...status.unreachable.map(
      (one) => `⚠️ ${wording.unreachable(escapeMrkdwn(one.node), escapeMrkdwn(clip(one.why, 300)))}`,
    ),
    ...status.decided.map((title) => `• ${escapeMrkdwn(clip(title, 200))}`),
  ];
  const shown = seen.slice(-8);
  return [`🔎 ${doing.join(' · ')}`, ...(shown.length === 0 ? [] : [clip(shown.join('\n'), 2500)])];
}

/** A button that carries only an id. */
export function button(actionId: string, label: string, runId: string): unknown {
  return { type: 'button', action_id: actionId, text: { type: 'plain_text', text: label }, value: runId };
}

/** At most `max` characters, with an ellipsis where it was longer; never half of a surrogate pair. */
export function clip(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/u, '')}…`;
}
