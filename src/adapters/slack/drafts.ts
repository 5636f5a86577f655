import type { KeyValue } from '../../engine/ports.ts';
import type { Draft } from '../../model/interpretation.ts';
import { answerOf } from './claim.ts';
import { isRecord } from './is-record.ts';
import { parsedJson } from './message-body.ts';
import { stringOf } from './string-of.ts';

/** A question that is not finished, and where its answer goes. */
export interface FormDraft extends Draft {
  /** Absent: the person chooses. */
  readonly channel?: string | undefined;
  /** Absent: the answer begins a thread. */
  readonly rootTs?: string | undefined;
  /** A message of ours that asks back: answering it with the form answers it. */
  readonly question?: string | undefined;
}

/** How long somebody may take to finish a question, or to answer one. */
export const draftMs = 3600_000;

const draftKey = (id: string): string => `netcheck:draft:${id}`;

/** @returns false where the store does not answer */
export async function keepDraft(store: KeyValue, id: string, draft: FormDraft): Promise<boolean> {
  return (await answerOf(() => store.set(draftKey(id), JSON.stringify(draft), { ttlMs: draftMs }))).answered;
}

/** @param withinMs a modal has to be opened within three seconds */
export async function draftOf(store: KeyValue, id: string, withinMs: number): Promise<FormDraft | undefined> {
  if (!/^[A-Za-z0-9_-]{1,64}$/u.test(id)) return undefined;
  const kept = await answerOf(() => store.get(draftKey(id)), withinMs);
  return kept.answered && kept.value !== null ? readDraft(kept.value) : undefined;
}

/** Reads what we wrote ourselves; what is not as it should be is left out. */
export function readDraft(json: string): FormDraft {
  const value = parsedJson(json);
  if (!isRecord(value)) return {};
  const { port } = value;
  const text = (key: 'target' | 'from' | 'symptom' | 'channel' | 'rootTs' | 'question') => {
    const one = stringOf(value[key]);
    return one === '' ? {} : { [key]: one };
  };
  return {
    ...text('target'),
    ...text('from'),
    ...text('symptom'),
    ...text('channel'),
    ...text('rootTs'),
    ...text('question'),
    ...(typeof port === 'number' && Number.isInteger(port) ? { port } : {}),
  };
}
