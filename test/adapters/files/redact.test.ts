import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redactSecrets } from '../../../src/adapters/files/redact.ts';

const redacted = (text: string): string => Buffer.from(redactSecrets(Buffer.from(text)).bytes).toString();

/** A secret in the places where command output holds one. `§` stands for it. */
const places: readonly (readonly [name: string, text: string])[] = [
  ['assignment', 'password=§'],
  ['assignment with blanks', 'Password = §'],
  ['shell variable', 'export PGPASSWORD=§'],
  ['colon', 'passwd: §'],
  ['quoted', 'password="§"'],
  ['single quotes', "db_password = '§'"],
  ['JSON', '{"user":"bob","password": "§","host":"10.1.2.3"}'],
  ['JSON in JSON', '{"body":"{\\"password\\":\\"§\\",\\"n\\":1}"}'],
  ['YAML', '  clientSecret: §'],
  ['Ruby', ':secret => "§"'],
  ['query', 'GET /login?user=bob&password=§&next=/ HTTP/1.1'],
  ['token query', 'GET /hook?token=§ HTTP/1.1'],
  ['list', 'host=10.1.2.3,password=§,port=5432'],
  ['list with semicolons', 'Server=10.1.2.3;Pwd=§;Database=x'],
  ['AWS', 'aws_secret_access_key = §'],
  ['session token', 'AWS_SESSION_TOKEN=§'],
  ['API key', 'X-Api-Key: §'],
  ['wifi', 'psk="§"'],
  ['WireGuard', 'PrivateKey = §'],
  ['URL', 'postgres://bob:§@10.1.2.3:5432/db'],
  ['URL without a user', 'redis://:§@redis:6379'],
  ['proxy variable', 'http_proxy=http://bob:§@proxy.example:3128/'],
  ['bearer', 'Authorization: Bearer §'],
  ['bearer in a command', "curl -H 'Authorization: Bearer §' http://10.1.2.3/"],
  ['bearer in JSON', '{"Authorization":"Bearer §"}'],
  ['basic', 'proxy-authorization: Basic §'],
  ['unknown scheme', 'Authorization: Custom §'],
  ['no scheme', 'authorization: §'],
  ['digest', 'Authorization: Digest username="bob", realm="x", response="§"'],
  ['signature', 'Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/x, SignedHeaders=host, Signature=§'],
  ['cookie', 'Set-Cookie: sid=§; Path=/'],
  ['sudo', '[sudo] password for netcheck: §'],
  ['ssh', "bob@10.1.2.3's password: §"],
  ['passphrase', "Enter passphrase for key '/home/bob/.ssh/id_ed25519': §"],
  ['sshpass', 'sshpass -p § ssh bob@10.1.2.3'],
  ['sshpass, glued', 'sshpass -p§ ssh bob@10.1.2.3'],
  ['sudo -S', 'echo § | sudo -S tcpdump'],
  ['option', 'mysql --password § -h 10.1.2.3'],
  ['option with =', 'mysql --password=§ -h 10.1.2.3'],
  ['long option', 'vault login --client-secret §'],
];

