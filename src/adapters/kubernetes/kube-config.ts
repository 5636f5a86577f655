import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import * as z from 'zod';
import { NetcheckError } from '../../model/errors.ts';

/** How a cluster is reached. What is secret in it never leaves this room. */
export interface KubeAccess {
  /** `https://10.0.0.1:6443`, without a slash at the end. */
  readonly server: string;
  readonly ca: string | undefined;
  readonly tlsServerName: string | undefined;
  /** Namespace of the context. */
  readonly namespace: string | null;
  /**
   * What to show the API. Asked before every request: tokens are renewed behind our back (in a file), or made by a
   * command, which is run again once `refused` says that the last one was not taken.
   *
   * @throws Error with a sentence, where the credential cannot be had
   */
  credential(refused?: boolean): Promise<KubeCredential>;
}

export interface KubeCredential {
  readonly token?: string;
  /** PEM. */
  readonly cert?: string;
  readonly key?: string;
}

const optional = z.string().optional();
const ExecPlugin = z.object({
  command: z.string(),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  apiVersion: optional,
});
const User = z.object({
  token: optional,
  tokenFile: optional,
  'client-certificate': optional,
  'client-certificate-data': optional,
  'client-key': optional,
  'client-key-data': optional,
  username: optional,
  exec: ExecPlugin.nullish().transform((value) => value ?? undefined),
  'auth-provider': z
    .object({ name: z.string() })
    .nullish()
    .transform((value) => value ?? undefined),
});
const Cluster = z.object({
  server: z.string(),
  'certificate-authority': optional,
  'certificate-authority-data': optional,
  'insecure-skip-tls-verify': z.boolean().optional(),
  'tls-server-name': optional,
});
const Context = z.object({ cluster: z.string(), user: optional, namespace: optional });
/** As `kubectl` writes it: everything that we do not use is let through. */
const KubeConfig = z.object({
  'current-context': optional,
  clusters: z.array(z.object({ name: z.string(), cluster: Cluster })).nullish(),
  contexts: z.array(z.object({ name: z.string(), context: Context })).nullish(),
  users: z.array(z.object({ name: z.string(), user: User.nullish() })).nullish(),
});
const ExecCredential = z.object({
  status: z.object({
    token: optional,
    clientCertificateData: optional,
    clientKeyData: optional,
    expirationTimestamp: optional,
  }),
});

const inClusterFolder = '/var/run/secrets/kubernetes.io/serviceaccount';
const execTimeoutMs = 10_000;

/**
 * Reads a kubeconfig, or the service account of the pod that netcheck runs in.
 *
 * @param file    undefined: in the cluster
 * @param context undefined: the current one
 * @throws NetcheckError `config/invalid`: it cannot be read, names what is not there, or asks for what netcheck refuses
 *   (a cluster whose certificate nobody checks, a password)
 */
export async function loadKubeAccess(file: string | undefined, context: string | undefined): Promise<KubeAccess> {
  return file === undefined ? inCluster() : fromKubeConfig(file, context);
}

async function inCluster(folder = inClusterFolder): Promise<KubeAccess> {
  const host = process.env['KUBERNETES_SERVICE_HOST'];
  const port = process.env['KUBERNETES_SERVICE_PORT'] ?? '443';
  if (host === undefined || host === '')
    throw refused(
      'kubernetes: has no kubeconfig, and netcheck does not run in a pod',
      'Set kubernetes.kubeconfig to a file.',
    );
  const read = (name: string): Promise<string> => readFile(path.join(folder, name), 'utf8');
  const ca = await read('ca.crt').catch((cause: unknown) => {
    throw refused(
      `the service account cannot be read: ${reasonOf(cause)}`,
      'Give the pod a service account with its token mounted (see deploy/).',
    );
  });
  const namespace = await read('namespace').catch(() => '');
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca,
    tlsServerName: undefined,
    namespace: namespace.trim() || null,
    // the kubelet renews it about every hour
    credential: async () => ({ token: (await read('token')).trim() }),
  };
}

async function fromKubeConfig(file: string, wanted: string | undefined): Promise<KubeAccess> {
  const hint = `"kubectl --kubeconfig ${file} config view" shows what it holds.`;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw refused(`${file} cannot be read: ${reasonOf(cause)}`, 'kubernetes.kubeconfig names a file for kubectl.');
  });
  const config = parsed(text, file, hint);
  const name = wanted ?? config['current-context'];
  const context = config.contexts?.find((one) => one.name === name)?.context;
  if (context === undefined)
    throw refused(
      name === undefined || name === '' ? `${file} has no current context` : `${file} has no context "${name}"`,
      `Set kubernetes.context to one of: ${(config.contexts ?? []).map((one) => one.name).join(', ') || 'none'}.`,
    );
  const cluster = config.clusters?.find((one) => one.name === context.cluster)?.cluster;
  if (cluster === undefined) throw refused(`${file} has no cluster "${context.cluster}"`, hint);
  const server = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined;
  if (server?.protocol !== 'https:')
    throw refused(
      `${file}: the server of cluster "${context.cluster}" is not an https:// address`,
      'Objects that anybody on the way can change are of no use in a diagnosis.',
    );
  if (cluster['insecure-skip-tls-verify'] === true)
    throw refused(
      `${file}: cluster "${context.cluster}" is not to be checked (insecure-skip-tls-verify)`,
      'Give it certificate-authority-data instead: netcheck sends no token to a server that it cannot check.',
    );
  const user = config.users?.find((one) => one.name === context.user)?.user ?? undefined;
  if (user?.username !== undefined || user?.['auth-provider'] !== undefined)
    throw refused(
      `${file}: user "${context.user}" has ${user.username === undefined ? `auth-provider ${user['auth-provider']?.name}` : 'a password'}, which Kubernetes itself gave up`,
      'Use a token, a client certificate or an exec plug-in.',
    );
  const folder = path.dirname(path.resolve(file));
  return {
    server: cluster.server.replace(/\/+$/, ''),
    ca: await pem(cluster['certificate-authority-data'], cluster['certificate-authority'], folder, file),
    tlsServerName: cluster['tls-server-name'],
    namespace: context.namespace ?? null,
    credential: credentialOf(user ?? {}, folder, file),
  };
}

