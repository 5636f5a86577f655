import type { NotStarted } from './open-client.ts';
import {
  fingerprint,
  type HostKeyName,
  type HostKeyVerdict,
  keyTypeOf,
  knownHostsLine,
  knownHostsName,
} from './known-hosts.ts';

/** How far a connection came before it failed, and with what. */
export interface ConnectTrouble {
  readonly error: Error;
  readonly stage: 'connecting' | 'connected' | 'negotiated' | 'login';
  /** Login methods that the server takes, where it said so. */
  readonly authMethods: readonly string[];
}

/**
 * One sentence for a person (what, where, what to do) and a reason for the engine, made of a failed connection.
 * Holds file names and fingerprints, never key material or passphrases.
 */
export function explainConnectError(
  trouble: ConnectTrouble & {
    /** `node-12 (10.0.0.12:22)` */
    readonly where: string;
    readonly user: string;
    readonly host: HostKeyName;
    readonly shown: { readonly key?: Buffer; readonly verdict?: HostKeyVerdict };
    readonly knownHostsFile: string;
    readonly recordedTypes: readonly string[];
    readonly tried: readonly string[];
    readonly problems: readonly string[];
    readonly timeoutMs: number;
    readonly attempts: number;
  },
): NotStarted {
  const { error, stage, where, shown } = trouble;
  const no = (why: NotStarted['why'], message: string): NotStarted => ({ how: 'notStarted', why, message });

  if (shown.verdict && shown.key && shown.verdict.verdict !== 'known') {
    return no('hostKey', explainHostKey(where, trouble.host, shown.verdict, shown.key, trouble.knownHostsFile));
  }
  const code = codeOf(error);
  const seconds = `${trouble.timeoutMs / 1000} s`;
  if (/Timed out while waiting for handshake/.test(error.message)) {
    const keys = trouble.tried.length > 0 ? ` and ${trouble.tried.join(', ')}` : '';
    const slow = {
      connecting: `did not answer on TCP within ${seconds}: check that the node is up, the address, and firewalls on the way.`,
      connected: `accepted the connection and then said nothing for ${seconds}: check that sshd on it is alive (load, DNS, disk) and that this is an SSH port.`,
      negotiated: `did not finish the login of ${trouble.user} within ${seconds}: check sshd (UseDNS, PAM) on it${keys}.`,
    };
    return no('timeout', `${where} ${slow[stage === 'login' ? 'negotiated' : stage]}`);
  }
  if (/no matching (?:server )?host key/i.test(error.message) && trouble.recordedTypes.length > 0) {
    return no(
      'hostKey',
      `${where} has no host key of the types that ${trouble.knownHostsFile} records for it (${trouble.recordedTypes.join(', ')}): its keys were changed; compare with \`ssh-keyscan\` and correct the record.`,
    );
  }
  if (/no matching/i.test(error.message)) {
    return no(
      'unreachable',
      `${where} and netcheck have no algorithm in common (${firstLine(error.message)}): allow a newer one in its sshd_config.`,
    );
  }
  if (
    stage === 'login' &&
    (isLoginRefusal(error) || code === 'ECONNRESET' || /No response from server/.test(error.message))
  ) {
    return no('auth', explainLogin(trouble));
  }
  if (code === 'ECONNREFUSED') {
    return no(
      'unreachable',
      `${where} refused the TCP connection: no SSH server listens there; check address and port in the inventory.`,
    );
  }
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'EADDRNOTAVAIL') {
    return no('unreachable', `${where} cannot be reached from here (${code}): check the address and the routes.`);
  }
  if (code === 'ETIMEDOUT') {
    return no(
      'timeout',
      `${where} did not answer on TCP: check that the node is up, the address, and firewalls on the way.`,
    );
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EAI_FAIL') {
    return no(
      'unreachable',
      `The name of ${where} does not resolve (${code}): correct \`address\` in the inventory, or the DNS.`,
    );
  }
  if (stage === 'connected' || stage === 'connecting') {
    return no(
      'unreachable',
      /before handshake/.test(error.message) || code === 'ECONNRESET'
        ? `${where} closed the connection before the SSH handshake${trouble.attempts > 1 ? `, ${trouble.attempts} times` : ''}: check MaxStartups and TCP wrappers of its sshd, and that this is an SSH port.`
        : `${where} does not speak SSH as expected (${firstLine(error.message)}): check that this is an SSH port.`,
    );
  }
  return no(
    'unreachable',
    `The SSH connection to ${where} broke during the login (${firstLine(error.message)}): check the log of its sshd.`,
  );
}

