import { groupsIn } from '../access.ts';
import { createChatDirectory } from '../adapters/slack/chat-directory.ts';
import { createSlackCalls } from '../adapters/slack/slack-calls.ts';
import { slackHealth } from '../adapters/slack/slack-health.ts';
import type { Config } from '../config.ts';
import type { Check } from './doctor.ts';

/** Whether Slack knows the user groups and channels that `access` names, and takes posts of schedules. Never rejects. */
export async function checkSlackNames(
  { access, schedules }: Pick<Config, 'access' | 'schedules'>,
  botToken: string,
  slackApiUrl: string | undefined,
): Promise<readonly Check[]> {
  const calls = createSlackCalls({ token: botToken, slackApiUrl, timeoutMs: 5000 });
  const directory = createChatDirectory(calls, { withinMs: 6000 });
  const checks: Check[] = [];
  for (const group of groupsIn(access)) {
    const handle = await directory.groupHandle(group);
    // Nobody has this id, so the answer is about the group alone.
    const isAsked = handle !== undefined || (await directory.isIn(group, 'U')) !== 'unknown';
    const what = `access: group ${group}`;
    if (handle !== undefined) checks.push({ what, state: 'ok', detail: `@${handle} is there`, todo: '' });
    else if (isAsked)
      checks.push({
        what,
        state: 'failed',
        detail: 'Slack has no such user group; its grant covers nobody',
        todo: 'write its handle as Slack shows it (@sre-oncall), or its id',
      });
    else
      checks.push({
        what,
        state: 'failed',
        detail: 'Slack does not tell who is in it; its members are refused',
        todo: 'the bot needs the scope usergroups:read: paste slack-manifest.yaml anew, reinstall',
      });
  }
  const channels = new Set(
    (access ?? []).flatMap(({ channels }) => channels ?? []).filter((one) => !one.endsWith('*')),
  );
  for (const channel of channels) {
    const info = await calls.call('conversations.info', { channel });
    const what = `access: channel ${channel}`;
    if (info.outcome === 'ok') checks.push({ what, state: 'ok', detail: 'is there', todo: '' });
    else if (info.outcome === 'refused' && info.error === 'channel_not_found')
      checks.push({
        what,
        state: 'warning',
        detail: 'netcheck cannot see it: it does not exist, or is private and netcheck is not in it',
        todo: 'write its id (C…, at the bottom of the channel details), and /invite @netcheck there',
      });
    else
      checks.push({
        what,
        state: 'skipped',
        detail: `not checked (${info.outcome === 'refused' ? info.error : info.outcome})`,
        todo: '',
      });
  }
  for (const channel of new Set((schedules ?? []).map((one) => one.channel))) {
    const posting = (await slackHealth({ botToken, slackApiUrl, channel })).find(({ name }) => name === 'can post');
    if (posting === undefined) continue;
    const { state, detail, hint } = posting;
    checks.push({ what: `schedules: channel ${channel}`, state, detail, todo: hint });
  }
  return checks;
}
