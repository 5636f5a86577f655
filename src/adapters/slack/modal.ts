import type { RunRequest } from '../../engine/ports.ts';
import type { Language } from '../../model/language.ts';
import type { ClickDelivery } from './deliveries.ts';
import { isRecord } from './is-record.ts';
import { parsedJson } from './message-body.ts';
import type { FrontDesk } from './run-button.ts';

/** A modal of ours. It shows a run to the one person who pressed a button of it. */
export interface Modal {
  readonly callbackId: string;
  /** At most 24 characters. */
  readonly title: string;
  readonly blocks: readonly unknown[];
  /** Label of the button that sends it in; absent: there is nothing to send. */
  readonly submit?: string | undefined;
  readonly close: string;
  readonly about: AboutRun;
}

/** Which run a modal is about, and the place that its button was pressed in. */
export interface AboutRun {
  readonly runId: string;
  readonly channel: string;
  readonly threadTs?: string | undefined;
  readonly language: Language;
}

/** For the modal that a button of a run opens. */
export function aboutRun(
  { id, language }: Pick<RunRequest, 'id' | 'language'>,
  { channel, threadTs }: Pick<ClickDelivery, 'channel' | 'threadTs'>,
): AboutRun {
  return { runId: id, channel, threadTs, language };
}

/** Opens a modal, which Slack allows for three seconds after the press. Tells whether Slack took it. */
export async function openModal(desk: FrontDesk, triggerId: string, modal: Modal): Promise<boolean> {
  return took(desk, 'views.open', { trigger_id: triggerId, view: viewOf(modal) });
}

/** Shows something else in a modal that is open. */
export async function updateModal(desk: FrontDesk, viewId: string, modal: Modal): Promise<boolean> {
  return took(desk, 'views.update', { view_id: viewId, view: viewOf(modal) });
}

async function took(desk: FrontDesk, method: string, args: Readonly<Record<string, unknown>>): Promise<boolean> {
  const outcome = await desk.calls.call(method, args);
  if (outcome.outcome === 'ok') return true;
  const why =
    outcome.outcome === 'refused'
      ? `${outcome.error} ${outcome.detail}`
      : 'why' in outcome
        ? outcome.why
        : 'Slack answered 429';
  desk.log(`slack: ${method}: ${why}`);
  return false;
}

function viewOf({ callbackId, title, blocks, submit, close, about }: Modal): unknown {
  return {
    type: 'modal',
    callback_id: callbackId,
    title: { type: 'plain_text', text: title },
    close: { type: 'plain_text', text: close },
    ...(submit === undefined ? {} : { submit: { type: 'plain_text', text: submit } }),
    private_metadata: JSON.stringify(about),
    blocks,
  };
}

/** Reads what {@link Modal.about} was; undefined for anything else. */
export function aboutOf(privateMetadata: string): AboutRun | undefined {
  const value = parsedJson(privateMetadata);
  if (!isRecord(value)) return undefined;
  const { runId, channel, threadTs, language } = value;
  if (typeof runId !== 'string' || typeof channel !== 'string') return undefined;
  return {
    runId,
    channel,
    threadTs: typeof threadTs === 'string' ? threadTs : undefined,
    language: language === 'zh' ? 'zh' : 'en',
  };
}
