import type { RequestListener } from 'node:http';
import { App, type BlockElementAction, HTTPReceiver, type Logger } from '@slack/bolt';
import type { OpenRuns, RunQueue } from '../../engine/ports.ts';
import { NetcheckError } from '../../model/errors.ts';
import type { Language } from '../../model/language.ts';
import { boltLogger } from './bolt-logger.ts';
import type { MayAct } from './behind-button.ts';
import { diagnoseShortcut, searchAction } from './diagnose-form.ts';
import { createFront, type Front } from './front.ts';
import { fieldsOf } from './fields-of.ts';
import type { Knowledge } from './knowledge.ts';
import type { RunShelf } from './run-shelf.ts';
import { createSlackSender, type SlackSender, type SlackSenderOptions } from './slack-sender.ts';
import type { Ask } from './start-run.ts';
import { SocketReceiver, type SocketReceiverOptions } from './socket-receiver.ts';
import { whoAmI } from './who-am-i.ts';

export interface SlackAppOptions extends SlackSenderOptions {
  /** Present: Socket Mode. */
  readonly appToken?: string | undefined;
  /** Needed without `appToken`: requests of Slack to our HTTP port are verified with it. */
  readonly signingSecret?: string | undefined;
  /** Default `/netcheck`. */
  readonly command?: string | undefined;
  readonly language: Language;
  readonly helpText: (language: Language) => string;
  readonly ask: Ask;
  readonly mayAct?: MayAct | undefined;
  readonly queue: RunQueue;
  /** Default: a question that is lost between its delivery and the queue is not looked after. */
  readonly openRuns?: Pick<OpenRuns, 'note' | 'close'> | undefined;
  /** Absent: no form, no App Home, no questions back. */
  readonly knowledge?: Knowledge | undefined;
  /** Default: no run is saved here. */
  readonly shelf?: RunShelf | undefined;
  readonly socket?: Pick<SocketReceiverOptions, 'backoffMs' | 'giveUpAfterMs'> | undefined;
}

export interface SlackAppHealth {
  /** False where only a restart can mend it. */
  readonly healthy: boolean;
  readonly mode: 'socket' | 'http';
  readonly connected: boolean;
  /** Why it is not healthy or not connected. */
  readonly why?: string;
  /** Unix milliseconds of the last message that Slack took. */
  readonly lastSentAtMs?: number;
}

export interface SlackApp {
  readonly sender: SlackSender;
  /** HTTP mode: verifies and takes Slack's requests to {@link slackEventsPath}. Absent in Socket Mode. */
  readonly events?: RequestListener;
  /**
   * Checks the token, then connects (Socket Mode). Rejects with `slack/refused` or `slack/unreachable`.
   * @returns who we are
   */
  start(): Promise<{ readonly botUserId: string; readonly team: string }>;
  health(): SlackAppHealth;
  /** Stops listening, then sends what is left for at most `withinMs` (default 5 s). */
  stop(withinMs?: number): Promise<void>;
}

/**
 * The Slack side of the bot: Bolt over Socket Mode or HTTP, our own authorize (no Web API call stands between a
 * delivery and its acknowledgement) and our own reconnecting (see {@link SocketReceiver}).
 *
 * @throws NetcheckError `config/missing-secret` where neither `appToken` nor `signingSecret` is given
 */
