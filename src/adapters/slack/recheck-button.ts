import { claim } from './claim.ts';
import { ownWords } from './own-words.ts';
import type { RunButton } from './run-button.ts';
import { recheckKey } from './run-keys.ts';
import { runIdOf } from './start-run.ts';
import { recheckAction } from './status-message.ts';
import { wordingIn } from './wording.ts';

/** Two presses of Re-check within this time are one. */
const recheckPauseMs = 10_000;

/** Re-check: the same question again, in the same thread. */
export const recheckButton: RunButton = {
  action: recheckAction,
  async press(click, desk) {
    const run = await desk.runBehind('recheck', click);
    if (run === undefined) return;
    const once = await claim(desk.store, recheckKey(run.id), click.user, recheckPauseMs);
    if (once.got !== 'first') {
      const wording = wordingIn(run.language);
      await desk.tell(click, once.got === 'again' ? wording.alreadyRechecking : ownWords(wording.queueDown));
      return;
    }
    await desk.start({
      runId: runIdOf('recheck', click.team, click.channel, run.id, click.triggerId),
      text: run.text,
      asker: { user: click.user, channel: click.channel, language: run.language },
      rootTs: run.thread.rootTs,
      recheckOf: run.id,
      redelivered: false,
      tell: (text, blocks) => desk.tell(click, text, blocks),
    });
  },
};
