import { type App, type Logger, LogLevel, type Receiver, SocketModeReceiver } from '@slack/bolt';
import { NetcheckError } from '../../model/errors.ts';
import { pause } from './pause.ts';
import { isRecord } from './is-record.ts';
import { outcomeOf, webClientOptions } from './slack-calls.ts';

export interface SocketReceiverOptions {
  readonly appToken: string;
  readonly slackApiUrl?: string | undefined;
  readonly logger: Logger;
  /** First wait after a failed connection; doubles up to 30 s. Default 500. */
  readonly backoffMs?: number | undefined;
  /** Without a working socket for this long, netcheck counts as dead. Default 10 minutes. */
  readonly giveUpAfterMs?: number | undefined;
  /** Called once: Slack will not let us in any more, or was away for too long. */
  readonly onDead: (error: NetcheckError) => void;
}

/** Errors of apps.connections.open that waiting does not cure. */
const hopeless = new Set([
  'not_authed',
  'invalid_auth',
  'account_inactive',
  'user_removed_from_team',
  'team_disabled',
  'token_revoked',
  'token_expired',
  'not_allowed_token_type',
  'missing_scope',
  'access_denied',
  'forbidden_team',
  'app_is_disabled',
]);

interface Link {
  readonly receiver: SocketModeReceiver;
  /** Slack said that it ends, or it has ended. */
  ending: boolean;
  onEnding: () => void;
}

/**
 * Socket Mode that stays up. Bolt's own reconnecting leaves a gap of seconds on every refresh and, when Slack refuses
 * the token then, dies with an unhandled rejection and no word (socket-mode 3.1); so each connection here is one
 * receiver that never reconnects, and this supervisor opens the next one as soon as Slack announces the end of the
 * old one.
 */
export class SocketReceiver implements Receiver {
  readonly #options: SocketReceiverOptions;
  #app: App | undefined;
  #stopping = new AbortController();
  #links = new Set<Link>();
  #connected = 0;
  #greetings = 0;
  #downSinceMs: number | undefined;
  #dead = false;

  constructor(options: SocketReceiverOptions) {
    this.#options = options;
  }

  /** Whether at least one socket is open and greeted by Slack. */
  get isConnected(): boolean {
    return this.#connected > 0;
  }

  init(app: App): void {
    this.#app = app;
  }

  /** Connects. Rejects with `slack/refused` or `slack/unreachable`; later trouble goes to `onDead`. */
  async start(): Promise<void> {
    this.#stopping = new AbortController();
    await this.#connect(true);
  }

  /** Closes every socket. Slack may leave the TCP connection open after the close handshake, so that is not awaited for long. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const links = [...this.#links];
    await Promise.all(
      links.map(async ({ receiver }) => {
        await Promise.race([receiver.client.disconnect(), pause(500)]);
        // A second disconnect while the first waits for the peer drops the connection.
        if (receiver.client.websocket?.isActive() === false) receiver.client.websocket.disconnect();
      }),
    );
  }

  /** Opens one connection; tries for as long as there is hope. */
  async #connect(first: boolean): Promise<void> {
    const { logger, backoffMs = 500, giveUpAfterMs = 600_000 } = this.#options;
    const { signal } = this.#stopping;
    let waitMs = backoffMs;
    this.#downSinceMs ??= performance.now();
    for (let tries = 1; !signal.aborted; tries += 1) {
      const link = this.#newLink();
      try {
        await greeted(link.receiver, signal);
        this.#onConnected(link);
        return;
      } catch (error) {
        this.#links.delete(link);
        if (signal.aborted) return;
        const outcome = outcomeOf(error);
        const why =
          outcome.outcome === 'refused'
            ? outcome.error
            : outcome.outcome === 'rateLimited'
              ? 'Slack answered 429'
              : outcome.why;
        if (outcome.outcome === 'refused' && hopeless.has(outcome.error)) {
          const refused = new NetcheckError(
            'slack/refused',
            `Slack refuses the Socket Mode connection (${why}).`,
            'Check SLACK_APP_TOKEN: an app-level token (xapp-…) with connections:write, of an app that is installed and has Socket Mode on.',
            { cause: error },
          );
          if (first) throw refused;
          this.#die(refused);
          return;
        }
        const downMs = performance.now() - (this.#downSinceMs ?? performance.now());
        if ((first && tries >= 4) || (!this.isConnected && downMs > giveUpAfterMs)) {
          const unreachable = new NetcheckError(
            'slack/unreachable',
            `No Socket Mode connection to Slack for ${Math.round(downMs / 1000)} s (${why}).`,
            'Check the network and proxy of this machine, and status.slack.com.',
            { cause: error },
          );
          if (first) throw unreachable;
          this.#die(unreachable);
          return;
        }
        logger.warn(`Socket Mode: connecting failed (${why}), next try in ${waitMs} ms`);
        await pause(outcome.outcome === 'rateLimited' ? outcome.retryAfterMs : waitMs, signal);
        waitMs = Math.min(waitMs * 2, 30_000);
      }
    }
  }

