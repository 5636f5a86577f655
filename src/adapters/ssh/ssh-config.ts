import { execFile } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { NetcheckError } from '../../model/errors.ts';
import { InventoryNode, NodeName } from '../../model/inventory.ts';
import { expandHome, homeDirectory } from './local-account.ts';

export interface SshConfigSource {
  /** By default `~/.ssh/config` (and, for `ssh -G`, /etc/ssh/ssh_config). */
  readonly file?: string;
}

/** OpenSSH's own limit for nested Include (readconf.c, READCONF_MAX_DEPTH). */
const maxIncludeDepth = 16;

/**
 * The node that an ssh_config host stands for, as `ssh -G` computes it (Match, Include, tokens and canonical names
 * included; 9 ms).
 *
 * @returns null where the name cannot be a node's name
 * @throws {NetcheckError} `config/invalid` where there is no ssh client, or ssh refuses the configuration, or the host
 *   needs something that netcheck does not have (ProxyCommand)
 */
export async function resolveSshConfig(host: string, source: SshConfigSource = {}): Promise<InventoryNode | null> {
  const answer = await askSsh(host, source);
  if (!answer) return null;
  const first = (key: string): string | undefined => {
    const value = answer.get(key)?.[0];
    return value === undefined || value === '' || value === 'none' ? undefined : value;
  };
  if (first('proxycommand') !== undefined && first('proxyjump') === undefined) {
    throw new NetcheckError(
      'config/invalid',
      `ssh_config reaches ${host} with a ProxyCommand, which netcheck does not run`,
      'use ProxyJump for it in ssh_config, or describe the node in netcheck.yaml',
    );
  }
  const identityFile = await chooseIdentity(answer.get('identityfile') ?? []);
  const jump = first('proxyjump');
  const hostKeyAlias = first('hostkeyalias');
  const user = first('user');
  const parsed = InventoryNode.safeParse({
    name: host,
    address: first('hostname') ?? host,
    port: Number(first('port') ?? 22),
    ...(user === undefined ? {} : { user }),
    ...(jump === undefined ? {} : { jump }),
    ...(hostKeyAlias === undefined ? {} : { hostKeyAlias }),
    ...(identityFile === undefined ? {} : { identityFile }),
  });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new NetcheckError(
      'config/invalid',
      `ssh_config gives ${host} a value that netcheck cannot use (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`,
      'correct it in ssh_config, or describe the node in netcheck.yaml',
    );
  }
  return parsed.data;
}

/**
 * The known_hosts files that ssh_config names for a host; undefined where they are the usual ones. For
 * `SshOptions.knownHostsFilesOf`.
 *
 * @throws {NetcheckError} `config/invalid` where there is no ssh client, or ssh refuses the configuration
 */
export async function sshConfigKnownHosts(
  host: string,
  source: SshConfigSource = {},
): Promise<readonly string[] | undefined> {
  const answer = await askSsh(host, source);
  const files = (answer?.get('userknownhostsfile')?.[0] ?? '')
    .split(' ')
    .filter((each) => each !== '')
    .map(expandHome);
  const usual = ['known_hosts', 'known_hosts2'].map((name) => path.join(homeDirectory(), '.ssh', name));
  return files.every((each) => usual.includes(each)) ? undefined : files;
}

/**
 * The concrete host names of ssh_config (no wildcards, no negations, Include followed), sorted. Only names that a
 * node may have. An absent file gives none.
 */
export async function listSshConfigHosts(source: SshConfigSource = {}): Promise<string[]> {
  const names = new Set<string>();
  const read = async (file: string, depth: number): Promise<void> => {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch {
      return;
    }
    for (const line of text.split('\n')) {
      const { keyword, words } = readLine(line);
      if (keyword === 'host') {
        for (const word of words) if (NodeName.safeParse(word).success) names.add(word);
      }
      if (keyword === 'include' && depth < maxIncludeDepth) {
        for (const word of words) for (const found of await expandInclude(word)) await read(found, depth + 1);
      }
    }
  };
  await read(source.file ?? path.join(homeDirectory(), '.ssh', 'config'), 0);
  return [...names].sort();
}

/** `ssh -G`: each keyword with its values. Null where the name cannot be a node's name. */
async function askSsh(host: string, { file }: SshConfigSource): Promise<ReadonlyMap<string, readonly string[]> | null> {
  if (!NodeName.safeParse(host).success) return null;
  const answer = await runSsh([...(file === undefined ? [] : ['-F', file]), '-G', '--', host]);
  const values = new Map<string, string[]>();
  for (const line of answer.split('\n')) {
    const [key = '', ...rest] = line.split(' ');
    values.set(key, [...(values.get(key) ?? []), rest.join(' ').trim()]);
  }
  return values;
}

function runSsh(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('ssh', args, { timeout: 10_000, maxBuffer: 1024 * 1024 }, (error, stdout, stderr) => {
      if (!error) {
        resolve(stdout);
        return;
      }
      const missing = error.code === 'ENOENT';
      reject(
        new NetcheckError(
          'config/invalid',
          missing
            ? '`sshConfig: true` needs the OpenSSH client, and there is no `ssh` on this machine'
            : `ssh refuses its configuration: ${stderr.trim().split('\n')[0] ?? error.message}`,
          missing
            ? 'install openssh-client, or list the nodes in netcheck.yaml'
            : 'correct ssh_config (`ssh -G HOST` shows the same)',
          { cause: error },
        ),
      );
    });
  });
}

/** ssh prints its default list where nothing is configured; then netcheck's own defaults serve. */
async function chooseIdentity(files: readonly string[]): Promise<string | undefined> {
  const expanded = files.map(expandHome);
  const defaults = expanded.filter((file) =>
    /\/\.ssh\/id_(?:rsa|dsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk|xmss)$/.test(file),
  );
  if (expanded.length > 1 && defaults.length === expanded.length) return undefined;
  for (const file of expanded) {
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (there) return file;
  }
  // A configured file that is missing is worth a sentence when the login fails.
  return expanded.find((file) => file !== 'none');
}

/** `Keyword arg arg`, `Keyword=arg`, with "double quotes" and comments (ssh_config(5)). */
function readLine(line: string): { readonly keyword: string; readonly words: readonly string[] } {
  const match = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)$/.exec(line);
  if (!match) return { keyword: '', words: [] };
  const words = [...(match[2] ?? '').matchAll(/"([^"]*)"|([^\s"]+)/g)].map((each) => each[1] ?? each[2] ?? '');
  const comment = words.findIndex((word) => word.startsWith('#'));
  return { keyword: (match[1] ?? '').toLowerCase(), words: comment < 0 ? words : words.slice(0, comment) };
}

/** Include takes shell patterns, relative to ~/.ssh. */
async function expandInclude(pattern: string): Promise<string[]> {
  const absolute = path.resolve(homeDirectory(), '.ssh', expandHome(pattern));
  let found = ['/'];
  for (const part of absolute.split('/').filter((each) => each !== '')) {
    if (!/[*?[]/.test(part)) {
      found = found.map((each) => path.join(each, part));
      continue;
    }
    const matches = patternOf(part);
    const next = await Promise.all(
      found.map(async (directory) => {
        const names = await readdir(directory).catch(() => []);
        return names
          .filter((name) => matches.test(name))
          .sort()
          .map((name) => path.join(directory, name));
      }),
    );
    found = next.flat();
  }
  return found;
}

function patternOf(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|\\]/g, String.raw`\$&`)
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
    .replaceAll('[!', '[^');
  return new RegExp(`^(?!\\.)${source}$`);
}