describe('redactSecrets', () => {
  it.each(places)('%s', (_name, place) => {
    for (const secret of ['hunter2hunter2', 'Tr0ub4dor+3/x=', 'pässwörd-à-ñ']) {
      const text = `1.2.3.4 before\n${place.replace('§', secret)}\nafter fe80::1\n`;
      const result = redactSecrets(Buffer.from(text));
      const clean = Buffer.from(result.bytes).toString();
      expect(clean).not.toContain(secret);
      expect(clean).toContain('[redacted]');
      expect(result.redactions).toBeGreaterThanOrEqual(1);
    }
  });

  it('leaves the rest of the line as it is', () => {
    expect(redacted('{"user":"bob","password": "a b\\"c","host":"10.1.2.3"}')).toBe(
      '{"user":"bob","password": "[redacted]","host":"10.1.2.3"}',
    );
    expect(redacted('postgres://bob:p@ss@10.1.2.3:5432/db')).toBe('postgres://bob:[redacted]@10.1.2.3:5432/db');
    expect(redacted('host=10.1.2.3,password=x,y;z,port=5432')).toBe('host=10.1.2.3,password=[redacted],port=5432');
    expect(redacted("curl -H 'Authorization: Bearer abcdefgh' http://10.1.2.3/")).toBe(
      "curl -H 'Authorization: Bearer [redacted]' http://10.1.2.3/",
    );
    expect(redacted('sshpass -p secret ssh bob@10.1.2.3')).toBe('sshpass -p [redacted] ssh bob@10.1.2.3');
    expect(redacted('echo secret | sudo -S id')).toBe('echo [redacted] | sudo -S id');
  });

  it.each([
    ['a Slack bot token', 'xoxb-1234567890-abcdefghij'],
    ['a Slack user token', 'xoxp-1234567890-abcdefghij'],
    ['a Slack app token', 'xapp-1-A0000-123-abcdef'],
    ['a rotated Slack token', 'xoxe.xoxp-1-Mi0yLTEyMzQ1Njc4'],
    ['an AWS key', 'AKIAIOSFODNN7EXAMPLE'],
    ['a GitHub token', `ghp_${'a1B2'.repeat(9)}`],
    ['a JWT', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'],
  ])('knows %s by its looks, wherever it stands', (_name, token) => {
    for (const text of [token, `x_${token}`, `["${token}"]`, `it is ${token}, they say`]) {
      if (/^(AKIA|ghp|eyJ)/.test(token) && text.startsWith('x_')) continue;
      expect(redacted(text)).not.toContain(token);
      expect(redacted(text)).toBe(text.replace(token, '[redacted]'));
    }
  });

  it('knows a token in a URL and a bearer token in a sentence', () => {
    expect(redacted('git clone https://abcdefghij0123456789@git.example/x')).toBe(
      'git clone https://[redacted]@git.example/x',
    );
    expect(redacted('refused: bearer abc.def-123_456 from 10.0.0.1')).toBe('refused: bearer [redacted] from 10.0.0.1');
  });

  it('keeps every other byte, text or not', () => {
    const around = [0xff, 0xfe, 0x00, 0xc3, 0x28, 0xe2, 0x82, 0x0a];
    const before = Buffer.from([...around, ...Buffer.from('password=hunter2 '), ...around]);
    const after = Buffer.from([...around, ...Buffer.from('password=[redacted] '), ...around]);
    expect(Buffer.from(redactSecrets(before).bytes).equals(after)).toBe(true);
  });

  describe('private keys', () => {
    const key = [
      '-----BEGIN OPENSSH PRIVATE KEY-----',
      'b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW',
      'QyNTUxOQAAACDf1Zk',
      '-----END OPENSSH PRIVATE KEY-----',
    ];
    it('lose their body and keep their lines', () => {
      const result = redactSecrets(Buffer.from(`a\r\n${key.join('\r\n')}\r\nb 10.0.0.1\r\n`));
      expect(Buffer.from(result.bytes).toString()).toBe(
        `a\r\n${key[0]}\r\n[redacted]\r\n[redacted]\r\n${key[3]}\r\nb 10.0.0.1\r\n`,
      );
      expect(result.redactions).toBe(1);
    });
    it('also with a prefix on each line, as a journal has it', () => {
      const text = redacted(key.map((line) => `Nov 21 04:00:00 node-50 foo[1]: ${line}\n`).join(''));
      expect(text).not.toContain('b3BlbnNz');
      expect(text).not.toContain('QyNTUx');
      expect(text.split('\n')).toHaveLength(5);
    });
    it('also on one line, as JSON has them', () => {
      expect(redacted(`{"key":"${key.join('\\n')}","ip":"10.0.0.1"}`)).toBe(
        `{"key":"${key[0]}[redacted]${key[3]}","ip":"10.0.0.1"}`,
      );
    });
    it('also where the output was cut off', () => {
      expect(redacted(key.slice(0, 3).join('\n'))).toBe(`${key[0]}\n[redacted]\n[redacted]`);
      expect(redacted(`${key.slice(0, 3).join('\n')}\neth0: 10.0.0.1 is up\n`)).toBe(
        `${key[0]}\n[redacted]\n[redacted]\neth0: 10.0.0.1 is up\n`,
      );
    });
    it('are told from certificates and public keys', () => {
      const certificate = '-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n';
      expect(redacted(certificate)).toBe(certificate);
    });
  });

  it.each([
    'Failed password for invalid user bob from 10.0.0.1 port 22 ssh2',
    'Failed password for root from fe80::1 port 22 ssh2',
    'PasswordAuthentication no',
    'cat: /etc/passwd: No such file or directory',
    'root:x:0:0:root:/root:/bin/bash',
    'tcp_fastopen_key = 00000000-00000000-00000000-00000000',
    'LISTEN 0 128 0.0.0.0:1301 0.0.0.0:* users:(("nginx",pid=1,fd=6))',
    'tcp ESTAB 0 0 [fd00::1]:22 [fd00::2]:5022 token:0000(id:0)/c31d5d4(id:0)',
    '-A INPUT -p tcp --dport 1301 -m comment --comment "kube: svc" -j DROP',
    'http://10.0.0.1:80/a@b',
    'password: 10.0.0.1',
    'password=',
    'ssh://bob@10.0.0.1',
  ])('leaves alone: %s', (line) => {
    expect(redactSecrets(Buffer.from(line))).toEqual({ bytes: Buffer.from(line), redactions: 0 });
  });

  it('leaves packets alone, whatever they hold', () => {
    for (const magic of ['a1b2c3d4', 'd4c3b2a1', 'a1b23c4d', '4d3cb2a1', '0a0d0d0a']) {
      const capture = Buffer.concat([Buffer.from(magic, 'hex'), Buffer.from('password=hunter2')]);
      expect(redactSecrets(capture)).toEqual({ bytes: capture, redactions: 0 });
    }
  });

  it('never lets a secret through, keeps lines and addresses, and has nothing left to do', () => {
    const characters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~+!$%^*#?àñ值';
    const secret = fc
      .array(fc.constantFrom(...Array.from(characters)), { minLength: 12, maxLength: 40 })
      .map((letters) => letters.join(''));
    const line = fc.oneof(
      fc.constantFrom(...places).map(([, text]) => ({ text, secret: true })),
      fc.ipV4().map((text) => ({ text: `inet ${text}/24 scope global eth0`, secret: false })),
      fc.ipV6().map((text) => ({ text: `inet6 ${text}/64 scope link`, secret: false })),
      fc.string().map((text) => ({ text: text.replaceAll(/[\r\n§]/g, ''), secret: false })),
    );
    fc.assert(
      fc.property(secret, fc.array(line, { maxLength: 12 }), fc.constantFrom('\n', '\r\n'), (value, lines, end) => {
        // An option's value cannot start with a dash, nor an assignment's with a comparison.
        fc.pre(/^[a-zA-Z0-9]/.test(value));
        const text = lines.map((one) => (one.secret ? one.text.replace('§', value) : one.text)).join(end);
        fc.pre(!lines.some((one) => !one.secret && one.text.includes(value)));
        const before = Buffer.from(text);
        const after = redactSecrets(before);
        const clean = Buffer.from(after.bytes).toString();
        expect(clean).not.toContain(value);
        expect(clean.split('\n')).toHaveLength(text.split('\n').length);
        const cleanLines = clean.split(end);
        for (const [index, one] of lines.entries()) {
          if (one.text.startsWith('inet')) expect(cleanLines[index]).toBe(one.text);
        }
        const again = redactSecrets(after.bytes);
        expect(again.redactions).toBe(0);
        expect(Buffer.from(again.bytes).equals(after.bytes)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('does not change bytes of any kind that hold no secret', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        const result = redactSecrets(bytes);
        if (result.redactions === 0) expect(result.bytes).toBe(bytes);
        expect(redactSecrets(result.bytes).redactions).toBe(0);
      }),
    );
  });

  // Each would take minutes in quadratic time; the test's own time-out is the judge.
  it.each([
    '://',
    '://a:',
    '://:@',
    'https://aaaaaaaaaaaaaaaaaaaa',
    'authorization: ',
    'authorization: digest a=',
    'authorization: digest a=b=',
    'bearer ',
    'cookie:',
    'xox',
    'eyJaaaaaaaa.',
    'eyJ',
    'password for ',
    'password for a',
    'echo ',
    "echo '",
    'echo "a',
    'sshpass -p "',
    '--a-',
    '--password ',
    'password',
    'password\\',
    'password=,',
    'password="\\',
    'password=\\\\',
    'password: \\"',
    ',a',
    '-----BEGIN PRIVATE KEY-----',
    '-----BEGIN PRIVATE KEY-----\n',
    '-----END PRIVATE KEY',
    ' ',
    '\\',
    'a',
  ])('takes hostile repetition in its stride: %j', (piece) => {
    redactSecrets(Buffer.from(piece.repeat(Math.ceil(1_000_000 / piece.length))));
  });
});
