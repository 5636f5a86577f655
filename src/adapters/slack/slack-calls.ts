import { webApi } from '@slack/bolt';
import { boltLogger } from './bolt-logger.ts';
import { isRecord } from './is-record.ts';

/** What became of one call of the Web API. Only `ok` and `refused` are certain answers of Slack. */
export type CallOutcome =
  | { readonly outcome: 'ok'; readonly response: Readonly<Record<string, unknown>>; readonly scopes: readonly string[] }
  /** Slack answered 429: nothing was done; the same call is welcome after `retryAfterMs`. */
  | { readonly outcome: 'rateLimited'; readonly retryAfterMs: number }
  /** Slack understood and said no. `detail`: which block is wrong, which scope is needed. */
  | { readonly outcome: 'refused'; readonly error: string; readonly detail: string }
  /** The request never reached Slack (name not found, connection refused). Safe to repeat. */
  | { readonly outcome: 'notSent'; readonly why: string }
  /** Time-out, 5xx, connection reset: Slack may or may not have done it. */
  | { readonly outcome: 'ambiguous'; readonly why: string };

/** The Web API as the rest of this folder sees it. Never rejects. */
export interface SlackCalls {
  /** @param method such as `chat.postMessage` @param args its arguments, JSON values */
  call(method: string, args: Readonly<Record<string, unknown>>): Promise<CallOutcome>;
  /** Sends the bytes of a file to the address that `files.getUploadURLExternal` named. */
  upload(url: string, bytes: Uint8Array): Promise<CallOutcome>;
}

export interface SlackCallsOptions {
  readonly token: string;
  /** Ends in `/api/`. */
  readonly slackApiUrl?: string | undefined;
  /** Time-out of one request. Default 10 s. */
  readonly timeoutMs?: number | undefined;
  /** Told of every call with what became of it. Must not throw. */
  readonly onCall?: OnCall | undefined;
}

export type OnCall = (method: string, outcome: CallOutcome) => void;

/** Options that every WebClient of netcheck has: no hidden retries, no queue that one 429 stops for all. */
export function webClientOptions(
  options: Pick<SlackCallsOptions, 'slackApiUrl' | 'timeoutMs'>,
): webApi.WebClientOptions {
  return {
    timeout: options.timeoutMs ?? 10_000,
    rejectRateLimitedCalls: true,
    retryConfig: { retries: 0 },
    // Every failure comes back as an outcome; the client's own warnings would only say it twice.
    logger: boltLogger(() => {}),
    ...(options.slackApiUrl === undefined ? {} : { slackApiUrl: options.slackApiUrl }),
  };
}

/** Files are larger than messages, and lines are slow. */
const uploadTimeoutMs = 60_000;

/** The real Web API, one attempt per call. */
export function createSlackCalls(options: SlackCallsOptions): SlackCalls {
  const client = new webApi.WebClient(options.token, webClientOptions(options));
  const noted = (method: string, outcome: CallOutcome): CallOutcome => {
    options.onCall?.(method, outcome);
    return outcome;
  };
  return {
    async call(method, args) {
      try {
        const response = await client.apiCall(method, { ...args });
        const scopes = response.response_metadata?.scopes ?? [];
        return noted(method, { outcome: 'ok', response: isRecord(response) ? response : {}, scopes });
      } catch (error) {
        return noted(method, outcomeOf(error));
      }
    },
    async upload(url, bytes) {
      try {
        const response = await fetch(url, {
          method: 'POST',
          body: new Uint8Array(bytes),
          headers: { 'content-type': 'application/octet-stream' },
          signal: AbortSignal.timeout(uploadTimeoutMs),
        });
        await response.arrayBuffer();
        return response.ok
          ? { outcome: 'ok', response: {}, scopes: [] }
          : { outcome: 'ambiguous', why: `Slack answered HTTP ${response.status} to an upload` };
      } catch (error) {
        return outcomeOf(error);
      }
    },
  };
}

/** Slack's own trouble, answered with `ok: false`; "some aspect of the operation" may have succeeded. */
const slackTrouble = new Set(['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout']);
/** System errors with which a request cannot have arrived. */
const notSentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** Classifies what `WebClient.apiCall` (web-api 8.2) rejects with. */
export function outcomeOf(error: unknown): Exclude<CallOutcome, { outcome: 'ok' }> {
  if (error instanceof webApi.WebAPIRateLimitedError) {
    return { outcome: 'rateLimited', retryAfterMs: error.retryAfter * 1000 };
  }
  if (error instanceof webApi.WebAPIPlatformError) {
    const name = error.data.error;
    // An HTML page with status 200 arrives as an "error" too.
    if (!/^[a-z0-9_.]{1,100}$/u.test(name))
      return { outcome: 'ambiguous', why: 'Slack answered with something else than JSON' };
    if (name === 'ratelimited' || name === 'rate_limited' || name === 'message_limit_exceeded') {
      return { outcome: 'rateLimited', retryAfterMs: (error.data.response_metadata?.retryAfter ?? 5) * 1000 };
    }
    if (slackTrouble.has(name)) return { outcome: 'ambiguous', why: `Slack answered ${name}` };
    return { outcome: 'refused', error: name, detail: detailOf(error.data) };
  }
  if (error instanceof webApi.WebAPIHTTPError) {
    return { outcome: 'ambiguous', why: `Slack answered HTTP ${error.statusCode}` };
  }
  if (error === undefined) return { outcome: 'ambiguous', why: 'the connection was closed' };
  const code = systemCodeOf(error);
  if (code !== undefined && notSentCodes.has(code)) return { outcome: 'notSent', why: code };
  return { outcome: 'ambiguous', why: code ?? (error instanceof Error ? error.message : 'an unknown error') };
}

/** Why a call is not known to have worked, for logs and errors. */
export function outcomeText(outcome: Exclude<CallOutcome, { outcome: 'ok' }>): string {
  switch (outcome.outcome) {
    case 'rateLimited':
      return `429, again in ${outcome.retryAfterMs} ms`;
    case 'refused':
      return outcome.detail === '' ? outcome.error : `${outcome.error} (${outcome.detail})`;
    case 'notSent':
      return `not sent: ${outcome.why}`;
    case 'ambiguous':
      break;
  }
  return `outcome unknown: ${outcome.why}`;
}

function detailOf(data: object): string {
  if (!isRecord(data)) return '';
  const metadata = data['response_metadata'];
  const messages = isRecord(metadata) && Array.isArray(metadata['messages']) ? metadata['messages'].map(String) : [];
  const needed = typeof data['needed'] === 'string' ? [`needed: ${data['needed']}`] : [];
  return [...messages, ...needed].join('; ');
}

/** The errno or undici code somewhere down the chain of causes. */
function systemCodeOf(error: unknown): string | undefined {
  let current: unknown = error instanceof webApi.WebAPIRequestError ? error.original : error;
  for (let depth = 0; depth < 6 && current instanceof Error; depth += 1) {
    if (current.name === 'TimeoutError' || current.name === 'AbortError') return 'time-out';
    if ('code' in current && typeof current.code === 'string' && !current.code.startsWith('slack_'))
      return current.code;
    if (current instanceof AggregateError && current.errors[0] instanceof Error) current = current.errors[0];
    else current = current.cause;
  }
  return undefined;
}
