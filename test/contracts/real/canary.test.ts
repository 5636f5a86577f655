import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltNetcheck, buildNetcheck, type Finished } from '../../commands/built-netcheck.ts';
import { startFakeSlack } from '../../fakes/slack/fake-slack.ts';
import { startSshNode, writeConfig } from '../../fakes/ssh-node.ts';
import { isAnswer } from './bot-world.ts';
import { whyNoRedis } from './loopback-redis.ts';
import { freePort } from './loopback-sshd.ts';

// Every secret that netcheck is given, and some that nodes print, have words of their own; then everything that was
// written anywhere is read again: what processes said, all of Redis, every file, every message and view in Slack.

const missing = whyNoRedis();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

/** Nothing a test would print by accident, and nothing that encodings leave alone. */
const secret = (name: string): string => `canary+${name}/Zq7w9T?x2&`;
const canaries: Record<string, string> = {
  SLACK_BOT_TOKEN: `xoxb-1234567890-canarybotZq7w9T`,
  SLACK_APP_TOKEN: `xapp-1-A0000-123-canaryappZq7w9T`,
  SLACK_SIGNING_SECRET: '8f742231b10ecanary8b79b81asigning',
  NETCHECK_ALERT_TOKEN: 'canary-alert-token-Zq7w9Tx2-0123456789abcdef',
  NETCHECK_METRICS_TOKEN: 'canary-metrics-token-Zq7w9Tx2-0123456789ab',
  'the password of Redis': secret('redis'),
  'the token of Kubernetes': 'canary-kube-token-Zq7w9Tx2',
  'a token in the log of a node': 'canary.node.bearer.Zq7w9Tx2',
  'a password in the address of a node': 'canarynodepassZq7w9Tx2',
};

/** A text as it may stand in a file: itself, for a URL, in JSON, as hexadecimal, inside base64 at any place. */
function spellings(text: string): readonly string[] {
  const bytes = Buffer.from(text);
  const inBase64 = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(before === 0 ? 0 : 4, -4),
  );
  return [
    ...new Set([
      text,
      encodeURIComponent(text),
      JSON.stringify(text).slice(1, -1),
      text.replaceAll('&', '&amp;'),
      bytes.toString('hex'),
      ...inBase64,
      ...inBase64.map((one) => one.replaceAll('+', '-').replaceAll('/', '_')),
    ]),
  ];
}

/** The bytes, and what they hold packed. */
function* layers(bytes: Buffer, depth = 0): Generator<string> {
  yield bytes.toString('latin1');
  yield bytes.toString('utf8');
  if (depth > 2) return;
  for (const unpack of [gunzipSync, inflateSync, inflateRawSync, brotliDecompressSync]) {
    let inner: Buffer | undefined;
    try {
      inner = unpack(bytes);
    } catch {
      continue;
    }
    if (inner.length > 0) yield* layers(inner, depth + 1);
  }
  // evidence inside of pages and jobs
  for (const [found] of bytes.toString('latin1').matchAll(/[A-Za-z0-9+/]{200,}={0,2}/g))
    yield* layers(Buffer.from(found, 'base64'), depth + 1);
}

async function* filesIn(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(file);
    else if (entry.isFile()) yield file;
  }
}

/** Everything in a Redis, value by value. */
async function* valuesIn(client: Redis): AsyncGenerator<readonly [key: string, value: Buffer]> {
  for (const key of await client.keys('*')) {
    const type = await client.type(key);
    const parts: readonly unknown[] =
      type === 'string'
        ? [await client.getBuffer(key)]
        : type === 'hash'
          ? Object.entries(await client.hgetallBuffer(key)).flat()
          : type === 'list'
            ? await client.lrangeBuffer(key, 0, -1)
            : type === 'set'
              ? await client.smembersBuffer(key)
              : type === 'zset'
                ? await client.zrangeBuffer(key, '0', '-1')
                : (await client.xrangeBuffer(key, '-', '+')).flat(3);
    for (const part of parts)
      if (Buffer.isBuffer(part)) yield [key, part];
      else if (typeof part === 'string') yield [key, Buffer.from(part)];
    yield [key, Buffer.from(key)];
  }
}

