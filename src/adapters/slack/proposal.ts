import type { KeyValue } from '../../engine/ports.ts';
import { OfferedChange } from '../../model/change.ts';
import { answerOf } from './claim.ts';
import { parsedJson } from './message-body.ts';
import { isRecord } from './is-record.ts';
import { stringOf } from './string-of.ts';

/** A change that somebody asked for and that waits for a second person. Its id stands in the buttons, the rest is here. */
export interface Proposal {
  readonly id: string;
  /** The run that found it. */
  readonly runId: string;
  /** Who asked for it. */
  readonly askedBy: string;
  readonly offered: OfferedChange;
}

/** How long the second person has, milliseconds. */
export const proposalMs = 15 * 60_000;
const proposalKey = (id: string): string => `netcheck:proposal:${id}`;
/** Whoever decides first decides: `approved` or `withdrawn`. */
export const decidedKey = (id: string): string => `netcheck:proposal-decided:${id}`;
/** Changes of a run are proposed once at a time. */
export const proposingKey = (runId: string): string => `netcheck:proposing:${runId}`;

export async function keepProposal(store: KeyValue, proposal: Proposal): Promise<boolean> {
  const { id } = proposal;
  return (await answerOf(() => store.set(proposalKey(id), JSON.stringify(proposal), { ttlMs: proposalMs }))).answered;
}

/** Null: it has expired, or never was. */
export async function findProposal(
  store: KeyValue,
  id: string,
): Promise<{ readonly answered: true; readonly proposal: Proposal | null } | { readonly answered: false }> {
  if (!/^[A-Za-z0-9_-]{1,64}$/u.test(id)) return { answered: true, proposal: null };
  const kept = await answerOf(() => store.get(proposalKey(id)));
  if (!kept.answered) return { answered: false };
  return { answered: true, proposal: kept.value === null ? null : readProposal(kept.value) };
}

function readProposal(json: string): Proposal | null {
  const value = parsedJson(json);
  if (!isRecord(value)) return null;
  const [id, runId, askedBy] = [stringOf(value['id']), stringOf(value['runId']), stringOf(value['askedBy'])];
  const read = OfferedChange.safeParse(value['offered']);
  return read.success && id !== '' && runId !== '' && askedBy !== ''
    ? { id, runId, askedBy, offered: read.data }
    : null;
}
