import { escapeMrkdwnUpTo } from './escape-mrkdwn.ts';

/** Ids of Slack users become mentions; any other name is text. */
export function slackMention(who: string): string {
  return /^[UW][A-Z0-9]{2,20}$/.test(who) ? `<@${who}>` : escapeMrkdwnUpTo(who, 80);
}