function explainHostKey(
  where: string,
  host: HostKeyName,
  verdict: Exclude<HostKeyVerdict, { verdict: 'known' }>,
  key: Buffer,
  file: string,
): string {
  const shown = `${keyTypeOf(key)} ${fingerprint(key)}`;
  switch (verdict.verdict) {
    case 'unknown':
      return `The host key of ${where} is not known: ${shown}; compare it on the node (ssh-keygen -lf), then add to ${file}: ${knownHostsLine(host, key)}`;
    case 'changed': {
      const recorded = verdict.recorded
        .map((entry) => `${entry.keyType} ${fingerprint(entry.key)} at ${entry.file}:${entry.line}`)
        .join(', ');
      return `THE HOST KEY OF ${where} HAS CHANGED: recorded is ${recorded}, it shows ${shown}; somebody may be in between, or the node was reinstalled: ask, then remove the old key (ssh-keygen -R '${knownHostsName(host)}' -f ${verdict.recorded[0]?.file ?? file}) and add the new one.`;
    }
    case 'revoked':
      return `The host key of ${where} is revoked (${shown}, ${verdict.by.file}:${verdict.by.line}): do not log in; give the node a new key.`;
    case 'certAuthority':
    default:
      return `${where} is only recorded by a certificate authority (${verdict.by.file}:${verdict.by.line}), and netcheck cannot check SSH certificates: compare ${shown} on the node, then add to ${file}: ${knownHostsLine(host, key)}`;
  }
}

function explainLogin(trouble: {
  readonly error: Error;
  readonly where: string;
  readonly user: string;
  readonly tried: readonly string[];
  readonly problems: readonly string[];
  readonly authMethods: readonly string[];
}): string {
  const { where, user, tried, problems, authMethods } = trouble;
  const problem = problems.length > 0 ? `; ${problems.join('; ')}` : '';
  if (/too many authentication failures/i.test(trouble.error.message)) {
    return `${where} refused ${user} after too many keys (${tried.join(', ')}): name the right key file (\`identityFile\`) for it${problem}.`;
  }
  if (tried.length === 0) {
    return `There is no key to log in to ${where} as ${user}: start an agent (SSH_AUTH_SOCK) or name a key file in the configuration${problem}.`;
  }
  if (authMethods.length > 0 && !authMethods.includes('publickey')) {
    return `${where} takes no keys from ${user}, only ${authMethods.join(', ')}: allow PubkeyAuthentication for it in sshd_config${problem}.`;
  }
  return `${where} refused the login of ${user} with ${tried.join(', ')}: put the public key into its authorized_keys, or correct \`user\`${problem}.`;
}

function isLoginRefusal(error: Error): boolean {
  return (
    ('level' in error && error.level === 'client-authentication') ||
    /authentication (?:methods )?fail|too many authentication/i.test(error.message)
  );
}

/** Node joins the errors of several addresses of one name (AggregateError) and leaves the message empty. */
function codeOf(error: Error): string | undefined {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (typeof first === 'object' && first !== null && 'code' in first && typeof first.code === 'string')
    return first.code;
  return undefined;
}

/** The peer's own words go into messages: one line of printable text. */
function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200) || 'no reason given';
}
