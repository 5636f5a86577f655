import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Of the certificate that the fake shows. It is worth nothing outside of these tests. */
export const fakeCa = readFileSync(new URL('cert.pem', import.meta.url), 'utf8');
const key = readFileSync(new URL('key.pem', import.meta.url), 'utf8');

/** What it does instead of answering. */
export type ApiTrouble = 'none' | 'silent' | 'cut' | 'forbidden' | 'garbage' | 'failing';

export interface FakeApiServer {
  /** `https://127.0.0.1:PORT` */
  readonly server: string;
  /** `GET /api/v1/pods?…`, in order. */
  readonly asked: readonly string[];
  /** The tokens that it takes. */
  readonly tokens: Set<string>;
  trouble: ApiTrouble;
  /** Kinds that the account may not read: `networkpolicies`. */
  readonly forbidden: Set<string>;
  /** Every answer comes after so long. */
  delayMs: number;
  close(): Promise<void>;
}

/** A Kubernetes object as the API has it. */
export interface ApiObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  } & Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** Paths of the kinds that it serves; `old`: as a cluster before 1.19 has them. */
const places: Readonly<Record<string, readonly [string, string]>> = {
  Pod: ['/api/v1', 'pods'],
  Service: ['/api/v1', 'services'],
  Node: ['/api/v1', 'nodes'],
  Endpoints: ['/api/v1', 'endpoints'],
  EndpointSlice: ['/apis/discovery.k8s.io/v1', 'endpointslices'],
  Deployment: ['/apis/apps/v1', 'deployments'],
  Ingress: ['/apis/networking.k8s.io/v1', 'ingresses'],
  NetworkPolicy: ['/apis/networking.k8s.io/v1', 'networkpolicies'],
  Namespace: ['/api/v1', 'namespaces'],
  Event: ['/api/v1', 'events'],
  ConfigMap: ['/api/v1', 'configmaps'],
  DaemonSet: ['/apis/apps/v1', 'daemonsets'],
};

/**
 * Stands in for an API server, over HTTPS: bearer tokens, lists with selectors and pages, single objects, `Status` for
 * what goes wrong. It answers GET and nothing else, and remembers what it was asked.
 */
export async function startFakeApiServer(
  objects: readonly ApiObject[],
  {
    pageSize = 500,
    kinds = Object.keys(places),
  }: { readonly pageSize?: number; readonly kinds?: readonly string[] } = {},
): Promise<FakeApiServer> {
  const asked: string[] = [];
  const tokens = new Set(['let-me-in']);
  const forbidden = new Set<string>();
  const state: { trouble: ApiTrouble; delayMs: number } = { trouble: 'none', delayMs: 0 };
  const server = createServer({ cert: fakeCa, key }, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const say = (code: number, body: unknown): void => {
      const answer = (): void => {
        response.writeHead(code, { 'content-type': 'application/json' });
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
      };
      if (state.delayMs === 0) answer();
      else setTimeout(answer, state.delayMs).unref();
    };
    const status = (code: number, message: string): void => say(code, { kind: 'Status', code, message });
    if (request.method !== 'GET') return status(405, 'the fake only reads');
    if (state.trouble === 'silent') return undefined;
    if (state.trouble === 'cut') return void request.socket.destroy();
    if (state.trouble === 'garbage') return say(200, '<html>a proxy');
    if (state.trouble === 'failing') return status(500, 'etcdserver: leader changed');
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!tokens.has(token)) return status(401, 'Unauthorized');
    if (state.trouble === 'forbidden') return status(403, 'pods is forbidden: User "netcheck" cannot list resource');
    const url = new URL(request.url ?? '/', 'https://fake');
    const plural = [...forbidden].find((one) => new RegExp(`/${one}(?:/|$)`).test(url.pathname));
    if (plural !== undefined) return status(403, `${plural} is forbidden: User "netcheck" cannot list resource`);
    const found = answer(url.pathname, url.searchParams);
    return found === null ? status(404, 'the server could not find the requested resource') : say(200, found);
  });

  function answer(path: string, query: URLSearchParams): unknown {
    for (const kind of kinds) {
      const [api, plural] = places[kind] ?? ['', ''];
      const rest = new RegExp(`^${api}(?:/namespaces/([^/]+))?/${plural}(?:/([^/]+))?$`).exec(path);
      if (rest === null) continue;
      const [, namespace, name] = rest;
      const all = objects.filter(
        (one) =>
          one.kind === kind &&
          (namespace === undefined || (one.metadata.namespace ?? 'default') === decodeURIComponent(namespace)),
      );
      if (name !== undefined) return all.find((one) => one.metadata.name === decodeURIComponent(name)) ?? null;
      const chosen = all.filter((one) => selected(one, query));
      const from = Number(query.get('continue') ?? '0');
      const until = from + Math.min(pageSize, Number(query.get('limit') ?? '500'));
      return {
        kind: `${kind}List`,
        metadata: until < chosen.length ? { continue: String(until) } : {},
        items: chosen.slice(from, until),
      };
    }
    return null;
  }

  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    server: `https://127.0.0.1:${port}`,
    asked,
    tokens,
    forbidden,
    get trouble() {
      return state.trouble;
    },
    set trouble(trouble) {
      state.trouble = trouble;
    },
    get delayMs() {
      return state.delayMs;
    },
    set delayMs(delayMs) {
      state.delayMs = delayMs;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Field selectors by path, label selectors with `=`, as far as netcheck sends them. */
function selected(object: ApiObject, query: URLSearchParams): boolean {
  const pairs = (text: string | null): readonly [string, string][] =>
    (text ?? '')
      .split(',')
      .filter((part) => part !== '')
      .map((part) => [part.split('=')[0] ?? '', part.split('=')[1] ?? '']);
  const fieldAt = (path: string): unknown =>
    path.split('.').reduce<unknown>((value, step) => (value as Record<string, unknown> | undefined)?.[step], object);
  return (
    pairs(query.get('fieldSelector')).every(([path, value]) => fieldAt(path) === value) &&
    pairs(query.get('labelSelector')).every(([label, value]) => object.metadata.labels?.[label] === value)
  );
}
