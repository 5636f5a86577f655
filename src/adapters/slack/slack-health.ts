import type { Language } from '../../model/language.ts';
import { refusalOf } from './refusals.ts';
import { createSlackCalls } from './slack-calls.ts';

/** Without these the bot cannot do its work; each with what it is for. Kept equal to slack-manifest.yaml by a test. */
export const requiredScopes = ['commands', 'chat:write', 'app_mentions:read'] as const;
/** Without these it works, with less: history to prove that an answer is not posted twice, files for evidence. */
export const wantedScopes = [
  'chat:write.public',
  'channels:history',
  'groups:history',
  'channels:read',
  'groups:read',
  'files:write',
  'users:read',
  'usergroups:read',
] as const;

export interface SlackCheck {
  readonly name: 'bot token' | 'scopes' | 'app token' | 'can post';
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  /** What was seen, one sentence. */
  readonly detail: string;
  /** What to do about it; empty where there is nothing to do. */
  readonly hint: string;
}

export interface SlackHealthOptions {
  readonly botToken: string;
  readonly appToken?: string | undefined;
  readonly slackApiUrl?: string | undefined;
  /** A channel id to check membership of. */
  readonly channel?: string | undefined;
  readonly language?: Language | undefined;
}

/** Checks Slack for `netcheck doctor` without posting anything. Never rejects. */
export async function slackHealth(options: SlackHealthOptions): Promise<readonly SlackCheck[]> {
  const { slackApiUrl, language = 'en' } = options;
  const bot = createSlackCalls({ token: options.botToken, slackApiUrl, timeoutMs: 5000 });
  const auth = await bot.call('auth.test', {});
  if (auth.outcome !== 'ok') {
    const refused = auth.outcome === 'refused' ? refusalOf(auth.error, language) : undefined;
    const why = auth.outcome === 'refused' ? auth.error : auth.outcome === 'rateLimited' ? '429' : auth.why;
    return [
      {
        name: 'bot token',
        state: 'failed',
        detail: refused === undefined ? `Slack does not answer (${why}).` : `${refused.message} (${why})`,
        hint: refused?.hint ?? 'Check the network and proxy of this machine, SLACK_API_URL, and status.slack.com.',
      },
    ];
  }
  const { user, team, url } = auth.response;
  const checks: SlackCheck[] = [
    { name: 'bot token', state: 'ok', detail: `${String(user)} in ${String(team)} (${String(url)})`, hint: '' },
    scopesCheck(auth.scopes),
  ];
  if (options.appToken !== undefined) {
    // Hands out an address; no connection is opened.
    const open = await createSlackCalls({ token: options.appToken, slackApiUrl, timeoutMs: 5000 }).call(
      'apps.connections.open',
      {},
    );
    checks.push(
      open.outcome === 'ok'
        ? { name: 'app token', state: 'ok', detail: 'Socket Mode may connect.', hint: '' }
        : {
            name: 'app token',
            state: 'failed',
            detail: `Socket Mode may not connect (${open.outcome === 'refused' ? open.error : open.outcome}).`,
            hint: 'SLACK_APP_TOKEN must be an app-level token (xapp-…) with connections:write of the same app, with Socket Mode on.',
          },
    );
  }
  if (options.channel !== undefined) {
    const info = await bot.call('conversations.info', { channel: options.channel });
    checks.push(postCheck(options.channel, info, auth.scopes, language));
  }
  return checks;
}

function scopesCheck(scopes: readonly string[]): SlackCheck {
  const missing = requiredScopes.filter((scope) => !scopes.includes(scope));
  const wanted = wantedScopes.filter((scope) => !scopes.includes(scope));
  const hint = 'Paste slack-manifest.yaml at api.slack.com/apps > App Manifest, then reinstall the app.';
  if (missing.length > 0) return { name: 'scopes', state: 'failed', detail: `missing: ${missing.join(', ')}`, hint };
  if (wanted.length > 0) return { name: 'scopes', state: 'warning', detail: `missing: ${wanted.join(', ')}`, hint };
  return { name: 'scopes', state: 'ok', detail: `all ${requiredScopes.length + wantedScopes.length} there`, hint: '' };
}

function postCheck(
  channel: string,
  info: Awaited<ReturnType<ReturnType<typeof createSlackCalls>['call']>>,
  scopes: readonly string[],
  language: Language,
): SlackCheck {
  if (info.outcome !== 'ok') {
    const error = info.outcome === 'refused' ? info.error : info.outcome;
    if (error === 'missing_scope') {
      return { name: 'can post', state: 'skipped', detail: 'not checked without channels:read', hint: '' };
    }
    const { message, hint } = refusalOf(error, language);
    return { name: 'can post', state: 'failed', detail: `${channel}: ${message}`, hint };
  }
  const about = info.response['channel'];
  const is = (flag: string) =>
    typeof about === 'object' &&
    about !== null &&
    Object.entries(about).some(([key, on]) => key === flag && on === true);
  if (is('is_archived')) {
    const { message, hint } = refusalOf('is_archived', language);
    return { name: 'can post', state: 'failed', detail: `${channel}: ${message}`, hint };
  }
  if (is('is_member') || is('is_im') || (!is('is_private') && scopes.includes('chat:write.public'))) {
    return { name: 'can post', state: 'ok', detail: `may post in ${channel}`, hint: '' };
  }
  const { message, hint } = refusalOf('not_in_channel', language);
  return { name: 'can post', state: 'failed', detail: `${channel}: ${message}`, hint };
}