export function createSlackApp(options: SlackAppOptions): SlackApp {
  const { appToken, signingSecret, slackApiUrl } = options;
  const command = options.command ?? '/netcheck';
  const log = options.log ?? (() => {});
  const logger = boltLogger(log);
  let dead: NetcheckError | undefined;
  const onDead = (error: NetcheckError) => {
    if (dead !== undefined) return;
    dead = error;
    log(`slack: ${error.message} ${error.hint}`);
    options.onDead?.(error);
  };
  const sender = createSlackSender({ ...options, onDead });
  let identity: Awaited<ReturnType<typeof whoAmI>> | undefined;
  const front = createFront({
    outbox: sender.outbox,
    calls: sender.calls,
    store: options.store,
    queue: options.queue,
    openRuns: options.openRuns,
    shelf: options.shelf,
    ask: options.ask,
    helpText: options.helpText,
    knowledge: options.knowledge,
    threadLink: (channel, rootTs) =>
      identity === undefined || !/^[CGD][A-Z0-9]+$/u.test(channel) || !/^\d+\.\d+$/u.test(rootTs)
        ? undefined
        : `${identity.url}archives/${channel}/p${rootTs.replace('.', '')}`,
    mayAct: options.mayAct,
    threadOf: (request) => sender.answerThread(request, { attempt: 1 }),
    language: options.language,
    command,
    log,
  });

  const mode = appToken === undefined ? 'http' : 'socket';
  const socket =
    appToken === undefined
      ? undefined
      : new SocketReceiver({ ...options.socket, appToken, slackApiUrl, logger, onDead });
  const receiver = socket ?? httpReceiver(signingSecret, logger);
  const app = new App({
    receiver,
    logger,
    convoStore: false,
    authorize: () =>
      identity === undefined
        ? Promise.reject(new Error('netcheck has not started yet'))
        : Promise.resolve({ botToken: options.botToken, botUserId: identity.botUserId, botId: identity.botId }),
  });
  listen(app, front, command, () => identity?.botUserId ?? '', log);

  function readHealth(): SlackAppHealth {
    const connected = identity !== undefined && (socket?.isConnected ?? true);
    const lastSentAtMs = sender.outbox.lastSentAtMs();
    const why = dead?.message ?? (connected ? undefined : 'no connection to Slack');
    return {
      healthy: dead === undefined,
      mode,
      connected,
      ...(why === undefined ? {} : { why }),
      ...(lastSentAtMs === undefined ? {} : { lastSentAtMs }),
    };
  }

  return {
    sender,
    health: readHealth,
    ...('requestListener' in receiver ? { events: receiver.requestListener } : {}),
    async start() {
      const self = await whoAmI(sender);
      identity = self;
      await socket?.start();
      return { botUserId: self.botUserId, team: self.team };
    },
    async stop(withinMs = 5000) {
      // Over HTTP there is nothing to stop: the server is not ours.
      if (socket !== undefined) await app.stop().catch((error: unknown) => log(`slack: stopping: ${String(error)}`));
      await sender.close(withinMs);
    },
  };
}

