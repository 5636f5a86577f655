import ssh2 from 'ssh2';

export interface SshKeyPair {
  /** OpenSSH private key, not encrypted. */
  readonly private: string;
  /** `type base64`, without a comment. */
  readonly public: string;
  /** The public key as it goes over the wire. */
  readonly wire: Buffer;
}

/** A fresh key pair. About one in 300 that ssh2 1.17.0 makes is malformed (it drops a leading zero byte): made again. */
export function makeSshKeyPair(type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519'): SshKeyPair {
  for (;;) {
    const made =
      type === 'rsa'
        ? ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 })
        : type === 'ecdsa'
          ? ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 })
          : ssh2.utils.generateKeyPairSync('ed25519');
    if (ssh2.utils.parseKey(made.private) instanceof Error) continue;
    const [name = '', base64 = ''] = made.public.split(' ');
    const wire = Buffer.from(base64, 'base64');
    if (ssh2.utils.parseKey(made.public) instanceof Error) continue;
    return { private: made.private, public: `${name} ${base64}`, wire };
  }
}
