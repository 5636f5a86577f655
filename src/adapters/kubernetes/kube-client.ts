import { Agent, request } from 'node:https';
import type { ClusterRead, ClusterTrouble } from '../../model/cluster.ts';
import type { KubeAccess, KubeCredential } from './kube-config.ts';

export interface KubeClientOptions {
  /** For one request, also a slow one. Default 3 s. */
  readonly timeoutMs?: number;
  /** How long an answer is used again. Default 10 s. */
  readonly keepMs?: number;
}

/** Reads JSON documents of the API; it has no other verb. */
export interface KubeClient {
  /**
   * @param path begins with `/api`; names in it are percent-encoded already
   * @param fresh asks again, also where an answer is kept
   * @returns `null` where there is no such object (404)
   */
  get(path: string, options?: { readonly fresh?: boolean }): Promise<ClusterRead<unknown>>;
  close(): void;
}

const maxBytes = 64 * 1024 * 1024;
const mostKept = 256;

/**
 * A client for the API server: GET only, certificate always checked, few connections, answers kept for seconds.
 * Nothing rejects: an API that is down is data.
 */
export function createKubeClient(access: KubeAccess, options: KubeClientOptions = {}): KubeClient {
  const { timeoutMs = 3000, keepMs = 10_000 } = options;
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 4,
    ...(access.ca === undefined ? {} : { ca: access.ca }),
    ...(access.tlsServerName === undefined ? {} : { servername: access.tlsServerName }),
  });
  const kept = new Map<string, { readonly answer: Promise<ClusterRead<unknown>>; readonly untilMs: number }>();

  async function ask(path: string, again = false): Promise<ClusterRead<unknown>> {
    let credential: KubeCredential;
    try {
      credential = await access.credential(again);
    } catch (error) {
      return failed('unauthorized', error instanceof Error ? error.message : String(error));
    }
    const answer = await send(path, credential);
    if (answer.how === 'failed' && answer.why === 'unauthorized' && !again) return ask(path, true);
    return answer;
  }

  function send(path: string, { token, cert, key }: KubeCredential): Promise<ClusterRead<unknown>> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const settle = (answer: ClusterRead<unknown>): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      const asking = request(`${access.server}${path}`, {
        agent,
        method: 'GET',
        headers: {
          accept: 'application/json',
          'user-agent': 'netcheck',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        ...(cert === undefined ? {} : { cert, key }),
      });
      timer = setTimeout(() => {
        settle(failed('timedOut', `it did not answer within ${timeoutMs} ms`));
        asking.destroy();
      }, timeoutMs);
      asking.once('error', (error) => settle(failed('unreachable', sentenceOf(error))));
      asking.once('response', (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes <= maxBytes) chunks.push(chunk);
          else {
            settle(failed('invalid', `its answer has more than ${maxBytes} bytes`));
            asking.destroy();
          }
        });
        response.once('error', (error) => settle(failed('unreachable', sentenceOf(error))));
        response.once('end', () => settle(answerOf(response.statusCode ?? 0, Buffer.concat(chunks))));
      });
      asking.end();
    });
  }

  return {
    get(path, { fresh = false } = {}) {
      const known = fresh ? undefined : kept.get(path);
      if (known !== undefined && known.untilMs > Date.now()) return known.answer;
      const answer = ask(path);
      kept.delete(path);
      kept.set(path, { answer, untilMs: Date.now() + keepMs });
      for (const oldest of kept.keys()) {
        if (kept.size <= mostKept) break;
        kept.delete(oldest);
      }
      // Only answers are kept: the API may be back a moment later.
      void answer.then(({ how }) => {
        if (how === 'failed' && kept.get(path)?.answer === answer) kept.delete(path);
      });
      return answer;
    },
    close: () => agent.destroy(),
  };
}

function answerOf(status: number, body: Buffer): ClusterRead<unknown> {
  if (status === 404) return { how: 'read', value: null };
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    value = undefined;
  }
  if (status === 200 && value !== undefined) return { how: 'read', value };
  const said = messageIn(value);
  if (status === 401) return failed('unauthorized', `it does not accept the credential${said}`);
  if (status === 403) return failed('forbidden', `it does not allow this${said}`);
  if (status === 200) return failed('invalid', 'its answer is not JSON');
  return failed(status >= 500 || status === 429 ? 'unreachable' : 'invalid', `it answered HTTP ${status}${said}`);
}

/** `Status.message` of the API, on one line and cut. */
function messageIn(value: unknown): string {
  if (typeof value !== 'object' || value === null || !('message' in value) || typeof value.message !== 'string')
    return '';
  const text = value.message.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return text === '' ? '' : `: ${text.slice(0, 200)}`;
}

function failed(why: ClusterTrouble, message: string): ClusterRead<never> {
  return { how: 'failed', why, message };
}

function sentenceOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ECONNREFUSED':
      return 'the connection is refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name has no address here';
    case 'ECONNRESET':
      return 'the connection was cut';
    default:
      return /CERT|SIGNATURE|ALTNAME/.test(code)
        ? `its certificate cannot be trusted (${code})`
        : error.message.slice(0, 200);
  }
}
