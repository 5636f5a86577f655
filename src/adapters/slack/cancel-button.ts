import { answerOf, claim } from './claim.ts';
import { messageBodyOf } from './message-body.ts';
import { ownWords } from './own-words.ts';
import { paintStatus } from './paint-status.ts';
import type { RunButton } from './run-button.ts';
import { answerKey, cancelKey, deliveryLeaseMs, finalStatusKey, keepMs, readAnswer } from './run-keys.ts';
import { cancelAction, statusMessage } from './status-message.ts';
import { wordingIn } from './wording.ts';

/** Cancel: ends a run that is waiting or running, once, for everybody to see. */
export const cancelButton: RunButton = {
  action: cancelAction,
  async press(click, desk) {
    const { store, outbox, queue } = desk;
    const run = await desk.runBehind('cancel', click);
    if (run === undefined) return;
    const wording = wordingIn(run.language);
    const answered = await answerOf(() => store.get(answerKey(run.id)));
    if (answered.answered && answered.value !== null && readAnswer(answered.value).state === 'done') {
      await desk.tell(click, wording.alreadyOver);
      return;
    }
    const once = await claim(store, cancelKey(run.id), click.user, deliveryLeaseMs);
    if (once.got !== 'first') {
      await desk.tell(click, once.got === 'again' ? wording.alreadyCancelling : ownWords(wording.queueDown));
      return;
    }
    let outcome: 'cancelling' | 'removed' | 'unknown';
    try {
      outcome = await queue.cancel(run.id, click.user);
    } catch (error) {
      desk.log(`slack: ${run.id} could not be cancelled: ${String(error)}`);
      await once.release();
      await desk.tell(click, ownWords(wording.queueDown));
      return;
    }
    await once.keep(keepMs);
    if (outcome === 'cancelling') {
      await paintStatus(outbox, run, statusMessage(run, { stage: 'cancelling', by: click.user }, run.language), false);
      // The worker may have been faster: what it said last is painted again, over our "cancelling".
      const last = await answerOf(() => store.get(finalStatusKey(run.id)));
      const body = last.answered && last.value !== null ? messageBodyOf(last.value) : undefined;
      if (body !== undefined) await paintStatus(outbox, run, body, true);
      return;
    }
    // Nobody else will end this run: it was waiting, or the queue has lost it.
    await desk.threadOf(run).failed({ message: wording.cancelled, hint: '', cancelled: true });
  },
};
