import { NetcheckError } from '../../model/errors.ts';
import { pause } from './pause.ts';
import { refusalOf } from './refusals.ts';
import type { SlackSender } from './slack-sender.ts';
import { stringOf } from './string-of.ts';

/**
 * Asks Slack who we are; a passing failure is tried again for some seconds.
 *
 * @throws NetcheckError `slack/refused` where the token is not good, `slack/unreachable` where nobody answers
 */
export async function whoAmI({
  calls,
}: Pick<SlackSender, 'calls'>): Promise<{ botUserId: string; botId: string; team: string; url: string }> {
  let why = '';
  for (let tries = 1; tries <= 4; tries += 1) {
    const outcome = await calls.call('auth.test', {});
    switch (outcome.outcome) {
      case 'ok': {
        const { user_id, bot_id, team, url } = outcome.response;
        return { botUserId: stringOf(user_id), botId: stringOf(bot_id), team: stringOf(team), url: stringOf(url) };
      }
      case 'refused': {
        const refusal = refusalOf(outcome.error, 'en');
        throw new NetcheckError('slack/refused', `${refusal.message} (${outcome.error})`, refusal.hint);
      }
      case 'rateLimited':
        why = 'Slack answered 429';
        await pause(outcome.retryAfterMs);
        break;
      case 'notSent':
      case 'ambiguous':
        why = outcome.why;
        if (tries < 4) await pause(500 * 2 ** tries);
        break;
    }
  }
  throw new NetcheckError(
    'slack/unreachable',
    `Slack does not answer (${why}).`,
    'Check the network and proxy of this machine, SLACK_API_URL, and status.slack.com.',
  );
}