function parsed(text: string, file: string, hint: string): z.infer<typeof KubeConfig> {
  try {
    return KubeConfig.parse(parse(text, { maxAliasCount: 100, logLevel: 'error' }));
  } catch (cause) {
    const [issue] = cause instanceof z.ZodError ? cause.issues : [];
    // Values are not repeated: they may be secrets.
    throw refused(
      `${file} is not a kubeconfig${issue === undefined ? '' : `: ${issue.path.map(String).join('.')}: ${issue.message}`}`,
      hint,
    );
  }
}

function credentialOf(user: Partial<z.infer<typeof User>>, folder: string, file: string): KubeAccess['credential'] {
  const { exec } = user;
  if (exec !== undefined) return fromCommand(exec, folder);
  return async () => {
    const cert = await pem(user['client-certificate-data'], user['client-certificate'], folder, file);
    const key = await pem(user['client-key-data'], user['client-key'], folder, file);
    const token =
      user.tokenFile === undefined
        ? user.token
        : (await readFile(path.resolve(folder, user.tokenFile), 'utf8').catch(() => user.token ?? '')).trim();
    return {
      ...(token === undefined || token === '' ? {} : { token }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    };
  };
}

/** Ours, of no use to a program that fetches the credential of a cluster. */
const ownSecrets = /^(?:SLACK_|NETCHECK_|REDIS_)/;

/** As kubectl does: the command prints an ExecCredential, which is kept until it expires or is refused. */
function fromCommand(
  { command, args, env, apiVersion }: z.infer<typeof ExecPlugin>,
  folder: string,
): KubeAccess['credential'] {
  let kept: { readonly credential: KubeCredential; readonly untilMs: number } | undefined;
  return async (wasRefused = false) => {
    if (kept !== undefined && !wasRefused && Date.now() < kept.untilMs) return kept.credential;
    const info = {
      apiVersion: apiVersion ?? 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      spec: { interactive: false },
    };
    const { stdout } = await promisify(execFile)(
      // only a path is relative to the file; a name is looked up
      command.includes('/') ? path.resolve(folder, command) : command,
      args ?? [],
      {
        timeout: execTimeoutMs,
        maxBuffer: 1024 * 1024,
        env: {
          ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !ownSecrets.test(name))),
          ...Object.fromEntries((env ?? []).map(({ name, value }) => [name, value])),
          KUBERNETES_EXEC_INFO: JSON.stringify(info),
        },
      },
    ).catch((cause: unknown) => {
      throw new Error(
        `the command of its kubeconfig (${path.basename(command)}) gave no credential: ${firstLineOf(cause)}`,
      );
    });
    const answer = ExecCredential.safeParse(jsonOf(stdout));
    if (!answer.success)
      throw new Error(`the command of its kubeconfig (${path.basename(command)}) printed no credential`);
    const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = answer.data.status;
    const expiresMs = Date.parse(expirationTimestamp ?? '');
    kept = {
      credential: {
        ...(token === undefined ? {} : { token }),
        ...(cert === undefined || key === undefined ? {} : { cert, key }),
      },
      untilMs: Number.isNaN(expiresMs) ? Number.POSITIVE_INFINITY : expiresMs - 10_000,
    };
    return kept.credential;
  };
}

async function pem(
  data: string | undefined,
  named: string | undefined,
  folder: string,
  file: string,
): Promise<string | undefined> {
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  if (named === undefined) return undefined;
  return readFile(path.resolve(folder, named), 'utf8').catch((cause: unknown) => {
    throw refused(`${file} names ${named}, which cannot be read: ${reasonOf(cause)}`, 'Correct the path in it.');
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused(what: string, hint: string): NetcheckError {
  return new NetcheckError('config/invalid', `Kubernetes: ${what}.`, hint);
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
}

/** What the command itself said last; never its arguments, which may hold secrets. */
function firstLineOf(cause: unknown): string {
  if (cause instanceof Error && 'stderr' in cause && typeof cause.stderr === 'string' && cause.stderr.trim() !== '')
    return (cause.stderr.trim().split('\n')[0] ?? '').slice(0, 200);
  if (cause instanceof Error && 'killed' in cause && cause.killed === true)
    return `it took longer than ${execTimeoutMs / 1000} s`;
  return reasonOf(cause);
}
