import type { Language } from '../../model/language.ts';

/** A refusal of Slack in words: what is wrong, and what a person does about it. */
export interface Refusal {
  readonly message: string;
  readonly hint: string;
}

type Sentences = Readonly<Record<Language, readonly [message: string, hint: string]>>;

const notInChannel: Sentences = {
  en: [
    'netcheck is not in this channel, so it cannot answer here.',
    'Type /invite @netcheck in the channel, then ask again.',
  ],
  zh: ['netcheck 不在此频道中，无法在这里回答。', '在频道里输入 /invite @netcheck，然后重新提问。'],
};
const badToken: Sentences = {
  en: [
    'Slack does not accept the bot token any more.',
    'Reinstall the app (api.slack.com/apps > OAuth & Permissions), put the new token in SLACK_BOT_TOKEN, restart netcheck.',
  ],
  zh: [
    'Slack 不再接受机器人令牌。',
    '重新安装应用（api.slack.com/apps > OAuth & Permissions），更新 SLACK_BOT_TOKEN，重启 netcheck。',
  ],
};
const noMessage: Sentences = {
  en: [
    'The message that netcheck wanted to edit is gone or is not its own.',
    'Nothing to do: the answer comes as a new message.',
  ],
  zh: ['netcheck 要编辑的消息已不存在或不属于它。', '无需处理：回答会以新消息发出。'],
};

/** Errors that trying again does not cure (docs.slack.dev/reference/methods/chat.postMessage, "Errors"). */
const terminal: ReadonlyMap<string, Sentences> = new Map(
  Object.entries({
    not_in_channel: notInChannel,
    channel_not_found: {
      en: [
        'Slack does not show this channel to netcheck.',
        'If it is a private channel or a direct message, type /invite @netcheck there, or ask in a channel that netcheck is in.',
      ],
      zh: [
        'Slack 不允许 netcheck 看到此频道。',
        '如果是私有频道或私信，请在那里输入 /invite @netcheck，或在 netcheck 所在的频道提问。',
      ],
    },
    is_archived: {
      en: ['This channel is archived.', 'Ask again in a channel that is open.'],
      zh: ['此频道已归档。', '请在未归档的频道里重新提问。'],
    },
    thread_not_found: {
      en: ['The thread that netcheck wanted to answer in is gone.', 'Ask again in the channel.'],
      zh: ['netcheck 要回答的消息列已不存在。', '请在频道里重新提问。'],
    },
    restricted_action: {
      en: [
        'A workspace setting keeps apps from posting in this channel.',
        'Ask a workspace administrator, or use another channel.',
      ],
      zh: ['工作区设置禁止应用在此频道发消息。', '请联系工作区管理员，或换一个频道。'],
    },
    missing_scope: {
      en: [
        'The Slack app lacks a permission that netcheck needs.',
        'Compare its scopes with slack-manifest.yaml, then reinstall the app; `netcheck doctor` names the missing scope.',
      ],
      zh: [
        'Slack 应用缺少 netcheck 需要的权限。',
        '对照 slack-manifest.yaml 检查权限范围并重新安装应用；`netcheck doctor` 会指出缺少的范围。',
      ],
    },
    message_not_found: noMessage,
    cant_update_message: noMessage,
    edit_window_closed: noMessage,
    user_not_in_channel: {
      en: ['The person is not in the channel any more.', 'Nothing to do.'],
      zh: ['该用户已不在频道中。', '无需处理。'],
    },
    invalid_auth: badToken,
    not_authed: badToken,
    account_inactive: badToken,
    token_revoked: badToken,
    token_expired: badToken,
    team_disabled: badToken,
    user_removed_from_team: badToken,
    org_login_required: badToken,
  }),
);

const deadTokens: ReadonlySet<string> = new Set(
  [...terminal].flatMap(([error, sentences]) => (sentences === badToken ? [error] : [])),
);
const badShapes: ReadonlySet<string> = new Set([
  'invalid_blocks',
  'invalid_blocks_format',
  'msg_blocks_too_long',
  'invalid_attachments',
  'invalid_metadata_format',
  'invalid_metadata_schema',
  'metadata_too_large',
]);

/** True where every further call of this process would be refused too: the token is dead. */
export function isDeadToken(error: string): boolean {
  return deadTokens.has(error);
}

/** True where the same message as plain text has a chance. */
export function isBadShape(error: string): boolean {
  return badShapes.has(error);
}

/** One sentence and one hint for any error that Slack answered with; also for errors that we do not know. */
export function refusalOf(error: string, language: Language): Refusal {
  const sentences = terminal.get(error);
  if (sentences !== undefined) {
    const [message, hint] = sentences[language];
    return { message, hint };
  }
  return language === 'zh'
    ? { message: `Slack 拒绝了该消息（${error}）。`, hint: '运行 `netcheck doctor` 检查 Slack 设置。' }
    : { message: `Slack refused the message (${error}).`, hint: 'Run `netcheck doctor` to check the Slack set-up.' };
}