/** Everything is acknowledged first (a question is noted before); what follows may take its time and never rejects. */
function listen(app: App, front: Front, command: string, botUserId: () => string, log: (line: string) => void): void {
  app.error(async (error) => {
    log(`slack: ${error.message}`);
  });
  /** False: Slack did not get the acknowledgement, so it told the person that nothing happened. */
  const acknowledged = async (ack: () => Promise<void>): Promise<boolean> => {
    try {
      await ack();
      return true;
    } catch (error) {
      log(`slack: a delivery could not be acknowledged and is left to Slack: ${String(error)}`);
      return false;
    }
  };
  app.command(command, async ({ ack, body }) => {
    const delivery = {
      text: body.text,
      user: body.user_id,
      channel: body.channel_id,
      team: body.team_id,
      triggerId: body.trigger_id,
    };
    await front.noteSlash(delivery);
    if (!(await acknowledged(ack))) return;
    await front.slash({
      ...delivery,
      respond: (text, blocks) => respondTo(body.response_url, text, blocks),
    });
  });
  app.event('app_mention', async ({ event, body, context }) => {
    // Other bots may quote a mention of us; answering them is how bots talk to each other for ever.
    if (event.user === undefined || ('bot_id' in event && event.bot_id !== undefined)) return;
    await front.mention({
      text: event.text,
      user: event.user,
      channel: event.channel,
      team: body.team_id,
      ts: event.ts,
      threadTs: event.thread_ts,
      redelivered: (context.retryNum ?? 0) > 0,
      botUserId: botUserId(),
    });
  });
  app.shortcut({ type: 'message_action', callback_id: diagnoseShortcut }, async ({ ack, body, shortcut }) => {
    if (!(await acknowledged(ack))) return;
    const { message, channel, trigger_id: triggerId } = shortcut;
    const threadTs: unknown = message['thread_ts'];
    await front.shortcut({
      message,
      user: body.user.id,
      channel: channel.id,
      team: body.team?.id ?? '',
      ts: message.ts,
      threadTs: typeof threadTs === 'string' ? threadTs : undefined,
      triggerId,
    });
  });
  // The answer is the acknowledgement.
  app.options<'block_suggestion'>(searchAction, async ({ ack, payload }) => {
    const found = await front.search({
      typed: payload.value,
      user: payload.user.id,
      privateMetadata: payload.view?.private_metadata ?? '',
    });
    const options = found.map(({ text, value }) => ({ text: { ...text }, value }));
    await acknowledged(() => ack({ options }));
  });
  app.event('app_home_opened', async ({ event }) => {
    if (event.tab !== 'messages') await front.homeOpened(event.user);
  });
  // Every button that is ours, also one of an older version that nobody handles any more: Slack wants its answer.
  app.action({ type: 'block_actions', action_id: /^netcheck_/u }, async ({ ack, body, action }) => {
    if (!(await acknowledged(ack))) return;
    const threadTs = body.message?.['thread_ts'];
    await front.press({
      action: action.action_id,
      value: valueOf(action),
      view: body.view && {
        id: body.view.id,
        hash: body.view.hash,
        privateMetadata: body.view.private_metadata,
      },
      user: body.user.id,
      channel: body.channel?.id ?? '',
      threadTs: typeof threadTs === 'string' ? threadTs : body.message?.ts,
      messageTs: body.message?.ts,
      team: body.team?.id ?? '',
      triggerId: body.trigger_id,
    });
  });
  app.view({ type: 'view_submission', callback_id: /^netcheck_/u }, async ({ ack, body, view }) => {
    const verdict = await front.submit({
      callbackId: view.callback_id,
      privateMetadata: view.private_metadata,
      fields: fieldsOf(view.state.values),
      viewId: view.id,
      user: body.user.id,
      team: body.team?.id ?? '',
    });
    if ('errors' in verdict) {
      await acknowledged(() => ack({ response_action: 'errors', errors: { ...verdict.errors } }));
      return;
    }
    if (await acknowledged(() => ack())) await verdict.work();
  });
}

/** The value of a button, or of the option that was picked. */
function valueOf(action: BlockElementAction): string {
  const value =
    action.type === 'button'
      ? action.value
      : action.type === 'static_select'
        ? action.selected_option.value
        : undefined;
  return typeof value === 'string' ? value : '';
}

/** Shows text to the person behind a `response_url` only. Rejects where Slack does not take it within 5 s. */
async function respondTo(url: string, text: string, blocks: readonly unknown[] | undefined): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ response_type: 'ephemeral', text, ...(blocks === undefined ? {} : { blocks }) }),
    signal: AbortSignal.timeout(5000),
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
}

/** Where Slack's requests arrive in HTTP mode. */
export const slackEventsPath = '/slack/events';

/** Slack's largest request is a button with the message that it stands in, form-encoded: below half of this. */
const maxSlackBytes = 1024 * 1024;

/** Never started: the one HTTP server of the process hands it the requests. */
function httpReceiver(signingSecret: string | undefined, logger: Logger): HTTPReceiver {
  if (signingSecret === undefined || signingSecret === '') {
    throw new NetcheckError(
      'config/missing-secret',
      'Neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP) is set.',
      'Set SLACK_APP_TOKEN=xapp-… from api.slack.com/apps > Basic Information > App-Level Tokens.',
    );
  }
  return new HTTPReceiver({ signingSecret, logger, endpoints: slackEventsPath, bodyLimit: maxSlackBytes });
}
