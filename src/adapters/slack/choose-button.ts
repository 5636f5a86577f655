import { chooseAction, chosenKey, guessChoice, openQuestion } from './ask-back.ts';
import { claim } from './claim.ts';
import { draftMs } from './drafts.ts';
import { frontWording } from './front-wording.ts';
import { mentionOf } from './mrkdwn.ts';
import { ownWords } from './own-words.ts';
import type { RunButton } from './run-button.ts';
import { deliveryLeaseMs } from './run-keys.ts';
import { runIdOf } from './start-run.ts';
import { wordingIn } from './wording.ts';

/** An answer to a question of ours: by the asker only, once, within the hour. The question becomes the status message. */
export const chooseButton: RunButton = {
  action: chooseAction,
  async press(click, desk) {
    const { store, command } = desk;
    const language = await desk.languageOf(click.user, '');
    const found = await openQuestion(store, click.value);
    if (!found.answered) {
      await desk.tell(click, ownWords(wordingIn(language).queueDown));
      return;
    }
    const { question } = found;
    if (question === null || question.channel !== click.channel) {
      await desk.tell(click, frontWording(language).questionExpired(command));
      return;
    }
    if (question.user !== click.user) {
      await desk.tell(click, frontWording(language).notYours(mentionOf(question.user)));
      return;
    }
    const choice = click.action.slice(chooseAction.length + 1);
    const text = choice === guessChoice ? question.guess : question.choices[Number(choice)];
    if (text === undefined) return;
    const once = await claim(store, chosenKey(question.id), choice, deliveryLeaseMs);
    if (once.got !== 'first') {
      const wording =
        once.got === 'again' ? frontWording(language).alreadyChosen : ownWords(wordingIn(language).queueDown);
      await desk.tell(click, wording);
      return;
    }
    const outcome = await desk.start({
      runId: runIdOf('chosen', question.id, click.triggerId),
      text,
      asker: { user: click.user, channel: click.channel, language: question.language },
      rootTs: question.rootTs ?? question.ts,
      statusTs: question.ts,
      settled: question.settled,
      wasRead: question.wasRead,
      redelivered: false,
      tell: (answer, blocks) => desk.tell(click, answer, blocks),
    });
    // Refused, or Redis went away: the person may choose again.
    if (outcome === 'failed' || outcome === 'told') await once.release();
    else await once.keep(draftMs);
  },
};
