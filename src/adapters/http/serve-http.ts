import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { NetcheckError } from '../../model/errors.ts';

/** What a route says. `body`: text as it is, anything else as one line of JSON. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
  /** Default: JSON. */
  readonly contentType?: string;
}

interface RoutePlace {
  readonly method: 'GET' | 'POST';
  /** Exact, without a query. */
  readonly path: string;
}

/** A path that is answered here. Only health may be without a token. */
export interface AnsweredRoute extends RoutePlace {
  /** The request must carry it as `Authorization: Bearer …`. */
  readonly token?: string | undefined;
  /** The body must be JSON and not longer than this. Absent: no body is read. */
  readonly maxBodyBytes?: number | undefined;
  /**
   * @param json the body as parsed; undefined where none is read
   * @returns the answer; what it rejects with becomes a 500 without details
   */
  readonly answer: (json: unknown) => Promise<HttpAnswer>;
}

/** A path whose requests somebody else reads, verifies and answers: Slack's, in HTTP mode. */
export interface ForwardedRoute extends RoutePlace {
  readonly listener: RequestListener;
}

export type HttpRoute = AnsweredRoute | ForwardedRoute;

export interface HttpLimits {
  /** For all headers of a request, milliseconds. */
  readonly headersMs: number;
  /** For a whole request with its body, milliseconds. */
  readonly requestMs: number;
  /** A connection on which nothing happens, milliseconds. */
  readonly idleMs: number;
  /** Open connections; more are closed as they come. */
  readonly connections: number;
}

/** Ours are small requests of few clients; a client that takes longer does it on purpose. */
const defaultLimits: HttpLimits = { headersMs: 10_000, requestMs: 20_000, idleMs: 30_000, connections: 200 };

/** How long a client whose body is not read may still take to hear why. */
const lingerMs = 1000;

export interface ServeHttpOptions {
  /** 0: any free one. */
  readonly port: number;
  readonly routes: readonly HttpRoute[];
  /** What to do where the port cannot be had. */
  readonly portHint: string;
  readonly limits?: Partial<HttpLimits> | undefined;
  readonly log?: ((line: string) => void) | undefined;
}

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * The one HTTP server of a process: every path that netcheck answers is in `routes`. Slow, endless and nosy clients
 * are cut off by time, size and number; a missing or wrong token is noticed before any of the body is read.
 *
 * @throws NetcheckError `config/invalid` where the port cannot be listened on
 */
export async function serveHttp(options: ServeHttpOptions): Promise<HttpServer> {
  const limits = { ...defaultLimits, ...options.limits };
  const log = options.log ?? (() => {});
  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: Math.min(5000, limits.idleMs),
      // How often Node looks for requests that are late; its own 30 s would make the limits above meaningless.
      connectionsCheckingInterval: Math.min(1000, limits.headersMs),
    },
    (request, response) => {
      serve(options.routes, request, response).catch((error: unknown) => {
        log(
          `http: ${request.method ?? ''} ${pathOf(request)}: ${error instanceof Error ? error.message : String(error)}`,
        );
        if (response.headersSent) response.destroy();
        else say(request, response, { status: 500, body: { error: 'netcheck itself failed on this request.' } });
      });
    },
  );
  server.maxConnections = limits.connections;
  server.maxHeadersCount = 100;
  server.timeout = limits.idleMs;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, resolve);
  }).catch((cause: unknown) => {
    throw new NetcheckError(
      'config/invalid',
      `Port ${options.port} cannot be listened on: ${cause instanceof Error ? cause.message : String(cause)}.`,
      options.portHint,
      { cause },
    );
  });
  server.on('error', (error) => log(`http: ${error.message}`));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(routes: readonly HttpRoute[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const here = routes.filter(({ path }) => path === pathOf(request));
  if (here.length === 0) return say(request, response, { status: 404, body: { error: 'There is nothing here.' } });
  const route = here.find(({ method }) => method === request.method);
  if (route === undefined) {
    const allow = here.map(({ method }) => method).join(', ');
    response.setHeader('allow', allow);
    return say(request, response, { status: 405, body: { error: `Only ${allow} is answered here.` } });
  }
  if ('listener' in route) {
    route.listener(request, response);
    return undefined;
  }
  if (route.token !== undefined && !carries(request, route.token)) {
    response.setHeader('www-authenticate', 'Bearer');
    return say(request, response, {
      status: 401,
      body: { error: 'The token is missing or wrong: send Authorization: Bearer and the token.' },
    });
  }
  if (route.maxBodyBytes === undefined) return say(request, response, await route.answer(undefined));
  const body = await readJson(request, route.maxBodyBytes);
  return say(request, response, body.ok ? await route.answer(body.value) : body.refusal);
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '/';
}

/** In a time that tells nothing about how much of the token was right. */
function carries(request: IncomingMessage, token: string): boolean {
  const given = /^Bearer ([^\s]{1,500})$/iu.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

async function readJson(
  request: IncomingMessage,
  maxBytes: number,
): Promise<{ readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly refusal: HttpAnswer }> {
  const refused = (status: number, error: string) => ({ ok: false as const, refusal: { status, body: { error } } });
  if (!/^application\/json\s*(?:;|$)/iu.test(request.headers['content-type'] ?? ''))
    return refused(415, 'Only JSON is read here: send Content-Type: application/json.');
  const tooBig = refused(413, `The body is longer than ${maxBytes} bytes.`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return tooBig;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Not `for await`: leaving that early destroys the connection before the client has heard why.
  const whole = await new Promise<boolean>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) chunks.push(chunk);
      else resolve(false);
    });
    request.once('end', () => resolve(true)).once('error', reject);
    request.once('close', () => reject(new Error('the client went away')));
  });
  if (!whole) return tooBig;
  try {
    return { ok: true, value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))) };
  } catch {
    return refused(400, 'The body is not JSON.');
  }
}

function say(request: IncomingMessage, response: ServerResponse, { status, body, contentType }: HttpAnswer): void {
  const unread = !request.complete;
  if (unread) {
    // What still comes of the body is thrown away, and not for long.
    response.setHeader('connection', 'close');
    request.removeAllListeners('data').resume();
    response.once('finish', () => setTimeout(() => request.socket.destroy(), lingerMs).unref());
  }
  response.writeHead(status, {
    'content-type': contentType ?? 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(typeof body === 'string' ? body : `${JSON.stringify(body)}\n`);
}