describe.skipIf(missing !== undefined)(`no secret is written down${because}`, () => {
  let netcheck: BuiltNetcheck;
  const cleanUp: (() => unknown)[] = [];
  beforeAll(async () => {
    netcheck = await buildNetcheck();
  });
  afterAll(async () => {
    await netcheck.remove();
    for (const end of cleanUp.reverse()) await end();
  });

  it('by a run from Slack, one from the command line, an audit, doctor, and what goes wrong', async () => {
    const written: (readonly [where: string, bytes: Buffer])[] = [];
    const note = (where: string, text: string | Buffer): void => void written.push([where, Buffer.from(text)]);
    const ended = (where: string, { stdout, stderr }: Pick<Finished, 'stdout' | 'stderr'>): void => {
      note(`${where}: stdout`, stdout);
      note(`${where}: stderr`, stderr);
    };

    const directory = await mkdtemp(path.join(tmpdir(), 'netcheck-canary-'));
    cleanUp.push(() => rm(directory, { recursive: true, force: true }));
    const redisPort = await freePort();
    const password = canaries['the password of Redis'] ?? '';
    await writeFile(
      path.join(directory, 'redis.conf'),
      `port ${redisPort}\nbind 127.0.0.1\ndir ${directory}\nrequirepass "${password}"\n`,
    );
    const server = spawn('redis-server', [path.join(directory, 'redis.conf')], { stdio: 'ignore' });
    cleanUp.push(async () => {
      server.kill('SIGKILL');
      await once(server, 'close');
    });
    const redis = new Redis({ port: redisPort, password, retryStrategy: () => 50, maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
    cleanUp.push(() => redis.disconnect());
    await redis.ping();

    const slack = await startFakeSlack({
      botToken: canaries['SLACK_BOT_TOKEN'] ?? '',
      appToken: canaries['SLACK_APP_TOKEN'] ?? '',
    });
    cleanUp.push(() => slack.close());
    const bearer = canaries['a token in the log of a node'];
    const inUrl = canaries['a password in the address of a node'];
    const node = await startSshNode((command) =>
      /'(?:dmesg|kernel-log)'$/.test(command)
        ? {
            stdout: `[1.0] TCP: request_sock_TCP: Possible SYN flooding. Authorization: Bearer ${bearer}\n[2.0] neighbour: table full http://bob:${inUrl}@10.0.0.1/\n`,
          }
        : command.endsWith("'ss' '-lntup'")
          ? {
              stdout: `State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\nLISTEN 0 128 0.0.0.0:9 0.0.0.0:* users:(("app --token=${bearer}",pid=1,fd=3))\n`,
            }
          : undefined,
    );
    cleanUp.push(() => node.stop());
    // the key itself: lines of its body
    const key = (await readFile(node.identityFile, 'utf8'))
      .split('\n')
      .filter((line) => line.length > 40 && !line.includes('---'));
    expect(key.length).toBeGreaterThan(2);
    for (const [index, line] of key.slice(1).entries()) canaries[`line ${index + 2} of the SSH key`] = line;

    await writeFile(
      path.join(directory, 'kubeconfig'),
      JSON.stringify({
        'current-context': 'x',
        contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
        clusters: [{ name: 'x', cluster: { server: `https://127.0.0.1:${await freePort()}` } }],
        users: [{ name: 'x', user: { token: canaries['the token of Kubernetes'] } }],
      }),
      { mode: 0o600 },
    );
    const httpPort = await freePort();
    const folder = await writeConfig(
      { 'node-50': { server: node }, 'node-12': { server: node } },
      {
        defaults: { budget: { wall: '30s', window: '2s' } },
        slack: { httpPort },
        kubernetes: { kubeconfig: path.join(directory, 'kubeconfig') },
        alerts: { routes: [{ channel: 'C0INCIDENT', ask: {} }] },
      },
    );
    cleanUp.push(() => rm(folder, { recursive: true, force: true }));
    const env: Readonly<Record<string, string>> = {
      REDIS_URL: `redis://:${encodeURIComponent(password)}@127.0.0.1:${redisPort}`,
      SLACK_API_URL: slack.url,
      ...Object.fromEntries(Object.entries(canaries).filter(([name]) => /^[A-Z_]+$/.test(name))),
    };
    const service = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(service, 'listening');
    cleanUp.push(() => service.close());
    const address = service.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const question = `node-50 port ${port} from node-12`;

    // a run from Slack, by a bot and by a worker of its own
    const bot = netcheck.start(['bot', '--no-worker'], { cwd: folder, env, withinMs: 120_000 });
    const worker = netcheck.start(['worker'], { cwd: folder, env, withinMs: 120_000 });
    await Promise.all([bot.says(/listening to/), worker.says('worker started')]);
    expect(await slack.slash(question).ended).toBe('acked');
    await slack.awaitMessage(isAnswer, 60_000);
    await slack.slash('pod shop/cart-1 port 80').ended;
    for (const [url, token] of [
      ['alerts', 'wrong'],
      ['alerts', env['NETCHECK_ALERT_TOKEN']],
      ['metrics', env['NETCHECK_METRICS_TOKEN']],
    ] as const) {
      const answer = await fetch(`http://127.0.0.1:${httpPort}/${url}`, {
        method: url === 'alerts' ? 'POST' : 'GET',
        headers: { authorization: `Bearer ${token ?? ''}`, 'content-type': 'application/json' },
        ...(url === 'alerts'
          ? { body: JSON.stringify({ alerts: [{ status: 'firing', labels: { instance: `node-50:${port}` } }] }) }
          : {}),
      });
      note(`HTTP /${url} ${answer.status}`, await answer.text());
    }
    for await (const [where, value] of valuesIn(redis)) written.push([`Redis while it works: ${where}`, value]);

    // from the command line, in every form
    const cli = async (...args: readonly string[]): Promise<Finished> => {
      const done = await netcheck.run(args, { cwd: folder, env, withinMs: 60_000 });
      ended(args.join(' '), done);
      return done;
    };
    const asked = await cli(
      ...question.split(' '),
      '--json',
      '--save',
      path.join(folder, 'saved'),
      '--html',
      path.join(folder, 'page.html'),
    );
    expect([0, 1, 2]).toContain(asked.status);
    await cli('replay', path.join(folder, 'saved'));
    await cli(...question.split(' '), '--explain');
    await cli('audit', '--json');
    await cli('doctor');
    await cli('log', '--json');
    await cli('pod', 'shop/cart-1', 'port', '80');
    // what goes wrong: Redis with another password, gone, an address that is none; tokens that are none
    const wrong: readonly Readonly<Record<string, string>>[] = [
      { REDIS_URL: `redis://:${encodeURIComponent(`${password}x`)}@127.0.0.1:${redisPort}` },
      { REDIS_URL: `redis://:${encodeURIComponent(password)}@127.0.0.1:${await freePort()}` },
      { REDIS_URL: `redis://:${password}@127.0.0.1:x` },
      { SLACK_BOT_TOKEN: `${env['SLACK_BOT_TOKEN'] ?? ''}x` },
      { SLACK_APP_TOKEN: `${env['SLACK_APP_TOKEN'] ?? ''}x` },
    ];
    await Promise.all(
      wrong.map(async (change) => {
        const failing = netcheck.start(['bot'], { cwd: folder, env: { ...env, ...change }, withinMs: 20_000 });
        ended(`bot with another ${Object.keys(change).join()}`, await failing.finished);
      }),
    );
    ended('doctor without Redis', await netcheck.run(['doctor'], { cwd: folder, env: { ...env, ...wrong[0] } }));
    ended('bot', await bot.stop());
    ended('worker', await worker.stop());

    for await (const [where, value] of valuesIn(redis)) written.push([`Redis: ${where}`, value]);
    for await (const file of filesIn(folder)) written.push([path.relative(folder, file), await readFile(file)]);
    for (const { message } of slack.world.changes) note(`Slack ${message.ts}`, JSON.stringify(message));
    for (const { method, args } of slack.world.calls) {
      const { token: _ours, ...rest } = args;
      note(`Slack ${method}`, JSON.stringify(rest));
    }

    const found = new Set<string>();
    for (const [where, bytes] of written) {
      const texts = [...layers(bytes)];
      for (const [name, canary] of Object.entries(canaries))
        for (const spelling of spellings(canary))
          if (texts.some((text) => text.includes(spelling))) found.add(`${name} in ${where}`);
    }
    expect([...found]).toEqual([]);
    // the search looks where it should: what is no secret is there
    const has = (where: RegExp, text: string): boolean =>
      written.some(([name, bytes]) => where.test(name) && [...layers(bytes)].some((layer) => layer.includes(text)));
    expect(has(/^Redis/, 'node-50')).toBe(true);
    expect(has(/^saved\//, '[redacted]')).toBe(true);
    expect(has(/page\.html/, 'node-50')).toBe(true);
    expect(has(/^Slack/, 'node-50')).toBe(true);
    expect(has(/^worker: stderr/, 'worker started')).toBe(true);
  }, 240_000);

  it('and a secret in any spelling would be seen', () => {
    const text = secret('x');
    const seen = (written: string): boolean =>
      [...layers(Buffer.from(written))].some((layer) => spellings(text).some((one) => layer.includes(one)));
    for (const written of [
      text,
      JSON.stringify({ a: text }),
      encodeURIComponent(`a=${text}`),
      Buffer.from(`abcd${text}efg`).toString('base64'),
      Buffer.from(`ab${text}efg`).toString('base64url'),
      Buffer.from(text).toString('hex'),
    ])
      expect([written, seen(`xx ${written} yy`)]).toEqual([written, true]);
    expect(seen('canary')).toBe(false);
  });
});
