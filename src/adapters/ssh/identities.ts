import path from 'node:path';
import ssh2, { type IdentityCallback, type ParsedKey, type SignCallback, type SigningRequestOptions } from 'ssh2';
import { createCachedReader } from './cached-file.ts';
import { expandHome, homeDirectory } from './local-account.ts';

/** Key files that ssh(1) tries when none is configured, those that ssh2 can read. */
const defaultFiles = ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => path.join(homeDirectory(), '.ssh', name));

/** One thing to show the server, in the order of trial. */
export type LoginAttempt =
  | { readonly type: 'publickey'; readonly username: string; readonly key: ParsedKey }
  | { readonly type: 'agent'; readonly username: string; readonly agent: ForgivingAgent };

/** Everything that may log in as a user, and a sentence about what cannot. */
export interface Identities {
  readonly attempts: readonly LoginAttempt[];
  /** What is tried, for messages: file names and "the agent (2 keys)", never key material. */
  readonly tried: () => readonly string[];
  /** What would have been tried but could not, as sentences: an encrypted file, a missing one. */
  readonly problems: readonly string[];
}

/**
 * Collects the keys for one login. Order: the node's own file, the configured files, the agent, and, where no file is
 * configured, the default files. Files come before the agent because servers hang up after a few refused keys
 * (MaxAuthTries 6) and an agent may hold more. A key in the agent whose `.pub` lies beside a configured encrypted file
 * is the agent's first.
 */
export async function collectIdentities(options: {
  readonly username: string;
  readonly identityFile?: string | undefined;
  readonly identityFiles?: readonly string[] | undefined;
  readonly agentSocket?: string | undefined;
}): Promise<Identities> {
  const { username, agentSocket } = options;
  const configured = [...new Set([options.identityFile ?? [], options.identityFiles ?? []].flat())].map(expandHome);
  const files = configured.length > 0 ? configured : defaultFiles;
  const found = await Promise.all(files.map((file) => readIdentity(file, configured.length > 0)));

  const fromFiles = found.flatMap((one): LoginAttempt[] =>
    one.key ? [{ type: 'publickey', username, key: one.key }] : [],
  );
  const agent =
    agentSocket === undefined
      ? undefined
      : new ForgivingAgent(
          agentSocket,
          found.flatMap((one) => one.publicKey ?? []),
        );
  const fromAgent: LoginAttempt[] = agent ? [{ type: 'agent', username, agent }] : [];
  return {
    attempts: configured.length > 0 ? [...fromFiles, ...fromAgent] : [...fromAgent, ...fromFiles],
    tried: () => [
      ...found.flatMap((one) => (one.key ? [`key file ${one.file}`] : [])),
      ...(agent ? [agent.described] : []),
    ],
    problems: found.flatMap((one) => one.problem ?? []),
  };
}

const { parseKey } = ssh2.utils;
/** Parsing a key takes longer than to look whether its file is still the same. */
const parsedKey = createCachedReader((bytes) => parseKey(bytes));

interface FoundIdentity {
  readonly file: string;
  readonly key?: ParsedKey;
  readonly publicKey?: Buffer;
  readonly problem?: string;
}

async function readIdentity(file: string, configured: boolean): Promise<FoundIdentity> {
  let parsed: ReturnType<typeof parseKey>;
  try {
    parsed = await parsedKey(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (!configured && code === 'ENOENT') return { file };
    return {
      file,
      problem: `key file ${file} ${code === 'ENOENT' ? 'does not exist' : `cannot be read (${String(code)})`}`,
    };
  }
  if (!(parsed instanceof Error)) {
    const key: ParsedKey | undefined = Array.isArray(parsed) ? parsed[0] : parsed;
    if (key?.isPrivateKey()) return { file, key };
    return { file, problem: `key file ${file} holds a public key, not the private one` };
  }
  const encrypted = /passphrase|[Ee]ncrypted/.test(parsed.message);
  const publicKey = await readPublicKey(`${file}.pub`);
  return {
    file,
    ...(publicKey ? { publicKey } : {}),
    problem: encrypted
      ? `key file ${file} is encrypted and netcheck has no passphrase: load it into the agent (ssh-add ${file}) or use a key of its own`
      : `key file ${file} is not a private key that netcheck can read`,
  };
}

async function readPublicKey(file: string): Promise<Buffer | undefined> {
  try {
    const parsed = await parsedKey(file);
    if (parsed instanceof Error) return undefined;
    const key: ParsedKey | undefined = Array.isArray(parsed) ? parsed[0] : parsed;
    return key?.getPublicSSH();
  } catch {
    return undefined;
  }
}

/**
 * The SSH agent, with its failures turned into "no keys": ssh2 reports a stale socket as a connection error, although
 * a key file after it may well log in.
 */
export class ForgivingAgent extends ssh2.BaseAgent<ParsedKey | Buffer | string> {
  readonly #inner: ReturnType<typeof ssh2.createAgent>;
  readonly #socket: string;
  readonly #first: readonly Buffer[];
  /** For messages: the agent and what became of it. */
  described: string;

  constructor(socket: string, first: readonly Buffer[]) {
    super();
    this.#inner = ssh2.createAgent(socket);
    this.#socket = socket;
    this.#first = first;
    this.described = `the agent at ${socket}`;
  }

  override getIdentities(callback: IdentityCallback<ParsedKey | Buffer | string>): void {
    this.#inner.getIdentities((error, keys) => {
      const usable = error || !keys ? [] : keys;
      this.described = error
        ? `the agent at ${this.#socket} (does not answer)`
        : `the agent (${usable.length} ${usable.length === 1 ? 'key' : 'keys'})`;
      const rank = (key: ParsedKey | Buffer | string): number => {
        const parsed = typeof key === 'object' && 'getPublicSSH' in key ? key.getPublicSSH() : undefined;
        return parsed && this.#first.some((wanted) => wanted.equals(parsed)) ? 0 : 1;
      };
      callback(
        undefined,
        (usable as (ParsedKey | Buffer | string)[]).toSorted((a, b) => rank(a) - rank(b)),
      );
    });
  }

  override sign(
    key: ParsedKey | Buffer | string,
    data: Buffer,
    options: SigningRequestOptions,
    callback?: SignCallback,
  ): void;
  override sign(key: ParsedKey | Buffer | string, data: Buffer, callback?: SignCallback): void;
  override sign(
    key: ParsedKey | Buffer | string,
    data: Buffer,
    optionsOrCallback?: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    if (typeof optionsOrCallback === 'function') this.#inner.sign(key, data, optionsOrCallback);
    else this.#inner.sign(key, data, optionsOrCallback ?? {}, callback);
  }
}
