import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** One usable line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
export interface KnownHost {
  readonly marker: 'none' | 'revoked' | 'cert-authority';
  /** The first field: comma-separated patterns, or one hashed name `|1|salt|hash`. */
  readonly hosts: string;
  readonly keyType: string;
  /** The public key as it goes over the wire. */
  readonly key: Buffer;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

/** What the recorded keys say about the key that a server showed. */
export type HostKeyVerdict =
  | { readonly verdict: 'known'; readonly by: KnownHost }
  /** Nothing is recorded for this host. */
  | { readonly verdict: 'unknown' }
  /** Other keys are recorded for this host, none of them is the one shown. */
  | { readonly verdict: 'changed'; readonly recorded: readonly KnownHost[] }
  | { readonly verdict: 'revoked'; readonly by: KnownHost }
  /** Only certificate authorities are recorded: this client cannot check certificates. */
  | { readonly verdict: 'certAuthority'; readonly by: KnownHost };

/** Host key algorithms of RFC 4253, 5656, 8332 and 8709 that ssh2 can verify. */
export type HostKeyAlgorithm =
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'
  | 'rsa-sha2-512'
  | 'rsa-sha2-256'
  | 'ssh-rsa'
  | 'ssh-dss';

/** In the order of preference of OpenSSH. */
const ellipticTypes = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'] as const;

/** Where a host's key is looked up: `hostKeyAlias` replaces address and port (ssh_config(5), HostKeyAlias). */
export interface HostKeyName {
  readonly address: string;
  readonly port: number;
  readonly alias?: string | undefined;
}

/**
 * Reads a known_hosts file. Lines that cannot be used (comments, unknown markers, damaged keys) are left out, as
 * OpenSSH does.
 */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  return text.split('\n').flatMap((raw, index) => {
    const fields = raw.trim().split(/[ \t]+/);
    const first = fields[0] ?? '';
    if (first === '' || first.startsWith('#')) return [];
    const marker = first === '@revoked' ? 'revoked' : first === '@cert-authority' ? 'cert-authority' : 'none';
    if (first.startsWith('@')) {
      if (marker === 'none') return [];
      fields.shift();
    }
    const [hosts, keyType, base64] = fields;
    if (hosts === undefined || keyType === undefined || base64 === undefined) return [];
    const key = Buffer.from(base64, 'base64');
    if (keyTypeOf(key) !== keyType) return [];
    return [{ marker, hosts, keyType, key, file, line: index + 1 }];
  });
}

/** The name that stands in known_hosts for a host: `host`, or `[host]:port` for another port than 22. */
export function knownHostsName({ address, port, alias }: HostKeyName): string {
  const name = (alias ?? address).toLowerCase();
  return alias !== undefined || port === 22 ? name : `[${name}]:${port}`;
}

/** Whether the first field of a line speaks of this name: hashed (HMAC-SHA1), wildcards `*` `?`, negation `!`. */
export function matchesHost(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) {
    const [, version, salt, hash] = hosts.split('|');
    if (version !== '1' || salt === undefined || hash === undefined) return false;
    const recorded = Buffer.from(hash, 'base64');
    const own = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
    return recorded.length === own.length && timingSafeEqual(recorded, own);
  }
  let matched = false;
  for (const pattern of hosts.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/**
 * Judges the key that a server showed, as OpenSSH with StrictHostKeyChecking=yes does. A key recorded for the plain
 * host also counts for another port of it when it is the same key (sshconnect.c, check_host_key).
 */
export function judgeHostKey(recorded: readonly KnownHost[], host: HostKeyName, key: Buffer): HostKeyVerdict {
  const { own, fallback } = entriesOf(recorded, host);
  const revoked = [...own, ...fallback].find((entry) => entry.marker === 'revoked' && entry.key.equals(key));
  if (revoked) return { verdict: 'revoked', by: revoked };
  const plain = own.filter((entry) => entry.marker === 'none');
  const same = plain.find((entry) => entry.key.equals(key));
  if (same) return { verdict: 'known', by: same };
  if (plain.length > 0) return { verdict: 'changed', recorded: plain };
  const withoutPort = fallback.find((entry) => entry.marker === 'none' && entry.key.equals(key));
  if (withoutPort) return { verdict: 'known', by: withoutPort };
  const authority = own.find((entry) => entry.marker === 'cert-authority');
  if (authority) return { verdict: 'certAuthority', by: authority };
  return { verdict: 'unknown' };
}

/**
 * Host key algorithms to ask for, so that the server shows a key that is recorded (a host has several, and by default
 * it may show another one). Empty where nothing is recorded: then any will do to name the fingerprint.
 */
export function hostKeyAlgorithms(recorded: readonly KnownHost[], host: HostKeyName): HostKeyAlgorithm[] {
  const { own, fallback } = entriesOf(recorded, host);
  const plain = own.filter((entry) => entry.marker === 'none');
  const types = new Set((plain.length > 0 ? plain : fallback).filter((e) => e.marker === 'none').map((e) => e.keyType));
  // An RSA key may sign with SHA-2 (RFC 8332) or, on old servers, with SHA-1.
  return [
    ...ellipticTypes.filter((type) => types.has(type)),
    ...(types.has('ssh-rsa') ? (['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] as const) : []),
    ...(types.has('ssh-dss') ? (['ssh-dss'] as const) : []),
  ];
}

/** `SHA256:…`, as `ssh-keygen -lf` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type that a public key carries in its first field (RFC 4253, 6.6); empty where it is damaged. */
export function keyTypeOf(key: Buffer): string {
  if (key.length < 4) return '';
  const length = key.readUInt32BE(0);
  return length > 64 || key.length < 4 + length ? '' : key.toString('latin1', 4, 4 + length);
}

/** The line that records a key, once a person has compared its fingerprint. */
export function knownHostsLine(host: HostKeyName, key: Buffer): string {
  return `${knownHostsName(host)} ${keyTypeOf(key)} ${key.toString('base64')}`;
}

function entriesOf(
  recorded: readonly KnownHost[],
  host: HostKeyName,
): { readonly own: readonly KnownHost[]; readonly fallback: readonly KnownHost[] } {
  const name = knownHostsName(host);
  const bare = knownHostsName({ ...host, port: 22 });
  return {
    own: recorded.filter((entry) => matchesHost(entry.hosts, name)),
    fallback: bare === name ? [] : recorded.filter((entry) => matchesHost(entry.hosts, bare)),
  };
}

/** match.c, match_pattern: `*` is any run of characters, `?` exactly one, everything else stands for itself. */
function matchesPattern(pattern: string, name: string): boolean {
  if (!/[*?]/.test(pattern)) return pattern === name;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(name);
}
