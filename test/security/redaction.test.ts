import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRun } from '../../src/adapters/files/load-run.ts';
import { redactSecrets } from '../../src/adapters/files/redact.ts';

// Secrets as node output holds them go; what verdicts are made of stays to the byte.

const redacted = (text: string): string => Buffer.from(redactSecrets(Buffer.from(text)).bytes).toString();

/** What dmesg, journals, process lists and pod objects have shown in other people's incidents. `§` is the secret. */
const lines: readonly string[] = [
  'Nov 21 04:00:00 node-50 kubelet[1]: GET https://registry.example/v2/ Authorization: Bearer §',
  'Nov 21 04:00:00 node-50 proxy[7]: "GET /cb?code=§&state=1 HTTP/1.1" 302',
  'node-50 nginx: 10.0.0.1 - - "GET /f?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=§ HTTP/1.1" 200',
  'node-50 app: https://store.blob.core.windows.net/c?sv=2022&sig=§',
  'node-50 app: Cookie: §; theme=dark',
  'node-50 app: X-Vault-Token: §',
  'node-50 app: x-gitlab-token=§',
  'DefaultEndpointsProtocol=https;AccountName=x;AccountKey=§;EndpointSuffix=core.windows.net',
  'Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=r;SharedAccessKey=§',
  'LISTEN 0 128 *:80 *:* users:(("app --password=§ -v",pid=7,fd=3))',
  'root 77 1 0 ? 00:00:00 mysqldump -u root -p§ shop',
  'root 77 1 0 ? 00:00:00 mysql -h 10.0.0.9 -u root -p§',
  'root 78 1 0 ? 00:00:00 redis-cli -h 10.0.0.9 -a § ping',
  'root 79 1 0 ? 00:00:00 curl -s -u bob:§ http://10.0.0.9/',
  'root 79 1 0 ? 00:00:00 curl --user bob:§ http://10.0.0.9/',
  'root 80 1 0 ? 00:00:00 sshpass -p § ssh bob@10.0.0.9',
  'root 81 1 0 ? 00:00:00 etcd --client-secret § --name a',
  '{"env":[{"name":"DB_PASSWORD","value":"§"},{"name":"PORT","value":"80"}]}',
  '{"env":[{"name": "GITHUB_TOKEN", "value": "§"}]}',
  'postgres://shop:§@10.0.0.9:5432/shop',
  'amqp://guest:§@10.0.0.9//',
];
const known: readonly string[] = [
  `AIza${'Sy7w9T_-xQ'.repeat(4).slice(0, 35)}`,
  `ya29.${'a0AfB_byC7w9T-'.repeat(3)}`,
  'glpat-7w9Tx2Qz7w9Tx2Qz7w9T',
  'github_pat_7w9Tx2Qz7w9Tx2Qz7w9T_7w9Tx2Qz',
  `npm_${'7w9Tx2Qz'.repeat(5).slice(0, 36)}`,
  `dop_v1_${'0a1b2c3d'.repeat(8)}`,
  'hvs.CAESIJ7w9Tx2Qz7w9Tx2Qz7w9Tx2Qz',
  // in two parts, so that nobody's scanner takes this file for a leak
  ['sk', 'live', '7w9Tx2Qz7w9Tx2Qz7w9Tx2Qz'].join('_'),
  'SG.7w9Tx2Qz7w9Tx2Qz.7w9Tx2Qz7w9Tx2Qz7w9T',
  'ASIA7W9TX2QZ7W9TX2QZ',
];

describe('secrets in what nodes print', () => {
  it.each(lines)('%s', (line) => {
    for (const secret of ['Zq7w9Tx2hunter2', '0a1b2c3d4e5f60718293']) {
      const text = `1: before 10.0.0.1\n${line.replace('§', secret)}\n3: after fe80::1 port 1301\n`;
      const clean = redacted(text);
      expect(clean).not.toContain(secret);
      expect(clean.split('\n')).toHaveLength(4);
      // everything in front of the secret is still there: which line it was, of what, from where
      expect(clean).toContain(`1: before 10.0.0.1\n${line.split('§')[0] ?? ''}`);
      expect(clean).toContain('3: after fe80::1 port 1301\n');
      expect(redacted(clean)).toBe(clean);
    }
  });

  it.each(known)('%s, by its looks', (token) => {
    for (const text of [token, `"${token}"`, `key ${token}, said node-50`])
      expect(redacted(text)).toBe(text.replace(token, '[redacted]'));
  });

  it('a webhook of Slack', () => {
    const path = 'T0123ABCD/B0123ABCD/7w9Tx2Qz7w9Tx2Qz7w9Tx2Qz';
    expect(redacted(`POST https://hooks.slack.com/services/${path} 200`)).toBe(
      'POST https://hooks.slack.com/services/[redacted] 200',
    );
  });

  it('takes linear time, whatever is in front of it', () => {
    // each of these begins like a secret at every word
    for (const word of [
      'curl -u ',
      'mysql -p',
      'redis-cli ',
      'x-a-',
      '?key=',
      '"name":"token","value":',
      'hvs.',
      'SG.',
    ])
      expect(redactSecrets(Buffer.from(word.repeat(40_000))).bytes.length).toBeGreaterThan(0);
  }, 20_000);
});

describe('what verdicts are made of', () => {
  it('is left alone in every recorded run', async () => {
    const cases = path.join(import.meta.dirname, '..', 'cases');
    const runs = readdirSync(cases, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    let outputs = 0;
    const changed: string[] = [];
    for (const { name } of runs) {
      const { evidence } = await loadRun(path.join(cases, name, 'run.tar.gz'));
      for (const { entry, stdout, stderr } of evidence)
        for (const bytes of [stdout, stderr]) {
          outputs += 1;
          if (redactSecrets(bytes).redactions > 0) changed.push(`${name} ${entry.id}`);
        }
    }
    expect(outputs).toBeGreaterThan(10_000);
    // the same bytes, so the same facts, so the same report
    expect(changed).toEqual([]);
  }, 60_000);

  it('is left alone in samples of every parser', () => {
    const samples = path.join(import.meta.dirname, '..', 'parsers', 'samples');
    const files = readdirSync(samples, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files.length).toBeGreaterThan(50);
    const changed = files.filter(
      ({ parentPath, name }) => redactSecrets(readFileSync(path.join(parentPath, name))).redactions > 0,
    );
    expect(changed.map(({ name }) => name)).toEqual([]);
  });

  const shared = path.join(import.meta.dirname, '..', '..', '..', 'shared', 'commands');
  it.skipIf(!existsSync(shared))(
    `is left alone in command outputs of others${existsSync(shared) ? '' : ' (skipped: ../shared is not there)'}`,
    () => {
      const files = readdirSync(shared, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      const changed = files.filter(
        ({ parentPath, name }) => redactSecrets(readFileSync(path.join(parentPath, name))).redactions > 0,
      );
      // DNS cookies and settings of ssh: nothing that netcheck reads
      expect(changed.map(({ name }) => name).filter((name) => !/^(?:dig-|ssh_?config|sshd)/.test(name))).toEqual([]);
    },
  );
});
