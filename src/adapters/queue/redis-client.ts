import { Redis, type RedisOptions } from 'ioredis';
import { NetcheckError } from '../../model/errors.ts';
import type { QueueLog } from './queue-log.ts';

/** Where Redis is, in a form that may be shown: without user and password. */
export interface RedisPlace {
  readonly options: RedisOptions;
  readonly shown: string;
}

/**
 * Reads `redis://[user:password@]host[:port][/db]`, `rediss://…` (TLS), `unix:/path` or `/path`.
 *
 * @throws NetcheckError `config/invalid`; the message never repeats the address, which may hold a password
 */
export function readRedisUrl(redisUrl: string): RedisPlace {
  const path = /^(?:unix:(?:\/\/)?)?(\/.*)$/.exec(redisUrl)?.[1];
  if (path !== undefined) return { options: { path }, shown: path };
  const url = URL.canParse(redisUrl) ? new URL(redisUrl) : undefined;
  const db = url === undefined ? '' : url.pathname.replace(/^\//, '');
  const username = decoded(url?.username ?? '');
  const password = decoded(url?.password ?? '');
  if (
    url === undefined ||
    !/^rediss?:$/.test(url.protocol) ||
    url.hostname === '' ||
    !/^\d*$/.test(db) ||
    username === undefined ||
    password === undefined
  ) {
    throw new NetcheckError(
      'config/invalid',
      'REDIS_URL is not an address of a Redis.',
      'Use redis://[user:password@]host[:port][/db], rediss://… for TLS, or unix:/path/of/the/socket.',
    );
  }
  const port = url.port === '' ? 6379 : Number(url.port);
  return {
    options: {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password }),
      ...(db === '' ? {} : { db: Number(db) }),
      ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
    },
    shown: `${url.hostname}:${port}`,
  };
}

/** Undefined where the percent-encoding is broken. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/**
 * How a client behaves while Redis is away.
 *
 * - `refuse`: every command fails at once. For the front, which has three seconds to answer a slash command.
 * - `wait`: commands wait until Redis is back. For workers, whose run must go on and be recorded afterwards.
 */
export type WhileAway = 'refuse' | 'wait';

const frozenAfterMs = 2_000;
/** After a server has said that it is a replica, connections to it are made no more often than this. */
const demotedMs = 1_000;

/**
 * A client that reconnects for ever, soon (at most every second), and never lets an `error` event go unheard. A server
 * that has become a replica (`READONLY`) is one to leave: after a failover the address leads to another, and only who
 * connects anew gets there.
 */
export function openClient(place: RedisPlace, whileAway: WhileAway, name: string, log: QueueLog): Redis {
  let demotedAtMs = Number.NEGATIVE_INFINITY;
  let reported = false;
  let proving: NodeJS.Timeout | undefined;
  const options: RedisOptions & { replyMapping: 'legacy' } = {
    ...place.options,
    replyMapping: 'legacy',
    connectionName: name,
    connectTimeout: 5_000,
    retryStrategy: (times) =>
      performance.now() - demotedAtMs < 2 * demotedMs ? demotedMs : Math.min(50 * times, 1_000),
    reconnectOnError(error) {
      if (!error.message.startsWith('READONLY')) return false;
      demotedAtMs = performance.now();
      if (!reported) log('warn', `Redis at ${place.shown} has become a replica: connecting anew (${name})`);
      reported = true;
      // Nothing was done: what may wait is sent again.
      return whileAway === 'wait' ? 2 : 1;
    },
    ...(whileAway === 'refuse'
      ? {
          enableOfflineQueue: false,
          maxRetriesPerRequest: 0,
          autoResendUnfulfilledCommands: false,
          commandTimeout: frozenAfterMs,
        }
      : { maxRetriesPerRequest: null }),
  };
  const client = new Redis(options);
  // Each command that a replica has refused ends its connection once more, and ioredis listens for that each time.
  client.on('connect', () => client.stream.setMaxListeners(0));
  client.on('error', (error: Error) => {
    if (!reported) log('warn', `Redis at ${place.shown}: ${reasonOf(error)} (${name})`);
    reported = true;
  });
  // A Redis that is back before the first new attempt has never been an error.
  client.on('reconnecting', () => {
    clearTimeout(proving);
    if (!reported) log('warn', `Redis at ${place.shown}: the connection was lost (${name})`);
    reported = true;
  });
  const back = (): void => {
    if (reported) log('info', `Redis at ${place.shown} is back (${name})`);
    reported = false;
  };
  client.on('ready', () => {
    // A replica lets everybody in: it is the first write that tells.
    if (performance.now() - demotedAtMs > 2 * demotedMs) back();
    else proving = setTimeout(back, 2 * demotedMs).unref();
  });
  return client;
}

/**
 * Resolves when the client is ready for commands.
 *
 * @throws NetcheckError `queue/down` where that takes longer than `withinMs`, with the last thing Redis said
 */
export async function whenReady(client: Redis, place: RedisPlace, withinMs: number): Promise<void> {
  if (client.status === 'ready') return;
  let last: unknown = new Error(`no answer in ${withinMs} ms`);
  const ready = await new Promise<boolean>((resolve) => {
    const settle = (answer: boolean): void => {
      clearTimeout(timer);
      client.off('ready', onReady).off('end', onEnd).off('error', onError);
      resolve(answer);
    };
    const onReady = (): void => settle(true);
    const onEnd = (): void => settle(false);
    const onError = (error: unknown): void => {
      last = error;
      // No use in trying again with the same password.
      if (isRefusal(reasonOf(error))) settle(false);
    };
    const timer = setTimeout(onEnd, withinMs);
    client.on('ready', onReady).on('end', onEnd).on('error', onError);
  });
  if (!ready) throw queueDown(place, last);
}

function isRefusal(reason: string): boolean {
  return /^(NOAUTH|WRONGPASS|NOPERM)/.test(reason);
}

/** `queue/down` with the reason and what to do about it. */
export function queueDown(place: RedisPlace, cause: unknown): NetcheckError {
  const reason = reasonOf(cause);
  return new NetcheckError('queue/down', `Redis at ${place.shown} cannot be used: ${reason}.`, hintFor(reason), {
    cause,
  });
}

/** Redis's own words for states in which it lives and yet does not serve; everything else is about the connection. */
function hintFor(reason: string): string {
  if (isRefusal(reason)) return 'Check the user and the password in REDIS_URL.';
  if (reason.startsWith('OOM')) return 'Redis is full: raise its maxmemory, then try again.';
  if (/^(MISCONF|READONLY)/.test(reason)) return 'Redis does not take writes: see its log, then try again.';
  return 'Check that Redis runs and that REDIS_URL points to it, then try again.';
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message.startsWith("Stream isn't writeable") || error.name === 'MaxRetriesPerRequestError') {
    return 'the connection is lost';
  }
  if (error.message === 'Command timed out') return `no answer in ${frozenAfterMs} ms`;
  // An AggregateError (localhost tried over IPv6 and IPv4) has an empty message of its own.
  const first: unknown = 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : undefined;
  return (error.message || (first instanceof Error ? first.message : '') || error.name).replace(/\.$/, '');
}

/** Waits for `promise`, but not longer than `withinMs`; tells whether it settled. Never rejects. */
export async function settledWithin(promise: Promise<unknown>, withinMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const settled = await Promise.race([
    promise.then(
      () => true,
      () => true,
    ),
    new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), withinMs);
    }),
  ]);
  clearTimeout(timer);
  return settled;
}