  #newLink(): Link {
    const { appToken, slackApiUrl, logger } = this.#options;
    const receiver = new SocketModeReceiver({
      appToken,
      logger: withoutSocketErrors(logger),
      logLevel: LogLevel.WARN,
      autoReconnectEnabled: false,
      installerOptions: { clientOptions: webClientOptions({ slackApiUrl }) },
    });
    if (this.#app !== undefined) receiver.init(this.#app);
    const { client } = receiver;
    const link: Link = { receiver, ending: false, onEnding() {} };
    const end = () => {
      if (link.ending) return;
      link.ending = true;
      link.onEnding();
    };
    client.on('ws_message', (data: unknown) => {
      if (!isGoodbye(data)) return;
      end();
      // Slack answers the close handshake but keeps the connection: a second disconnect lets go of it, timers and all.
      setTimeout(() => client.websocket?.disconnect(), 200).unref();
    });
    client.on('disconnected', () => {
      this.#links.delete(link);
      end();
    });
    this.#links.add(link);
    return link;
  }

  #onConnected(link: Link): void {
    this.#connected += 1;
    if (this.#greetings > 0) {
      const downMs = this.#downSinceMs === undefined ? 0 : Math.round(performance.now() - this.#downSinceMs);
      this.#options.logger.warn(`Socket Mode: connected again after ${downMs} ms`);
    }
    this.#greetings += 1;
    this.#downSinceMs = undefined;
    link.onEnding = () => {
      this.#connected -= 1;
      if (this.#connected === 0) this.#downSinceMs = performance.now();
      if (!this.#stopping.signal.aborted) void this.#connect(false);
    };
    // Slack's goodbye may come with its hello.
    if (link.ending) link.onEnding();
  }

  #die(error: NetcheckError): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#options.onDead(error);
  }
}

/** Cut connections are this supervisor's daily business; the client reports each one twice, without a reason. */
function withoutSocketErrors(logger: Logger): Logger {
  return {
    ...logger,
    error(...parts: unknown[]) {
      if (!String(parts[0]).startsWith('WebSocket error')) logger.error(...parts);
    },
  };
}

/** How long Slack may take from the request to its "hello". */
const greetingTimeoutMs = 30_000;

/** Resolves when Slack has said hello; rejects when it refuses, closes, or stays silent. */
async function greeted(receiver: SocketModeReceiver, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  let abandoned = false;
  const starting = receiver.client.start().then(() => {
    // A connection that opens after it was given up would take deliveries that nobody watches over.
    if (abandoned) void receiver.client.disconnect();
    return 'hello' as const;
  });
  try {
    const first = await Promise.race([starting, pause(greetingTimeoutMs, either).then(() => 'silence' as const)]);
    if (first === 'hello') return;
    abandoned = true;
    void receiver.client.disconnect();
    throw new Error('Slack did not say hello');
  } finally {
    over.abort();
  }
}

/** Slack announces that it will close this connection (`warning`, `refresh_requested`, `too_many_websockets`). */
function isGoodbye(data: unknown): boolean {
  if (typeof data !== 'string' || !data.includes('"disconnect"')) return false;
  try {
    const message: unknown = JSON.parse(data);
    return isRecord(message) && message['type'] === 'disconnect';
  } catch {
    return false;
  }
}
