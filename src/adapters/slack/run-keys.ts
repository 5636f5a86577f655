import { createHash } from 'node:crypto';

/** How long the small facts about a run are kept: buttons expire after 24 hours, answers are remembered for longer. */
export const buttonMs = 24 * 3600_000;
export const keepMs = 7 * 24 * 3600_000;
/** A process that dies in the middle of an ask or a press holds it for this long. */
export const deliveryLeaseMs = 60_000;

/** The RunRequest behind a button. */
export const runKey = (runId: string): string => `netcheck:run:${runId}`;
/** `pending <holder> <unix ms>` or `done <ts> <report|failed|cancelled> <unix ms>`. */
export const answerKey = (runId: string): string => `netcheck:answer:${runId}`;
/** Somebody attaches, or has attached, the files of the answer. */
export const attachedKey = (runId: string): string => `netcheck:attached:${runId}`;
/** The last stage of the status message, JSON. */
export const finalStatusKey = (runId: string): string => `netcheck:final:${runId}`;
/** Timestamp of the status message. */
export const statusKey = (runId: string): string => `netcheck:status:${runId}`;
/** Who cancelled. */
export const cancelKey = (runId: string): string => `netcheck:cancel:${runId}`;
/** Id of the run that looks at this question, `key` being the same for the same. */
export const askedKey = (channel: string, key: string): string =>
  `netcheck:asked:${channel}:${createHash('sha256').update(key).digest('hex').slice(0, 32)}`;
/** The nth who joined the run. */
export const joinedKey = (runId: string, n: number): string => `netcheck:joined:${runId}:${n}`;
export const recheckKey = (runId: string): string => `netcheck:recheck:${runId}`;
export const deliveryKey = (runId: string): string => `netcheck:delivery:${runId}`;

/** Somebody tells, or has told, a thread that its run is lost. */
export const lostKey = (runId: string): string => `netcheck:lost:${runId}`;
/** An alert that has been dealt with: `channel rootTs` of its thread, or `-`. */
export const alertKey = (id: string): string => `netcheck:alert:${id}`;
/** Somebody works on an alert. */
export const alertLeaseKey = (id: string): string => `netcheck:alert-lease:${id}`;
/** Somebody has begun to work on an alert: a message of it may be in Slack. */
export const alertBegunKey = (id: string): string => `netcheck:alert-begun:${id}`;
/** The n-th run that alerts began in a minute. */
export const alertSlotKey = (minute: number, n: number): string => `netcheck:alert-slot:${minute}:${n}`;

/** Reads the value of {@link answerKey}. Anything else than `done …` counts as pending since for ever. */
export function readAnswer(
  value: string,
):
  | { readonly state: 'done'; readonly how: string; readonly atMs: number }
  | { readonly state: 'pending'; readonly holder: string; readonly sinceMs: number } {
  const [state, holder, since, doneAt] = value.split(' ');
  // An older netcheck wrote no more than the timestamp of the message.
  if (state === 'done') return { state: 'done', how: since ?? '', atMs: Number(doneAt ?? 0) };
  const sinceMs = Number(since);
  return { state: 'pending', holder: holder ?? '', sinceMs: Number.isFinite(sinceMs) ? sinceMs : 0 };
}
