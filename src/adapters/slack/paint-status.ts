import type { RunRequest } from '../../engine/ports.ts';
import { plainTextOf } from './fit-blocks.ts';
import type { MessageBody, Outbox } from './outbox.ts';

/** Edits a run's status message from the front, where no worker does. */
export async function paintStatus(
  outbox: Outbox,
  { thread: { channel, statusTs } }: RunRequest,
  body: MessageBody,
  final: boolean,
): Promise<void> {
  await outbox.update({ channel, ts: statusTs, body, plain: plainTextOf(body.blocks), final });
}
